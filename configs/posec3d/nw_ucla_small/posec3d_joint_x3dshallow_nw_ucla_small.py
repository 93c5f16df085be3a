# NW-UCLA in small: joint volumes, shallow X3D.
_base_ = './posec3d_joint_slowonly_nw_ucla_small.py'

model = dict(
    backbone=dict(_delete_=True, type='X3DShallow', gamma_w=1 / 3),
    cls_head=dict(in_channels=72))
