_base_ = [
    '../models/ctrgcn.py', '../datasets/nw_ucla.py', '../schedules/sgd_30e.py',
    '../default_runtime.py'
]

model = dict(
    backbone=dict(
        in_channels=_base_.in_channels, num_person=_base_.num_person),
    cls_head=dict(
        num_classes=_base_.num_classes,
        init_cfg=dict(
            type='Normal', layer='Linear', std=(2 / _base_.num_classes)**0.5)))

resize = dict(type='ResizeTemporal', length=_base_.clip_len)
format_input = dict(type='FormatPooledInput', num_person=_base_.num_person)
