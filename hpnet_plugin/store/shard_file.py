"""A shard that may be damaged, read without mapping it.

A map of a file on a broken disk, or of one that becomes shorter, ends the
process; reading it is an error.
"""
import os
import zlib
from types import TracebackType
from typing import Self

import numpy as np

from .errors import StoreError
from .shard import read_layout

_CHUNK = 1 << 22


class ShardFile:
    """A shard.

    Args:
        path: The file.

    Attributes:
        path: The same.
        size: Its bytes.
        entries: Array to dtype, shape and offset, of its header.
        broken: Whether its header cannot be read.

    Raises:
        StoreError: If it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self.path, self.entries, self.broken = path, {}, False
        try:
            self._file = open(path, 'rb', buffering=0)
        except FileNotFoundError:
            raise StoreError(f'{path}: it is missing') from None
        except OSError as error:
            raise StoreError(f'{path} cannot be read: '
                             f'{error.strerror}') from None
        self.size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._file.close()

    def header_problems(self, expected: bytes) -> list[str]:
        """Compare its header with what it must be, byte by byte.

        Args:
            expected: What the store writes for these arrays.

        Returns:
            A line for each thing that is wrong.
        """
        try:
            head = self.read(0, min(8, self.size))
            length = int.from_bytes(head, 'little')
            data = self.read(0, min(8 + length, self.size))
        except StoreError as error:
            self.broken = True
            return [str(error)]
        try:
            self.entries = read_layout(memoryview(data), self.path)
        except StoreError as error:
            self.broken = True
            return [str(error)]
        if data == expected:
            return []
        known = read_layout(memoryview(expected), self.path)
        more = sorted(self.entries.keys() - known.keys())
        lines = [f'{self.path}: {key} is in the shard and not in its index'
                 for key in more]
        if self.entries == known:
            lines.append(f'{self.path}: its header is damaged: it is not '
                         'what its own content is written as')
        return lines or [f'{self.path}: its header is not what its index '
                         'says']

    def read(self, start: int, size: int) -> bytes:
        """Bytes of it.

        Args:
            start: The first.
            size: How many.

        Returns:
            The bytes.

        Raises:
            StoreError: If they cannot be read, or it ends before.
        """
        data = bytearray()
        try:
            while len(data) < size:
                more = os.pread(self._file.fileno(), size - len(data),
                                start + len(data))
                if not more:
                    raise StoreError(f'{self.path} ends at byte '
                                     f'{start + len(data)}')
                data += more
        except OSError as error:
            raise StoreError(f'{self.path} cannot be read: '
                             f'{error.strerror}') from None
        return bytes(data)

    def checksum(self, start: int, size: int, dtype: str
                 ) -> tuple[int, bool]:
        """The crc32 of an array, and whether all of it is finite.

        Args:
            start: Its first byte.
            size: Its bytes.
            dtype: Of its values.

        Returns:
            Both.

        Raises:
            StoreError: If it cannot be read.
        """
        crc32, finite = 0, True
        for place in range(start, start + size, _CHUNK):
            data = self.read(place, min(_CHUNK, start + size - place))
            crc32 = zlib.crc32(data, crc32)
            finite = finite and bool(
                np.isfinite(np.frombuffer(data, dtype)).all())
        return crc32, finite
