"""Copy a dataset folder that is at a URL, and print where the copy is.

    hpnet fetch s3://bucket/data/mine
    mim train mmaction2 configs/hpnet.py \\
        --cfg-options data_root=$(hpnet fetch s3://bucket/data/mine)

hpnet train, hpnet test and the other commands take the URL itself. Small
files are copied if they changed; shards and person crops are fetched when
they are first read. With --all they are fetched now. The copy is in
HPNET_CACHE, or in ~/.cache/hpnet_plugin.

Exit status: 0 the folder was printed, 2 there is no such dataset folder, 1 it
cannot be reached.
"""
from __future__ import annotations

import argparse

from .command import Command


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument('url', metavar='URL',
                        help='dataset folder: s3://…, https://…, or another '
                        'file system of fsspec')
    parser.add_argument('--all', action='store_true',
                        help='fetch all shards and person crops as well')


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where there is no URL."""
    from ..remote import is_url
    if not is_url(args.url):
        parser.error(f'{args.url} is no URL, such as s3://bucket/data/mine')


def run(args: argparse.Namespace) -> None:
    """Copy, and print the folder."""
    from ..mirrors import Mirror
    mirror = Mirror(args.url)
    mirror.refresh()
    if args.all:
        mirror.fetch_all(crops=True)
    print(mirror.folder)


main = Command('fetch', __doc__, run, add_options, check)
