# HP-Net on NTU RGB+D 120, cross-subject: person crops, class names and pooled
# features. The dataset folder needs crops: tools/extract.py --crops.
_base_ = [
    './_base_/models/hpnet.py', './_base_/datasets/ntu120.py',
    './_base_/schedules/adamw_30e.py', './_base_/default_runtime.py'
]

model = dict(
    text=dict(classes='ntu120'),
    data_preprocessor=dict(blending=dict(num_classes=_base_.num_classes)),
    topology=dict(
        model=dict(
            in_channels=_base_.in_channels, num_person=_base_.num_person)),
    cls_head=dict(num_classes=_base_.num_classes))

crops = dict(type='LoadPersonCrops', num_frames=_base_.num_frames)
middle = dict(crops, test_mode=True)  # of each segment, no random frame
features = dict(type='LoadPooledFeature', tap=_base_.tap)
augment = [
    dict(type='FlipJoints'),  # images and joints alike, or neither
    dict(
        type='RandomApply',
        prob=0.8,
        transforms=[
            dict(
                type='TorchVisionWrapper',
                op='ColorJitter',
                brightness=0.4,
                contrast=0.4,
                saturation=0.2,
                hue=0.1)
        ]),
    dict(type='TorchVisionWrapper', op='RandomGrayscale', p=0.2)
]
pack = [
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='ResizeTemporal', length=_base_.clip_len),
    dict(
        type='FormatPooledInput',
        num_person=_base_.num_person,
        out='pooled_feat'),
    dict(type='FormatShape', input_format='NCHW'),
    dict(_base_.pack_inputs, collect_keys=('imgs', 'pooled_feat'))
]
train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    dataset=dict(
        data_prefix=dict(video='features'),
        pipeline=[crops, features, *augment, *pack]))
val_dataloader = test_dataloader = dict(
    batch_size=16,
    num_workers=8,
    dataset=dict(
        data_prefix=dict(video='features'),
        pipeline=[middle, features, *pack]))

# X-CLIP of Kinetics-600, made from its k600_16_8.pth:
# python tools/convert_checkpoint.py k600_16_8.pth THIS --from xclip
load_from = 'checkpoints/xclip-b16-8_k600.pth'
