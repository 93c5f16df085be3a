_base_ = 'pose_j_ctrgcn_nw_ucla.py'

pipeline = [
    *_base_.load_pose,
    dict(type='GenPooledStream', stream='jm', key='keypoint'),
    *_base_.pack_pose,
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
