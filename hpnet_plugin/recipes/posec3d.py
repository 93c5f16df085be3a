"""PoseC3D and RGBPose-Conv3D, mmaction2's own, on dataset folders.

Nets, pipelines and schedules are read from the stock configs of the installed
mmaction2. Only the dataset, its classes and what this package says of all
its trainings (logits in dumps, the last epoch counts) are put in their place.
"""
from __future__ import annotations

import importlib.util
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..facts import Facts
from .data import split_of
from .settings import Recipe, class_names

FOLDER = 'skeleton/posec3d'
NTU60 = f'{FOLDER}/slowonly_r50_8xb16-u48-240e_ntu60-xsub-keypoint.py'
LIMBS = f'{FOLDER}/slowonly_r50_8xb16-u48-240e_ntu60-xsub-limb.py'
UCF101 = (f'{FOLDER}/slowonly_kinetics400-pretrained-r50_8xb16-u48-120e_'
          'ucf101-split1-keypoint.py')
RGBPOSE = f'{FOLDER}/rgbpose_conv3d/rgbpose_conv3d.py'
# what decides a training; a stock config has helpers beside these
KEYS = ('model', 'val_evaluator', 'test_evaluator', 'train_cfg', 'val_cfg',
        'test_cfg', 'optim_wrapper', 'param_scheduler', 'load_from',
        'train_dataloader', 'val_dataloader', 'test_dataloader')
PHASES = ('train', 'val', 'test')
# type of backbone, what is changed of it, and its channels at the head;
# first in full, then small
NETS = {
    'slowonly': {
        'full': (None, {}, 512),
        'small': (None, dict(base_channels=8, stage_blocks=(2, 2, 2)), 128)},
    'c3dlight': {
        'full': ('C3DLight', {}, 256),
        'small': ('C3DLight', dict(base_channels=8), 64)},
    'x3dshallow': {
        'full': ('X3DShallow', {}, 216),
        'small': ('X3DShallow', dict(gamma_w=1 / 3), 72)},
}
# the rate of one of the eight GPUs of the stock configs, for 16 clips
SMALL_RATE, SMALL_BATCH = 0.2 / 8, 16
SMALL_EPOCHS = 20
SMALL_LOADER = dict(num_workers=0, persistent_workers=False)


def posec3d(settings: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """PoseC3D: volumes of joints, of limbs or of the pose net's heatmaps.

    Args:
        settings: ``volumes``, ``net``, ``start`` (``'scratch'``, or
            ``'kinetics'``: from weights of Kinetics-400, in fewer epochs;
            None: what the stock config of the dataset does) and the common
            ones.
        facts: Of the dataset.

    Returns:
        A config. ``auto_scale_lr.base_batch_size`` is the batch, over
        all GPUs, that its learning rate is for.
    """
    small = settings['size'] == 'small'
    cfg = _stock(NTU60)
    if _start(settings, facts) == 'kinetics':
        cfg = _from_kinetics(cfg)
    steps = dict(joint=_joints, limb=_limbs(), heatmap=_heatmaps)[
        settings['volumes']]
    pack = dict(type='PackActionInputs', meta_keys=('frame_dir', 'img_shape'))
    prefix = dict(data_prefix=dict(video='features')) \
        if settings['volumes'] == 'heatmap' else {}
    for phase in PHASES:
        loader = cfg[f'{phase}_dataloader']
        dataset = loader['dataset'].get('dataset', loader['dataset'])
        pipeline = [new for old in dataset['pipeline'][:-1]
                    for new in steps(old)]
        if small:
            pipeline = [_half(step) for step in pipeline]
        dataset.update(_data(facts, phase), **prefix,
                       pipeline=[*pipeline, pack])
    kind, changes, channels = NETS[settings['net']][settings['size']]
    backbone = dict(type=kind) if kind else cfg['model']['backbone']
    cfg['model']['backbone'] = {**backbone, **changes}
    cfg['model']['cls_head'].update(
        in_channels=channels, num_classes=len(class_names(facts)),
        average_clips='score')
    cfg['auto_scale_lr'] = dict(enable=False, base_batch_size=128)
    if small:
        cfg['train_dataloader']['dataset']['times'] = 1
        _make_small(cfg)
    return _for_epochs(_validated(cfg, facts), settings['epochs'] or (
        SMALL_EPOCHS if small else None))


def rgbpose(settings: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """RGBPose-Conv3D on the crops of ``hpnet extract --crops``.

    Args:
        settings: ``fusion``, which pathway sees the other's features:
            ``'both'``, ``'rgb_to_pose'`` (the poses' sees those of the
            images), ``'pose_to_rgb'`` or ``'none'``; and the common ones.
        facts: Of the dataset.

    Returns:
        A config, as :func:`posec3d`.
    """
    small = settings['size'] == 'small'
    cfg = _stock(RGBPOSE)
    pack = dict(type='PackActionInputs',
                collect_keys=('imgs', 'heatmap_imgs'),
                meta_keys=('frame_dir', 'img_shape'))
    for phase in PHASES:
        dataset = cfg[f'{phase}_dataloader']['dataset']
        # the stock steps would open the original videos
        pipeline = [
            dict(type='MMDecodeCrops') if step['type'] == 'MMDecode' else step
            for step in dataset['pipeline'][:-1]]
        if small:
            pipeline = [_quarter(step) for step in pipeline]
        dataset.update(_data(facts, phase), pipeline=[*pipeline, pack],
                       data_prefix=dict(video='crops'))
    net = cfg['model']['backbone']
    if settings['fusion'] in ('rgb_to_pose', 'none'):
        net['rgb_pathway']['lateral'] = False
    if settings['fusion'] in ('pose_to_rgb', 'none'):
        net['pose_pathway']['lateral'] = False
    cfg['model']['cls_head'].update(
        num_classes=len(class_names(facts)), average_clips='score')
    cfg['auto_scale_lr'] = dict(enable=False, base_batch_size=48)
    if small:
        net['rgb_pathway'].update(base_channels=16, stage_blocks=(1, 1, 1, 1))
        net['pose_pathway'].update(base_channels=8, stage_blocks=(1, 1, 1))
        cfg['model']['cls_head']['in_channels'] = [512, 128]
        cfg['train_dataloader']['batch_size'] = SMALL_BATCH
        cfg['load_from'] = None
        _make_small(cfg)
    return _for_epochs(_validated(cfg, facts), settings['epochs'])


def _stock(name: str) -> dict:
    """What decides a training in a config of the installed mmaction2."""
    values = _stock_values(name)
    return {key: values[key] for key in KEYS if key in values}


def _stock_values(name: str) -> dict:
    spec = importlib.util.find_spec('mmaction')
    if spec is None or spec.origin is None:
        raise ImportError('this config starts from one of mmaction2, which '
                          'is not installed: pip install mmaction2')
    return runpy.run_path(
        str(Path(spec.origin).parent / '.mim/configs' / name))


def _from_kinetics(cfg: dict) -> dict:
    """The stock schedule for UCF101, from a net that knows Kinetics-400."""
    stock = _stock(UCF101)
    cfg['model']['backbone']['stage_blocks'] = \
        stock['model']['backbone']['stage_blocks']
    keys = ('train_cfg', 'optim_wrapper', 'param_scheduler', 'load_from')
    return {**cfg, **{key: stock[key] for key in keys}}


def _data(facts: Facts, phase: str) -> dict:
    return dict(data_root=facts.folder, ann_file='annotations.pkl',
                split=split_of(facts, phase))


def _start(settings: Mapping[str, Any], facts: Facts) -> str:
    """The stock config for UCF101 starts from Kinetics-400."""
    stock = 'kinetics' if (facts.benchmark or '').startswith('ucf101') else \
        'scratch'
    return settings['start'] or stock


def _joints(step: dict) -> list[dict]:
    return [step]


def _limbs() -> Callable[[dict], list[dict]]:
    stock = _stock_values(LIMBS)
    drawn = dict(with_kp=False, with_limb=True, **{
        key: stock[key] for key in ('skeletons', 'left_limb', 'right_limb')})
    return lambda step: [
        dict(step, **drawn) if step['type'] == 'GeneratePoseTarget' else step]


def _heatmaps(step: dict) -> list[dict]:
    """What the pose net saw; see GenerateHeatmapVolume."""
    if step['type'] == 'UniformSampleFrames':
        return [step, dict(type='LoadPooledFeature',
                           tap=['heatmap', 'heatmap_scale'])]
    if step['type'] != 'GeneratePoseTarget':
        return [step]
    kept = {key: step[key] for key in ('double', 'left_kp', 'right_kp')
            if key in step}
    return [dict(type='GenerateHeatmapVolume', **kept)]


def _half(step: dict) -> dict:
    """Half the frames, half the height and width."""
    step = dict(step)
    for key in {'clip_len', 'crop_size'} & {*step}:
        step[key] //= 2
    if step['type'] == 'Resize':
        step['scale'] = tuple(n // 2 if n > 0 else n for n in step['scale'])
    return step


def _quarter(step: dict) -> dict:
    """Half the frames, a good quarter of the height and width."""
    if step['type'] == 'MMUniformSampleFrames':
        return dict(step, clip_len=dict(RGB=4, Pose=16))
    smaller = {(256, 256): (72, 72), (224, 224): (64, 64)}
    return dict(step, scale=smaller[step['scale']]) if 'scale' in step \
        else step


def _make_small(cfg: dict) -> None:
    """For a CPU: the rate of one of eight GPUs, no workers, 20 epochs."""
    for phase in PHASES:
        cfg[f'{phase}_dataloader'].update(SMALL_LOADER)
    cfg['train_cfg'] = dict(type='EpochBasedTrainLoop', val_begin=1,
                            max_epochs=SMALL_EPOCHS, val_interval=10)
    cfg['optim_wrapper']['optimizer']['lr'] = SMALL_RATE
    cfg['auto_scale_lr']['base_batch_size'] = SMALL_BATCH


def _validated(cfg: dict, facts: Facts) -> dict:
    """Without a validation if nothing is there for it."""
    if 'val' in facts.use:
        return cfg
    return {key: value for key, value in cfg.items()
            if not key.startswith('val_')}


def _for_epochs(cfg: dict, epochs: int | None) -> dict:
    """The stock schedule, stretched to a number of epochs."""
    if epochs is None:
        return cfg
    planned = cfg['param_scheduler'][0]
    before = planned.get('T_max') or planned['end']
    cfg['train_cfg']['max_epochs'] = epochs
    for key in {'T_max', 'end'} & {*planned}:
        planned[key] = epochs
    if 'milestones' in planned:
        planned['milestones'] = [round(n * epochs / before)
                                 for n in planned['milestones']]
    return cfg


TAKES = ('benchmark', 'data_root', 'size', 'epochs')
RECIPES = dict(
    posec3d=Recipe(
        posec3d,
        dict(volumes=('joint', 'limb', 'heatmap'), net=tuple(NETS),
             start=(None, 'scratch', 'kinetics')), TAKES),
    rgbpose=Recipe(
        rgbpose,
        dict(fusion=('both', 'rgb_to_pose', 'pose_to_rgb', 'none')), TAKES))
