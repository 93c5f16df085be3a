# Table VII: H1, 48 channels of 64 x 48 cells.
_base_ = '../../streams/ntu120/hpj_ctrgcn_ntu120.py'

model = dict(backbone=dict(in_channels=48))
load = dict(type='LoadPooledFeature', tap='backbone.stage4.2.relu')
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[load, *_base_.hp.j.dataset.pipeline[1:]]))
