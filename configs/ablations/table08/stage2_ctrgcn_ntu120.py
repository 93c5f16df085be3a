# Table VIII: stage 2, at the end of stage 3 of HRNet.
_base_ = '../../streams/ntu120/hpj_ctrgcn_ntu120.py'

load = dict(type='LoadPooledFeature', tap='backbone.stage3.3.branches.1')
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[load, *_base_.hp.j.dataset.pipeline[1:]]))
