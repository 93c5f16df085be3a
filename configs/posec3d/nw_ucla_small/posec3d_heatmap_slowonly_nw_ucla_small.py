# NW-UCLA in small: volumes of the pose net's own heatmaps.
_base_ = './posec3d_joint_slowonly_nw_ucla_small.py'

train_dataloader = dict(dataset=dict(dataset=_base_.half_heatmap.train))
val_dataloader = dict(dataset=_base_.half_heatmap.val)
test_dataloader = dict(dataset=_base_.half_heatmap.test)
