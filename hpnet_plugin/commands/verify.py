#!/usr/bin/env python3
"""Check feature stores: every array against its checksum.

    hpnet verify data/ntu120
    hpnet verify data/ntu120 --upgrade

With --upgrade, indices of format 1 (JSON) first become those of format 2,
which many processes open at once without parsing them. The shards stay as
they are; it may be interrupted at any time and run again. Of a store of
format 2 it makes consolidated.index anew where that is missing or old.

Exit status: 0 all is well, 3 something is damaged (each thing is named), 2
wrong usage, or nothing can be written.
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
    parser.add_argument('--upgrade', action='store_true',
                        help='turn indices of format 1 into format 2 first')
    args = parser.parse_args(argv)
    from functools import partial

    from tqdm import tqdm

    from hpnet_plugin.store import FeatureStore, StoreError, upgrade, verify

    status = 0
    for folder in args.folders:
        inner = osp.join(folder, 'features')
        root = inner if osp.isdir(inner) else folder
        if not osp.isdir(root):
            print(f'verify: {folder}: no such folder', file=sys.stderr)
            return 2
        problems = []
        if args.upgrade:
            try:
                count = upgrade(root)
                print(f'{root}: {count} '
                      f'{"index" if count == 1 else "indices"} turned into '
                      'format 2')
            except StoreError as error:
                problems.append(str(error))
            except OSError as error:
                print(f'verify: {error}', file=sys.stderr)
                return 2
        found = verify(root, partial(tqdm, unit='clip', leave=False))
        problems += [problem for problem in found if problem not in problems]
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
