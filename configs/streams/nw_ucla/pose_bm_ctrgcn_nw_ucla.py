# 2D pose, bone motion stream.
_base_ = './pose_j_ctrgcn_nw_ucla.py'

stream = dict(_base_.stream, stream='bm')
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[*_base_.load, stream, *_base_.pack]))
