#!/usr/bin/env python3
"""Check feature stores: every array against its checksum.

    python tools/verify_store.py data/ntu120

Exit status: 0 all is well, 3 something is damaged (each thing is named), 2
wrong usage.
"""
import argparse
import os.path as osp
import sys


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folders', nargs='+', metavar='DIR',
                        help='a dataset folder, or its features/')
    args = parser.parse_args(argv)
    from functools import partial

    from tqdm import tqdm

    from hpnet_plugin.store import FeatureStore, verify

    status = 0
    for folder in args.folders:
        inner = osp.join(folder, 'features')
        root = inner if osp.isdir(inner) else folder
        if not osp.isdir(root):
            print(f'verify_store: {folder}: no such folder', file=sys.stderr)
            return 2
        problems = verify(root, partial(tqdm, unit='clip', leave=False))
        for problem in problems:
            print(f'{root}: {problem}')
        if problems:
            status = 3
            continue
        store = FeatureStore(root)
        taps = ', '.join(f'{tap} ({c})' for tap, c in store.taps.items())
        print(f'{root}: {len(store)} clips are well; taps {taps}')
    return status


if __name__ == '__main__':
    sys.exit(main())
