# 2D pose, bone stream.
_base_ = './pose_j_ctrgcn_ntu120.py'

stream = dict(_base_.stream, stream='b')
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[*_base_.load, stream, *_base_.pack]))
