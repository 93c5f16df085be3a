# NTU RGB+D 120, cross-subject: volumes of the pose net's own heatmaps.
_base_ = './posec3d_joint_slowonly_ntu120.py'

train_dataloader = dict(dataset=dict(dataset=_base_.heatmap.train))
val_dataloader = dict(dataset=_base_.heatmap.val)
test_dataloader = dict(dataset=_base_.heatmap.test)
