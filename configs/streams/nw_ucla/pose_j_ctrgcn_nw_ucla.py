# 2D pose, joint stream.
_base_ = '../../_base_/streams/nw_ucla.py'

model = dict(backbone=dict(in_channels=2))
load = [dict(type='NormalizeKeypoint'), _base_.resize]
stream = dict(type='GenPooledStream', stream='j', key='keypoint')
pack = [dict(_base_.format_input, key='keypoint'), _base_.pack_inputs]
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(pipeline=[*load, stream, *pack]))
