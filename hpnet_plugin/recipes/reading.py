"""What stands where in a config."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config
    ConfigLike = Mapping[str, Any] | Config

# datasets that read a dataset folder
FOLDER_DATASETS = ('PoseDataset', 'PooledDataset')
PHASES = ('train', 'val', 'test')
# transforms after which the channels of pooled features are known
KEEP_CHANNELS = {
    'AppendKeypoint', 'CentrePooled', 'ClipColorJitter', 'ClipGrayscale',
    'DropFrames', 'DropJoints', 'EachImage', 'FlipJoints',
    'FormatPooledInput', 'FormatShape', 'GenPooledStream', 'LoadPersonCrops',
    'LoadPooledFeature', 'NormalizeKeypoint', 'PackActionInputs',
    'RandomApply', 'RandomTemporalCrop', 'RequireJoints',
    'Resize', 'ResizeTemporal', 'SampleSegments', 'TemporalViews',
    'TorchVisionWrapper'}


def walk(pipeline: Iterable[Mapping]) -> Iterator[Mapping]:
    """Walk through a pipeline.

    Args:
        pipeline: Configs of transforms.

    Yields:
        Every transform, those inside others as well.
    """
    for step in pipeline:
        yield step
        yield from walk(step.get('transforms', ()))


def innermost(dataset: dict[str, Any]) -> dict[str, Any]:
    """A dataset's config without RepeatDataset and other wrappers.

    Args:
        dataset: The config, with them.

    Returns:
        What they wrap.
    """
    return innermost(dataset['dataset']) if 'dataset' in dataset else dataset


def folder_datasets(config: ConfigLike,
                    phases: Iterable[str] = PHASES
                    ) -> Iterator[dict[str, Any]]:
    """Find the datasets of a config that read a dataset folder.

    Args:
        config: The config.
        phases: Those of ``PHASES`` that are looked at.

    Yields:
        Each dataset, without wrappers.
    """
    for phase in phases:
        loader = config.get(f'{phase}_dataloader')
        if loader is not None:
            dataset = innermost(loader['dataset'])
            if dataset['type'] in FOLDER_DATASETS:
                yield dataset


def graph_net_of(config: ConfigLike) -> Mapping[str, Any]:
    """The graph network, or whatever backbone there is instead.

    Args:
        config: The config.

    Returns:
        Its config; empty if there is none.
    """
    model = config['model']
    topology = model.get('topology')
    return topology['model'] if topology else model.get('backbone') or {}


def graph_channels(config: ConfigLike) -> int | None:
    """Channels that the graph network takes.

    Args:
        config: The config.

    Returns:
        Channels of a joint; None without a graph network.
    """
    return graph_net_of(config).get('in_channels')


def pooled_channels(config: ConfigLike, pipeline: Iterable[Mapping]
                    ) -> int | None:
    """Channels that the features of a pipeline must have.

    Args:
        config: The config.
        pipeline: One of its pipelines.

    Returns:
        Channels of a joint as they are stored; None if any will do.
    """
    steps = {step['type']: step for step in walk(pipeline)}
    channels = graph_channels(config)
    if not set(steps) <= KEEP_CHANNELS:
        return None  # volumes have a channel a joint; of others all may be
    if channels and 'AppendKeypoint' in steps:
        # x, y and maybe the score come behind the features
        return channels - 2 - bool(steps['AppendKeypoint'].get('score'))
    return channels


def num_classes(config: ConfigLike) -> int | None:
    """Classes of the model.

    Args:
        config: The config.

    Returns:
        How many; None if its head does not say it.
    """
    return (config['model'].get('cls_head') or {}).get('num_classes')
