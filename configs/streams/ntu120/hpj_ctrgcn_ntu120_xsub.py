_base_ = [
    '../../_base_/default_runtime.py',
    '../../_base_/models/ctrgcn.py',
    '../../_base_/datasets/ntu120_xsub.py',
    '../../_base_/schedules/gcn_65e.py',
]

model = dict(
    backbone=dict(in_channels=96, num_person=2),
    cls_head=dict(
        num_classes=120,
        init_cfg=dict(type='Normal', layer='Linear', std=(2 / 120)**0.5)))
pipeline = [
    *_base_.load_features,
    dict(type='GenPooledStream', stream='j'),
    *_base_.pack_features,
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
