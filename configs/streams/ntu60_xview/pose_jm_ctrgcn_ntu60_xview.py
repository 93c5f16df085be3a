# 2D pose, joint motion stream.
_base_ = './pose_j_ctrgcn_ntu60_xview.py'

train_dataloader = val_dataloader = test_dataloader = _base_.pose.jm
