# Table VIII: HP-Net, stage 1.
_base_ = '../../hpnet_ntu120.py'

features = dict(_base_.features, tap='backbone.stage2.0.branches.1')
train_dataloader = dict(
    dataset=dict(pipeline=[
        _base_.crops, features, *_base_.augment, *_base_.pack
    ]))
val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[_base_.middle, features, *_base_.pack]))
