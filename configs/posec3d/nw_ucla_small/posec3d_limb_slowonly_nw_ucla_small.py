# NW-UCLA in small: limb volumes.
_base_ = './posec3d_joint_slowonly_nw_ucla_small.py'

train_dataloader = dict(dataset=dict(dataset=_base_.half_limb.train))
val_dataloader = dict(dataset=_base_.half_limb.val)
test_dataloader = dict(dataset=_base_.half_limb.test)
