# NTU RGB+D 120, cross-setup: joint volumes.
_base_ = '../ntu120/posec3d_joint_slowonly_ntu120.py'

train_dataloader = dict(dataset=dict(dataset=dict(split='xset_train_full')))
val_dataloader = test_dataloader = dict(dataset=dict(split='xset_test'))
