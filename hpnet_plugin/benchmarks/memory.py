"""What an extraction holds in memory: nothing that grows with its input.

Extractions of drawn videos with the tiny pose net and one worker run in
processes that start afresh, while their memory is looked at 20 times a
second: the PSS of the main process and its workers together, in which a page
that several share counts once; and the largest RSS that one of them ever
had, which the kernel keeps. Three tables: a long video beside a short one,
clips that fail after decoding began beside good ones, and a video whose
frames are too large.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import os.path as osp
import statistics
import tempfile
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import inputs
from .common import Tables, apart, positive, ratio, spread
from .store import memory

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

INTERVAL = 0.05  # seconds between two looks
LAST = 5  # looks that tell how things are at the end
RATE = 30  # frames/s
SIZE = 1280, 720  # of clips that fail
CLIP = 16  # frames of such a clip, in chunks of 8
LARGE = 8000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark memory``."""
    parser.add_argument('--minutes', type=positive, default=60,
                        help='length of the long video; the short one has 1 '
                        '(default 60)')
    parser.add_argument('--clips', type=positive, default=50,
                        help='number of good clips and of clips that fail '
                        '(default 50)')
    parser.add_argument('--repeat', type=positive, default=1,
                        help='turns of each extraction (default 1)')


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    with tempfile.TemporaryDirectory() as folder:
        return {
            f'1 and {args.minutes} minutes of video at {RATE} frames/s, 300 '
            'frames kept': compare_lengths(folder, args.minutes, args.repeat),
            f'{args.clips} clips of {SIZE[0]}x{SIZE[1]}':
            compare_failures(folder, args.clips, args.repeat),
            f'One video of {LARGE}x{LARGE}': try_large(folder, args.repeat)}


class Usage(NamedTuple):
    """What an extraction took.

    Attributes:
        pss (float): Largest sum of the processes' PSS, MB.
        rss (float): Largest RSS of one process at any time, MB.
        pss_end, threads_end, descriptors_end (float): Of all processes at
            the end, while worker and store were still there.
        failures (dict[str, str]): Clips that failed.
    """
    pss: float
    rss: float
    pss_end: float
    threads_end: float
    descriptors_end: float
    failures: dict


def compare_lengths(folder: str, minutes: int, repeat: int = 1
                    ) -> list[dict]:
    """Extract a video of a minute and a longer one."""
    paths = {}
    for length in (1, minutes):
        paths[length] = osp.join(folder, f'{length}min.mp4')
        inputs.fill_video(paths[length], 60 * RATE, copies=length)
    found = _turns({f'{length} min': ([path], 'frame') for length, path in
                    paths.items()}, folder, repeat)
    return _rows(found, {name: name for name in found},
                 ('pss', 'rss'), 'by_1_min')


def compare_failures(folder: str, count: int, repeat: int = 1) -> list[dict]:
    """Extract clips whose boxes end in the middle, and good ones."""
    video = osp.join(folder, 'clip.mp4')
    inputs.fill_video(video, CLIP, SIZE)
    paths = []
    for i in range(count):
        paths.append(osp.join(folder, f'clip{i:05d}.mp4'))
        os.symlink(video, paths[-1])
    box = [[100., 50., 400., 650., 1.]]
    sides = {}
    for name, frames in (('good', CLIP), ('failing', CLIP // 2)):
        file = osp.join(folder, name + '.json')
        with open(file, 'w', encoding='utf-8') as out:
            json.dump({f'clip{i:05d}': [box] * frames
                       for i in range(count)}, out)
        sides[name] = paths, f'boxes:{file}'
    found = _turns(sides, folder, repeat)
    for name, expected in (('good', 0), ('failing', count)):
        failed = found[name][0].failures
        if len(failed) != expected:
            raise RuntimeError(f'{expected} of the {name} clips should have '
                               f'failed, {len(failed)} did: '
                               f'{list(failed.values())[:1]}')
    return _rows(found, dict(good='good', failing='failing'),
                 ('pss', 'rss', 'pss_end', 'threads_end', 'descriptors_end'),
                 'by_good')


def try_large(folder: str, repeat: int = 1) -> list[dict]:
    """Extract a video of very large frames, as limits are and above them."""
    path = osp.join(folder, 'large.avi')
    apart(_write_large, path)
    pixels = dict(refused=None, accepted=LARGE * LARGE)
    rows = []
    for name, limit in pixels.items():
        usages = _turns({name: ([path], 'frame', limit)}, folder,
                        repeat)[name]
        rows.append(dict(
            what='default limits' if limit is None else
            f'limit of {limit / 1e6:.0f} megapixels',
            PSS_peak_MB=spread([one.pss for one in usages]),
            worst_process_RSS_MB=spread([one.rss for one in usages]),
            failed=', '.join(usages[0].failures.values()).replace(
                path, osp.basename(path)) or 'no'))
    return rows


def _write_large(path: str) -> None:
    image = np.zeros((LARGE, LARGE, 3), np.uint8)
    image[::100] = 255
    inputs.write_video(path, [image] * 3, codec='mjpeg', pix_fmt='yuvj420p')


def _turns(sides: Mapping[str, tuple], folder: str,
           repeat: int) -> dict[str, list[Usage]]:
    """Usages of the turns of each side."""
    found = {name: [] for name in sides}
    for turn in range(repeat):
        for name, side in sides.items():
            out = osp.join(folder, f'out-{name}-{turn}')
            found[name].append(watch(out, *side))
    return found


def _rows(found: dict[str, list[Usage]], names: Mapping[str, str],
          fields: Iterable[str], column: str) -> list[dict]:
    """A row a quantity and side, with its ratio to the first side."""
    titles = dict(pss='PSS of all processes, peak', rss='RSS of the worst '
                  'process, peak', pss_end='PSS of all processes, at the end',
                  threads_end='threads, at the end',
                  descriptors_end='descriptors, at the end')
    rows, first = [], next(iter(found))
    for field in fields:
        base = [getattr(one, field) for one in found[first]]
        for side, usages in found.items():
            values = [getattr(one, field) for one in usages]
            row = dict(what=f'{titles[field]}, {names[side]}',
                       unit='MB' if 'ss' in field else '',
                       value=round(statistics.median(values), 1))
            if side != first:
                row[column] = ratio(values, base)
            rows.append(row)
    return rows


def watch(out: str, paths: list[str], detector: str,
          pixels: int | None = None) -> Usage:
    """Extract videos in a new process, and look at its memory meanwhile.

    Args:
        out: Dataset folder.
        paths: The videos.
        detector: See ``build_detector``.
        pixels: Limit of a frame's.

    Returns:
        What it took.

    Raises:
        RuntimeError: If it could not run; it said why.
    """
    context = multiprocessing.get_context('spawn')
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_extract, args=(theirs, paths, out, detector, pixels))
    process.start()
    theirs.close()
    looks, stop = [], threading.Event()

    def look() -> None:
        while not stop.wait(INTERVAL):
            one = _look(process.pid)
            if one:
                looks.append(one)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        failures = ours.recv()
    except EOFError:
        raise RuntimeError('an extraction failed, see above') from None
    finally:
        stop.set()
        watcher.join()
        process.join()
    # of a worker that is just ending less is seen
    last = [one for one in looks if one['processes'] > 1][-LAST:]
    return Usage(
        pss=max(one['pss'] for one in looks),
        rss=max(one['rss'] for one in looks),
        pss_end=max(one['pss'] for one in last),
        threads_end=max(one['threads'] for one in last),
        descriptors_end=max(one['descriptors'] for one in last),
        failures=failures)


def _look(pid: int | None) -> dict[str, float] | None:
    """What a process and those that it started have now."""
    total = dict(pss=0., rss=0., threads=0, descriptors=0, processes=0)
    for one in [pid, *_children(pid)] if pid else []:
        # a process may end while it is looked at
        with contextlib.suppress(OSError, ValueError, KeyError):
            pss, rss = memory(one)['PSS'], _most(one)
            total['pss'] += pss
            total['rss'] = max(total['rss'], rss)
            total['threads'] += len(os.listdir(f'/proc/{one}/task'))
            total['descriptors'] += len(os.listdir(f'/proc/{one}/fd'))
            total['processes'] += 1
    return total if total['processes'] else None


def _most(pid: int) -> float:
    """MB of RSS that a process ever had."""
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        return next(int(line.split()[1]) for line in file
                    if line.startswith('VmHWM')) * 1024 / 1e6


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError), open(
            f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
        return [int(word) for word in file.read().split()]
    return []


def _extract(pipe: Connection, paths: list[str], out: str, detector: str,
             pixels: int | None) -> None:
    """Extract; send what failed."""
    import hpnet_plugin  # noqa: F401  fills the gaps of the stock packages
    from ..datasets.sources import SourceClip
    from ..estimation.video import Limits
    from ..extraction.clips import Settings
    from ..extraction.run import Extraction
    nets = inputs.tiny_nets(detector)
    import mmpose.apis  # noqa: F401  once, as hpnet extract has it
    limits = Limits()
    if pixels:
        limits = limits._replace(pixels=pixels)
    clips = [SourceClip(osp.splitext(osp.basename(path))[0], path)
             for path in paths]
    with open(os.devnull, 'w') as null, contextlib.redirect_stderr(null):
        failures = Extraction(nets, Settings(limits=limits))(
            clips, out, progress=False)
    pipe.send(failures)
