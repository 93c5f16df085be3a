"""Check feature stores: every array against its checksum.

    hpnet verify data/ntu120
    hpnet verify data/ntu120 --upgrade
    hpnet verify s3://bucket/data/mine

--upgrade first converts indices of format 1 (JSON) to format 2, which many
processes can open at once without parsing them. The shards do not change; the
conversion may be interrupted at any time and run again. In a store of format
2 it rewrites consolidated.index if that is missing or out of date.

Of a dataset folder at a URL all shards are fetched that are not in the local
copy yet, or are damaged there.

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
                        help='a dataset folder, its features/, or a URL')
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
    shown, folder = folder, fetched(folder, upgrading)
    inner = osp.join(folder, 'features')
    root = inner if osp.isdir(inner) else folder
    if not osp.isdir(root):
        raise FileNotFoundError(f'{shown}: no such folder')
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


def fetched(folder: str, upgrading: bool) -> str:
    """The folder; of a URL the local copy, with all its shards."""
    from ..remote import is_url
    if not is_url(folder):
        return folder
    from ..mirrors import Mirror
    if upgrading:
        raise ValueError(f'{folder}: --upgrade changes files; fetch the '
                         'folder, and upgrade that')
    mirror = Mirror(folder)
    mirror.refresh()
    mirror.fetch_all()
    return mirror.folder


main = Command('verify', __doc__, run, add_options)
