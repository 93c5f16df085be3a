# Table VII: H3, 192 channels of 16 x 12 cells.
_base_ = '../../streams/ntu120/hpj_ctrgcn_ntu120.py'

model = dict(backbone=dict(in_channels=192))
load = dict(type='LoadPooledFeature', tap='backbone.stage4.0.branches.2')
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[load, *_base_.hp.j.dataset.pipeline[1:]]))
