# 2D pose, joint motion stream.
_base_ = './pose_j_ctrgcn_nw_ucla.py'

train_dataloader = val_dataloader = test_dataloader = _base_.pose.jm
