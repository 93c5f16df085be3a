# A small HP-Net on the dataset folder of `make demo`: all parts of the real
# one, a ViT of three layers on four crops of 64 pixels.
_base_ = [
    '../_base_/models/hpnet.py', '../_base_/datasets/clips.py',
    '../_base_/schedules/adamw_scratch_20e.py', '../_base_/default_runtime.py'
]

data_root = 'work_dirs/demo/data'
small = dict(
    embed_dim=64,
    vision_cfg=dict(
        layers=3, width=96, head_width=32, patch_size=16, image_size=64),
    text_cfg=dict(context_length=16, width=64, heads=2, layers=1))
model = dict(
    data_preprocessor=dict(blending=None),
    backbone=dict(arch=dict(_delete_=True, **small), num_frames=4),
    text=dict(
        arch=dict(_delete_=True, **small),
        classes=data_root + '/classes.txt',
        frozen=False),
    topology=dict(
        model=dict(in_channels=32, base_channels=32, num_person=1)),
    cls_head=dict(num_classes=8))

crops = dict(type='LoadPersonCrops', num_frames=4)
features = dict(type='LoadPooledFeature')
pack = [
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
    dict(type='ResizeTemporal', length=16),
    dict(type='FormatPooledInput', num_person=1, out='pooled_feat'),
    dict(type='FormatShape', input_format='NCHW'),
    dict(_base_.pack_inputs, collect_keys=('imgs', 'pooled_feat'))
]
loader = dict(num_workers=0, persistent_workers=False, batch_size=16)
where = dict(data_root=data_root, data_prefix=dict(video='features'))
train_dataloader = dict(
    **loader,
    dataset=dict(
        **where,
        pipeline=[crops, features, dict(type='FlipJoints'), *pack]))
val_dataloader = test_dataloader = dict(
    **loader,
    dataset=dict(
        **where, pipeline=[dict(crops, test_mode=True), features, *pack]))

# eight steps an epoch: more epochs than the real one
train_cfg = dict(max_epochs=40)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        begin=0,
        end=3,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        T_max=37,
        begin=3,
        end=40,
        convert_to_iter_based=True)
]
randomness = dict(seed=0)
