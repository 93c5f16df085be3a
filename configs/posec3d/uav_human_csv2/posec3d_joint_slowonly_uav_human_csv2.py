# UAV-Human, cross-subject 2: joint volumes.
_base_ = '../uav_human_csv1/posec3d_joint_slowonly_uav_human_csv1.py'

train_dataloader = dict(dataset=dict(dataset=dict(split='csv2_train_full')))
val_dataloader = test_dataloader = dict(dataset=dict(split='csv2_test'))
