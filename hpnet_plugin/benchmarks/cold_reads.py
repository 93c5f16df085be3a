"""Reading clips from the disk, beside a .npy file a clip."""
from __future__ import annotations

import os
import os.path as osp
import time
from collections.abc import Callable, Iterable

import numpy as np

from .common import ratio, spread

COLD = 8  # frames of a clip, where not the whole of it is read
COLD_TARGET = 4


def measure_cold(root: str, names: list[str], repeat: int = 3,
                 wanted: int = COLD) -> list[dict]:
    """Read clips in random order that are on the disk only.

    Returns:
        Milliseconds of wall and of CPU time a clip of the store and of
        ``np.load``, the ratios, and the bytes that each brings from the disk,
        by /proc/self/io (0 where the file system is memory).
    """
    from ..store import FeatureStore
    rng = np.random.default_rng(0)
    store = FeatureStore(osp.join(root, 'store'), check=False)
    length = store.shape(names[0])[1]
    frames = {name: np.sort(rng.choice(length, wanted, replace=False))
              for name in names}

    def load(name: str) -> np.ndarray:
        return np.load(osp.join(root, 'plain', name + '.npy'))

    cases = {
        'whole clips': (lambda name: store.read(name).copy(), load),
        'whole clips, read before in this process': (
            lambda name: store.read(name).copy(), load),
        f'{wanted} random frames': (
            lambda name: store.read(name, frames=frames[name]),
            lambda name: load(name)[:, frames[name]])}
    rows = []
    for what, (ours, plain) in cases.items():
        for name in names:
            found, expected = ours(name), plain(name)
            if not np.array_equal(found, expected):
                raise RuntimeError(f'{what}: {name} differs')
        turns: list[list[tuple[float, float, float]]] = [[], []]
        for _ in range(repeat):
            store._prepare()  # what is mapped cannot be dropped
            if 'before' in what:
                for table in store._sound.values():
                    table[:] = b'\1' * len(table)
            for side, found in zip((ours, plain), turns):
                found.append(_time_cold(root, rng.permutation(names), side))
        (wall, cpu, read), plain_times = zip(*turns[0]), list(zip(*turns[1]))
        rows.append(dict(
            what=what, store_ms=spread(wall), plain_ms=spread(plain_times[0]),
            plain_by_store=ratio(plain_times[0], wall),
            plain_by_store_CPU=ratio(plain_times[1], cpu),
            store_MB=round(read[-1], 3), plain_MB=round(
                plain_times[2][-1], 3), target=COLD_TARGET))
    return rows


def _time_cold(root: str, names: Iterable[str], read: Callable
               ) -> tuple[float, float, float]:
    """Milliseconds of wall and CPU time, and MB read, a clip."""
    for part in ('store', 'plain'):
        drop(osp.join(root, part))
    count, before = 0, _read_bytes()
    wall, cpu = time.perf_counter(), time.process_time()
    for name in names:
        read(name)
        count += 1
    return ((time.perf_counter() - wall) / count * 1e3,
            (time.process_time() - cpu) / count * 1e3,
            (_read_bytes() - before) / count / 1e6)


def drop(folder: str) -> None:
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
