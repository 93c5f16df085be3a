"""What a run and the extraction before it will take.

All of it is computed from multiply-adds, at the rates below, which are stated
wherever hours are printed: no GPU is looked at.
"""
from __future__ import annotations

import contextlib
import copy
import os.path as osp
from collections.abc import Mapping
from dataclasses import dataclass, field

from mmengine.config import Config

from ..datasets.benchmarks import published_clips
from ..facts import FactsError, read_facts
from ..recipes.reading import innermost, pooled_channels, walk

# Multiply-adds a second of one A100, by kind of net and precision. Small nets
# wait for their memory, in any precision. Large ones come to half of what the
# GPU reaches in dense float32 products (9.75 T) and to a quarter of that in
# TF32 (78 T) and float16 (156 T).
RATES = {
    'graph': dict(float32=2e12, tf32=2e12, float16=2e12),
    'video': dict(float32=5e12, tf32=2e13, float16=4e13),
}
BACKWARD = 3  # a training step, in forwards
# Frames a clip, the mean of NTU, and bytes a frame of a crop of 256 pixels,
# of its two samples.
FRAMES, CROP_BYTES = 83, 2600
# HRNet-W48 on one person of 256 x 192 pixels, of the extraction
POSE_MACS = 15.8e9
JOINTS = 17
# of the taps that are no layer of the net
WIDTHS = dict(heatmap=49, heatmap_scale=1)


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes:
        hours: Of one GPU; None where the number of clips is
            not known.
        disk: Bytes of checkpoints.
        extracted: What is to be extracted first: folder and feature (or
            ``'crops'``) to bytes.
        extraction: Folders to GPU hours of the pose net, one person in
            each frame; None where it is not the paper's pose net.
    """
    hours: float | None
    disk: float
    extracted: dict[tuple[str, str], float] = field(default_factory=dict)
    extraction: dict[str, float | None] = field(default_factory=dict)


def estimate_run(cfg: Config, precision: str = 'float32') -> Estimate:
    """What the run of a config will take.

    Args:
        cfg: As it trains on one GPU.
        precision: ``'float32'``, ``'tf32'`` or ``'float16'``.

    Returns:
        Hours are of one GPU; several share them.
    """
    from ..apis.cost import model_cost
    datasets = [innermost(cfg[f'{phase}_dataloader']['dataset'])
                for phase in ('train', 'test')]
    trained, tested = (clips_of(dataset) for dataset in datasets)
    total = model_cost(copy.deepcopy(cfg)).total
    state = 2 if 'Adam' in cfg.optim_wrapper.optimizer.type else 1
    hooks = cfg.get('default_hooks', {})
    kept = hooks.get('checkpoint', {}).get('max_keep_ckpts', 1)
    disk = 4 * kept * (total.params + state * total.trained)
    if trained is None or tested is None:
        return Estimate(None, disk)
    clips, extracted = trained + tested, {}
    for dataset in datasets:
        extracted.update(to_extract(
            dataset, clips, pooled_channels(cfg, dataset['pipeline'])))
    extraction = {root: pose_hours(clips, tap)
                  for root, tap in extracted if tap not in ('crops', 'rgb')}
    repeats = cfg.train_dataloader.dataset.get('times', 1)
    forwards = BACKWARD * trained * repeats * cfg.train_cfg.max_epochs \
        + tested
    kind = 'video' if cfg.model.type != 'RecognizerGCN' else 'graph'
    hours = forwards * total.macs / RATES[kind][precision] / 3600
    return Estimate(hours, disk, extracted, extraction)


def pose_hours(clips: int, tap: str) -> float | None:
    """GPU hours of the pose net, for one person in each frame, in float32.

    Args:
        clips: Clips to extract.
        tap: What is wanted; it tells the pose net.

    Returns:
        In h; None if it is a tap of another pose net than HRNet-W48.
    """
    if not tap.startswith(('backbone.', 'coordinates', 'heatmap', 'None')):
        return None
    return clips * FRAMES * POSE_MACS / RATES['video']['float32'] / 3600


def to_extract(dataset: Mapping, clips: int, channels: int | None
               ) -> dict[tuple[str, str], float]:
    """Size of what a dataset reads and its folder does not have.

    Args:
        dataset: Config of a ``PoseDataset``.
        clips: Of all its splits.
        channels: Of its pooled features; None if it has none.

    Returns:
        Folder and feature (or ``'crops'``) to bytes.
    """
    root = dataset.get('data_root') or ''
    found: dict[tuple[str, str], float] = {}
    for step in walk(dataset['pipeline']):
        if step['type'] == 'LoadPooledFeature' and not osp.isdir(
                osp.join(root, 'features')):
            taps = step.get('tap')
            for tap in taps if isinstance(taps, (list, tuple)) else [taps]:
                width = WIDTHS.get(tap, channels or 0)
                joint = 2 * width + 4 * 3
                found[root, str(tap)] = clips * FRAMES * JOINTS * joint
        if step['type'] in ('LoadPersonCrops', 'MMDecodeCrops') and \
                not osp.isdir(osp.join(root, 'crops')):
            found[root, 'crops'] = clips * FRAMES * CROP_BYTES
    return found


def clips_of(dataset: Mapping) -> int | None:
    """Clips of a dataset's split.

    Args:
        dataset: Config of a ``PoseDataset``.

    Returns:
        From the folder if it is there, else from what is published; None
        where nobody knows.
    """
    root, split = dataset.get('data_root') or '', dataset.get('split') or ''
    with contextlib.suppress(OSError, FactsError):
        return read_facts(root).splits.get(split)
    return published_clips(root, split)
