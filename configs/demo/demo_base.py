# What the streams of `make demo` share: its dataset folder, short clips and a
# slimmer net than the real ones.
_base_ = [
    '../_base_/models/ctrgcn.py', '../_base_/datasets/clips.py',
    '../_base_/schedules/sgd_30e.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(base_channels=32, num_person=1),
    cls_head=dict(
        in_channels=128,
        num_classes=8,
        init_cfg=dict(type='Normal', layer='Linear', std=(2 / 8)**0.5)))

# the store is mapped into memory: workers would only cost their start
loader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='work_dirs/demo/data'))
train_dataloader = dict(**loader, batch_size=16)
val_dataloader = test_dataloader = loader

resize = dict(type='ResizeTemporal', length=16)
format_input = dict(type='FormatPooledInput', num_person=1)
randomness = dict(seed=0)
