"""What a training is told of: from a config and its folder to a description.

See :class:`hpnet_plugin.apis.description.ModelDescription`.
"""
from __future__ import annotations

import contextlib
import json
import os.path as osp
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..facts import Facts, FactsError, benchmark_facts, read_record
from ..recipes.checks import class_names_of
from ..recipes.reading import (
    PHASES,
    graph_net_of,
    innermost,
    num_classes,
    walk,
)
from ..recipes.settings import read_folder
from .description import DescriptionError, ModelDescription

# of what made the features, what is of the folder and not of a new video
COUNTS = ('versions', 'clips', 'frames', 'people', 'splits', 'failures',
          'sources', 'made_by')
# What stands in pipelines that are described: transform to the settings that
# may differ. Anything else is another pipeline.
_GRAPH_STEPS = dict(
    LoadPooledFeature={'tap'},
    NormalizeKeypoint=set(),
    RequireJoints=set(),
    CentrePooled={'per'},
    ResizeTemporal={'length'},
    TemporalViews={'length', 'views', 'share', 'mirror', 'layout', 'sampling'},
    GenPooledStream={'stream', 'key', 'pairs'},
    AppendKeypoint={'score'},
    FormatPooledInput={'num_person', 'key', 'out'},
    PackActionInputs={'meta_keys', 'collect_keys'})
_HPNET_STEPS = dict(
    LoadPersonCrops={'num_frames', 'test_mode'},
    LoadPooledFeature={'tap'},
    Resize={'scale', 'keep_ratio'},
    ResizeTemporal={'length'},
    FormatPooledInput={'num_person', 'out'},
    FormatShape={'input_format'},
    PackActionInputs={'meta_keys', 'collect_keys'})


def describe(config: Mapping[str, Any], name: str,
             training: Mapping[str, Any] | None = None) -> ModelDescription:
    """Describe what a config trains.

    What the dataset folder says is read from it; where it is not there, or
    does not say it, it is left out.

    Args:
        config: A config, whole.
        name: Of the run.
        training: What else is known of the training.

    Returns:
        The description, without calibration.

    Raises:
        DescriptionError: If neither config nor folder say how many classes
            there are.
    """
    folder = data_folder(config)
    facts = _facts(config, folder)
    taps = _taps(folder)
    return ModelDescription(
        name=name,
        classes=tuple(_classes(config, facts)),
        facts=json_data(asdict(facts)) if facts else {},
        extraction=_extraction(folder),
        windows=_windows(folder, facts),
        input=json_data(model_input(config, taps)),
        output=model_output(config),
        config=_plain(config),
        training=json_data(dict(
            splits={phase: innermost(config[f'{phase}_dataloader'][
                'dataset']).get('split') for phase in PHASES
                if config.get(f'{phase}_dataloader')},
            **(training or {}))))


def run_name(work_dir: str) -> str:
    """Name of a run, after its folder.

    Args:
        work_dir: The work dir of a training.

    Returns:
        Its last part.
    """
    path = osp.abspath(work_dir)
    name = osp.basename(path)
    # hpnet reproduce has a folder a seed
    if re.fullmatch(r'seed\d+', name):
        name = f'{osp.basename(osp.dirname(path))}_{name}'
    return name


def data_folder(config: Mapping[str, Any]) -> str | None:
    """The dataset folder that a config trains on; None if it has none.

    Args:
        config: A config, whole.

    Returns:
        None where it has none.
    """
    for phase in PHASES:
        loader = config.get(f'{phase}_dataloader')
        dataset = innermost(loader['dataset']) if loader else {}
        root = dataset.get('data_root')
        if not root and isinstance(dataset.get('ann_file'), str):
            root = osp.dirname(dataset['ann_file'])  # of a stock config
        if root:
            return root
    return None


def json_data(value: Any) -> Any:
    """The same as JSON has it; what JSON does not know becomes a text.

    Args:
        value: Of dicts, lists, numbers and texts, and of anything else.

    Returns:
        What ``json.loads`` would give.
    """
    return json.loads(json.dumps(value, default=str))


def _plain(value: Any) -> Any:
    """A config of dicts, lists, tuples and what JSON knows; else texts."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value))
    return json_data(value)


def model_output(config: Mapping[str, Any]) -> str:
    """What a model's scores are: ``'logit'`` or ``'probability'``.

    Args:
        config: A config, whole.

    Returns:
        ``'probability'`` where the head averages probabilities over clips.
    """
    head = config['model'].get('cls_head') or {}
    average = head.get('average_clips', ...)
    if average is ... and head.get('type'):
        import inspect

        from mmaction.registry import MODELS
        kind = MODELS.get(head['type'])
        for base in kind.__mro__ if kind else ():
            found = inspect.signature(base.__init__).parameters.get(
                'average_clips')
            if found is not None:
                average = found.default
                break
    return 'probability' if average == 'prob' else 'logit'


def model_input(config: Mapping[str, Any],
                taps: Sequence[str] = ()) -> dict[str, Any] | None:
    """What a model reads, as :class:`ModelDescription` has it.

    Args:
        config: A config, whole.
        taps: Those of the feature store, for a config that names none.

    Returns:
        None where the test pipeline is another than those of
        the recipes of streams and of HP-Net.
    """
    loader = config.get('test_dataloader') or config.get('val_dataloader')
    if not loader:
        return None
    steps = list(walk(innermost(loader['dataset']).get('pipeline', ())))
    kinds = [step['type'] for step in steps]
    if len(set(kinds)) < len(kinds):
        return None
    found = {step['type']: step for step in steps}
    if _fits(found, _GRAPH_STEPS):
        return _graph_input(found, taps)
    if _fits(found, _HPNET_STEPS):
        return _hpnet_input(found, taps, config)
    return None


def _fits(found: Mapping[str, Any], known: Mapping[str, set[str]]) -> bool:
    """Whether steps are those that are known, in their order."""
    order = [kind for kind in known if kind in found]
    return order == list(found) and all(
        set(step) - {'type'} <= known[kind] for kind, step in found.items())


def _graph_input(found: Mapping[str, Any], taps: Sequence[str]
                 ) -> dict[str, Any] | None:
    load = found.get('LoadPooledFeature')
    stream, shape = found.get('GenPooledStream'), found.get(
        'FormatPooledInput')
    lengths = [found[kind] for kind in ('ResizeTemporal', 'TemporalViews')
               if kind in found]
    pose = found.get('AppendKeypoint')
    loads = {'LoadPooledFeature', 'NormalizeKeypoint', 'RequireJoints'}
    if len(loads & set(found)) != 1 + bool(pose) or not stream or \
            not shape or len(lengths) != 1:
        return None
    key = stream.get('key', 'pooled_feat')
    if pose:
        if list(key) != ['pooled_feat', 'keypoint'] or not pose.get(
                'score') or 'NormalizeKeypoint' not in found:
            return None
        key = 'pooled_feat'
    if (key == 'pooled_feat') != bool(load) or \
            shape.get('key', 'pooled_feat') != key or \
            shape.get('out', 'keypoint') != 'keypoint':
        return None
    centre = found.get('CentrePooled')
    more = dict(_views_input(lengths[0]), **(dict(pose=True) if pose else {}),
                **(dict(centre=centre.get('per', 'joint')) if centre else {}))
    return dict(
        kind='graph',
        key=key,
        taps=_named(load, taps) if load else [],
        stream=stream.get('stream', 'j'),
        layout=stream.get('pairs', 'coco'),
        frames=lengths[0].get('length', 64),
        people=shape.get('num_person', 2),
        normalize='NormalizeKeypoint' in found,
        **more)


def _views_input(length: Mapping[str, Any]) -> dict[str, Any]:
    """Of a step that gives a clip its length; empty of ResizeTemporal."""
    if length['type'] != 'TemporalViews':
        return {}
    return dict(
        views=length.get('views', 1), share=length.get('share', .75),
        mirror=length.get('mirror', False),
        sampling=length.get('sampling', 'resize'))


def _hpnet_input(found: Mapping[str, Any], taps: Sequence[str],
                 config: Mapping[str, Any]) -> dict[str, Any] | None:
    if set(found) != set(_HPNET_STEPS):
        return None
    shape, resize = found['FormatPooledInput'], found['Resize']
    scale = resize['scale']
    colours = (config['model'].get('data_preprocessor') or {}).get(
        'preprocessors', {}).get('imgs') or {}
    if shape.get('out') != 'pooled_feat' or scale[0] != scale[1] or \
            resize.get('keep_ratio') or \
            found['FormatShape']['input_format'] != 'NCHW' or \
            not found['LoadPersonCrops'].get('test_mode'):
        return None
    return dict(
        kind='hpnet',
        key='pooled_feat',
        taps=_named(found['LoadPooledFeature'], taps),
        stream='j',
        layout=graph_net_of(config).get('graph', 'coco'),
        frames=found['ResizeTemporal'].get('length', 64),
        people=shape.get('num_person', 2),
        normalize=False,
        crops=found['LoadPersonCrops'].get('num_frames', 8),
        side=scale[0],
        mean=colours.get('mean'),
        std=colours.get('std'))


def _named(load: Mapping[str, Any], taps: Sequence[str]) -> list[str]:
    """Taps of a step that loads features, in the order of the channels."""
    tap = load.get('tap')
    if tap is None:  # the store's only one
        return list(taps)[:1] if len(taps) == 1 else []
    return [tap] if isinstance(tap, str) else list(tap)


def _facts(config: Mapping[str, Any], folder: str | None) -> Facts | None:
    """Of the data that a config was composed for, else of its folder."""
    record = config.get('composed')
    known = record.get('facts') if record else None
    if known:
        keys = Facts.__dataclass_fields__
        return Facts(**{key: value for key, value in known.items()
                        if key in keys})
    with contextlib.suppress(OSError, FactsError):
        return read_folder(folder or '')
    if record and record.get('benchmark'):
        with contextlib.suppress(FactsError):
            return benchmark_facts(record['benchmark'])
    return None


def _classes(config: Mapping[str, Any], facts: Facts | None
             ) -> tuple[str, ...]:
    count = num_classes(config)
    for names in (class_names_of(config), facts.classes if facts else None):
        if names and count in (None, len(names)):
            return tuple(names)
    if not count:
        raise DescriptionError(
            'neither the config (model.cls_head.num_classes) nor the dataset '
            'folder says how many classes the model knows')
    return tuple(map(str, range(count)))


def _taps(folder: str | None) -> list[str]:
    """Taps of a folder's feature store, in its order."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError,
                             RecursionError):
        with open(osp.join(folder or '', 'features/meta.json'),
                  encoding='utf-8') as file:
            return list(json.load(file)['taps'])
    return []


def _extraction(folder: str | None) -> dict[str, Any]:
    """What made the features of a folder; empty if it does not say it."""
    try:
        with open(osp.join(folder or '', 'extraction.json'),
                  encoding='utf-8') as file:
            content = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    from ..estimation.zoo import DETECTORS, POSES, published_name
    content = {key: value for key, value in content.items()
               if key not in COUNTS}
    for key, models in (('pose', POSES), ('detector', DETECTORS)):
        net = content.get(key)
        # folders that were extracted before the name was kept
        if isinstance(net, dict) and 'zoo' not in net:
            name = published_name(str(net.get('sha256')), models)
            if name:
                content[key] = dict(net, zoo=name)
    return content


def _windows(folder: str | None, facts: Facts | None) -> dict[str, float]:
    """How long the clips of a folder are; empty if it is not known."""
    from ..datasets.folder import clip_times
    from ..store import FeatureStore, StoreError
    with contextlib.suppress(FactsError, OSError):
        record = read_record(folder or '')
        seconds = (record.get('clips') or {}).get('seconds')
        if seconds:
            return dict(seconds, fps=record['fps'])
    with contextlib.suppress(StoreError, OSError, ValueError):
        store = FeatureStore(osp.join(folder or '', 'features'))
        return clip_times(store, training_clips(folder or '', facts))
    return {}


def training_clips(folder: str, facts: Facts | None) -> set[str] | None:
    """Names of the clips that a folder trains on.

    Args:
        folder: A dataset folder.
        facts: What is known of it.

    Returns:
        The names, None if all of its clips are meant.
    """
    from ..datasets.clip_list import read_clip_list
    if facts is None:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
        clips = read_clip_list(osp.join(folder, 'annotations.pkl'))
        return {clips.names[i] for i in clips.splits[facts.use['train']]}
    return None
