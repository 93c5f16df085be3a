# HP-Net in small, for a CPU: a ViT of four layers from scratch on crops of 96
# pixels, text tower trained too: there is no pretraining that would be worth
# keeping. Features as in _base_/streams/nw_ucla_small.py.
_base_ = [
    './_base_/models/hpnet.py', './_base_/datasets/nw_ucla.py',
    './_base_/schedules/adamw_scratch_20e.py', './_base_/default_runtime.py'
]

small = dict(
    embed_dim=128,
    vision_cfg=dict(
        layers=4, width=128, head_width=32, patch_size=16, image_size=96),
    text_cfg=dict(context_length=16, width=64, heads=2, layers=2))
model = dict(
    data_preprocessor=dict(blending=None),
    backbone=dict(arch=dict(_delete_=True, **small)),
    text=dict(
        arch=dict(_delete_=True, **small), classes='nw_ucla', frozen=False),
    topology=dict(
        model=dict(
            in_channels=128,
            num_person=_base_.num_person,
            base_channels=32)),
    cls_head=dict(num_classes=_base_.num_classes))

crops = dict(type='LoadPersonCrops', num_frames=_base_.num_frames)
middle = dict(crops, test_mode=True)  # of each segment, no random frame
features = dict(
    type='LoadPooledFeature', tap='hybridsequential0_relu4_fwd')
augment = [dict(type='FlipJoints')]
pack = [
    dict(type='Resize', scale=(96, 96), keep_ratio=False),
    dict(type='ResizeTemporal', length=_base_.clip_len),
    dict(
        type='FormatPooledInput',
        num_person=_base_.num_person,
        out='pooled_feat'),
    dict(type='FormatShape', input_format='NCHW'),
    dict(_base_.pack_inputs, collect_keys=('imgs', 'pooled_feat'))
]
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_prefix=dict(video='features'),
        pipeline=[crops, features, *augment, *pack]))
val_dataloader = test_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        data_prefix=dict(video='features'),
        pipeline=[middle, features, *pack]))
