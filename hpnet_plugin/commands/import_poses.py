"""Convert estimated poses of other tools to the format of mmaction2.

    hpnet import-poses ntu120_3d.pkl \\
        --splits data/ntu120_lists/splits.json \\
        --out data/ntu120/annotations_3d.pkl

FILE is a .pkl of mmaction2 or pyskl, 2D or 3D, NW-UCLA's or Kinetics' .json,
or a folder of these. Clips get the names that the splits use, so that the
scores of all streams of a dataset can be fused.

Exit status: 0 written, 2 the usage is wrong or a file cannot be used, 1 the
result cannot be written (the disk is full).
"""
from __future__ import annotations

import argparse

from .command import Command
from .options import output_file


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add = parser.add_argument
    add('file', metavar='FILE',
        help='a .pkl file of mmaction2 or pyskl, a .json file of NW-UCLA or '
        'Kinetics-Skeleton, or a folder of these')
    add('--out', required=True, metavar='OUT.pkl', type=output_file,
        help='annotation file to write')
    add('--splits', metavar='FILE',
        help='JSON file: {"train": [clip, ...], "test": [...]} (default: the '
        'splits of FILE)')


def run(args: argparse.Namespace) -> None:
    """Read, write and count."""
    from ..datasets.imports import read_poses, write_poses
    from ..datasets.split_lists import read_split_lists
    splits = read_split_lists(args.splits) if args.splits else None
    poses = read_poses(args.file)
    counts = write_poses(poses, args.out, splits)
    print(f'{len(poses.annotations)} clips in {args.out}')
    for split, count in counts.items():
        print(f'  {split}: {count}')


main = Command('import-poses', __doc__, run, add_options)
