# Heatmap pooled features of the tiny HRNet, joint stream.
_base_ = './demo_base.py'

model = dict(backbone=dict(in_channels=32))
load = [dict(type='LoadPooledFeature'), _base_.resize]
stream = dict(type='GenPooledStream', stream='j', key='pooled_feat')
pack = [dict(_base_.format_input, key='pooled_feat'), _base_.pack_inputs]
train_dataloader = val_dataloader = test_dataloader = dict(
    dataset=dict(
        data_prefix=dict(video='features'),
        pipeline=[*load, stream, *pack]))
