# Table VIII: stage 2, in the encoder, where the maps are 32 x 24 last.
_base_ = '../../streams/nw_ucla_small/hpj_ctrgcn_nw_ucla_small.py'

model = dict(backbone=dict(in_channels=96))
load = dict(
    type='LoadPooledFeature',
    tap='mobilenetv20_features_linearbottleneck6_'
    'batchnormcudnnoff0_fwd')
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[load, *_base_.hp.j.dataset.pipeline[1:]]))
