#!/usr/bin/env python3
"""Kill the extraction again and again, and see whether anything is lost.

    python tools/soak.py --kills 300

Draws some short videos, extracts them once in peace, and then in rounds that
are killed at random moments and resumed until they are done: the main
process or a worker, by SIGKILL, SIGTERM or SIGINT, or by itself at the n-th
call that changes a file (so between a shard and its index too), or it meets
a full disk. Some rounds write crops, some share the clips between two
processes. At the end of each round every file of the store has to be, byte
for byte, that of the run in peace. Prints what happened; exit status 0 if
nothing was lost, doubled or different.
"""
from __future__ import annotations

import argparse
import collections
import contextlib
import filecmp
import gc
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SHARD_BYTES = 100_000  # a few clips each, so that there are many shards
SUMS = 'checksums.json'  # of other files
KINDS = ('kill main', 'kill worker', 'terminate', 'interrupt', 'file call',
         'full disk')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=300,
                        help='kills in all (default 300)')
    parser.add_argument('--clips', type=int, default=12,
                        help='videos (default 12)')
    parser.add_argument('--workers', type=int, default=2,
                        help='processes of an extraction (default 2)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--folder', help='where to work and to leave what '
                        'was found different (default: a temporary folder)')
    return parser.parse_args(argv)


class Setting:
    """One way to extract: with or without crops, in one part or two."""

    def __init__(self, folder: Path, videos: Path, crops: bool, parts: int,
                 workers: int) -> None:
        self.name = f'{"crops" if crops else "features"}, {parts} part(s)'
        self.folder, self.parts = folder, parts
        self.seconds = 0.  # that a part takes in peace
        self.options = [
            str(videos), '--pose', 'tiny', '--detector', 'frame',
            '--workers', str(workers), '--batch', '8',
            *(['--crops', '--crop-size', '32'] if crops else [])]

    def arguments(self, out: Path, part: int) -> list[str]:
        shard = ['--shard', f'{part}/{self.parts}'] if self.parts > 1 else []
        return [*self.options, '--out', str(out), *shard]


def run(arguments: list[str], harm: Callable[[], None] | None = None
        ) -> int:  # pyrefly: ignore[bad-return]  os._exit ends it
    """Fork a process that extracts; its number. It never returns."""
    pid = os.fork()
    if pid:
        return pid
    os.setpgid(0, 0)
    # who was started in the background passes on that it is ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.freeze()
    status = 70
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        log = os.open(arguments[arguments.index('--out') + 1] + '.log',
                      os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(null, 1)
        os.dup2(log, 2)
        # whoever imports this file may have put something else there
        sys.stdout, sys.stderr = (
            open(fd, 'w', buffering=1, closefd=False) for fd in (1, 2))
        if harm:
            harm()
        status = extract(arguments)
    except KeyboardInterrupt:  # before there was anything to stop
        status = 130
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(status)


def extract(arguments: list[str]) -> int:
    """What ``hpnet extract`` does, with small shards."""
    import functools

    import hpnet_plugin.extraction.run as extraction
    from hpnet_plugin.commands.extract import main
    small = functools.partial(extraction.StoreWriter, shard_bytes=SHARD_BYTES)
    setattr(extraction, 'StoreWriter', small)  # noqa: B010  of another type
    return main(arguments)


def kill_at_call(number: int) -> None:
    """Die at the n-th call of this process that changes a file."""
    left = [number]
    main = os.getpid()

    def counted(function: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            if os.getpid() == main:
                left[0] -= 1
                if not left[0]:
                    os.kill(main, signal.SIGKILL)
            return function(*args, **kwargs)
        return call

    for name in ('write', 'replace', 'fsync', 'unlink', 'ftruncate',
                 'truncate', 'link'):
        setattr(os, name, counted(getattr(os, name)))


def fill_disk(limit: int) -> None:
    """No file may grow beyond the limit in bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError), \
            open(f'/proc/{pid}/task/{pid}/children') as file:
        return [int(word) for word in file.read().split()]
    return []


def one_kill(kind: str, arguments: list[str], seconds: float, calls: int,
             rng: random.Random) -> int:
    """Start an extraction and do it harm; its exit status."""
    harm = None
    if kind == 'file call':
        number = rng.randint(1, calls)
        harm = lambda: kill_at_call(number)  # noqa: E731
    elif kind == 'full disk':
        # reading a config already writes a file of some kilobytes
        limit = rng.randint(12_000, 2 * SHARD_BYTES)
        harm = lambda: fill_disk(limit)  # noqa: E731
    pid = run(arguments, harm)
    if harm is None:
        time.sleep(rng.uniform(0, seconds))
        with contextlib.suppress(ProcessLookupError):
            if kind == 'kill worker':
                workers = children(pid)
                if workers:
                    os.kill(rng.choice(workers), signal.SIGKILL)
            elif kind == 'interrupt':  # Ctrl-C reaches the whole group
                os.killpg(pid, signal.SIGINT)
            else:
                os.kill(pid, signal.SIGTERM if kind == 'terminate'
                        else signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def store_files(out: Path) -> set[str]:
    """Files of a dataset folder that must be the same, and of each size."""
    folder = Path(out)
    return {str(path.relative_to(folder)) for path in folder.rglob('*')
            if path.is_file() and not path.name.startswith('.')
            and path.suffix not in ('.lock', '.log')
            and path.name not in ('extraction.json',)}


def differences(peace: Path, out: Path) -> list[str]:
    """What is lost, doubled or different, in words."""
    from hpnet_plugin.extraction.checking import check_folder
    from hpnet_plugin.store import FeatureStore
    found = check_folder(str(out))
    expected, there = store_files(peace), store_files(out)
    found += [f'lost: {name}' for name in sorted(expected - there)]
    found += [f'left behind: {name}' for name in sorted(there - expected)]
    # libx264's assembler is not the same from run to run
    same = [name for name in expected & there - {SUMS}
            if not name.startswith('crops/')]
    _, differ, errors = filecmp.cmpfiles(peace, out, same, shallow=False)
    found += [f'different: {name}' for name in differ + errors]
    if checksums(peace) != checksums(out):
        found.append(f'different: {SUMS}')
    names = [FeatureStore(str(Path(folder) / 'features')).names
             for folder in (peace, out)]
    if names[0] != names[1]:
        found.append(f'clips: {names[1]} instead of {names[0]}')
    return found


def checksums(folder: Path) -> dict[str, Any]:
    """What stands in checksums.json, but for the crops."""
    path = Path(folder) / SUMS
    found = json.loads(path.read_text()) if path.is_file() else {}
    found.pop('crc32', None)
    # a clip that was begun twice has two lines in it
    found.get('files', {}).pop('crops/checksums.jsonl', None)
    return found


def in_peace(setting: Setting, out: Path) -> float:
    """Extract without harm; how long each part took."""
    seconds = []
    for part in range(1, setting.parts + 1):
        begin = time.monotonic()
        status = os.waitstatus_to_exitcode(
            os.waitpid(run(setting.arguments(out, part)), 0)[1])
        if status:
            raise SystemExit(f'soak: {setting.name} ended with {status} in '
                             f'peace, see {out}.log')
        seconds.append(time.monotonic() - begin)
    return max(seconds)


def a_round(setting: Setting, out: Path, seconds: float, most: int,
            rng: random.Random, counts: collections.Counter[str]) -> int:
    """Kill and resume until all is done; the number of kills."""
    kills, rest = 0, set(range(1, setting.parts + 1))
    while rest:
        part = rng.choice(sorted(rest))
        arguments = setting.arguments(out, part)
        if kills < most:
            kind = rng.choice(KINDS)
            # a process makes some six such calls a clip, two a shard
            status = one_kill(kind, arguments, seconds, 60, rng)
            counts[kind] += 1
            kills += 1
            good = {0, 1, 130, 143, -signal.SIGKILL, -signal.SIGTERM,
                    -signal.SIGINT}
        else:
            status = os.waitstatus_to_exitcode(
                os.waitpid(run(arguments), 0)[1])
            good = {0}
        if status not in good:
            raise SystemExit(f'soak: {setting.name} ended with {status}, '
                             f'see {out}.log')
        if status == 0:
            rest.discard(part)
    return kills


def draw(videos: Path, count: int) -> None:
    """Draw short videos, unless they are there already."""
    from hpnet_plugin.demo import people
    if not videos.is_dir():
        videos.mkdir()
        for i in range(count):
            clip = people.make_clip(i % 8, i // 8, length=6 + i % 5)
            people.save_video(str(videos / f'c{i:02d}.mp4'), clip.frames)


Round = Callable[[int, Path, int], tuple[str, int, list[str]]]


def rounds(args: argparse.Namespace, folder: Path, one: Round,
           counts: collections.Counter[str], good: str) -> bool:
    """Do rounds until there were enough kills, and print how they went.

    Args:
        args: ``kills`` of all rounds together, ``seed``, and ``folder`` if it
            is to stay.
        folder: Where each round has its own, which stays if it is bad.
        one: Does a round: its number, its folder and the kills that are left
            to what it was, its kills, and what is different.
        counts: What was done, filled by the rounds.
        good: What is said of all if no round is bad.

    Returns:
        Whether none is.
    """
    kills = number = bad = 0
    while kills < args.kills or not number:
        out = folder / f'round{number:04d}'
        title, more, found = one(number, out, args.kills - kills)
        kills += more
        number += 1
        if found:
            bad += 1
            print(f'{out} ({title}): {len(found)} differences')
            print(*(f'  {line}' for line in found[:5]), sep='\n')
        else:
            shutil.rmtree(out, ignore_errors=True)
            Path(f'{out}.log').unlink(missing_ok=True)
        print(f'{kills} of {args.kills} kills, {number} rounds, {bad} bad',
              flush=True)
    print(*(f'{what}: {n}' for what, n in sorted(counts.items())), sep='\n')
    print(f'{kills} kills in {number} rounds, seed {args.seed}: '
          + (f'{bad} rounds differ' if bad else good))
    if not bad and not args.folder:
        shutil.rmtree(folder)
    return not bad


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    import hpnet_plugin  # noqa: F401  before any fork: it costs seconds
    import hpnet_plugin.extraction.run  # noqa: F401

    rng = random.Random(args.seed)
    import mmpose.apis  # noqa: F401  it needs hpnet_plugin on newer Pythons
    folder = Path(args.folder or tempfile.mkdtemp(prefix='soak-'))
    folder.mkdir(parents=True, exist_ok=True)
    videos = folder / 'videos'
    draw(videos, args.clips)
    settings = [Setting(folder, videos, crops, parts, args.workers)
                for crops in (False, True) for parts in (1, 2)]
    peace = {}
    for number, setting in enumerate(settings):
        peace[setting] = folder / f'peace{number}'
        shutil.rmtree(peace[setting], ignore_errors=True)
        setting.seconds = in_peace(setting, peace[setting])
        print(f'{setting.name}: {setting.seconds:.1f} s a part in peace',
              flush=True)
    counts: collections.Counter[str] = collections.Counter()

    def one(number: int, out: Path, left: int) -> tuple[str, int, list[str]]:
        setting = settings[number % len(settings)]
        kills = a_round(setting, out, setting.seconds,
                        min(rng.randint(1, 10), left), rng, counts)
        return setting.name, kills, differences(peace[setting], out)

    return not rounds(args, folder, one, counts,
                      'nothing lost, nothing doubled, the same bytes')


if __name__ == '__main__':
    sys.exit(main())
