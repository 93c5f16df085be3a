# Table IX: regions of 5 x 5 cells.
_base_ = '../../streams/ntu120/hpj_ctrgcn_ntu120.py'

load = dict(type='LoadPooledFeature', tap='backbone.stage4.0.branches.1@5')
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[load, *_base_.hp.j.dataset.pipeline[1:]]))
