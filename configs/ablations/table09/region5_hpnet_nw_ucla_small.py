# Table IX: HP-Net, regions of 5 x 5 cells.
_base_ = '../../hpnet_nw_ucla_small.py'

features = dict(_base_.features, tap='hybridsequential0_relu4_fwd@5')
train_dataloader = dict(
    dataset=dict(pipeline=[
        _base_.crops, features, *_base_.augment, *_base_.pack
    ]))
val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[_base_.middle, features, *_base_.pack]))
