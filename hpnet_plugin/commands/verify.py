"""Check feature stores: every array against its checksum.

    hpnet verify data/ntu120
    hpnet verify data/ntu120 --upgrade

--upgrade first converts indices of format 1 (JSON) to format 2, which many
processes can open at once without parsing them. The shards do not change; the
conversion may be interrupted at any time and run again. In a store of format
2 it rewrites consolidated.index if that is missing or out of date.

Exit status: 0 everything is intact, 3 something is damaged (each damaged part
is named), 2 the usage is wrong, 1 nothing can be written.
"""
from __future__ import annotations

import argparse
import os.path as osp
from functools import partial

from .command import Command


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument('folders', nargs='+', metavar='DIR',
                        help='a dataset folder, or its features/')
    parser.add_argument('--upgrade', action='store_true',
                        help='convert indices of format 1 to format 2 first')


def run(args: argparse.Namespace) -> int:
    """Check every folder; the exit status."""
    return max(check(folder, args.upgrade) for folder in args.folders)


def check(folder: str, upgrading: bool) -> int:
    """Check a store and say what is damaged; 3 if anything is.

    Args:
        folder: A dataset folder, or its ``features``.
        upgrading: Whether indices of format 1 are converted first.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    from tqdm import tqdm

    from ..store import FeatureStore, StoreError, upgrade, verify
    inner = osp.join(folder, 'features')
    root = inner if osp.isdir(inner) else folder
    if not osp.isdir(root):
        raise FileNotFoundError(f'{folder}: no such folder')
    problems = []
    if upgrading:
        try:
            count = upgrade(root)
            print(f'{root}: {count} {"index" if count == 1 else "indices"} '
                  'converted to format 2')
        except StoreError as error:
            problems.append(str(error))
    found = verify(root, partial(tqdm, unit='clip', leave=False))
    problems += [problem for problem in found if problem not in problems]
    for problem in problems:
        print(f'{root}: {problem}')
    if problems:
        return 3
    store = FeatureStore(root)
    taps = ', '.join(f'{tap} ({c})' for tap, c in store.taps.items())
    print(f'{root}: {len(store)} '
          f'{"clip is" if len(store) == 1 else "clips are"} intact; taps '
          f'{taps}')
    return 0


main = Command('verify', __doc__, run, add_options, refused=())
