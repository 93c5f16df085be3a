# NTU RGB+D 120, cross-subject: joint volumes, light C3D.
_base_ = './posec3d_joint_slowonly_ntu120.py'

model = dict(
    backbone=dict(_delete_=True, type='C3DLight'),
    cls_head=dict(in_channels=256))
