"""HP-Net, and X-CLIP, which is HP-Net without pooled features."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..facts import Facts
from .data import PACK, loaders
from .nets import NETS, graph_net
from .schedules import adamw
from .settings import Recipe, SettingError, class_names

# X-CLIP of Kinetics-600, made from its k600_16_8.pth:
# hpnet convert k600_16_8.pth THIS --from xclip
PRETRAINED = 'checkpoints/xclip-b16-8_k600.pth'
CROPS = 8  # person crops a clip
# For a CPU: four layers from scratch on crops of 96 pixels, the text tower
# trained too. No pretraining would be worth keeping.
SMALL = dict(
    embed_dim=128,
    vision_cfg=dict(
        layers=4, width=128, head_width=32, patch_size=16, image_size=96),
    text_cfg=dict(context_length=16, width=64, heads=2, layers=2))


def hpnet(settings: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Config of HP-Net: person crops, class names and pooled features.

    Args:
        settings: ``net``, the graph network of each stream, and the common
            ones; see :class:`~hpnet_plugin.recipes.settings.Recipe`.
        facts: The dataset.

    Returns:
        The config.

    Raises:
        SettingError: If the dataset holds no pooled features.
    """
    if not settings['taps']:
        raise SettingError(f'{facts.folder} holds no pooled features, which '
                           "HP-Net needs; recipe 'xclip' does without")
    model = _towers(settings, facts)
    # casts to float32 on the device
    model['data_preprocessor']['preprocessors']['pooled_feat'] = dict(
        type='BatchDataPreprocessor')
    net, width = graph_net(settings['net'], settings['channels'],
                           settings['people'], settings['size'])
    topology: dict[str, Any] = dict(
        type='SMCLM', streams=('j', 'b', 'jm'), model=net)
    if settings['net'] != 'ctrgcn':  # which says its channels itself
        topology['feat_channels'] = width
    model['topology'] = topology
    model['cls_head'].update(fusion=dict(type='TRMM'), lambdas=1.)
    taps = settings['taps']
    features = dict(
        type='LoadPooledFeature',
        tap=taps[0] if len(taps) == 1 else list(taps))
    pooled = [
        dict(type='ResizeTemporal', length=settings['frames']),
        dict(type='FormatPooledInput', num_person=settings['people'],
             out='pooled_feat')
    ]
    # graph networks normalise over the batches of all GPUs
    return dict(
        _config(settings, facts, model, 'features', [features], pooled),
        sync_bn='torch')


def xclip(settings: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Config of X-CLIP: person crops and class names.

    Args:
        settings: The common ones without people, frames and taps.
        facts: The dataset.

    Returns:
        The config.
    """
    return _config(settings, facts, _towers(settings, facts), 'crops')


def _towers(settings: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """Text + RGB: X-CLIP without its prompts."""
    small = settings['size'] == 'small'
    classes = class_names(facts)
    text: dict[str, Any] = dict(
        type='CLIPText', arch=SMALL if small else 'ViT-B-16',
        classes=list(classes))
    if small:
        text['frozen'] = False
    return dict(
        type='XCLIPRecognizer',
        data_preprocessor=dict(
            type='HPNetDataPreprocessor',
            preprocessors=dict(
                imgs=dict(
                    type='ActionDataPreprocessor',
                    mean=[123.675, 116.28, 103.53],
                    std=[58.395, 57.12, 57.375],
                    format_shape='NCHW')),
            blending=None if small else dict(
                type='MixupCutmix', num_classes=len(classes))),
        backbone=dict(
            type='XCLIPVision', arch=text['arch'], num_frames=CROPS),
        text=text,
        cls_head=dict(type='TRMMHead', num_classes=len(classes)))


def _config(settings: Mapping[str, Any], facts: Facts, model: dict[str, Any],
            folder: str, load: Sequence[dict] = (),
            pooled: Sequence[dict] = ()) -> dict[str, Any]:
    """The config around a model, whatever is loaded beside the crops."""
    small = settings['size'] == 'small'
    schedule = adamw(settings['schedule'], settings['epochs'])
    side = SMALL['vision_cfg']['image_size'] if small else 224
    crops = dict(type='LoadPersonCrops', num_frames=CROPS)
    keys = ('imgs', 'pooled_feat') if pooled else ('imgs', )
    pack = [
        dict(type='Resize', scale=(side, side), keep_ratio=False), *pooled,
        dict(type='FormatShape', input_format='NCHW'),
        dict(PACK, collect_keys=keys)
    ]
    # in a test the middle of each segment, no random frame
    return dict(
        model=model,
        **loaders(
            facts, [crops, *load, *_augmentation(small), *pack],
            [dict(crops, test_mode=True), *load, *pack],
            schedule.batch_size, 0 if small else 8, 16,
            collate='stack_in_worker', data_prefix=dict(video=folder)),
        **schedule.config,
        load_from=None if small else PRETRAINED)


def _augmentation(small: bool) -> list[dict[str, Any]]:
    flip = dict(type='FlipJoints')  # images and joints alike, or neither
    if small:
        return [flip]
    jitter = dict(
        type='ClipColorJitter', brightness=0.4, contrast=0.4, saturation=0.2,
        hue=0.1)
    return [
        flip,
        dict(type='RandomApply', prob=0.8, transforms=[jitter]),
        dict(type='ClipGrayscale', p=0.2)
    ]


RECIPES = dict(
    hpnet=Recipe(hpnet, dict(net=tuple(NETS)), own=('net', )),
    xclip=Recipe(
        xclip,
        takes=('benchmark', 'data_root', 'size', 'schedule', 'epochs')))
