# NTU RGB+D 60, cross-subject: limb volumes, shallow X3D.
_base_ = './posec3d_limb_slowonly_ntu60_xsub.py'

model = dict(
    backbone=dict(_delete_=True, type='X3DShallow'),
    cls_head=dict(in_channels=216))
