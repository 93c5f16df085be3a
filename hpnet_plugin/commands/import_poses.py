#!/usr/bin/env python3
"""Bring poses that somebody else estimated into the toolbox's format.

    hpnet import-poses ntu120_3d.pkl \\
        --splits data/ntu120_lists/splits.json \\
        --out data/ntu120/annotations_3d.pkl

FILE is a .pkl of mmaction2 or pyskl, 2D or 3D, NW-UCLA's or Kinetics' .json,
or a folder of these. Clips are named as in the splits, so that scores of all
streams of a folder join. Exit status: 0 written, 2 wrong usage.
"""
import argparse
import json
import sys


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('file', metavar='FILE')
    add('--out', required=True, metavar='OUT.pkl')
    add('--splits', metavar='FILE',
        help='JSON file: {"train": [clip, ...], "test": [...]}; by default '
        "the file's own")
    args = parser.parse_args(argv)
    from hpnet_plugin.datasets.imports import (
        ImportedPosesError,
        read_poses,
        write_poses,
    )
    try:
        splits = None
        if args.splits:
            with open(args.splits, encoding='utf-8') as file:
                splits = json.load(file)
        poses = read_poses(args.file)
        counts = write_poses(poses, args.out, splits)
    except (ImportedPosesError, ValueError, OSError) as error:
        print(f'import_poses: {error}', file=sys.stderr)
        return 2
    print(f'{len(poses.annotations)} clips in {args.out}')
    for split, count in counts.items():
        print(f'  {split}: {count}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
