# Heatmap pooled features, joint stream.
_base_ = '../../_base_/streams/ntu120.py'

load = [
    dict(type='LoadPooledFeature', tap=_base_.tap),
    dict(type='ResizeTemporal', length=_base_.clip_len)
]
stream = dict(type='GenPooledStream', stream='j')
pack = [
    dict(type='FormatPooledInput', num_person=_base_.num_person), _base_.pack
]
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(
    data_prefix=dict(video='features'), pipeline=[*load, stream, *pack]))
