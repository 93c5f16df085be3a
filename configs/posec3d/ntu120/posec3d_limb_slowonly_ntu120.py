# NTU RGB+D 120, cross-subject: limb volumes.
_base_ = './posec3d_joint_slowonly_ntu120.py'

train_dataloader = dict(dataset=dict(dataset=_base_.limb.train))
val_dataloader = dict(dataset=_base_.limb.val)
test_dataloader = dict(dataset=_base_.limb.test)
