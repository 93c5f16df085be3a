# NTU RGB+D 60, cross-view: joint volumes.
_base_ = '../ntu60_xsub/posec3d_joint_slowonly_ntu60_xsub.py'

train_dataloader = dict(dataset=dict(dataset=dict(split='xview_train_full')))
val_dataloader = test_dataloader = dict(dataset=dict(split='xview_test'))
