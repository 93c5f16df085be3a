"""The rates behind ``hpnet plan``, measured on this machine.

An extraction of the given videos with one worker and with all; the decoder
alone, the pose net alone; a writer that stores clips of noise; the index of
many clips; annotations.pkl of clips that lie on the disk only. Seconds are
those of a wall clock: keep the machine quiet. On a busy machine without a GPU
CPU time tells more: what a free core would do that waits for no disk.
"""
from __future__ import annotations

import argparse
import contextlib
import io
import os
import os.path as osp
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..datasets.sources import SourceClip
from ..extraction.planning import (
    CHANNELS,
    JOINTS,
    Job,
    Rates,
    feature_bytes,
    stored_frames,
)
from ..extraction.watch import Watch
from .cold_reads import drop
from .common import apart, machine

ROUNDS = 4  # clips for each worker, at least
BATCHES = 6  # of the pose net alone
WRITTEN = 1 << 30  # bytes of noise that are stored
INDEXED = 100_000  # clips of the index that is made
TAP = 'noise'
Clock = Callable[[], float]


class _Times(Watch):
    """When the first clip began and the last one ended.

    Args:
        clock: Tells the time.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock, self.first, self.last = clock, 0., 0.

    def began(self, worker: str, item: Any) -> None:
        self.first = self.first or self.clock()

    def ended(self, worker: str, item: Any, failed: bool) -> None:
        self.last = self.clock()


def measure(videos: Sequence[str], words: Sequence[str], job: Job,
            folder: str | None = None, written: int = WRITTEN,
            indexed: int = INDEXED, cpu: bool = False
            ) -> tuple[Rates, dict[str, Any]]:
    """Measure all rates.

    Args:
        videos: Files or folders, as for ``hpnet extract``.
        words: Further options of ``hpnet extract``.
        job: Its clips are what the writer stores.
        folder: On the disk that is to be written. Defaults to that of
            temporary files.
        written: Bytes that are stored.
        indexed: Clips of the index.
        cpu: Whether to count CPU time. One worker is measured then, and so
            many times its rate taken as there are workers.

    Returns:
        The rates, and what was measured where, as JSON.

    Raises:
        ValueError: If a clip fails, or options do not fit.
    """
    clock = time.process_time if cpu else time.perf_counter
    with tempfile.TemporaryDirectory(dir=folder) as place:
        args = _arguments(videos, words, place)
        # first: it is slower in a process that is forked off later
        found: dict[str, Any] = apart(_parts, args, clock)
        _say(f'decoding: {1e3 * found["decode_seconds"]:.2f} ms a frame; '
             f'pose net: {1e3 * found["crop_seconds"]:.2f} ms a crop')
        found.update(_extraction(args, place, cpu))
        _say(f'{found["workers"]} workers: {found["frames"]:.1f} frames/s')
        store = osp.join(place, 'noise')
        found['write'] = write_rate(store, job, written, clock)
        _say(f'writing: {found["write"] / 1e6:.0f} MB/s')
        found['annotate'] = annotation_rate(store, clock)
        _say(f'annotations.pkl: {found["annotate"] / 1e6:.0f} MB/s')
        clips = max(1, round((64 << 20) / feature_bytes(job)))
        found.update(index_rate(osp.join(place, 'index'), indexed, clips,
                                clock))
        _say(f'index: {found["consolidate"]:,.0f} clips/s')
    about = dict(machine=machine(), options=list(words),
                 seconds='CPU time' if cpu else 'wall clock',
                 written_bytes=written, indexed_clips=indexed,
                 clip=job._asdict())
    return Rates(**found), about


def _say(text: str) -> None:
    print(f'  {text}', file=sys.stderr, flush=True)


def _arguments(videos: Sequence[str], words: Sequence[str], place: str
               ) -> argparse.Namespace:
    """Those of ``hpnet extract``."""
    from ..commands import extract
    source = osp.join(place, 'videos.txt')
    with open(source, 'w', encoding='utf-8') as file:
        for path in videos:
            paths = [osp.join(path, name) for name in sorted(
                os.listdir(path))] if osp.isdir(path) else [path]
            file.writelines(f'"{osp.abspath(one)}"\n' for one in paths)
    args = extract.main.parse([source, '--out', osp.join(place, 'out'),
                               *words])
    if args.launcher:
        raise ValueError('--measure measures one machine: leave --launcher '
                         'out')
    if args.joints or (args.detector or '').startswith('boxes:'):
        raise ValueError('--measure repeats the videos under other names: '
                         'neither --joints nor boxes:FILE knows these')
    return args


def _extraction(args: argparse.Namespace, place: str, cpu: bool
                ) -> dict[str, Any]:
    """Extract with one worker and with all."""
    from ..commands import extract
    from ..commands.extract_places import workers_of
    from ..store import FeatureStore
    with contextlib.redirect_stdout(io.StringIO()):
        source = extract.read_source(args)
        build, _ = extract.builder(args, None)
    settings = extract.settings_of(args)
    devices, most = workers_of(args)
    most = max(1, most)
    rates, clips, out = {}, [], ''
    for workers in (1, ) if cpu else sorted({1, most}):
        out = osp.join(place, f'out{workers}')
        clips = repeated(source.clips, ROUNDS * workers)
        rates[workers] = _timed(
            build, settings, devices, workers, clips, out, args.timeout,
            _Times(_cpu_of_workers if cpu else time.perf_counter))
    if cpu:
        rates[most] = most * rates[1]
    store = FeatureStore(osp.join(out, 'features'))
    infos = [store.info(name) for name in store.names]
    frames = sum(info['num_frames'] for info in infos)
    posed = sum(int((store.read(name, 'keypoint_score') > 0).any(-1).sum())
                for name in store.names)
    size = sum(osp.getsize(clip.path) for clip in clips)
    found = dict(workers=most, frames=rates[most],
                 frame_seconds=1 / rates[1], crops=posed / frames,
                 frame_bytes=size / frames)
    if args.crops:
        folder = osp.join(out, 'crops')
        stored = sum(store.shape(name, 'keypoint')[1] for name in store.names)
        found['crop_bytes'] = sum(
            osp.getsize(osp.join(here, name)) for here, _, names
            in os.walk(folder) for name in names) / stored
    return found


def _cpu_of_workers() -> float:
    """CPU seconds of the processes that this one has forked."""
    with open(f'/proc/self/task/{os.getpid()}/children') as file:
        pids = file.read().split()
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError), open(f'/proc/{pid}/stat') as file:
            fields = file.read().rpartition(')')[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf('SC_CLK_TCK')


def _timed(build: Any, settings: Any, devices: list[str], workers: int,
           clips: list[SourceClip], out: str, timeout: float, times: _Times
           ) -> float:
    """Frames a second from the first clip begun to the last one ended."""
    from ..extraction.run import Extraction
    from ..store import FeatureStore
    failures = Extraction(build, settings, devices, workers, timeout)(
        clips, out, progress=False, watches=[times])
    if failures:
        name, why = next(iter(failures.items()))
        raise ValueError(f'--measure: {name} failed: {why}')
    store = FeatureStore(osp.join(out, 'features'))
    return sum(store.info(name)['num_frames'] for name in store.names) / (
        times.last - times.first)


def repeated(clips: Sequence[SourceClip], least: int) -> list[SourceClip]:
    """The clips, all equally often, under names of their own.

    Args:
        clips: Some.
        least: So many at least.

    Returns:
        The clips.

    Raises:
        ValueError: If there is none.
    """
    if not clips:
        raise ValueError('--measure: there is no video')
    return [clip._replace(name=f'{turn:04d}_{clip.name}')
            for turn in range(-(-least // len(clips))) for clip in clips]


def _parts(args: argparse.Namespace, clock: Clock) -> dict[str, float]:
    """Seconds of decoding a frame, and of the pose net a crop."""
    from ..commands import extract
    from ..estimation.video import VideoReader
    with contextlib.redirect_stdout(io.StringIO()):
        clips = extract.read_source(args).clips
        build, _ = extract.builder(args, None)
    settings = extract.settings_of(args)
    import torch
    torch.set_num_threads(1)
    frames, begin = 0, clock()
    for clip in clips:
        with VideoReader(clip.path, max_frames=settings.max_frames,
                         length=settings.length, damaged=settings.damaged,
                         limits=settings.limits) as reader:
            for _ in reader.chunks():
                pass
            frames += reader.count
    decode = (clock() - begin) / frames
    _, extractor = build(args.device.split(',')[0])
    width, height = extractor.net.size
    crops = np.random.default_rng(0).integers(
        0, 256, (settings.batch, height, width, 3), np.uint8)
    matrices = np.tile(np.eye(2, 3, dtype=np.float32), (len(crops), 1, 1))
    extractor(crops, matrices)  # kernels are chosen
    begin = clock()
    for _ in range(BATCHES):
        extractor(crops, matrices)
    seconds = (clock() - begin) / BATCHES / len(crops)
    return dict(decode_seconds=decode, crop_seconds=seconds)


def write_rate(root: str, job: Job, written: int,
               clock: Clock = time.perf_counter) -> float:
    """Bytes a second of a writer: journal, shards, and their index.

    Args:
        root: A store to write.
        job: Its clips are written, of noise and whole people.
        written: Bytes at least.
        clock: Tells the time.

    Returns:
        The rate, until everything is on the disk.
    """
    from ..store import StoreWriter
    people, length = max(1, round(job.people)), max(1, round(
        stored_frames(job)))
    rng = np.random.default_rng(0)
    shape = people, length, JOINTS
    arrays: dict[str, np.ndarray] = {
        'keypoint': rng.random((*shape, 2), np.float32),
        'keypoint_score': rng.random(shape, np.float32),
        'timestamp': np.arange(length) / job.fps,
        TAP: rng.random((*shape, job.channels), np.float32).astype('f2')}
    size = sum(array.nbytes for array in arrays.values())
    count = -(-written // size)
    begin = clock()
    with StoreWriter(root, dict(taps={TAP: job.channels})) as writer:
        for i in range(count):
            writer.add(f'clip{i:08d}', arrays, dict(
                img_shape=[1080, 1920], fps=job.fps, num_frames=length,
                source=f'clip{i:08d}.mp4'))
    return count * size / (clock() - begin)


def annotation_rate(root: str, clock: Clock = time.perf_counter) -> float:
    """Bytes a second of annotations.pkl, of clips that are not in memory.

    Args:
        root: A store.
        clock: Tells the time.

    Returns:
        The rate.
    """
    from ..datasets.annotations import write_annotations
    from ..store import FeatureStore
    drop(root)
    path = osp.join(osp.dirname(root), 'annotations.pkl')
    begin = clock()
    write_annotations(FeatureStore(root), path, {}, {})
    return osp.getsize(path) / (clock() - begin)


def index_rate(root: str, clips: int, of_shard: int,
               clock: Clock = time.perf_counter) -> dict[str, float]:
    """Make the consolidated index of many clips.

    The indices of the shards are real; the shards are holes in files, and
    take no room.

    Args:
        root: A store to write.
        clips: How many.
        of_shard: Of them in a shard.
        clock: Tells the time.

    Returns:
        ``consolidate``, clips a second, and ``index_bytes`` a clip.
    """
    from ..store import StoreWriter
    from ..store.building import build, part_of
    from ..store.catalog import consolidate
    from ..store.files import INDEX, SHARD, TABLE, dims_of
    taps, check = {TAP: CHANNELS}, zlib.crc32(b'')
    keys = ('keypoint', 'keypoint_score', 'timestamp', TAP)
    schema = [[key, *dims_of(key, taps)] for key in keys]
    StoreWriter(root, dict(taps=taps)).suspend()
    step = 1 << 20
    for shard, first in enumerate(range(0, clips, of_shard)):
        rows = range(first, min(clips, first + of_shard))
        size = step * (len(rows) + 1)
        stem = f'{shard:05d}'
        info = b'{"img_shape":[1080,1920],"fps":30.0,"num_frames":300,' \
            b'"source":"clip00000000.mp4"}'
        part = part_of(stem, size, [
            (f'clip{row:08d}', info, (1, 300, JOINTS), schema,
             [(step * (i + 1) + 64 * k, check) for k in range(len(keys))])
            for i, row in enumerate(rows)])
        with open(osp.join(root, stem + SHARD), 'wb') as file:
            file.truncate(size)
        with open(osp.join(root, stem + INDEX), 'wb') as file:
            file.writelines(build([part]))
    begin = clock()
    consolidate(root)
    seconds = clock() - begin
    return dict(consolidate=clips / seconds,
                index_bytes=osp.getsize(osp.join(root, TABLE)) / clips)
