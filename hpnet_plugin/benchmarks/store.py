"""What a feature store costs beside plain files.

Clips as extraction stores them are read from a store and from a float32 .npy
file a clip, as the released features are kept; a store of very many tiny
clips is opened, and read in random order, beside a JSON index that is parsed.
Times are CPU time of one process (user and system), so that other programs
disturb them little. Everything but the last table is read from memory, where
the system keeps files that were just written.
"""
from __future__ import annotations

import argparse
import json
import os
import os.path as osp
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .cold_reads import measure_cold
from .common import Tables, add_repeat, apart, positive, ratio, spread

if TYPE_CHECKING:
    from ..store import FeatureStore

TAP = 'h2'
REAL = 64  # clips, of
FRAMES, CHANNELS = 300, 96
LENGTH = 64  # frames of a clip in training
READS = 5000  # random reads that are timed
OPENED = 4  # processes that open a store at a time


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark store``."""
    parser.add_argument('--clips', type=positive, default=20_000,
                        help='number of tiny clips in the store '
                        '(default 20000)')
    parser.add_argument('--shards', type=positive, default=400,
                        help='number of shards of that store (default 400)')
    parser.add_argument('--descriptors', type=positive, default=256,
                        help='number of files that a process may open '
                        '(default 256)')
    parser.add_argument('--folder', help='folder to write to (default: '
                        'that of temporary files)')
    add_repeat(parser, 5)


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        names = make(folder)
        tables = {f'Reading a clip of {FRAMES} frames x 17 x {CHANNELS}, '
                  'warm': measure_reads(folder, names, args.repeat),
                  'The same from the disk, check=False':
                  measure_cold(folder, names, args.repeat)}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        make_many(folder, args.clips, args.shards)
        shards = sum(name.endswith('.safetensors')
                     for name in os.listdir(osp.join(folder, 'store')))
        title = (f'{args.clips:,} tiny clips in {shards:,} shards, at most '
                 f'{args.descriptors} descriptors')
        with descriptors(args.descriptors):
            tables[title] = measure_many(folder, args.clips, args.repeat)
    return tables


def make(root: str, clips: int = REAL, frames: int = FRAMES,
         channels: int = CHANNELS, seed: int = 0) -> list[str]:
    """Write the same clips as a store and as plain files.

    Args:
        root: A folder: ``store/``, and ``plain/`` with a float32
            ``.npy`` (1, T, 17, C) a clip.
        clips: How many, of ``frames`` and ``channels``.
        seed: Of the values.

    Returns:
        Names of the clips.
    """
    from ..store import StoreWriter
    rng = np.random.default_rng(seed)
    plain = osp.join(root, 'plain')
    os.makedirs(plain, exist_ok=True)
    names = [f'S{i:06d}' for i in range(clips)]
    with StoreWriter(osp.join(root, 'store'), dict(taps={TAP: channels})
                     ) as writer:
        for name in names:
            arrays: dict[str, np.ndarray] = dict(
                keypoint=rng.random((1, frames, 17, 2), np.float32),
                keypoint_score=rng.random((1, frames, 17), np.float32))
            arrays[TAP] = rng.standard_normal(
                (1, frames, 17, channels), np.float32).astype(np.float16)
            writer.add(name, arrays, dict(img_shape=[1080, 1920]))
            np.save(osp.join(plain, name + '.npy'),
                    arrays[TAP].astype(np.float32))
    return names


def measure_reads(root: str, names: list[str], repeat: int = 5,
                  length: int = LENGTH) -> list[dict]:
    """Read clips of a store that :func:`make` wrote, and the plain files.

    Returns:
        Microseconds a clip of both, and how many times faster the store is.
    """
    import torch

    from ..store import FeatureStore

    # the cast makes a copy, so that nobody writes to the file
    warnings.filterwarnings('ignore', message='The given NumPy array is not')
    store = FeatureStore(osp.join(root, 'store'))
    trusting = FeatureStore(osp.join(root, 'store'), check=False)
    cases = _reads(osp.join(root, 'plain'), store, trusting, length)
    rows = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for what, (ours, plain) in cases.items():
            pairs = []
            for turn in range(repeat + 1):
                if 'first' in what:
                    store._prepare()
                    trusting._prepare()
                pair = _each(ours, names), _each(plain, names)
                if turn:  # before, files may not be in memory
                    pairs.append(pair)
            rows.append(_row(what, 'us', pairs))
    finally:
        torch.set_num_threads(threads)
    return rows


def _reads(plain: str, store: FeatureStore, trusting: FeatureStore,
           length: int) -> dict[str, tuple[Callable, Callable]]:
    """What is read, to how the store and how plain files read a clip."""
    import torch
    import torch.nn.functional as F

    from ..resampling import resize, weighted_frames
    count = store.shape(store.names[0], TAP)[1]
    wanted = weighted_frames(count, length).tolist()

    def load(name: str) -> np.ndarray:
        return np.load(osp.join(plain, name + '.npy'))

    def cast(array: np.ndarray) -> np.ndarray:
        return torch.from_numpy(array).float().numpy()

    def resized(name: str) -> np.ndarray:
        array = store.read(name, TAP, wanted)
        return cast(resize(array, length, numbers=wanted, count=count))

    def interpolated(name: str) -> np.ndarray:
        clip = torch.from_numpy(load(name))
        flat = clip.flatten(2).transpose(1, 2)
        short = F.interpolate(flat, length, mode='linear')
        return short.transpose(1, 2).reshape(
            clip.shape[0], length, *clip.shape[2:]).numpy()

    def first(of: FeatureStore) -> Callable:
        # nothing is mapped or compared yet, as in a new process
        return lambda name: of.read(name, TAP).copy()

    return {
        'as stored (float16, a view)': (
            lambda name: store.read(name, TAP), load),
        'float32': (lambda name: cast(store.read(name, TAP)), load),
        f'{count} to {length} frames, float32': (resized, interpolated),
        'first read in a process, checksums compared': (first(store), load),
        'first read in a process, check=False': (first(trusting), load)}


def make_many(root: str, clips: int, shards: int) -> None:
    """Write a store of tiny clips, and an index of the same in JSON.

    Args:
        root: A folder: ``store/``, and ``index.json``, {clip: [file,
            frames, height, width]}.
        clips: Number of clips.
        shards: Number of shards.
    """
    from ..store import StoreWriter
    arrays: dict[str, np.ndarray] = dict(
        keypoint=np.ones((1, 1, 1, 2), np.float32),
        keypoint_score=np.ones((1, 1, 1), np.float32))
    arrays[TAP] = np.ones((1, 1, 1, 4), np.float16)
    with StoreWriter(osp.join(root, 'store'), dict(taps={TAP: 4})) as writer:
        for i in range(clips):
            writer.add(name_of(i), arrays, dict(img_shape=[1080, 1920]))
            if (i + 1) * shards // clips > i * shards // clips:
                writer.flush()
    with open(osp.join(root, 'index.json'), 'w', encoding='utf-8') as file:
        json.dump({name_of(i): [name_of(i) + '.npy', 1, 1080, 1920]
                   for i in range(clips)}, file)


def name_of(number: int) -> str:
    """Name of a tiny clip."""
    return f'S{number:08d}'


def measure_many(root: str, clips: int, repeat: int = 5) -> list[dict]:
    """Open what :func:`make_many` wrote, and read clips in random order.

    Returns:
        Milliseconds to open and to parse; MB that each of some
        processes grows by (PSS: pages that several share count in parts);
        microseconds of a random read, which has no counterpart.
    """
    pairs = [(apart(_time_open, root), apart(_time_parse, root))
             for _ in range(repeat)]
    rows = [_row('open', 'ms', pairs)]
    grown = _grown(lambda: _open_and_read(root, clips), OPENED)
    # one process alone: several at a time may be more than there is
    parsed = _grown(lambda: _parse(root), 1)
    for kind in ('PSS', 'RSS'):
        ours, plain = grown[kind], parsed[kind]
        rows.append(dict(
            what=f'{kind} a process, {OPENED} of them, {READS} reads each',
            unit='MB', store=spread(ours), plain=round(plain[0], 1),
            plain_by_store=ratio(plain * len(ours), ours)))
    reads = [apart(_time_reads, root, clips, turn) for turn in range(repeat)]
    for what, values in zip(('random read, clip read before in this process',
                             'random read, first of the clip, checked'),
                            zip(*reads)):
        rows.append(dict(what=what, unit='us', store=spread(values)))
    return rows


@contextmanager
def descriptors(most: int) -> Iterator[None]:
    """This process, and those it starts, may open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _time_open(root: str) -> float:
    from ..store import FeatureStore
    return _each(lambda _: FeatureStore(osp.join(root, 'store')), ['']) / 1e3


def _time_parse(root: str) -> float:
    return _each(lambda _: _parse(root), ['']) / 1e3


def _parse(root: str) -> dict:
    with open(osp.join(root, 'index.json'), encoding='utf-8') as file:
        return json.load(file)


def _time_reads(root: str, clips: int, seed: int) -> tuple[float, float]:
    """Microseconds of random reads: of the same clips again; of new ones."""
    from ..store import FeatureStore
    store = FeatureStore(osp.join(root, 'store'))
    names = _random_names(clips, seed)
    first = _each(lambda name: store.read(name, TAP), names)
    return _each(lambda name: store.read(name, TAP), names), first


def _open_and_read(root: str, clips: int) -> FeatureStore:
    from ..store import FeatureStore
    store = FeatureStore(osp.join(root, 'store'))
    for name in _random_names(clips, os.getpid()):
        store.read(name, TAP)
    return store


def _random_names(clips: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [name_of(i) for i in rng.integers(clips, size=READS)]


def _grown(function: Callable, count: int) -> dict[str, list[float]]:
    """MB by which processes grow that call a function at the same time."""
    import multiprocessing
    context = multiprocessing.get_context('fork')
    ready, results = context.Barrier(count), context.SimpleQueue()

    def work() -> None:
        ready.wait()
        before = memory()
        kept = function()
        ready.wait()  # pages are shared as long as all are there
        after = memory()
        ready.wait()
        results.put({kind: after[kind] - before[kind] for kind in before})
        del kept

    processes = [context.Process(target=work) for _ in range(count)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return {kind: [one[kind] for one in found] for kind in found[0]}


def memory(pid: int | str = 'self') -> dict[str, float]:
    """PSS and RSS of a process in MB (of 10^6 bytes)."""
    with open(f'/proc/{pid}/smaps_rollup', encoding='ascii') as file:
        fields = dict(line.split(':') for line in file if 'kB' in line)
    return {kind.upper(): int(fields[kind].split()[0]) * 1024 / 1e6
            for kind in ('Pss', 'Rss')}


def _each(function: Callable, names: list[str]) -> float:
    """Microseconds of CPU time a call."""
    start = time.process_time()
    for name in names:
        function(name)
    return (time.process_time() - start) / len(names) * 1e6


def _row(what: str, unit: str,
         pairs: list[tuple[float, float]]) -> dict[str, Any]:
    ours, plain = zip(*pairs)
    return dict(what=what, unit=unit,
                store=round(statistics.median(ours), 1),
                plain=round(statistics.median(plain), 1),
                plain_by_store=ratio(plain, ours))


def _quick(measure: Callable, row: int, column: str) -> float:
    """The median of a ratio that a function measures of a few clips."""
    with tempfile.TemporaryDirectory() as folder:
        names = make(folder, clips=24)
        return measure(folder, names)[row][column]['median']


QUICK: dict[str, Callable[[], float]] = {
    # CPU time, as the disks of CI differ
    'cold reads': lambda: _quick(measure_cold, 2, 'plain_by_store_CPU'),
    'warm reads': lambda: _quick(measure_reads, 1, 'plain_by_store')}
