"""What the commands that read score files cost, beside numpy.load.

Dumps as ``mim test --dump`` writes them are drawn with a seed, and the same
scores are written as plain arrays. ``hpnet fuse``, ``hpnet analyze`` and the
search of weights read the dumps, each in a process of its own; its CPU time,
user and system, and its peak memory count, with all imports. Beside them
stands a process that does nothing but load the arrays by numpy. The last
table is what one dump costs beside ``pickle.load``, which makes every tensor
by ``torch.load``, and tells whether both gave the same.
"""
from __future__ import annotations

import argparse
import functools
import io
import os
import os.path as osp
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..datasets.benchmarks import published_clips
from .common import (
    Tables,
    add_repeat,
    apart,
    cpu_times,
    positive,
    ratio,
    spread,
)

CLASSES = 120
PLAIN = 2000  # clips that are read tensor by tensor
LOAD = 'import sys, numpy; [numpy.load(file) for file in sys.argv[1:]]'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark scores``."""
    clips = published_clips('ntu120', 'xsub_test') or 1
    parser.add_argument('--clips', type=positive, default=clips,
                        help=f'clips of a dump (default {clips}: the test '
                        'clips of NTU RGB+D 120, cross-subject)')
    parser.add_argument('--streams', type=positive, default=5,
                        help='number of dumps (default 5)')
    add_repeat(parser)


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    with tempfile.TemporaryDirectory() as folder:
        # apart: what this process ever held counts as its children's
        dumps, arrays = apart(make, folder, args.clips, args.streams)
        title = f'{args.streams} x {args.clips:,} clips x {CLASSES} classes'
        tables = {title: measure_commands(folder, dumps, arrays, args.repeat)}
    tables[f'A dump of {PLAIN:,} clips'] = [measure_reading(PLAIN,
                                                           args.repeat)]
    return tables


def make(folder: str, clips: int, streams: int = 1, seed: int = 0
         ) -> tuple[list[str], list[str]]:
    """Write drawn scores as dumps and as arrays.

    Returns:
        Paths of the dumps, and of the arrays.
    """
    from ..evaluation.scores import Scores, write_scores
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, clips)
    names = [f'S{i // 1000:03d}C001P{i % 1000:03d}R001A{label + 1:03d}'
             for i, label in enumerate(labels.tolist())]
    dumps, arrays = [], []
    for stream in range(streams):
        scores = 2 * rng.standard_normal((clips, CLASSES), np.float32)
        scores[np.arange(clips), labels] += rng.normal(
            4 + stream / 4, 2, clips)
        dumps.append(osp.join(folder, f'stream{stream}.pkl'))
        arrays.append(osp.join(folder, f'stream{stream}.npy'))
        write_scores(dumps[-1], Scores(names, scores, labels, 'drawn'))
        np.save(arrays[-1], scores)
    return dumps, arrays


def measure_commands(folder: str, dumps: Sequence[str],
                     arrays: Sequence[str], repeat: int = 3) -> list[dict]:
    """CPU seconds and peak MB of commands, and of loading the arrays."""
    hpnet = [sys.executable, '-m', 'hpnet_plugin.cli']
    out = osp.join(folder, 'out')
    commands = {
        'numpy.load': [sys.executable, '-c', LOAD, *arrays],
        'hpnet fuse': [*hpnet, 'fuse', *dumps],
        'hpnet fuse --prob': [*hpnet, 'fuse', *dumps, '--prob'],
        'hpnet fuse --tune-half 0': [*hpnet, 'fuse', *dumps, '--tune-half',
                                     '0'],
        'hpnet analyze classes': [*hpnet, 'analyze', 'classes', dumps[0],
                                  '--out', out]}
    if len(dumps) > 1:
        commands['hpnet analyze gains'] = [
            *hpnet, 'analyze', 'gains', *dumps[:2], '--out', out]
    targets = {'hpnet fuse': '5 s, 500 MB', 'hpnet fuse --tune-half 0': '30 s',
               'hpnet analyze classes': '30 s', 'hpnet analyze gains': '30 s'}
    found = {what: [] for what in commands}
    for _ in range(repeat):
        for what, command in commands.items():
            found[what].append(usage(command))
    rows = []
    for what, pairs in found.items():
        seconds, peaks = zip(*pairs)
        row: dict[str, Any] = dict(what=what, cpu_seconds=spread(seconds),
                                   peak_MB=spread(peaks))
        if what != 'numpy.load':
            row.update(beside='numpy.load', ratio=ratio(
                seconds, [pair[0] for pair in found['numpy.load']]),
                target=targets.get(what, ''))
        rows.append(row)
    return rows


def usage(command: Sequence[str]) -> tuple[float, float]:
    """CPU seconds of a command with one thread, and the MB of its peak RSS.

    Raises:
        RuntimeError: If it fails.
    """
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL,
        env=dict(os.environ, OMP_NUM_THREADS='1'))
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f'{" ".join(command)} failed')
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def measure_reading(clips: int, repeat: int = 3) -> dict[str, Any]:
    """One dump, by this package and tensor by tensor.

    Raises:
        RuntimeError: If they do not give the same.
    """
    from ..evaluation.scores import read_scores
    with tempfile.TemporaryDirectory() as folder:
        (path, ), _ = make(folder, clips)
        ours, theirs = read_scores(path), plain_reading(path)
        if ours.names != theirs[0] or \
                (ours.known_labels != theirs[2]).any() or \
                (ours.scores != theirs[1]).any():
            raise RuntimeError('both ways of reading differ')
        sides: dict[str, Callable[[], Any]] = dict(
            ours=functools.partial(read_scores, path),
            plain=functools.partial(plain_reading, path))
        times = cpu_times(sides, repeat)
    return dict(what='read_scores', unit='ms', ours=spread(times['ours']),
                plain=spread(times['plain']),
                plain_by_ours=ratio(times['plain'], times['ours']))


def plain_reading(path: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, scores and labels of a dump; one torch.load a tensor."""
    import torch
    from torch._utils import _rebuild_tensor_v2

    def load(content: bytes) -> Any:
        return torch.load(io.BytesIO(content), weights_only=True)

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            return dict(_load_from_bytes=load,
                        _rebuild_tensor_v2=_rebuild_tensor_v2).get(
                            name) or super().find_class(module, name)

    with open(path, 'rb') as file:
        samples = Unpickler(file).load()
    return ([sample['frame_dir'] for sample in samples],
            np.stack([sample['pred_score'].numpy() for sample in samples]),
            np.array([int(sample['gt_label']) for sample in samples]))


def quick() -> float:
    """How many times faster a dump is read than tensor by tensor."""
    return measure_reading(1000, 2)['plain_by_ours']['median']


QUICK: dict[str, Callable[[], float]] = {'fuse': quick}
