"""What it costs to load batches of an HP stream, beside a .npy file a clip.

Clips of two people at the paper's sizes are read, resized to 64 frames, made
a stream, formatted, packed, stacked and cast to float32, as a training does
it. The plain side loads a float32 .npy file a clip by numpy.load, resizes by
F.interpolate, takes the same differences and stacks. First both run in one
process with one thread; then in a DataLoader with worker processes, where the
plain side is collated and prepared as MMAction2 does it by default. Times are
CPU time; files are in memory.
"""
from __future__ import annotations

import argparse
import os
import os.path as osp
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .common import Tables, add_repeat, cpu_times, positive, ratio, spread

if TYPE_CHECKING:
    from torch import Tensor

LENGTHS = 64, 300  # frames that are stored
SEEN = 64  # frames of a stream
PARTS = 'j', 'b', 'jm', 'bm'
CLIPS, BATCH = 32, 64
BATCHES = 20  # that worker processes load
TARGET, MAIN_TARGET = 3, 100  # times as fast; us a clip of the main process
Batch = Callable[[], 'Tensor']


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark loader``."""
    add_repeat(parser, 7)
    parser.add_argument('--workers', type=positive, default=2,
                        help='number of worker processes (default 2)')
    parser.add_argument('--folder', help='folder to write to (default: '
                        'that of temporary files)')


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    import torch
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone, workers = [], []
    try:
        for length in LENGTHS:
            with tempfile.TemporaryDirectory(dir=args.folder) as folder:
                print(f'  {length} frames', file=sys.stderr, flush=True)
                names = write_folder(folder, length)
                for part in PARTS:
                    alone.append(_row(part, length, measure(
                        folder, names, part, args.repeat)))
                workers += measure_workers(folder, names, length,
                                           args.workers)
    finally:
        torch.set_num_threads(threads)
    return {f'Batches of {BATCH} clips, {SEEN} frames seen, in one process':
            alone, f'The same by {args.workers} worker processes': workers}


def _row(part: str, length: int, times: dict[str, list[float]]
         ) -> dict[str, Any]:
    ours, plain = times['ours'], times['plain']
    a_clip = [time / BATCH for time in ours]
    return dict(
        what=f'hp_{part}, {length} frames stored',
        ours_us=spread([1000 * time for time in a_clip]),
        plain_us=spread([1000 * time / BATCH for time in plain]),
        clips_a_second_and_core=round(1000 / statistics.median(a_clip)),
        times_as_fast=ratio(plain, ours), target=TARGET)


def write_folder(folder: str, length: int, clips: int = CLIPS) -> list[str]:
    """Write a dataset folder of noise, and a float32 file of each clip.

    Args:
        folder: Gets what a dataset folder has, and ``plain/``.
        length: Frames of a clip.
        clips: How many.

    Returns:
        Names of the clips, in the order of the dataset.
    """
    from mmengine.config import Config

    from ..apis.synthetic import write_synthetic
    from ..recipes import compose
    from ..store import FeatureStore
    config = Config(compose('stream', stream='hp_j', benchmark='ntu120'))
    write_synthetic(config, folder, clips=clips, frames=length)
    store = FeatureStore(osp.join(folder, 'features'))
    split = config.test_dataloader.dataset.split
    names = [name for name in store.names if name.startswith(f'{split}_')]
    os.mkdir(osp.join(folder, 'plain'))
    for name in names:
        np.save(osp.join(folder, 'plain', name + '.npy'),
                store.read(name).astype(np.float32))
    return names


def measure(folder: str, names: Sequence[str], part: str, repeat: int
            ) -> dict[str, list[float]]:
    """CPU milliseconds of a batch of both sides, in turns.

    Raises:
        RuntimeError: If they do not load the same.
    """
    sides = dict(ours=ours(folder, part), plain=plain(folder, names, part))
    compare(sides['ours'](), sides['plain'](), part)
    return cpu_times(sides, repeat)


def compare(found: Tensor, expected: Tensor, part: str) -> None:
    """Both sides are the same, but for the store's half precision.

    Raises:
        RuntimeError: If they are not.
    """
    # each difference rounds anew
    error = (found - expected).abs().max().item()
    if found.shape != expected.shape or not error <= 2e-3 * len(part):
        raise RuntimeError(f'hp_{part}: {tuple(found.shape)} differs from '
                           f'{tuple(expected.shape)} by {error}')


def ours(folder: str, part: str) -> Batch:
    """What loads a batch as a training without worker processes does."""
    from mmaction.registry import MODELS

    from ..datasets.batches import stack_in_worker
    clips, model = _built(folder, part)
    prepare = MODELS.build(model.data_preprocessor)

    def load() -> Tensor:
        return prepare(stack_in_worker(
            [clips[i % len(clips)] for i in range(BATCH)]))['inputs']

    return load


def _built(folder: str, part: str) -> tuple[Any, Any]:
    """The dataset of a stream, and the config of its model."""
    from mmaction.registry import DATASETS
    from mmengine.config import Config
    from mmengine.logging import MMLogger
    from mmengine.registry import DefaultScope

    from ..recipes import compose
    MMLogger.get_current_instance().setLevel('WARNING')
    config = Config(compose('stream', stream=f'hp_{part}', data_root=folder,
                            frames=SEEN, size='full'))
    with DefaultScope.overwrite_default_scope('mmaction'):
        clips = DATASETS.build(config.test_dataloader.dataset)
    return clips, config.model


def plain(folder: str, names: Sequence[str], part: str) -> Batch:
    """What loads the same batch from files of numpy."""
    import torch

    def load() -> Tensor:
        return torch.stack([
            plain_clip(folder, names[i % len(names)], part)
            for i in range(BATCH)])

    return load


def plain_clip(folder: str, name: str, part: str) -> Tensor:
    """A clip (1, M, T, V, C) of a stream, float32, from its file."""
    import torch
    import torch.nn.functional as F

    from ..graph import bone_pairs
    clip = np.load(osp.join(folder, 'plain', name + '.npy'))
    people, frames, joints, channels = clip.shape
    tensor = torch.from_numpy(clip)
    if frames != SEEN:
        flat = tensor.permute(0, 2, 3, 1).reshape(people, -1, frames)
        tensor = F.interpolate(flat, SEEN, mode='linear').reshape(
            people, joints, channels, SEEN).permute(0, 3, 1, 2)
    if part.startswith('b'):
        parents = [parent for _, parent in sorted(bone_pairs('coco'))]
        tensor = tensor - tensor.index_select(2, torch.tensor(parents))
    if part.endswith('m'):
        moved = torch.zeros_like(tensor)
        torch.sub(tensor[:, 1:], tensor[:, :-1], out=moved[:, :-1])
        tensor = moved
    return tensor[None]


class PlainClips:
    """A dataset of the plain files, as MMAction2 packs what it loads."""

    def __init__(self, folder: str, names: Sequence[str]) -> None:
        self.folder, self.names = folder, names

    def __len__(self) -> int:
        return BATCHES * BATCH

    def __getitem__(self, i: int) -> dict[str, Any]:
        from mmaction.structures import ActionDataSample
        name = self.names[i % len(self.names)]
        sample = ActionDataSample(metainfo=dict(
            frame_dir=name, img_shape=(120, 160))).set_gt_label(i)
        return dict(inputs=plain_clip(self.folder, name, 'j'),
                    data_samples=sample)


class _Timed:
    """A collate function that also tells its process and its CPU time."""

    def __init__(self, collate: Callable) -> None:
        self.collate = collate

    def __call__(self, clips: Sequence[dict]) -> dict[str, Any]:
        return dict(self.collate(clips), spent=(
            os.getpid(), time.process_time()))


def measure_workers(folder: str, names: Sequence[str], length: int,
                    workers: int) -> list[dict]:
    """Rows of both sides in a DataLoader."""
    from mmaction.models.data_preprocessors import ActionDataPreprocessor
    from mmaction.registry import MODELS
    from mmengine.dataset import pseudo_collate

    from ..datasets.batches import stack_in_worker
    clips, model = _built(folder, 'j')
    rows = []
    for what, dataset, collate, prepare in (
            ('ours', clips, stack_in_worker,
             MODELS.build(model.data_preprocessor)),
            ('plain', PlainClips(folder, names), pseudo_collate,
             ActionDataPreprocessor())):
        main, worker, rate = _with_workers(dataset, collate, prepare, workers)
        rows.append(dict(
            what=f'{what}, {length} frames stored',
            main_process_us=spread(main), worker_us=spread(worker),
            clips_a_second_here=round(rate),
            clips_a_second_8_workers=round(min(
                8e6 / statistics.median(worker),
                1e6 / statistics.median(main))),
            target_main_us=MAIN_TARGET))
    return rows


def _with_workers(dataset: Any, collate: Callable, prepare: Callable,
                  workers: int) -> tuple[list[float], list[float], float]:
    """Microseconds a clip of both kinds of process, and clips a second."""
    from torch.utils.data import DataLoader
    order = [i % len(dataset) for i in range(BATCHES * BATCH)]
    loader = DataLoader(
        dataset, BATCH, sampler=order, num_workers=workers,
        collate_fn=_Timed(collate), persistent_workers=True,
        multiprocessing_context='fork')
    for batch in loader:  # memory is taken and mapped
        held = prepare(batch)
    spent: dict[int, list[float]] = {}
    main, began = [], time.perf_counter()
    start = time.process_time()
    for batch in loader:
        pid, at = batch.pop('spent')
        held = prepare(batch)  # noqa: F841  until the next is there
        spent.setdefault(pid, []).append(at)
        now = time.process_time()
        main.append(1e6 * (now - start) / BATCH)
        start = now
    rate = BATCHES * BATCH / (time.perf_counter() - began)
    return main, [1e6 * (b - a) / BATCH for times in spent.values()
                  for a, b in zip(times, times[1:])], rate


def quick(length: int, turns: int = 5) -> float:
    """How many times faster than plain files a batch of ``hp_j`` is.

    Args:
        length: Frames that are stored.
        turns: Of both.

    Returns:
        The median of the turns.
    """
    import torch
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            names = write_folder(folder, length, clips=16)
            times = measure(folder, names, 'j', turns)
    finally:
        torch.set_num_threads(threads)
    return ratio(times['plain'], times['ours'])['median']


QUICK = {'loader 64 of 64': lambda: quick(64),
         'loader 300 to 64': lambda: quick(300)}
