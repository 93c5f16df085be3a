"""Break the code on purpose, one small defect at a time, and see tests fail.

    python tests/mutations/run.py [AREA.toml ...] [--only TEXT] [--jobs N]

Each ``[[mutation]]`` of the lists beside this file has a ``name`` that says
what is wrong, a ``file``, ``old`` text that occurs exactly once in it, the
``new`` text, and the ``tests`` (files or node ids) one of which must fail. The
tests run in copies of the repository, a process each; the tree itself is never
touched. A defect that no test notices is alive, and the exit status is 1.
"""
from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HANGS = 900  # seconds after which a run is taken to hang


def read(places: list[Path]) -> list[dict[str, Any]]:
    """The mutations of some lists, each with the ``area`` it stands in.

    Raises:
        SystemExit: A list names a file that is not there, or a text that does
            not occur exactly once.
    """
    found, faults = [], []
    for place in places:
        for entry in tomllib.loads(place.read_text())['mutation']:
            path = ROOT / entry['file']
            times = path.read_text().count(entry['old']) \
                if path.is_file() else 0
            if times != 1:
                faults.append(f'{place.name}: {entry["name"]}: old occurs '
                              f'{times} times in {entry["file"]}')
            if entry['old'] == entry['new'] or not entry['tests']:
                faults.append(f'{place.name}: {entry["name"]}: changes '
                              'nothing, or names no test')
            found.append(dict(entry, area=place.stem))
    if faults:
        raise SystemExit('\n'.join(faults))
    return found


def copy_tree(place: Path) -> None:
    """Copy the repository's files, committed or not, without ignored ones."""
    names = subprocess.run(
        ['git', 'ls-files', '-co', '--exclude-standard'], cwd=ROOT, text=True,
        capture_output=True, check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    mim = place / 'hpnet_plugin' / '.mim'
    mim.mkdir(exist_ok=True)
    for name in ('configs', 'tools'):
        (mim / name).symlink_to(f'../../{name}')
    (mim / 'model-index.yml').symlink_to('../../configs/model-index.yml')


def run_tests(place: Path, tests: list[str]) -> tuple[int | None, str]:
    """Exit status of pytest, None if it hangs, and its last lines."""
    environment = dict(
        os.environ, PYTHONPATH=str(place), PYTHONDONTWRITEBYTECODE='1',
        OMP_NUM_THREADS='1')
    environment.setdefault('HPNET_SHARED', str(ROOT.parent / 'shared'))
    try:
        done = subprocess.run(
            [sys.executable, '-m', 'pytest', '-x', '-q', '-p',
             'no:cacheprovider', '--tb=line', *tests], cwd=place, text=True,
            capture_output=True, timeout=HANGS, env=environment)
    except subprocess.TimeoutExpired:
        return None, 'hangs'
    return done.returncode, '\n'.join(done.stdout.splitlines()[-4:])


def verdict(place: Path, mutation: dict[str, Any]) -> tuple[str, str]:
    """'killed', 'alive' or 'broken' (not even collected), and the report."""
    path = place / mutation['file']
    text = path.read_text()
    path.write_text(text.replace(mutation['old'], mutation['new']))
    try:
        status, report = run_tests(place, mutation['tests'])
    finally:
        path.write_text(text)
    kinds: dict[int | None, str] = {0: 'alive', 1: 'killed', None: 'killed'}
    return kinds.get(status, 'broken'), report


def main() -> int:
    """Run the lists; exit status 1 unless every mutation is killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('lists', nargs='*', type=Path,
                        help='lists; by default all of this folder')
    parser.add_argument('--only', default='', help='names that contain this')
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--json', type=Path, help='write the verdicts here')
    args = parser.parse_args()
    mutations = [m for m in read(args.lists or sorted(HERE.glob('*.toml')))
                 if args.only in m['name']]
    results: list[dict[str, Any]] = []
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    for mutation in mutations:
        waiting.put(mutation)
    since = time.monotonic()

    def work(place: Path) -> None:
        copy_tree(place)
        while True:
            try:
                mutation = waiting.get_nowait()
            except queue.Empty:
                return
            what, report = verdict(place, mutation)
            results.append(dict(area=mutation['area'], name=mutation['name'],
                                file=mutation['file'], verdict=what))
            print(f'[{len(results)}/{len(mutations)}, '
                  f'{time.monotonic() - since:.0f} s] {what}: '
                  f'{mutation["area"]}: {mutation["name"]}', flush=True)
            if what != 'killed':
                print(report, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, str(i))
                  for i in range(min(args.jobs, len(mutations)))]
        # What kills a mutation must pass without it.
        if places:
            places[0].mkdir()
            copy_tree(places[0])
            tests = sorted({t for m in mutations for t in m['tests']})
            status, report = run_tests(places[0], tests)
            shutil.rmtree(places[0])
            if status != 0:
                print(f'The tests fail without any mutation:\n{report}')
                return 1
        workers = []
        for place in places:
            place.mkdir()
            workers.append(threading.Thread(target=work, args=(place, )))
            workers[-1].start()
        for worker in workers:
            worker.join()
    killed = sum(r['verdict'] == 'killed' for r in results)
    print(f'{killed} of {len(mutations)} mutations killed')
    if args.json:
        args.json.write_text(json.dumps(
            sorted(results, key=lambda r: (r['area'], r['name'])), indent=1))
    return killed != len(mutations)


if __name__ == '__main__':
    sys.exit(main())
