"""The released code's streams and recogniser, for any benchmark.

Two people and 64 frames, whatever the benchmark; what else differs from this
package's own recipes stands in configs/released/README.md.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..facts import Facts
from .data import PACK, loaders
from .hpnet import hpnet
from .schedules import sgd
from .settings import Recipe
from .streams import PARTS, graph_model

PEOPLE, FRAMES = 2, 64
STREAMS = tuple(f'{kind}_{part}' for kind in ('hp', 'pose') for part in PARTS)
TAKES = ('benchmark', 'data_root', 'tap', 'epochs')


def released_stream(settings: Mapping[str, Any], facts: Facts
                    ) -> dict[str, Any]:
    """Config of a stream of the released code: CTR-GCN, 65 epochs.

    Args:
        settings: ``stream`` and the common ones.
        facts: The dataset.

    Returns:
        The config. Nothing is centred, scaled or augmented; 2D pose
        is in pixels of the frame.
    """
    facts = _as_released(settings, facts)
    kind, _, part = settings['stream'].rpartition('_')
    if kind == 'hp':
        key, channels = 'pooled_feat', settings['channels']
        load = _features(settings)
        more: dict[str, Any] = dict(data_prefix=dict(video='features'))
    else:
        key, channels, load, more = 'keypoint', 2, dict(
            type='RequireJoints'), {}
    pipeline = [
        load,
        dict(type='ResizeTemporal', length=FRAMES),
        dict(type='GenPooledStream', stream=part, key=key, pairs='released'),
        dict(type='FormatPooledInput', key=key, num_person=PEOPLE), PACK]
    schedule = sgd('paper', settings['epochs'])
    config = dict(
        model=graph_model(
            dict(net='ctrgcn', people=PEOPLE, size='full'), facts, channels,
            'released'),
        **loaders(facts, pipeline, pipeline, schedule.batch_size, 4,
                  collate='stack_in_worker', **more),
        **schedule.config)
    config['train_dataloader']['drop_last'] = True
    config['work_dir'] = _work_dir(f'{settings["stream"]}_ctrgcn', facts)
    return config


def released_hpnet(settings: Mapping[str, Any], facts: Facts
                   ) -> dict[str, Any]:
    """Config of the recogniser of the released code.

    Args:
        settings: The common ones.
        facts: The dataset.

    Returns:
        The config, for one GPU: 4 clips a step, which are blended with
        each other, 64 an update.
    """
    facts = _as_released(settings, facts)
    config = hpnet(
        dict(settings, net='ctrgcn', people=PEOPLE, frames=FRAMES,
             size='full', schedule='paper'), facts)
    model = config['model']
    if model['data_preprocessor']['blending']:
        model['data_preprocessor']['blending']['mix'] = ('rgb', )
    model['topology'].update(streams=('jm', 'jm', 'b'), graph='released')
    model['topology']['model']['graph'] = 'released'
    model['cls_head']['fusion'].update(
        eta='text', mlp='released', init='released')
    model['cls_head']['average_clips'] = 'prob'  # fused as probabilities
    # each GPU normalises over its own four clips
    config['sync_bn'] = None
    for phase in ('train', 'val', 'test'):
        if f'{phase}_dataloader' in config:
            dataset = config[f'{phase}_dataloader']['dataset']
            dataset['pipeline'] = [
                _step(step, settings) for step in dataset['pipeline']]
    config['train_dataloader'].update(batch_size=4, drop_last=True)
    config['optim_wrapper'].update(
        constructor='FlatDecayFree', accumulative_counts=16)
    config['auto_scale_lr'] = dict(enable=False, base_batch_size=4)
    config['work_dir'] = _work_dir('hpnet', facts)
    return config


def _as_released(settings: Mapping[str, Any], facts: Facts) -> Facts:
    """The folder beside that of this package's own extraction.

    Smarthome's subjects 19 and 25, in the paper's training set, are left out
    of training.
    """
    use = {part: split.replace('cs_train_full', 'cs_train')
           for part, split in facts.use.items()}
    folder = facts.folder if settings['data_root'] else \
        f'{facts.folder}_released'
    return replace(facts, use=use, folder=folder)


def _features(settings: Mapping[str, Any]) -> dict[str, Any]:
    # the store's only tap: 'released' of the authors' files, or H2 itself
    tap = settings['tap']
    return dict(type='LoadPooledFeature', **dict(tap=tap) if tap else {})


def _step(step: dict, settings: Mapping[str, Any]) -> dict:
    """A step of HP-Net's pipelines, as the released code has it."""
    if step['type'] == 'LoadPooledFeature':
        return _features(settings)
    if step['type'] == 'FlipJoints':
        return dict(step, keys=('imgs', ))
    if step['type'] == 'RandomApply':  # colours, drawn anew for each image
        return dict(step, transforms=[
            dict(type='EachImage', transforms=step['transforms'])])
    return step


def _work_dir(name: str, facts: Facts) -> str:
    return f'work_dirs/{name}_released_{facts.name}'


RECIPES = dict(
    released_stream=Recipe(released_stream, dict(stream=STREAMS), TAKES),
    released_hpnet=Recipe(released_hpnet, takes=TAKES))
