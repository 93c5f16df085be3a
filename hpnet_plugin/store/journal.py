"""The journal of a writer: clips that are not in a shard yet.

Each clip is one record: 20 bytes (magic, bytes of the header, bytes of the
arrays, crc32 of the header), a header in JSON (name, info, and key, dtype,
shape and crc32 of each array), and the arrays one after the other.
"""
import errno
import io
import json
import logging
import math
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..files import no_space, sync_folder, write_all
from .errors import StoreError
from .files import POSE_KEYS, TIMESTAMP, dims_of

_HEAD = struct.Struct('<4sIQI')
_MAGIC = b'HPJ2'
_CHUNK = 1 << 20
_DTYPES = ('<f2', '<f4', '<f8')
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Entry(NamedTuple):
    """An array in the journal."""
    dtype: str
    shape: tuple[int, ...]
    crc32: int
    offset: int
    nbytes: int


class Record(NamedTuple):
    """A clip in the journal."""
    info: bytes  # JSON
    arrays: dict[str, Entry]


class Journal:
    """Clips on disk, in the order in which they were added.

    Opening takes back what a killed writer left; an incomplete record at the
    end is dropped. The owner of the file holds the writer's lock.

    Args:
        path: The file; it is made by the first clip.

    Attributes:
        records: The clips.
        nbytes: Of their arrays.

    Raises:
        StoreError: If it holds anything but clips, with the checksums of a
            journal. What a killed writer left is no such thing.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.records: dict[str, Record] = {}
        self.nbytes = self._end = 0
        self._file: io.FileIO | None = None
        if os.path.exists(path):
            self._open()
            self._recover()

    def append(self, name: str, info: bytes, arrays: dict[str, np.ndarray]
               ) -> None:
        """Write a clip.

        Args:
            name: Of the clip.
            info: JSON.
            arrays: Arrays, which need not be contiguous.

        Raises:
            OSError: If it cannot be written. The journal then is as before.
        """
        arrays = {key: np.ascontiguousarray(array)
                  for key, array in arrays.items()}
        header = json.dumps([name, info.decode(), [
            (key, array.dtype.str, array.shape, zlib.crc32(array.data))
            for key, array in arrays.items()]]).encode()
        size = sum(array.nbytes for array in arrays.values())
        head = _HEAD.pack(_MAGIC, len(header), size, zlib.crc32(header))
        fd = self._open()
        try:
            os.lseek(fd, self._end, os.SEEK_SET)
            write_all(fd, [head, header, *(
                array.data for array in arrays.values())])
        except BaseException as error:
            os.ftruncate(fd, self._end)
            if isinstance(error, OSError) and error.errno in _NO_SPACE:
                raise no_space(self.path, len(head) + len(header) + size,
                               error) from None
            raise
        self._remember(header, self._end + len(head) + len(header))

    def read(self, name: str, key: str) -> Iterator[bytes]:
        """Bytes of an array, in pieces.

        Args:
            name: The clip.
            key: The array.

        Yields:
            A MiB at most.

        Raises:
            StoreError: After the last one, if they are not what was written.
        """
        entry = self.records[name].arrays[key]
        if not self._sound(entry, pieces := list(self._pieces(entry))):
            raise StoreError(f'{self.path} is damaged at clip {name!r}, '
                             f'{key!r}: remove it, and the extraction makes '
                             'its clips again')
        yield from pieces

    def forget(self, names: set[str]) -> None:
        """Leave out clips that are in a shard already.

        Args:
            names: Clips, which need not be in the journal.
        """
        for name in names & self.records.keys():
            self.nbytes -= sum(entry.nbytes for entry in
                               self.records.pop(name).arrays.values())
        if self._end and not self.records:
            self.clear()

    def clear(self) -> None:
        """Empty it, when its clips are committed."""
        if self._file is not None:
            os.ftruncate(self._file.fileno(), 0)
        self.records, self.nbytes, self._end = {}, 0, 0

    def sync(self) -> None:
        """Make it survive a power cut."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            sync_folder(os.path.dirname(self.path))

    def close(self) -> None:
        """Close the file, and remove it if it is empty."""
        if self._file is not None:
            self._file.close()
            self._file = None
            if not self.records:
                os.unlink(self.path)

    def _open(self) -> int:
        if self._file is None:
            self._file = io.FileIO(
                os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), 'r+')
        return self._file.fileno()

    def _recover(self) -> None:
        size = os.fstat(self._open()).st_size
        while True:
            head = self._bytes(self._end, _HEAD.size)
            if len(head) < _HEAD.size:
                break
            magic, header_bytes, nbytes, crc = _HEAD.unpack(head)
            start = self._end + len(head)
            if magic != _MAGIC or start + header_bytes + nbytes > size:
                break
            header = self._bytes(start, header_bytes)
            if zlib.crc32(header) != crc:
                break
            record = self._parse(header, start + header_bytes)[1]
            if sum(entry.nbytes for entry in record.arrays.values()
                   ) != nbytes:
                raise self._damaged('arrays of another size than they say')
            if not all(self._sound(entry, self._pieces(entry))
                       for entry in record.arrays.values()):
                break
            self._remember(header, start + header_bytes)
        if self._end < size:
            logging.getLogger(__name__).warning(
                '%s: its last %d bytes are no whole clip and are dropped',
                self.path, size - self._end)
            os.ftruncate(self._open(), self._end)

    def _remember(self, header: bytes, start: int) -> None:
        name, record = self._parse(header, start)
        self.records[name] = record
        size = sum(entry.nbytes for entry in record.arrays.values())
        self.nbytes += size
        self._end = start + size

    def _parse(self, header: bytes, start: int) -> tuple[str, Record]:
        # its checksum was right: what is wrong now was written so
        try:
            name, info, arrays = json.loads(header)
            entries = {}
            for key, dtype, shape, crc in arrays:
                if not isinstance(key, str) or key in entries or \
                        dtype not in _DTYPES or not all(
                            type(size) is int and size > 0
                            for size in (crc + 1, *shape)):
                    raise ValueError(f'an array {key!r:.40} of {dtype!r:.40} '
                                     f'and {shape!r:.80}')
                nbytes = math.prod(shape) * np.dtype(dtype).itemsize
                entries[key] = Entry(dtype, tuple(shape), crc, start, nbytes)
                start += nbytes
            if not isinstance(name, str) or not name.isprintable() or not name:
                raise ValueError(f'the name {name!r:.40}')
            json.loads(info)
            return name, Record(info.encode(), entries)
        except (ValueError, TypeError, AttributeError, RecursionError
                ) as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, why: str) -> StoreError:
        return StoreError(
            f'{self.path} is damaged after {len(self.records)} clips: '
            f'{why}; remove it, and the extraction makes its clips again')

    def check(self, taps: dict[str, int]) -> None:
        """Refuse clips that are none of a store.

        Args:
            taps: Of the store.

        Raises:
            StoreError: If arrays are missing or unknown, or of other shapes.
        """
        wanted = {*POSE_KEYS, *taps}
        for name, record in self.records.items():
            found = record.arrays
            if not wanted <= found.keys() <= {*wanted, TIMESTAMP}:
                raise self._damaged(f'clip {name!r} has {sorted(found)}, '
                                    f'expected {sorted(wanted)}')
            base = found['keypoint'].shape[:3]
            sizes = dict(zip('MTV', base))
            for key, entry in found.items():
                dtype, dims = dims_of(key, taps)
                shape = tuple(sizes.get(dim, dim) for dim in dims)
                if (entry.dtype, entry.shape) != (dtype, shape):
                    raise self._damaged(
                        f'clip {name!r}, {key!r}: {entry.dtype} of shape '
                        f'{entry.shape}, expected {dtype} of {shape}')

    def _pieces(self, entry: Entry) -> Iterator[bytes]:
        stop = entry.offset + entry.nbytes
        for start in range(entry.offset, stop, _CHUNK):
            yield self._bytes(start, min(_CHUNK, stop - start))

    def _sound(self, entry: Entry, pieces: Iterable[bytes]) -> bool:
        crc = 0
        for piece in pieces:
            crc = zlib.crc32(piece, crc)
        return crc == entry.crc32

    def _bytes(self, start: int, size: int) -> bytes:
        return os.pread(self._open(), size, start)
