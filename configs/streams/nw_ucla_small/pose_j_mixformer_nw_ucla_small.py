# 2D pose, joint stream.
_base_ = [
    '../../_base_/models/mixformer.py',
    '../../_base_/streams/nw_ucla_small.py',
    '../../_base_/schedules/sgd_20e.py'
]

model = dict(backbone=_base_.pose.net, cls_head=_base_.head)
train_dataloader = val_dataloader = test_dataloader = _base_.pose.j
