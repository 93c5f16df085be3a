# NTU RGB+D 120, cross-subject: joint volumes, shallow X3D.
_base_ = './posec3d_joint_slowonly_ntu120.py'

model = dict(
    backbone=dict(_delete_=True, type='X3DShallow'),
    cls_head=dict(in_channels=216))
