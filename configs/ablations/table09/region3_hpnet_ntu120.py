# Table IX: HP-Net, regions of 3 x 3 cells.
_base_ = '../../hpnet_ntu120.py'

features = dict(_base_.features, tap='backbone.stage4.0.branches.1@3')
train_dataloader = dict(
    dataset=dict(pipeline=[
        _base_.crops, features, *_base_.augment, *_base_.pack
    ]))
val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[_base_.middle, features, *_base_.pack]))
