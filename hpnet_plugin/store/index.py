"""The index of a store: a table that is mapped and never parsed.

One table holds the clips of one shard (``<stem>.index``, which commits the
shard) or of all (``consolidated.index``). Little-endian, in this order:

========  ==================================================================
header    256 bytes: :data:`HEADER`, zeros, crc32 of all that before it
schemas   JSON: lists of [array, dtype, [dimension, …]], as of ``dims_of``
shards    JSON: {"stems": […], "sizes": [bytes, …], "marks": [int, …]}
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
import json
import os.path as osp
import struct
import zlib
from collections.abc import Iterable, Iterator
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
CLIP = np.dtype([('name', '<u8'), ('info', '<u8'), ('first', '<u8'),
                 ('name_bytes', '<u4'), ('info_bytes', '<u4'),
                 ('shard', '<u4'), ('schema', '<u4'), ('people', '<u4'),
                 ('frames', '<u4'), ('joints', '<u4')])
ARRAY = np.dtype([('offset', '<u8'), ('crc32', '<u4')])
_CLIP = struct.Struct('<QQQIIIIIII')
_ARRAY = struct.Struct('<QI')
_PAIR = struct.Struct('<II')
_ONE = struct.Struct('<I')


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


def part_of(stem: str, size: int, clips: Iterable[tuple], mark: int = 0
            ) -> Part:
    """Columns from clips one by one.

    Args:
        stem: The shard.
        size: Its bytes.
        clips: (name, info as JSON bytes, (M, T, V), schema, [(offset,
            crc32), …]) each; see ``dims_of`` for the schema.
    """
    names, infos, rows, arrays, schemas = [], [], [], [], []
    numbers = {}
    start = 0
    for name, info, base, schema, places in clips:
        key = json.dumps(schema)
        if key not in numbers:
            numbers[key] = len(schemas)
            schemas.append(schema)
        name = name.encode()
        rows.append((0, start, len(arrays), len(name), len(info), 0,
                     numbers[key], *base))
        start += len(info)
        names.append(name)
        infos.append(info)
        arrays += places
    return Part(stem, size, names, b''.join(infos), np.array(rows, CLIP),
                np.array(arrays, ARRAY), schemas, mark)


def build(parts: list[Part]) -> list[bytes]:
    """The table of some shards, in pieces to be written one after the other.

    Raises:
        StoreError: If two shards, or one, have a clip twice.
    """
    names = [name for part in parts for name in part.names]
    order = sorted(range(len(names)), key=names.__getitem__)
    schemas, numbers, columns = [], {}, []
    info = array = 0
    for shard, part in enumerate(parts):
        clips = part.clips.copy()
        own = []
        for schema in part.schemas:
            key = json.dumps(schema)
            if key not in numbers:
                numbers[key] = len(schemas)
                schemas.append(schema)
            own.append(numbers[key])
        clips['schema'] = np.array(own, np.uint32)[clips['schema']]
        clips['shard'] = shard
        clips['info'] += info
        clips['first'] += array
        info += len(part.infos)
        array += len(part.arrays)
        columns.append(clips)
    clips = np.concatenate([np.empty(0, CLIP), *columns])[order]
    names = [names[i] for i in order]
    for i in range(1, len(names)):
        if names[i] == names[i - 1]:
            raise duplicate(names[i].decode(), *(
                parts[clips['shard'][j]].stem for j in (i - 1, i)))
    clips['name'] = np.cumsum(clips['name_bytes']) - clips['name_bytes']
    buckets = 1 << max(len(names) - 1, 1).bit_length()
    hashes = np.fromiter(map(zlib.crc32, names), np.int64,
                         len(names)) & (buckets - 1)
    starts = np.zeros(buckets + 1, '<u4')
    np.cumsum(np.bincount(hashes, minlength=buckets), out=starts[1:])
    body = [
        _json(schemas),
        _json(dict(stems=[part.stem for part in parts],
                   sizes=[part.size for part in parts],
                   marks=[part.mark for part in parts])),
        clips.tobytes(),
        b''.join(names),
        b''.join(part.infos for part in parts),
        b''.join(part.arrays.tobytes() for part in parts),
        starts.tobytes(),
        np.argsort(hashes, kind='stable').astype('<u4').tobytes(),
    ]
    at = [HEADER_BYTES]
    for section in body:
        at.append(at[-1] + len(section))
    checks = np.array(list(_checks(body)), '<u4').tobytes()
    head = HEADER.pack(MAGIC, len(names), array, buckets, *at,
                       at[-1] + len(checks), zlib.crc32(checks))
    head = head.ljust(HEADER_BYTES - _ONE.size, b'\0')
    return [head + _ONE.pack(zlib.crc32(head)), *body, checks]


def duplicate(name: str, first: str, second: str) -> StoreError:
    """The error for a clip that two shards hold."""
    return StoreError(f'clip {name!r} is in {first}{SHARD} and in '
                      f'{second}{SHARD}: remove one shard with its index')


def damaged(path: str, why: str) -> StoreError:
    """The error for a damaged index, with what to do about it."""
    again = 'hpnet verify --upgrade makes it' \
        if osp.basename(path) == TABLE else 'the extraction makes its clips'
    return StoreError(f'{path} is damaged: {why}; remove it, and {again} '
                      'again')


def mark_of(head: bytes, path: str) -> int:
    """Number that tells one index from another, from its first 256 bytes.

    Raises:
        StoreError: If it is no index, or a damaged one.
    """
    if len(head) < HEADER_BYTES or head[:len(MAGIC)] != MAGIC:
        raise damaged(path, 'it does not begin as an index')
    mark, = _ONE.unpack_from(head, HEADER_BYTES - _ONE.size)
    if zlib.crc32(head[:HEADER_BYTES - _ONE.size]) != mark:
        raise damaged(path, 'the checksum of its header is not the one that '
                      'was written')
    return mark


class Table:
    """An index, read where it is touched.

    Args:
        data (memoryview): The file.
        path (str): Its name, for messages.

    Raises:
        StoreError: If it is no index, or a damaged one; the same from every
            method, on the first touch of a damaged block.
    """

    def __init__(self, data: memoryview, path: str):
        self.data, self.path = data, path
        self.mark = mark_of(data[:HEADER_BYTES], path)
        _, self.clips, self.arrays, self._buckets, *at, end, crc = \
            HEADER.unpack_from(data)
        self._at = dict(zip(SECTIONS, at))
        self._end = at[-1]
        if len(data) != end or at != sorted(at):
            raise damaged(path, f'{len(data)} bytes, expected {end}')
        if zlib.crc32(data[self._end:end]) != crc:
            raise self._damaged('the checksums at its end do not agree')
        self._checked = bytearray(-(-(self._end - HEADER_BYTES) // BLOCK))
        schemas = self._json(*self._bounds('schemas'))
        self.schemas = [
            {key: (number, np.dtype(dtype), dims)
             for number, (key, dtype, dims) in enumerate(schema)}
            for schema in schemas]
        shards = self._json(*self._bounds('shards'))
        self.stems, self.sizes, self.marks = (
            shards['stems'], shards['sizes'], shards['marks'])

    def find(self, name: str) -> int:
        """Row of a clip, -1 if it is not there."""
        key = name.encode('utf-8', 'surrogatepass')
        at = self._at['starts'] + 4 * (zlib.crc32(key) & (self._buckets - 1))
        first, stop = _PAIR.unpack(self._take(at, at + 8))
        for slot in range(first, stop):
            at = self._at['slots'] + 4 * slot
            row, = _ONE.unpack(self._take(at, at + 4))
            if self._name(row) == key:
                return row
        return -1

    def name(self, row: int) -> str:
        """Name of a clip."""
        return bytes(self._name(row)).decode()

    def names(self) -> list[str]:
        """Names of all clips, sorted."""
        return [name.decode() for name in self._all_names()]

    def clip(self, row: int) -> ClipRow:
        """What is known of a clip without its arrays."""
        at = self._at['clips'] + row * _CLIP.size
        (_, info, first, _, info_bytes, shard, schema, *base) = _CLIP.unpack(
            self._take(at, at + _CLIP.size))
        return ClipRow(row, (info, info_bytes), first, shard, schema,
                    dict(zip('MTV', base)))

    def info(self, clip: ClipRow):
        """What was kept with a clip."""
        start = self._at['infos'] + clip.info[0]
        return self._json(start, start + clip.info[1])

    def keys(self, clip: ClipRow) -> list[str]:
        """Arrays of a clip."""
        return list(self.schemas[clip.schema])

    def array(self, clip: ClipRow, key: str) -> Array:
        """Where an array of a clip is.

        Raises:
            KeyError: If the clip has no such array.
        """
        number, dtype, dims = self.schemas[clip.schema][key]
        number += clip.first
        at = self._at['arrays'] + number * _ARRAY.size
        offset, crc32 = _ARRAY.unpack(self._take(at, at + _ARRAY.size))
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
        """The clips that stand before and after where a name would stand."""
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
        """The columns of a table of one shard, all of it checked."""
        self.check()
        if len(self.stems) != 1:
            raise self._damaged(f'it lists {len(self.stems)} shards, '
                                'expected 1')
        clips = np.frombuffer(self._take(*self._bounds('clips')), CLIP)
        arrays = np.frombuffer(self._take(*self._bounds('arrays')), ARRAY)
        schemas = self._json(*self._bounds('schemas'))
        return Part(self.stems[0], self.sizes[0], list(self._all_names()),
                    bytes(self._take(*self._bounds('infos'))), clips, arrays,
                    schemas, self.mark)

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
        start = 0
        for length in clips['name_bytes'].tolist():
            yield blob[start:start + length]
            start += length

    def _name(self, row: int) -> bytes:
        at = self._at['clips'] + row * _CLIP.size
        start, _, _, length, *_ = _CLIP.unpack(
            self._take(at, at + _CLIP.size))
        start += self._at['names']
        return bytes(self._take(start, start + length))

    def _bounds(self, section: str) -> tuple[int, int]:
        return (self._at[section],
                self._at[SECTIONS[SECTIONS.index(section) + 1]])

    def _json(self, start: int, stop: int):
        return json.loads(str(self._take(start, stop), 'utf-8'))

    def _take(self, start: int, stop: int) -> memoryview:
        """Bytes of the table, once their blocks were found right."""
        if not HEADER_BYTES <= start <= stop <= self._end:
            raise self._damaged('an offset leads out of it')
        checked = self._checked
        for block in range((start - HEADER_BYTES) // BLOCK,
                           (stop - HEADER_BYTES + BLOCK - 1) // BLOCK):
            if not checked[block]:
                first = HEADER_BYTES + block * BLOCK
                crc, = _ONE.unpack_from(self.data, self._end + 4 * block)
                if zlib.crc32(self.data[first:min(first + BLOCK, self._end)]
                              ) != crc:
                    raise self._damaged(f'the checksum of block {block} is '
                                        'not the one that was written')
                checked[block] = 1
        return self.data[start:stop]

    def _damaged(self, why: str) -> StoreError:
        return damaged(self.path, why)


def _json(content) -> bytes:
    """JSON that ends where the next section may start (8 bytes)."""
    data = json.dumps(content, separators=(',', ':')).encode()
    return data + b' ' * (-len(data) % 8)


def _checks(sections: list[bytes]) -> Iterator[int]:
    """crc32 of each block of the sections one after the other."""
    crc, room = 0, BLOCK
    for section in sections:
        view = memoryview(section)
        while view:
            piece = view[:room]
            crc, room = zlib.crc32(piece, crc), room - len(piece)
            view = view[len(piece):]
            if not room:
                yield crc
                crc, room = 0, BLOCK
    if room < BLOCK:
        yield crc
