# 2D pose, bone motion stream.
_base_ = './pose_j_ctrgcn_smarthome_cv1.py'

train_dataloader = val_dataloader = test_dataloader = _base_.pose.bm
