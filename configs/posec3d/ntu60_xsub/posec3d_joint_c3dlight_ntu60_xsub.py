# NTU RGB+D 60, cross-subject: joint volumes, light C3D.
_base_ = './posec3d_joint_slowonly_ntu60_xsub.py'

model = dict(
    backbone=dict(_delete_=True, type='C3DLight'),
    cls_head=dict(in_channels=256))
