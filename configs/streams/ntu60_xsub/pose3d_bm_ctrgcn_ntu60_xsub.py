# 3D pose, bone motion stream.
_base_ = './pose3d_j_ctrgcn_ntu60_xsub.py'

train_dataloader = val_dataloader = test_dataloader = _base_.pose3d.bm
