#!/usr/bin/env python3
"""Kill the repair and the merge of dataset folders again and again.

    python tools/soak_store.py --kills 50

Each process is killed by SIGKILL at the n-th call that changes a file, for
n from 1 on, and the same is run again until it is done. After a repair every
sound clip must be there, bit by bit; after a merge the folder must be, byte
for byte, that of a merge in peace, and before that it must not be there at
all. Prints what happened; exit status 0 if nothing was lost or different.
"""
from __future__ import annotations

import argparse
import contextlib
import filecmp
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import damage  # noqa: E402
from soak import kill_at_call  # noqa: E402


def killed(work: Callable[[], object], number: int) -> int:
    """Do some work in a child that dies at a call; its status."""
    pid = os.fork()
    if not pid:
        status = 70
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            kill_at_call(number)
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def break_clips(folder: Path, names: Sequence[str]) -> None:
    """Change a bit of an array of each clip."""
    for name in names:
        data = damage.arrays(int(name[1:]))['h2'].tobytes()
        for path in (folder / 'features').glob('*.safetensors'):
            content = bytearray(path.read_bytes())
            if data in content:
                content[content.index(data)] ^= 1
                path.write_bytes(content)


def one_repair(good: Path, place: Path, number: int) -> list[str]:
    """Kill a repair at a call, run it again; what went wrong."""
    from hpnet_plugin.extraction.checking import check_folder
    from hpnet_plugin.extraction.mending import repair_folder
    out = place / 'repaired'
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(good, out)
    broken = ['c01', 'c03']
    break_clips(out, broken)
    status = killed(lambda: repair_folder(str(out)), number)
    if status not in (0, -signal.SIGKILL):
        return [f'repair, call {number}: ended with {status}']
    left = repair_folder(str(out), lambda text: None)
    before, after = damage.contents(good), damage.contents(out)
    for name in broken:
        del before[name]
    wrong = left + check_folder(str(out))
    if after != before:
        wrong.append(f'{sorted(after)} instead of {sorted(before)}')
    return [f'repair, call {number}: {line}' for line in wrong]


def one_merge(sources: Sequence[Path], peace: Path, place: Path, number: int
              ) -> list[str]:
    """Kill a merge at a call, run it again; what went wrong."""
    out = place / 'merged'
    shutil.rmtree(out, ignore_errors=True)
    status = killed(lambda: merge(sources, out), number)
    if status == -signal.SIGKILL and out.exists() and damage.contents(
            out) != damage.contents(peace):
        return [f'merge, call {number}: a part of the folder is there']
    if not out.exists():
        merge(sources, out)
    names = [str(name) for name in damage.files_of(peace)]
    _, differ, errors = filecmp.cmpfiles(peace, out, names, shallow=False)
    left = [path.name for path in place.iterdir()
            if path.name.startswith('.')]
    more = set(map(str, damage.files_of(out))) - set(names)
    wrong = differ + errors + left[1:] + sorted(more)
    return [f'merge, call {number}: {wrong}'] * bool(wrong)


def merge(sources: Sequence[Path], out: Path) -> None:
    """Merge, as the command does."""
    from hpnet_plugin.extraction.joining import read_source
    from hpnet_plugin.extraction.merging import combine
    combine([read_source(str(source)) for source in sources], str(out),
            'hpnet store merge', shard_bytes=400, say=lambda text: None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=50,
                        help='of each, at most (default 50); fewer where the '
                        'work has fewer calls')
    args = parser.parse_args(argv)
    place = Path(tempfile.mkdtemp(prefix='store-soak-'))
    good = damage.make(place / 'good')
    other = damage.make(place / 'other', range(20, 25))
    (place / 'work').mkdir()
    merge([good, other], place / 'peace')
    wrong, counts = [], {}
    works: dict[str, Callable[[int], list[str]]] = dict(
        repair=lambda n: one_repair(good, place / 'work', n),
        merge=lambda n: one_merge([good, other], place / 'peace',
                                  place / 'work', n))
    for what, one in works.items():
        total = calls_of(what, good, other, place)
        step = max(1, total // args.kills)
        numbers = list(range(1, total + 1, step))[:args.kills]
        for number in numbers:
            wrong += one(number)
        counts[what] = f'{len(numbers)} kills at {total} calls'
        print(f'{what}: {counts[what]}, {len(wrong)} wrong so far',
              flush=True)
    print(*wrong[:20], sep='\n')
    if not wrong:
        shutil.rmtree(place)
    return bool(wrong)


def calls_of(what: str, good: Path, other: Path, place: Path) -> int:
    """The number of calls that change a file, counted in a child."""
    out = place / 'counted'
    shutil.copytree(good, out)
    break_clips(out, ['c01', 'c03'])
    low, high, trial = 1, 4096, place / 'trial'
    while low < high:  # the first number at which it is not killed
        middle = (low + high) // 2
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(trial)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(place / '.tmp-trial')
        if what == 'repair':
            from hpnet_plugin.extraction.mending import repair_folder
            shutil.copytree(out, trial)
            status = killed(lambda: repair_folder(str(trial)), middle)
        else:
            status = killed(lambda: merge([good, other], trial), middle)
        low, high = (middle + 1, high) if status else (low, middle)
    shutil.rmtree(out)
    return low - 1


if __name__ == '__main__':
    sys.exit(main())
