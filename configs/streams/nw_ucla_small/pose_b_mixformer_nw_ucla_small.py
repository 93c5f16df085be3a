# 2D pose, bone stream.
_base_ = './pose_j_mixformer_nw_ucla_small.py'

train_dataloader = val_dataloader = test_dataloader = _base_.pose.b
