# NTU RGB+D 60, cross-subject: joint volumes, shallow X3D.
_base_ = './posec3d_joint_slowonly_ntu60_xsub.py'

model = dict(
    backbone=dict(_delete_=True, type='X3DShallow'),
    cls_head=dict(in_channels=216))
