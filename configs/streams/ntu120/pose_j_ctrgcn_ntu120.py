# 2D pose, joint stream.
_base_ = '../../_base_/streams/ntu120.py'

model = dict(backbone=dict(in_channels=2))
key, length = 'keypoint', _base_.clip_len
