"""Merge and split dataset folders, and pack their features anew.

    hpnet store merge data/monday data/tuesday --out data/week
    hpnet store split data/week --out data/week_test --split test
    hpnet store split data/week --out data/week_part --parts 4
    hpnet store repack data/week --out data/week_packed

The new folder has features, annotations, splits, classes, crops and the
records of the folders that it was made of. Every array is compared with its
checksum and copied bit by bit; crops are linked where the file system allows
it. The folder appears when it is whole; run a command that was stopped again,
and it continues.

merge refuses folders whose features were made by another pose net or with
other settings, clips of one name that are not the same, and clips that one
folder trains on and another tests. Classes are joined by their names.

Exit status: 0 done, 2 the folders do not fit or the usage is wrong, 1 anything
else (such as a full disk), 130 and 143 stopped by Ctrl-C and SIGTERM.
"""
from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .command import Command, add_subcommands

if TYPE_CHECKING:
    from ..extraction.joining import Source


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add_subcommands(parser, 'action', dict(
        merge=('one folder of the clips of several', add_merge),
        split=('a folder of some clips of another', add_split),
        repack=('the same clips in shards of one writer, in order',
                add_repack)))


def add_merge(parser: argparse.ArgumentParser) -> None:
    """Options of merge."""
    parser.add_argument('folders', nargs='+', metavar='DIR',
                        help='dataset folders')
    add_common(parser)


def add_split(parser: argparse.ArgumentParser) -> None:
    """Options of split."""
    parser.add_argument('folders', nargs=1, metavar='DIR',
                        help='a dataset folder')
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument('--split', nargs='+', metavar='NAME',
                       help='clips of these splits')
    which.add_argument('--classes', nargs='+', metavar='NAME',
                       help='clips of these classes; labels stay as they are')
    which.add_argument('--clips', metavar='FILE',
                       help='clips that this file names, one a line')
    which.add_argument('--parts', type=int, metavar='N',
                       help='N folders of as many clips each: OUT_1ofN, …')
    add_common(parser)


def add_repack(parser: argparse.ArgumentParser) -> None:
    """Options of repack."""
    parser.add_argument('folders', nargs=1, metavar='DIR',
                        help='a dataset folder')
    add_common(parser)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Options of all."""
    parser.add_argument('--out', required=True, metavar='DIR',
                        help='the folder to make')
    parser.add_argument('--tap', nargs='+', metavar='TAP',
                        help='keep these feature maps only')
    parser.add_argument('--shard-mb', type=float, default=64, metavar='MB',
                        help='size of the shards in MiB (default: 64)')


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    if args.shard_mb <= 0:
        parser.error('--shard-mb must be above 0')
    if getattr(args, 'parts', None) is not None and args.parts < 1:
        parser.error('--parts must be at least 1')
    if '://' in args.out:
        parser.error(f'{args.out} is a URL; only hpnet extract writes to one')
    args.out = args.out.rstrip('/') or args.out


def run(args: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from ..extraction.joining import read_source
    sources = [read_source(folder) for folder in args.folders]
    if args.action != 'split':
        make(args, sources, args.out)
    elif args.parts is None:
        make(args, [choose(sources[0], args)], args.out)
    else:
        for number in range(args.parts):
            make(args, [part_of(sources[0], number, args.parts)],
                 f'{args.out}_{number + 1}of{args.parts}')
    return 0


def make(args: argparse.Namespace, sources: Sequence[Source],
         out: str) -> None:
    """Make one folder, and say what it is."""
    import os

    from tqdm import tqdm

    from ..extraction.merging import combine, summary

    def bar(clips: Sequence[Any]) -> Any:
        return tqdm(clips, unit='clip', leave=False)

    if args.action == 'split' and args.parts and os.path.isfile(
            os.path.join(out, 'extraction.json')):
        print(f'{out} is there already')  # of a command that was stopped
        return
    start = time.monotonic()
    combine(sources, out, f'hpnet store {args.action}', args.tap,
            int(args.shard_mb * 2**20), bar, print)
    print(f'{summary(out)} ({time.monotonic() - start:.0f} s)')


def choose(source: Source, args: argparse.Namespace) -> Source:
    """The clips of splits, of classes or of a list."""
    from dataclasses import replace

    from ..extraction.joining import JoinError
    if args.split:
        wanted = of_splits(source, args.split)
    elif args.classes:
        known = source.classes or ()
        lacking = [name for name in args.classes if name not in known]
        if lacking:
            raise JoinError(f'{source.folder} has no class {lacking[0]!r}; '
                            f'there are {", ".join(known) or "none"}')
        labels = {known.index(name) for name in args.classes}
        wanted = {name for name, label in source.labels.items()
                  if label in labels}
    else:
        with open(args.clips, encoding='utf-8') as file:
            wanted = {line.strip() for line in file if line.strip()}
        lacking = sorted(wanted - set(source.names))
        if lacking:
            raise JoinError(f'{args.clips}: {source.folder} has no clip '
                            f'{lacking[0]!r} ({len(lacking)} of {len(wanted)} '
                            'are not there)')
    names = [name for name in source.names if name in wanted]
    if not names:
        raise JoinError(f'{source.folder}: no clip is left')
    return replace(source, names=names)


def of_splits(source: Source, splits: Sequence[str]) -> set[str]:
    """Clips of some splits."""
    from ..extraction.joining import JoinError
    for split in splits:
        if split not in source.splits:
            raise JoinError(f'{source.folder} has no split {split!r}; there '
                            f'are {", ".join(source.splits) or "none"}')
    return {name for split in splits for name in source.splits[split]}


def part_of(source: Source, number: int, parts: int) -> Source:
    """One of several parts of as many clips, in order of name."""
    from dataclasses import replace
    count = len(source.names)
    return replace(source, names=source.names[
        count * number // parts:count * (number + 1) // parts])


main = Command('store', __doc__, run, add_options, check, signals=True,
               stopped='stopped; run the same command again to continue',
               folders=('folders', ))
