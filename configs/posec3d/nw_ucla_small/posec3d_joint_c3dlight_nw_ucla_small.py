# NW-UCLA in small: joint volumes, light C3D.
_base_ = './posec3d_joint_slowonly_nw_ucla_small.py'

model = dict(
    backbone=dict(_delete_=True, type='C3DLight', base_channels=8),
    cls_head=dict(in_channels=64))
