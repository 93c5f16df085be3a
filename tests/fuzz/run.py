#!/usr/bin/env python3
"""Read thousands of broken and hostile files with every reader.

    python tests/fuzz/run.py [READER …] --mutations 10000 --seed 0
    python tests/fuzz/run.py index --mutations 10000 --guided
    python tests/fuzz/run.py --list

Valid files of each format are changed: bits, bytes, blocks that are deleted,
doubled, swapped or cut off, extreme integers, words and numbers of texts,
keys, types and nesting of JSON, operations of pickles. Checksums are made
right again, so that what is behind them is reached. Each changed file is
read as far as its users read it, in a child process with a limit of memory
and, for each file, of processor time. A file may be read, or refused by an
error of the package that names the file. The table says how many were, and
how many met another exception, killed the process, took longer or more
memory than allowed; files for which that happened are kept in a folder, one
for each place in the code. Exit status 0 if there was none.

``--guided`` then lets atheris look for files that reach new lines of the
package, for so many more files, where the reader is written in Python.

Readers are in the modules ``readers_*.py`` beside this file.
"""
from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]

from fuzz.engine import OUTCOMES, Counts, Fuzzer, Reader  # noqa: E402


def all_readers() -> dict[str, Reader]:
    """Readers of all modules, by name."""
    found: dict[str, Reader] = {}
    for path in sorted(HERE.glob('readers_*.py')):
        found |= importlib.import_module(f'fuzz.{path.stem}').READERS
    return found


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('readers', nargs='*', metavar='READER',
                        help='default: all')
    parser.add_argument('--list', action='store_true',
                        help='name the readers and do nothing')
    parser.add_argument('--mutations', type=int, default=10000,
                        help='changed files a reader (default 10000)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--guided', action='store_true',
                        help='search guided by coverage as well')
    parser.add_argument('--keep', type=Path,
                        default=HERE.parents[1] / 'work_dirs/fuzz',
                        help='folder of the files that were not answered '
                        'right (default work_dirs/fuzz)')
    return parser.parse_args(argv)


def fuzz(name: str, reader: Reader, mutations: int, seed: int, keep: Path
         ) -> Counts:
    """Read changed files of one reader.

    Args:
        name: Of the reader.
        reader: The reader.
        mutations: Number of changed files.
        seed: All changes follow from it.
        keep: Folder of files that were not answered right.

    Returns:
        What became of them.
    """
    # in memory, where there is such a folder
    place = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix='fuzz', dir=place))
    try:
        fuzzer = Fuzzer(name, reader, folder, keep, seed)
        fuzzer.check_seeds()
        return fuzzer.run(iter(range(mutations)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    readers = all_readers()
    unknown = set(args.readers) - set(readers)
    if args.list or unknown:
        print('\n'.join(readers))
        return 1 if unknown else 0
    print('| reader | files | ' + ' | '.join(OUTCOMES) + ' | seconds |')
    print('|---|' + '---:|' * (len(OUTCOMES) + 2), flush=True)
    good, found = True, []
    for name in args.readers or readers:
        start = time.monotonic()
        counts = fuzz(name, readers[name], args.mutations, args.seed,
                      args.keep)
        cells = [counts.counts.total(), *(
            counts.counts[outcome] for outcome in OUTCOMES)]
        print(f'| {name} | ' + ' | '.join(f'{n:,}' for n in cells)
              + f' | {time.monotonic() - start:.0f} |', flush=True)
        good &= counts.good
        found += [f'{name}: {outcome}, {times} times: {what}\n  {path}'
                  for (outcome, what), (times, path)
                  in counts.examples.items()]
    print('\n'.join(found))
    if args.guided:
        from fuzz.guided import search
        for name in args.readers or readers:
            if readers[name].guided:
                good &= search(name, args.mutations, args.seed, args.keep)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
