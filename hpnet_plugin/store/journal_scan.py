"""Look at a journal without changing it: the writer's is :mod:`.journal`."""
import json
import math
import os
import zlib
from typing import NamedTuple

import numpy as np

from .journal import _HEAD, _MAGIC


class Scan(NamedTuple):
    """What a journal holds.

    Attributes:
        clips: Sound clips: name, first byte, and the one after the last.
        bad: Ranges of bytes that are of no sound clip.
        size: All bytes.
        torn: Whether the only bad bytes are the beginning of a clip at the
            end, as a killed writer leaves it.
    """
    clips: list[tuple[str, int, int]]
    bad: list[tuple[int, int]]
    size: int
    torn: bool = False


def scan_journal(path: str) -> Scan:
    """Find the sound clips of a journal, behind damaged ones too.

    Args:
        path: The journal.

    Returns:
        What it holds.

    Raises:
        OSError: If it cannot be read.
    """
    clips, bad, at = [], [], 0
    with open(path, 'rb') as file:
        size = os.fstat(file.fileno()).st_size
        while at < size:
            found = _record(file.fileno(), at, size)
            if found:
                clips.append((found[0], at, found[1]))
                at = found[1]
                continue
            after = _next_magic(file.fileno(), at + 1, size)
            if bad and bad[-1][1] == at:
                bad[-1] = bad[-1][0], after
            else:
                bad.append((at, after))
            at = after
        torn = len(bad) == 1 and bad[0][1] == size and _is_torn(
            file.fileno(), bad[0][0], size)
    return Scan(clips, bad, size, torn)


def _is_torn(fd: int, at: int, size: int) -> bool:
    """Whether the last bytes are the beginning of a record, and no more."""
    head = os.pread(fd, _HEAD.size, at)
    if len(head) < _HEAD.size:
        return _MAGIC.startswith(head[:len(_MAGIC)])
    magic, header_bytes, nbytes, crc = _HEAD.unpack(head)
    start = at + _HEAD.size + header_bytes
    if magic != _MAGIC or start + nbytes <= size:
        return False
    if start > size:
        return True
    header = os.pread(fd, header_bytes, at + _HEAD.size)
    if zlib.crc32(header) != crc:
        return False
    try:
        return nbytes == sum(
            math.prod(shape) * np.dtype(dtype).itemsize
            for _, dtype, shape, _ in json.loads(header)[2])
    except (ValueError, TypeError, RecursionError, IndexError):
        return False


def _record(fd: int, at: int, size: int) -> tuple[str, int] | None:
    """Name and end of the record that begins somewhere, if it is sound."""
    head = os.pread(fd, _HEAD.size, at)
    if len(head) < _HEAD.size:
        return None
    magic, header_bytes, nbytes, crc = _HEAD.unpack(head)
    start = at + _HEAD.size + header_bytes
    if magic != _MAGIC or start + nbytes > size:
        return None
    header = os.pread(fd, header_bytes, at + _HEAD.size)
    if zlib.crc32(header) != crc:
        return None
    try:
        name, _, arrays = json.loads(header)
        end = start
        for _, dtype, shape, crc in arrays:
            stop = end + math.prod(shape) * np.dtype(dtype).itemsize
            if stop > size or zlib.crc32(
                    os.pread(fd, stop - end, end)) != crc:
                return None
            end = stop
    except (ValueError, TypeError, RecursionError, OverflowError):
        return None
    return (name, end) if end == start + nbytes else None


def _next_magic(fd: int, at: int, size: int) -> int:
    """Where the next record may begin."""
    chunk = 1 << 20
    while at < size:
        data = os.pread(fd, chunk, at)
        found = data.find(_MAGIC)
        if found >= 0:
            return at + found
        if at + len(data) >= size:
            break
        at += len(data) - len(_MAGIC) + 1
    return size
