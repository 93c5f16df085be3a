"""A dataset folder of noise in the shape that a config asks for.

To build, cost and try configs where their dataset is not at hand.
"""
from __future__ import annotations

import os.path as osp
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.annotations import write_annotations
from ..datasets.imports import Poses, write_poses
from ..estimation.extractor import HEATMAP_PATCH
from ..facts import Facts, write_facts
from ..graph import bone_pairs
from ..recipes.checks import class_names_of
from ..recipes.reading import (
    PHASES,
    innermost,
    num_classes,
    pooled_channels,
    walk,
)
from ..store import FeatureStore, StoreWriter

if TYPE_CHECKING:
    pass

SIZE = 120, 160  # of the frames that never were
CROP_SIZE = 64
JOINTS = 17


def write_synthetic(cfg: Any, root: str, clips: int = 4, frames: int = 20
                    ) -> Any:
    """Write a dataset folder for a config, and point the config to it.

    Args:
        cfg: A training config on ``PoseDataset`` or
            ``PooledDataset``; its data folders are changed in place.
        root: Folder to write.
        clips: Clips a split. Defaults to 4.
        frames: Frames a clip. Defaults to 20.

    Returns:
        The same.
    """
    datasets: list[Any] = [innermost(cfg[f'{phase}_dataloader'].dataset)
                for phase in PHASES if cfg.get(f'{phase}_dataloader')]
    steps = [step for dataset in datasets
             for step in walk(dataset['pipeline'])]
    people = max([step.get('num_person', 1) for step in steps
                  if step['type'].startswith('Format')] + [1])
    taps = _taps(cfg, steps)
    rng = np.random.RandomState(0)
    names = {split: [f'{split}_{i}' for i in range(clips)]
             for split in dict.fromkeys(d['split'] for d in datasets)}
    every = [name for members in names.values() for name in members]
    shape = (people, frames, JOINTS)
    with StoreWriter(osp.join(root, 'features'), dict(taps=taps)) as store:
        for name in every:
            arrays: dict[str, np.ndarray] = {
                tap: rng.rand(*shape, channels).astype(np.float16)
                      for tap, channels in taps.items()}
            arrays['keypoint'] = rng.uniform(
                20, 100, (*shape, 2)).astype(np.float32)
            arrays['keypoint_score'] = np.ones(shape, np.float32)
            store.add(name, arrays,
                      dict(img_shape=list(SIZE), num_frames=frames))
    if {'LoadPersonCrops', 'MMDecodeCrops'} & {s['type'] for s in steps}:
        _write_crops(root, every, frames, rng)
    classes = num_classes(cfg) or 1
    labels = {name: i % classes for i, name in enumerate(every)}
    store = FeatureStore(osp.join(root, 'features'))
    spatial = any(step['type'] == 'PreNormalize3D' for step in steps)
    for ann_file in {dataset['ann_file'] for dataset in datasets}:
        path = osp.join(root, ann_file)
        if spatial:
            _write_spatial(path, labels, names, steps, shape[:2], rng)
        else:
            write_annotations(store, path, labels, names)
    for dataset in datasets:
        dataset['data_root'] = str(root)
    write_facts(root, Facts(
        name='synthetic', title='Noise', folder=str(root),
        classes=tuple(class_names_of(cfg) or map(str, range(classes))),
        people=people, frames=frames, taps=taps,
        splits=dict.fromkeys(names, clips),
        use=dict(zip(PHASES, (dataset['split'] for dataset in datasets)))))
    return cfg


def _taps(cfg: Any, steps: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Tap to channels, so that together they fill the graph network."""
    named = [step.get('tap') for step in steps
             if step['type'] == 'LoadPooledFeature']
    if not named:  # a store of features nobody asks for
        return dict(tap=1)
    named = named[0] or 'tap'
    named = [named] if isinstance(named, str) else list(named)
    if 'heatmap' in named:
        return dict(heatmap=HEATMAP_PATCH**2, heatmap_scale=1)
    share, rest = divmod(pooled_channels(cfg, steps) or 1, len(named))
    return {tap: share + (rest if i == 0 else 0)
            for i, tap in enumerate(named)}


def _write_spatial(path: str, labels: Mapping[str, int],
                   splits: dict[str, list[str]],
                   steps: Sequence[Mapping[str, Any]], shape: tuple[int, int],
                   rng: np.random.RandomState) -> None:
    """Joints in metres, of the layout that bones are made of."""
    layout = next(step['pairs'] for step in steps
                  if step['type'] == 'GenPooledStream')
    whole = (*shape, len(bone_pairs(layout)), 3)
    annotations = {
        name: dict(
            frame_dir=name, total_frames=shape[1], label=label,
            keypoint=rng.uniform(-1, 1, whole).astype(np.float32))
        for name, label in labels.items()}
    write_poses(Poses(annotations, splits), path)


def _write_crops(root: str, names: Sequence[str], frames: int,
                 rng: np.random.RandomState) -> None:
    from ..extraction.crops import CropRecorder
    box = np.array([[40, 10, 100, 110, 1]], np.float32)
    for name in names:
        recorder = CropRecorder(root, CROP_SIZE)
        for _ in range(frames):
            recorder.add(rng.randint(0, 255, (*SIZE, 3), np.uint8), box)
        recorder.write(name, [box] * frames, np.zeros((1, frames), int))
