# 2D pose, joint motion stream.
_base_ = './pose_j_ctrgcn_uav_human_csv2.py'

train_dataloader = val_dataloader = test_dataloader = _base_.pose.jm
