"""What the crops of each clip were written as, so that damage is seen."""
from __future__ import annotations

import json
import os
import os.path as osp
import zlib
from typing import NamedTuple

FILE = 'checksums.jsonl'


class Written(NamedTuple):
    """A file of crops, as it was written."""
    size: int
    crc32: int


def note_checksum(folder: str, clip: str, data: bytes | memoryview) -> None:
    """Note what a clip's crops are.

    Lines are appended whole, so that several processes may write; the last
    of a clip counts.

    Args:
        folder: Of the crops.
        clip: Its name.
        data: The file that was written.

    Raises:
        OSError: If it cannot be noted.
    """
    line = _line(clip, Written(len(data), zlib.crc32(data)))
    fd = os.open(osp.join(folder, FILE),
                 os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


def read_checksums(folder: str) -> tuple[dict[str, Written], int]:
    """What was noted of a folder's crops.

    Args:
        folder: Of the crops.

    Returns:
        Clip to its file, and the number of lines that are damaged.

    Raises:
        OSError: If it cannot be read.
    """
    found, bad = {}, 0
    path = osp.join(folder, FILE)
    if not osp.isfile(path):
        return found, bad
    with open(path, 'rb') as file:
        for line in file:
            try:
                entry = json.loads(line)
                written = Written(entry['bytes'], entry['crc32'])
                if line != _line(entry['clip'], written):
                    raise ValueError
            except (ValueError, TypeError, KeyError, RecursionError):
                bad += 1
                continue
            found[entry['clip']] = written
    return found, bad


def checksum_lines(kept: dict[str, Written]) -> bytes:
    """What the file of some clips' checksums is written as.

    Args:
        kept: Clip to its file.

    Returns:
        The content of ``<folder>/checksums.jsonl``.
    """
    return b''.join(_line(clip, written) for clip, written in kept.items())


def _line(clip: str, written: Written) -> bytes:
    return (json.dumps(dict(clip=clip, bytes=written.size,
                            crc32=written.crc32)) + '\n').encode()
