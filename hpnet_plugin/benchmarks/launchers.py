"""Extraction on Ray beside processes of this computer.

Both sides extract the same drawn videos with the tiny pose net, in turns, on
as many cores as they have workers. Start-up is what passes until the nets are
loaded and the first clip can be given out; the rate is that of the clips
after it, by a wall clock, and in CPU time of all processes that the side has
started, those of Ray included. Keep the machine quiet.
"""
from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..datasets.clips import count
from ..extraction.watch import Watch
from . import inputs
from .common import (
    Tables,
    add_repeat,
    apart,
    positive,
    ratio,
    spread,
    take_turns,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark launchers``."""
    add = parser.add_argument
    add('--clips', type=positive, default=24,
        help='videos in each run (default 24)')
    add('--frames', type=positive, default=200,
        help='frames of each (default 200)')
    add('--workers', type=positive, nargs='+', default=[1, 2],
        help='numbers of workers to compare (default 1 2)')
    add_repeat(parser)


class Took(NamedTuple):
    """What a run took.

    Attributes:
        start (float): Seconds until the first clip could be given out.
        wall (float): Seconds from there to the last clip.
        cpu (float): CPU seconds meanwhile, of all processes.
    """
    start: float
    wall: float
    cpu: float


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    from ..extraction.ray_cluster import import_ray
    apart(lambda: bool(import_ray()))  # says what to install
    with tempfile.TemporaryDirectory() as folder:
        videos, boxes = apart(inputs.draw_clips, folder, args.clips,
                              args.frames)
        runs: dict[str, Callable[[str], Any]] = {}
        for workers in args.workers:
            for ray in False, True:
                runs[_name(workers, ray)] = (
                    lambda out, n=workers, ray=ray: _run(
                        videos, boxes, out, n, ray))
        found = take_turns(runs, args.repeat, lambda one: (
            f'start {one.start:.1f} s, {one.wall:.1f} s, CPU {one.cpu:.1f} s'))
    frames = args.clips * args.frames
    rows = []
    for workers in args.workers:
        for ray in False, True:
            turns = found[_name(workers, ray)]
            row: dict[str, Any] = dict(
                what=_name(workers, ray),
                start_up_seconds=spread([one.start for one in turns]),
                frames_per_second=spread([frames / one.wall
                                          for one in turns]))
            if ray:
                plain = found[_name(workers, False)]
                for key in 'wall', 'cpu':
                    row[f'{key}_by_processes'] = ratio(
                        [getattr(one, key) for one in turns],
                        [getattr(one, key) for one in plain])
            first = found[_name(args.workers[0], ray)]
            if workers != args.workers[0]:
                row['faster_than_' + str(args.workers[0])] = ratio(
                    [one.wall for one in first], [one.wall for one in turns])
            rows.append(row)
    return {f'{count(args.clips, "clip")}, {frames} frames': rows}


def _name(workers: int, ray: bool) -> str:
    return count(workers, 'worker') + (' on Ray' if ray else '')


class _Clock(Watch):
    """Notes when the clips began and ended, and the CPU time at both."""

    def __init__(self) -> None:
        self.begin = self.end = (0., 0.)

    def now(self) -> tuple[float, float]:
        return time.perf_counter(), cpu_seconds(os.getpid())

    def ended(self, worker: str, item: Any, failed: bool) -> None:
        self.end = self.now()


def _run(videos: str, boxes: str, out: str, workers: int, ray: bool) -> Took:
    """One side, from nothing to the last clip."""
    from ..datasets import sources
    from ..extraction.clips import Settings
    from ..extraction.launchers import ray_launcher
    from ..extraction.run import Extraction
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers])
    clips, clock = sources.find_clips(videos), _Clock()

    def begin(estimate: Any) -> None:
        clock.begin = clock.now()

    start = time.perf_counter()
    failures = Extraction(
        inputs.tiny_nets(f'boxes:{boxes}'), Settings(max_frames=None),
        workers=workers, launch=ray_launcher(demand=True) if ray else None)(
            clips, out, progress=False, on_start=begin, watches=[clock])
    if failures:
        raise RuntimeError(f'clips failed: {failures}')
    return Took(clock.begin[0] - start, clock.end[0] - clock.begin[0],
                clock.end[1] - clock.begin[1])


def cpu_seconds(root: int) -> float:
    """CPU time of a process and of all that are below it.

    Args:
        root: Its number.

    Returns:
        Seconds, those included of processes that have ended and were waited
        for.
    """
    below: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / 'stat').read_text().rpartition(')')[2].split()
            except OSError:  # it has just ended
                continue
            pid = int(entry.name)
            below.setdefault(int(stat[1]), []).append(pid)
            ticks[pid] = sum(map(int, stat[11:15]))
    todo, found = [root], 0
    while todo:
        pid = todo.pop()
        found += ticks.get(pid, 0)
        todo += below.get(pid, ())
    return found / os.sysconf('SC_CLK_TCK')
