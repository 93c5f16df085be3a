"""Reading a stream's clips, opening a store, fusing scores."""
from __future__ import annotations

import contextlib
import io
import os
import os.path as osp
import pickle
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..common import apart
from .curves import Curve, Point, memory_curve, time_curve

SEEN, PEOPLE, JOINTS, CHANNELS = 64, 2, 17, 96
LENGTHS = (16, 32, 64, 128, 256, 512, 1024)
BATCHES = (1, 2, 4, 8, 16, 32)
ROWS = (1_000, 10_000, 100_000, 1_000_000)
READS = 2000
SCORED = (1_000, 2_000, 4_000, 8_000)
CLASSES, STREAMS = 120, 2
TAP = 'h2'


def loading(folder: str, repeat: int, least: int = 0) -> list[Curve]:
    """A clip, and a batch, as a test reads it, in one process.

    Args:
        folder: To write to.
        repeat: Turns of each size.
        least: How many of the largest sizes are left out.

    Returns:
        Times against frames and against the batch.
    """
    def clip(length: int) -> Point:
        place = osp.join(folder, f'frames{length}')
        dataset = _loader(place, length, 1).dataset
        return Point(lambda: dataset[0], _copied(place, 1))

    batches = osp.join(folder, 'batches')

    def batch(size: int) -> Point:
        loader = _loader(batches, SEEN, size)
        return Point(lambda: next(iter(loader)), _copied(batches, size))

    bound_is = 'one copy to float32 of the frames that are needed'
    return [
        time_curve('loading a clip of hp_j', 'frames stored', bound_is,
                   LENGTHS[:len(LENGTHS) - least], clip, repeat),
        time_curve('loading a batch of hp_j', 'clips in a batch', bound_is,
                   BATCHES[:len(BATCHES) - least], batch, repeat)]


def _loader(folder: str, length: int, batch: int) -> Any:
    """A test's loader of a folder of noise, which is written if need be."""
    from mmengine.config import Config
    from mmengine.registry import DefaultScope
    from mmengine.runner import Runner

    from ...apis.synthetic import write_synthetic
    from ...recipes import compose
    config = Config(compose('stream', stream='hp_j', benchmark='ntu120'))
    if osp.isdir(folder):
        config.test_dataloader.dataset.data_root = folder
    else:
        write_synthetic(config, folder, max(BATCHES) if batch > 1 or
                        osp.basename(folder) == 'batches' else 1, length)
    settings = config.test_dataloader
    settings.update(batch_size=batch, num_workers=0, persistent_workers=False)
    with DefaultScope.overwrite_default_scope('mmaction'):
        return Runner.build_dataloader(settings, seed=0)


def _copied(folder: str, clips: int) -> Callable[[], Any]:
    """One copy of as many clips, from memory into one array."""
    import torch

    from ...resampling import weighted_frames
    from ...store import FeatureStore
    store = FeatureStore(osp.join(folder, 'features'))
    half = np.array(store.read(store.names[0]))
    wanted = weighted_frames(half.shape[1], SEEN)
    ready = torch.from_numpy(half[:, wanted])
    out = torch.empty(clips, *ready.shape)

    def copy() -> None:
        for one in out:
            one.copy_(ready)

    return copy


def store(folder: str, repeat: int, least: int = 0) -> list[Curve]:
    """Open a store, and read clips in random order.

    Its index is real. Its only shard has nothing but zeros and takes no room
    on the disk: all clips are tiny.

    Args:
        folder: To write to.
        repeat: Turns of each size.
        least: How many of the largest sizes are left out.

    Returns:
        Times to open and to read, and memory, against the clips.
    """
    from ...store import FeatureStore
    sizes = ROWS[:len(ROWS) - least]
    for rows in sizes:
        apart(_write_rows, osp.join(folder, f'store{rows}'), rows)

    def path(rows: int) -> str:
        return osp.join(folder, f'store{rows}')

    def opened(rows: int) -> Point:
        return Point(lambda: len(FeatureStore(path(rows))),
                     lambda: _map(osp.join(path(rows), 'consolidated.index')))

    def names(rows: int) -> list[str]:
        rng = np.random.default_rng(rows)
        return [_name(i) for i in rng.integers(rows, size=READS)]

    def read(rows: int) -> Point:
        there, wanted = FeatureStore(path(rows)), names(rows)
        file = os.open(osp.join(path(rows), '00000.safetensors'), os.O_RDONLY)
        size = there.read(wanted[0], TAP).nbytes
        return Point(lambda: [there.read(name, TAP) for name in wanted],
                     lambda: [os.pread(file, size, 64 * i)
                              for i in range(READS)])

    def grown(rows: int) -> tuple[Callable[[], Any], float]:
        there, wanted = FeatureStore(path(rows)), names(rows)
        # a page of the table, at least, for a clip's row and its name
        pages = min(2 * READS * 4096, osp.getsize(osp.join(
            path(rows), 'consolidated.index')))
        return lambda: [there.read(name, TAP) for name in wanted], pages / 1e6

    return [
        time_curve('opening a store', 'clips', 'mapping its index', sizes,
                   opened, repeat),
        time_curve(f'{READS} random reads', 'clips', 'pread of the same '
                   'bytes', sizes, read, repeat),
        memory_curve(f'{READS} random reads', 'clips', 'two pages of the '
                     'index for each read, or all of it', sizes, grown)]


def _map(path: str) -> None:
    import mmap
    with open(path, 'rb') as file, mmap.mmap(
            file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        bytes(data[:64])


def _name(number: int) -> str:
    return f'S{number:08d}'


def _write_rows(root: str, rows: int) -> None:
    """A store whose one shard is a hole in a file."""
    from ...store import StoreWriter
    from ...store.building import build, part_of
    from ...store.catalog import consolidate
    from ...store.files import INDEX, SHARD, dims_of
    shapes = {'keypoint': (1, 1, 1, 2), 'keypoint_score': (1, 1, 1),
              TAP: (1, 1, 1, 4)}
    taps = {TAP: 4}
    schema = [[key, *dims_of(key, taps)] for key in shapes]
    checks = [zlib.crc32(bytes(8)), zlib.crc32(bytes(4)),
              zlib.crc32(bytes(8))]
    stem = osp.join(root, '00000')
    StoreWriter(root, dict(taps=taps)).suspend()
    start = 4096
    clips = ((_name(i), b'{}', (1, 1, 1), schema, [
        (start + 64 * i + 16 * k, check) for k, check in enumerate(checks)])
        for i in range(rows))
    size = start + 64 * rows
    with open(stem + SHARD, 'wb') as file:
        file.truncate(size)
    with open(stem + INDEX, 'wb') as file:
        file.writelines(build([part_of('00000', size, clips)]))
    consolidate(root)


def fusing(folder: str, repeat: int, least: int = 0) -> list[Curve]:
    """``hpnet fuse`` of two dumps, as mmengine writes them.

    Args:
        folder: To write to.
        repeat: Turns of each size.
        least: How many of the largest sizes are left out.

    Returns:
        Time and memory against the clips.
    """
    from ...commands import fuse
    sizes = SCORED[:len(SCORED) - least]

    def fused(clips: int) -> tuple[Callable[[], Any], Callable[[], Any]]:
        files = _write_scores(folder, clips)

        def run() -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                if fuse.main(files):
                    raise RuntimeError('hpnet fuse failed')

        def load() -> list[np.ndarray]:
            return [np.load(file + '.npy') for file in files]

        return run, load

    def memory(clips: int) -> tuple[Callable[[], Any], float]:
        return fused(clips)[0], STREAMS * clips * CLASSES * 4 / 1e6

    # it is imported before
    fused(10)[0]()
    return [
        time_curve('hpnet fuse, two streams', 'clips',
                   'numpy.load of the same numbers', sizes,
                   lambda clips: Point(*fused(clips)), repeat),
        memory_curve('hpnet fuse, two streams', 'clips',
                     'the numbers themselves', sizes, memory)]


def _write_scores(folder: str, clips: int) -> list[str]:
    """Dumps of a test, and the same numbers as arrays beside them."""
    import torch
    files = []
    rng = np.random.default_rng(clips)
    labels = rng.integers(CLASSES, size=clips)
    for stream in range(STREAMS):
        files.append(osp.join(folder, f'scores{clips}_{stream}.pkl'))
        if osp.isfile(files[-1]):
            continue
        scores = rng.standard_normal((clips, CLASSES), np.float32)
        np.save(files[-1] + '.npy', scores)
        samples = [dict(frame_dir=_name(i), pred_score=torch.tensor(row),
                        gt_label=torch.tensor([labels[i]]))
                   for i, row in enumerate(scores)]
        with open(files[-1], 'wb') as file:
            pickle.dump(samples, file)
    return files


