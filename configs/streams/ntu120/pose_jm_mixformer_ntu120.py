# 2D pose, joint motion stream.
_base_ = './pose_j_mixformer_ntu120.py'

train_dataloader = val_dataloader = test_dataloader = _base_.pose.jm
