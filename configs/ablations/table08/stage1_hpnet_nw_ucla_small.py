# Table VIII: HP-Net, stage 1.
_base_ = '../../hpnet_nw_ucla_small.py'

model = dict(topology=dict(model=dict(in_channels=96)))
features = dict(
    _base_.features,
    tap='mobilenetv20_features_linearbottleneck4_'
    'batchnormcudnnoff0_fwd')
train_dataloader = dict(
    dataset=dict(pipeline=[
        _base_.crops, features, *_base_.augment, *_base_.pack
    ]))
val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[_base_.middle, features, *_base_.pack]))
