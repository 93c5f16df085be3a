"""Check dataset folders: every byte of the features, and the other files.

    hpnet verify data/ntu120
    hpnet verify data/ntu120 --upgrade
    hpnet verify s3://bucket/data/mine
    hpnet verify data/ntu120 --repair

Each array is compared with its checksum, the indices with the shards, and the
other files of the folder (annotations, splits, classes, crops) with what they
were when they were written, and with each other. The fingerprint that is
printed tells what the features are: it is the same for the same clips,
however the store is laid out.

--repair drops damaged clips and keeps every sound one. Then run the same
hpnet extract as before: it makes the dropped clips again. No other program
may use the folder meanwhile; the repair itself may be interrupted and run
again.

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
from typing import TYPE_CHECKING

from .command import Command

if TYPE_CHECKING:
    from ..store import FeatureStore


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument('folders', nargs='+', metavar='DIR',
                        help='a dataset folder, its features/, or a URL')
    parser.add_argument('--upgrade', action='store_true',
                        help='convert indices of format 1 to format 2 first')
    parser.add_argument('--repair', action='store_true',
                        help='drop what is damaged, so that hpnet extract '
                        'makes it again')


def run(args: argparse.Namespace) -> int:
    """Check every folder; the exit status."""
    return max(check(folder, args.upgrade, args.repair)
               for folder in args.folders)


def check(folder: str, upgrading: bool, repairing: bool = False) -> int:
    """Check a store and say what is damaged; 3 if anything is.

    Args:
        folder: A dataset folder, or its ``features``.
        upgrading: Whether indices of format 1 are converted first.
        repairing: Whether what is damaged is dropped.

    Raises:
        FileNotFoundError: If there is no such folder.
    """
    from ..store import FeatureStore, StoreError, upgrade
    shown, folder = folder, fetched(folder, upgrading or repairing)
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
    found = look(folder, root) if not repairing else mend(folder, root)
    problems += [problem for problem in found if problem not in problems]
    for problem in problems:
        print(f'{root}: {problem}')
    if problems:
        return 3
    say_what_it_is(root, FeatureStore(root))
    return 0


def fetched(folder: str, changing: bool) -> str:
    """The folder; of a URL the local copy, with all that it holds."""
    from ..remote import is_url
    if not is_url(folder):
        from ..store.fetching import marker_of
        copy = marker_of(folder) if osp.isdir(folder) else None
        if copy is None:
            return folder
        folder = copy[1]['url']
    from ..mirrors import Mirror
    if changing:
        raise ValueError(f'{folder}: --upgrade and --repair change files: '
                         'download the folder, change that, and upload it')
    mirror = Mirror(folder)
    mirror.refresh()
    mirror.fetch_all(crops=True)
    return mirror.folder


def look(folder: str, root: str) -> list[str]:
    """What is wrong, a line each."""
    from tqdm import tqdm

    from ..extraction.checking import check_folder
    from ..store import verify
    progress = partial(tqdm, unit='shard', leave=False)
    return verify(root, progress) if root == folder else \
        check_folder(folder, progress)


def mend(folder: str, root: str) -> list[str]:
    """Repair it; what is still wrong, a line each."""
    from ..extraction.mending import repair_folder
    from ..store import StoreError, repair, verify

    def say(text: str) -> None:
        print(f'{folder}: {text}', flush=True)

    try:
        if root != folder:
            return repair_folder(folder, say)
        repair(root, say=say)
    except StoreError as error:
        return [str(error)]
    return verify(root)


def say_what_it_is(root: str, store: FeatureStore) -> None:
    """How many clips are intact, their taps, and the fingerprint."""
    from ..store import fingerprint
    taps = ', '.join(f'{tap} ({c})' for tap, c in store.taps.items())
    print(f'{root}: {len(store)} '
          f'{"clip is" if len(store) == 1 else "clips are"} intact; taps '
          f'{taps}; fingerprint {fingerprint(store)}')


main = Command('verify', __doc__, run, add_options)
