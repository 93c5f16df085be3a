# Table XII in small, last row: FPM + TRMM + SMCLM. A ViT of four layers from
# scratch on crops of 96 pixels, text tower trained too: there is no
# pretraining that would be worth keeping.
_base_ = [
    '../../_base_/models/hpnet.py', '../../_base_/datasets/nw_ucla.py',
    '../../_base_/schedules/adamw_scratch_20e.py',
    '../../_base_/default_runtime.py'
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
            in_channels=_base_.in_channels,
            num_person=_base_.num_person,
            base_channels=32)),
    cls_head=dict(num_classes=_base_.num_classes))

crops = dict(type='LoadPersonCrops', num_frames=_base_.num_frames)
middle = dict(crops, test_mode=True)  # of each segment, no random frame
features = dict(type='LoadPooledFeature', tap=_base_.tap)
flip = dict(type='FlipJoints')
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
    dataset=dict(
        data_prefix=dict(video='features'),
        pipeline=[crops, features, flip, *pack]))
val_dataloader = test_dataloader = dict(
    dataset=dict(
        data_prefix=dict(video='features'),
        pipeline=[middle, features, *pack]))
