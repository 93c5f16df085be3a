# 3D pose, bone stream.
_base_ = './pose3d_j_ctrgcn_ntu120_xset.py'

train_dataloader = val_dataloader = test_dataloader = _base_.pose3d.b
