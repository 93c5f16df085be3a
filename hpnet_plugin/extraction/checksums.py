"""checksums.json: what the files of a dataset folder were written as."""
from __future__ import annotations

import json
import os.path as osp
import zlib
from typing import Any, NamedTuple

from ..files import sha256_of, write_whole
from ..store import FeatureStore, fingerprint
from ..store.fingerprint import DIGITS

FILE = 'checksums.json'
FORMAT, VERSION = 'hpnet_plugin checksums', 1
ANNOTATIONS, CLIPS = 'annotations.pkl', 'annotations.clips.json'
# small ones, of which a copy is kept
COPIED = ('dataset.json', 'extraction.json', 'classes.txt',
          'crops/crops.json', 'crops/frames.json')
FILES = (ANNOTATIONS, CLIPS, 'names.json', 'splits.json', 'failures.jsonl',
         'crops/checksums.jsonl', *COPIED)


class ChecksumsError(ValueError):
    """A checksums.json that cannot be used; the message says why."""


class Checksums(NamedTuple):
    """What a dataset folder was when it was written.

    Attributes:
        store: Fingerprint of its features.
        meta: ``meta.json`` of its features.
        files: File to the first digits of its sha256.
        copies: Small file to its text.
    """
    store: str
    meta: dict[str, Any]
    files: dict[str, str]
    copies: dict[str, str]


def write_checksums(out: str, store: FeatureStore) -> None:
    """Note what the files of a dataset folder are now.

    Args:
        out: The dataset folder.
        store: Its features.

    Raises:
        OSError: If it cannot be written.
        StoreError: If the store cannot be read.
    """
    there = [name for name in FILES if osp.isfile(osp.join(out, name))]
    copies = {}
    for name in COPIED:
        if name in there:
            with open(osp.join(out, name), encoding='utf-8') as file:
                copies[name] = file.read()
    write_whole(osp.join(out, FILE), _bytes(Checksums(
        fingerprint(store), store.meta,
        {name: digits_of(osp.join(out, name)) for name in there}, copies)))


def read_checksums(out: str) -> Checksums | None:
    """What the files of a dataset folder were when it was written.

    Args:
        out: The dataset folder.

    Returns:
        None of a folder that was written before this was noted.

    Raises:
        ChecksumsError: If the file is damaged.
        OSError: If it cannot be read.
    """
    path = osp.join(out, FILE)
    try:
        with open(path, 'rb') as file:
            data = file.read()
    except FileNotFoundError:
        return None
    try:
        content = json.loads(data.decode())
        if content['format'] != FORMAT or content['version'] != VERSION:
            raise ChecksumsError(
                f'{path}: format {content["format"]!r}, version '
                f'{content["version"]!r}; this package reads {FORMAT!r}, '
                f'{VERSION}: update it')
        found = Checksums(*(content[key] for key in Checksums._fields))
    except ChecksumsError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, f'{type(error).__name__}: {error}') from None
    if data != _bytes(found):
        raise _damaged(path, 'its checksum is not the one that was written')
    return found


def digits_of(path: str) -> str:
    """The first digits of a file's sha256.

    Args:
        path: The file.

    Returns:
        16 hexadecimal digits.
    """
    return sha256_of(path)[:DIGITS]


def _damaged(path: str, why: str) -> ChecksumsError:
    return ChecksumsError(f'{path} is damaged: {why}; remove it, and the '
                          'extraction writes it again')


def _bytes(checksums: Checksums) -> bytes:
    content = dict(format=FORMAT, version=VERSION, **checksums._asdict())
    crc32 = zlib.crc32(json.dumps(content).encode())
    return (json.dumps(dict(content, crc32=crc32), indent=1) + '\n').encode()
