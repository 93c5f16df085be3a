"""The index of a store: a table that is mapped and never parsed.

One table holds the clips of one shard (``<stem>.index``, which commits the
shard) or of all (``consolidated.index``). Little-endian, in this order:

========  ==================================================================
header    256 bytes: :data:`HEADER`, zeros, crc32 of all that before it
schemas   JSON: lists of [array, dtype, [dimension, …]], as of ``dims_of``
shards    JSON: {"stems": […], "sizes": [bytes, …], "marks": [int, …],
          "metas": [int, …]}, the last of meta.json, so that shards of
          another pose net are told; it may be missing
clips     :data:`CLIP` a clip, sorted by name (as UTF-8)
names     the names, one after the other, in the same order
infos     JSON a clip
arrays    :data:`ARRAY` an array: those of a clip follow each other, in the
          order of its schema
starts    uint32 (B + 1): first slot of each hash bucket; B is a power of two
slots     uint32 a clip: the clips by bucket = crc32(name) mod B
checks    uint32 a block: crc32 of each 32 KiB between header and here
========  ==================================================================

A block is checked when it is first touched, so that opening a table of any
size reads some pages of it.
"""
import os.path as osp
import struct
import zlib
from typing import NamedTuple

import numpy as np

from .errors import StoreError
from .files import SHARD, TABLE

MAGIC = b'HPSTORE2'
BLOCK = 1 << 15
SECTIONS = ('schemas', 'shards', 'clips', 'names', 'infos', 'arrays',
            'starts', 'slots', 'checks')
# magic, clips, arrays, buckets; where each section starts; the file's end;
# crc32 of the checks
HEADER = struct.Struct(f'<8sQQQ{len(SECTIONS)}QQI')
HEADER_BYTES = 256
CHECKSUM = struct.Struct('<I')
CLIP = np.dtype([('name', '<u8'), ('info', '<u8'), ('first', '<u8'),
                 ('name_bytes', '<u4'), ('info_bytes', '<u4'),
                 ('shard', '<u4'), ('schema', '<u4'), ('people', '<u4'),
                 ('frames', '<u4'), ('joints', '<u4')])
ARRAY = np.dtype([('offset', '<u8'), ('crc32', '<u4')])


class Part(NamedTuple):
    """The clips of one shard, as columns."""
    stem: str
    size: int  # bytes of the shard
    names: list[bytes]
    infos: bytes
    clips: np.ndarray  # (N,) CLIP; name is not used
    arrays: np.ndarray  # (A,) ARRAY
    schemas: list[list]
    mark: int = 0  # of the shard's own index: tells whether it is the same
    meta: int | None = None  # of the store's meta.json; None in older indices


def duplicate(name: str, first: str, second: str) -> StoreError:
    """The error for a clip that two shards hold.

    Args:
        name: Of the clip.
        first: One shard.
        second: The other.

    Returns:
        The error, to be raised.
    """
    return StoreError(f'clip {name!r} is in {first}{SHARD} and in '
                      f'{second}{SHARD}: remove one shard with its index')


def damaged(path: str, why: str) -> StoreError:
    """The error for a damaged index, with what to do about it.

    Args:
        path: The index.
        why: What is wrong.

    Returns:
        The error, to be raised.
    """
    again = 'hpnet verify --upgrade makes it' \
        if osp.basename(path) == TABLE else 'the extraction makes its clips'
    return StoreError(f'{path} is damaged: {why}; remove it, and {again} '
                      'again')


def mark_of(head: bytes | memoryview, path: str) -> int:
    """Number that tells one index from another, from its first 256 bytes.

    Args:
        head: The bytes.
        path: The index, for messages.

    Returns:
        The checksum of its header.

    Raises:
        StoreError: If it is no index, or a damaged one.
    """
    if len(head) < HEADER_BYTES or head[:len(MAGIC)] != MAGIC:
        raise damaged(path, 'it does not begin as an index')
    mark, = CHECKSUM.unpack_from(head, HEADER_BYTES - CHECKSUM.size)
    if zlib.crc32(head[:HEADER_BYTES - CHECKSUM.size]) != mark:
        raise damaged(path, 'the checksum of its header is not the one that '
                      'was written')
    return mark
