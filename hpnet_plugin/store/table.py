"""Read an index that is mapped: see :mod:`.index` for its layout."""
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .contents import check_columns, check_sections, schemas_of, shards_of
from .errors import StoreError
from .index import (
    ARRAY,
    BLOCK,
    CHECKSUM,
    CLIP,
    HEADER,
    HEADER_BYTES,
    SECTIONS,
    Part,
    damaged,
    mark_of,
)

_CLIP = struct.Struct('<QQQIIIIIII')
_ARRAY = struct.Struct('<QI')
_PAIR = struct.Struct('<II')


class Array(NamedTuple):
    """Where an array of a clip is."""
    stem: str
    size: int  # bytes of the shard
    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]
    crc32: int
    number: int  # in its table
    nbytes: int


class ClipRow(NamedTuple):
    """One clip of a table."""
    row: int
    info: tuple[int, int]  # start, bytes
    first: int
    shard: int
    schema: int
    base: dict[str, int]


class Table:
    """An index, read where it is touched.

    Args:
        data: The file.
        path: Its name, for messages.

    Raises:
        StoreError: If it is no index, or a damaged one; the same from every
            method, on the first touch of a damaged block.
    """

    def __init__(self, data: memoryview, path: str) -> None:
        self.data, self.path = data, path
        self.mark = mark_of(data[:HEADER_BYTES], path)
        _, self.clips, self.arrays, self._buckets, *at, end, crc = \
            HEADER.unpack_from(data)
        self._at = dict(zip(SECTIONS, at))
        self._end = at[-1]
        if len(data) != end or at != sorted(at):
            raise damaged(path, f'{len(data)} bytes, expected {end}')
        wrong = check_sections(self._at, self.clips, self.arrays,
                               self._buckets, end)
        if wrong:
            raise damaged(path, wrong)
        if zlib.crc32(data[self._end:end]) != crc:
            raise self._damaged('the checksums at its end do not agree')
        self._checked = bytearray(-(-(self._end - HEADER_BYTES) // BLOCK))
        try:
            self.schemas = schemas_of(self._json(*self._bounds('schemas')))
            shards = shards_of(self._json(*self._bounds('shards')))
        except StoreError:
            raise
        except ValueError as error:
            raise self._damaged(str(error)) from None
        self.stems, self.sizes, self.marks = (
            shards['stems'], shards['sizes'], shards['marks'])
        self.metas = shards.get('metas') or [None] * len(self.stems)

    def find(self, name: str) -> int:
        """Row of a clip, -1 if it is not there.

        Args:
            name: Of the clip.

        Returns:
            The row.
        """
        key = name.encode('utf-8', 'surrogatepass')
        at = self._at['starts'] + 4 * (zlib.crc32(key) & (self._buckets - 1))
        first, stop = self._unpack(_PAIR, at)
        for slot in range(first, stop):
            row, = self._unpack(CHECKSUM, self._at['slots'] + 4 * slot)
            if self._name(row) == key:
                return row
        return -1

    def name(self, row: int) -> str:
        """Name of a clip.

        Args:
            row: Of the clip, from 0.

        Returns:
            The name.
        """
        return self._text(self._name(row))

    def names(self) -> list[str]:
        """Names of all clips, sorted.

        Returns:
            The names.
        """
        return [self._text(name) for name in self._all_names()]

    def clip(self, row: int) -> ClipRow:
        """What is known of a clip without its arrays.

        Args:
            row: Of the clip, from 0.

        Returns:
            The clip.

        Raises:
            StoreError: If its shard or its arrays are not there.
        """
        (_, info, first, _, info_bytes, shard, schema, people, frames,
         joints) = self._unpack(_CLIP, self._at['clips'] + row * _CLIP.size)
        if row >= self.clips or shard >= len(self.stems) or \
                schema >= len(self.schemas):
            raise self._damaged(f'clip {row} of {self.clips}, in shard {shard}'
                                f', has the schema {schema}')
        return ClipRow(row, (info, info_bytes), first, shard, schema,
                       dict(M=people, T=frames, V=joints))

    def info(self, clip: ClipRow) -> dict[str, Any]:
        """What was kept with a clip.

        Args:
            clip: The clip.

        Returns:
            As it was given to ``StoreWriter.add``.
        """
        start = self._at['infos'] + clip.info[0]
        return self._json(start, start + clip.info[1])

    def keys(self, clip: ClipRow) -> list[str]:
        """Arrays of a clip.

        Args:
            clip: The clip.

        Returns:
            Their names.
        """
        return list(self.schemas[clip.schema])

    def array(self, clip: ClipRow, key: str) -> Array:
        """Where an array of a clip is.

        Args:
            clip: The clip.
            key: The array.

        Returns:
            Its place.

        Raises:
            KeyError: If the clip has no such array.
        """
        number, dtype, dims = self.schemas[clip.schema][key]
        number += clip.first
        if number >= self.arrays:
            raise self._damaged(f'array {number} of {self.arrays}')
        offset, crc32 = self._unpack(
            _ARRAY, self._at['arrays'] + number * _ARRAY.size)
        shape = tuple([clip.base.get(dim, dim) for dim in dims])
        nbytes = dtype.itemsize
        for length in shape:
            nbytes *= length
        size = self.sizes[clip.shard]
        if offset + nbytes > size:
            raise self._damaged(f'{self.name(clip.row)!r}, {key!r} would end '
                                f'behind its shard of {size} bytes')
        return Array(self.stems[clip.shard], size, offset, dtype, shape,
                     crc32, number, nbytes)

    def around(self, name: str, count: int) -> list[str]:
        """The clips that stand before and after where a name would stand.

        Args:
            name: A name, which need not be there.
            count: How many before, and how many after.

        Returns:
            Their names, sorted.
        """
        key = name.encode('utf-8', 'surrogatepass')
        low, high = 0, self.clips
        while low < high:
            middle = (low + high) // 2
            if self._name(middle) < key:
                low = middle + 1
            else:
                high = middle
        return [self.name(row) for row in range(
            max(low - count, 0), min(low + count, self.clips))]

    def part(self) -> Part:
        """The columns of a table of one shard, all of it checked.

        Returns:
            The columns.

        Raises:
            StoreError: If it is damaged, or of several shards.
        """
        self.check()
        if len(self.stems) != 1:
            raise self._damaged(f'it lists {len(self.stems)} shards, '
                                'expected 1')
        clips, arrays, infos = self.columns()
        schemas = self._json(*self._bounds('schemas'))
        start, stop = self._bounds('infos')
        wrong = check_columns(clips, len(arrays), stop - start, self.schemas)
        if wrong:
            raise self._damaged(wrong)
        return Part(self.stems[0], self.sizes[0], list(self._all_names()),
                    bytes(infos), clips, arrays, schemas, self.mark,
                    self.metas[0])

    def columns(self) -> tuple[np.ndarray, np.ndarray, memoryview]:
        """What is known of all clips, as it stands in the file.

        Returns:
            (N,) CLIP, (A,) ARRAY, and the infos one after the other.
        """
        return (np.frombuffer(self._take(*self._bounds('clips')), CLIP),
                np.frombuffer(self._take(*self._bounds('arrays')), ARRAY),
                self._take(*self._bounds('infos')))

    def check(self) -> None:
        """Check all of it.

        Raises:
            StoreError: If it is damaged.
        """
        for start in range(HEADER_BYTES, self._end, BLOCK):
            self._take(start, min(start + BLOCK, self._end))

    def _all_names(self) -> Iterator[bytes]:
        clips = np.frombuffer(self._take(*self._bounds('clips')), CLIP)
        blob = bytes(self._take(*self._bounds('names')))
        ends = np.cumsum(clips['name_bytes'], dtype=np.uint64)
        if (clips['name'] != ends - clips['name_bytes']).any() or \
                len(blob) != (int(ends[-1]) if len(ends) else 0):
            raise self._damaged('its names do not follow each other')
        start = 0
        for length in clips['name_bytes'].tolist():
            yield blob[start:start + length]
            start += length

    def _name(self, row: int) -> bytes:
        start, _, _, length, *_ = self._unpack(
            _CLIP, self._at['clips'] + row * _CLIP.size)
        start += self._at['names']
        return bytes(self._take(start, start + length))

    def _unpack(self, kind: struct.Struct, at: int) -> tuple[int, ...]:
        """Numbers at a place of the table, see :meth:`_take`."""
        self._check(at, at + kind.size)
        return kind.unpack_from(self.data, at)

    def _bounds(self, section: str) -> tuple[int, int]:
        return (self._at[section],
                self._at[SECTIONS[SECTIONS.index(section) + 1]])

    def _json(self, start: int, stop: int) -> Any:
        try:
            return json.loads(str(self._take(start, stop), 'utf-8'))
        except StoreError:
            raise
        except (ValueError, RecursionError) as error:
            raise self._damaged(f'{error} in the JSON at {start}') from None

    def _text(self, name: bytes) -> str:
        try:
            return str(name, 'utf-8')
        except UnicodeDecodeError as error:
            raise self._damaged(f'a name is no text ({error})') from None

    def _take(self, start: int, stop: int) -> memoryview:
        """Bytes of the table, once their blocks were found right."""
        self._check(start, stop)
        return self.data[start:stop]

    def _check(self, start: int, stop: int) -> None:
        if not HEADER_BYTES <= start <= stop <= self._end:
            raise self._damaged('an offset leads out of it')
        checked = self._checked
        for block in range((start - HEADER_BYTES) // BLOCK,
                           (stop - HEADER_BYTES + BLOCK - 1) // BLOCK):
            if not checked[block]:
                first = HEADER_BYTES + block * BLOCK
                crc, = CHECKSUM.unpack_from(self.data, self._end + 4 * block)
                if zlib.crc32(self.data[first:min(first + BLOCK, self._end)]
                              ) != crc:
                    raise self._damaged(f'the checksum of block {block} is '
                                        'not the one that was written')
                checked[block] = 1

    def _damaged(self, why: str) -> StoreError:
        return damaged(self.path, why)
