# 3D pose, joint motion stream.
_base_ = './pose3d_j_ctrgcn_nw_ucla.py'

train_dataloader = val_dataloader = test_dataloader = _base_.pose3d.jm
