"""What a feature store costs beside plain files, measured in one run.

Functions for ``tools/benchmark.py store``: every number stands beside the
plain way of doing the same (a ``.npy`` file a clip and a JSON index), both
interleaved, in CPU time, as a ratio with its spread.
"""
import json
import os
import os.path as osp
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np

from hpnet_plugin.store import FeatureStore, StoreWriter

TAP = 'h2'


def make(root: str, clips: int = 64, frames: int = 300, channels: int = 96,
         seed: int = 0) -> list[str]:
    """Write the same clips as a store and as plain files.

    Args:
        root: A folder: ``store/``, and ``plain/`` with a float32 ``.npy``
            (1, T, 17, C) a clip, as the released features are kept, and
            ``index.json``.

    Returns:
        Names of the clips.
    """
    rng = np.random.default_rng(seed)
    plain = osp.join(root, 'plain')
    os.makedirs(plain, exist_ok=True)
    names = [f'S{i:06d}' for i in range(clips)]
    with StoreWriter(osp.join(root, 'store'), dict(taps={TAP: channels})
                     ) as writer:
        for name in names:
            arrays = dict(
                keypoint=rng.random((1, frames, 17, 2), np.float32),
                keypoint_score=rng.random((1, frames, 17), np.float32))
            arrays[TAP] = rng.standard_normal(
                (1, frames, 17, channels), np.float32).astype(np.float16)
            writer.add(name, arrays, dict(img_shape=[1080, 1920]))
            np.save(osp.join(plain, name + '.npy'),
                    arrays[TAP].astype(np.float32))
    return names


def measure(root: str, names: list[str], rounds: int = 5, wanted: int = 64
            ) -> dict[str, dict[str, float]]:
    """Time reads of a store that :func:`make` wrote, warm.

    Returns:
        A row each: microseconds a clip of the store and of the plain files,
        their ratio (above 1: the store is faster) and the lowest and highest
        ratio of a round.
    """
    import torch

    # the cast makes a copy, so that nobody writes to the file
    warnings.filterwarnings('ignore', message='The given NumPy array is not')
    store = FeatureStore(osp.join(root, 'store'))
    plain = osp.join(root, 'plain')
    length = store.shape(names[0], TAP)[1]
    frames = np.linspace(0, length - 1, wanted).round().astype(np.int64)

    def load(name):
        return np.load(osp.join(plain, name + '.npy'))

    def cast(array):
        return torch.from_numpy(array).float().numpy()

    cases = {
        'whole clip, as stored': (
            lambda name: store.read(name, TAP).copy(), load),
        'whole clip, float32': (
            lambda name: cast(store.read(name, TAP)), load),
        f'{length} to {wanted} frames, float32': (
            lambda name: cast(store.read(name, TAP, frames)),
            lambda name: load(name)[:, frames]),
        'whole clip, first read in a process, checked': (
            lambda name: FeatureStore.read(store, name, TAP).copy(), load),
    }
    rows = {}
    for label, (ours, theirs) in cases.items():
        first = 'first' in label
        if not first:
            for name in names:
                ours(name), theirs(name)
        pairs = []
        for _ in range(rounds):
            if first:
                store._prepare()
            pairs.append((_each(ours, names), _each(theirs, names)))
        rows[label] = _row(pairs)
    return rows


def measure_cold(root: str, names: list[str], wanted: int = 8
                 ) -> dict[str, float]:
    """Bytes that reading some frames of each clip brings from the disk.

    Returns:
        ``asked``: bytes of the frames; ``store``, ``plain``: bytes read,
        by /proc/self/io (0 where the file system is memory).
    """
    stores = FeatureStore(osp.join(root, 'store'), check=False)
    length = stores.shape(names[0], TAP)[1]
    frames = np.linspace(0, length - 1, wanted).round().astype(np.int64)
    result = dict(asked=float(sum(
        stores.read(name, TAP, frames).nbytes for name in names)))
    for label, read in (
            ('store', lambda name: stores.read(name, TAP, frames)),
            ('plain', lambda name: np.load(osp.join(
                root, 'plain', name + '.npy'))[:, frames])):
        folder = osp.join(root, label)
        stores._prepare()
        _drop(folder)
        before = _read_bytes()
        for name in names:
            read(name)
        result[label] = float(_read_bytes() - before)
    return result


def measure_open(root: str, clips: int = 100_000, rounds: int = 5
                 ) -> dict[str, float]:
    """Open a store of very small clips beside a JSON index of the same.

    Returns:
        Milliseconds of both, their ratio with spread, MiB that the process
        grew by for each, and microseconds of a random read.
    """
    arrays = dict(keypoint=np.ones((1, 1, 1, 2), np.float32),
                  keypoint_score=np.ones((1, 1, 1), np.float32))
    arrays[TAP] = np.ones((1, 1, 1, 4), np.float16)
    folder, path = osp.join(root, 'many'), osp.join(root, 'index.json')
    with StoreWriter(folder, dict(taps={TAP: 4}), shard_bytes=1 << 16
                     ) as writer:
        for i in range(clips):
            writer.add(f'S{i:08d}', arrays, dict(img_shape=[1080, 1920]))
    entry = dict(shard='00000', info=dict(img_shape=[1080, 1920]), arrays={
        key: dict(offset=0, shape=list(array.shape), dtype=array.dtype.str,
                  crc32=1 << 31) for key, array in arrays.items()})
    with open(path, 'w', encoding='utf-8') as file:
        json.dump({f'S{i:08d}': entry for i in range(clips)}, file)

    def parse(_):
        with open(path, encoding='utf-8') as file:
            return json.load(file)

    pairs = [(_each(lambda _: FeatureStore(folder), ['']),
              _each(parse, [''])) for _ in range(rounds)]
    result = _row(pairs)
    before = _resident()
    store = FeatureStore(folder)
    middle = _resident()
    index = parse('')
    result.update(store_mib=middle - before, plain_mib=_resident() - middle)
    rng = np.random.default_rng(0)
    names = [f'S{i:08d}' for i in rng.integers(len(index), size=5000)]
    _each(lambda name: store.read(name, TAP), names)
    result['random_read'] = _each(lambda name: store.read(name, TAP), names)
    return result


def _each(function: Callable, names: list[str]) -> float:
    start = time.process_time()
    for name in names:
        function(name)
    return (time.process_time() - start) / len(names) * 1e6


def _row(pairs: list[tuple[float, float]]) -> dict[str, float]:
    ratios = [theirs / ours for ours, theirs in pairs]
    return dict(
        store=statistics.median(ours for ours, _ in pairs),
        plain=statistics.median(theirs for _, theirs in pairs),
        ratio=statistics.median(ratios), low=min(ratios), high=max(ratios))


def _drop(folder: str) -> None:
    """Put the files of a folder out of the system's cache."""
    for name in os.listdir(folder):
        fd = os.open(osp.join(folder, name), os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def _read_bytes() -> int:
    with open('/proc/self/io', encoding='ascii') as file:
        return int(next(line for line in file
                        if line.startswith('read_bytes')).split()[1])


def _resident() -> float:
    with open('/proc/self/statm', encoding='ascii') as file:
        return int(file.read().split()[1]) * os.sysconf(
            'SC_PAGE_SIZE') / 2**20
