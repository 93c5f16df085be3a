# 2D pose, bone motion stream.
_base_ = './pose_j_ctrgcn_ucf101.py'

train_dataloader = val_dataloader = test_dataloader = _base_.pose.bm
