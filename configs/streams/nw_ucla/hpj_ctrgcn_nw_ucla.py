# Heatmap pooled features, joint stream.
_base_ = '../../_base_/streams/nw_ucla.py'

load = [dict(type='LoadPooledFeature', tap=_base_.tap), _base_.resize]
stream = dict(type='GenPooledStream', stream='j', key='pooled_feat')
pack = [dict(_base_.format_input, key='pooled_feat'), _base_.pack_inputs]
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(
        data_prefix=dict(video='features'),
        pipeline=[*load, stream, *pack]))
