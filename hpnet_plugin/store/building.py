"""Make the index of a shard, or of all: see :mod:`.index` for its layout."""
import json
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from .index import (
    ARRAY,
    BLOCK,
    CHECKSUM,
    CLIP,
    HEADER,
    HEADER_BYTES,
    MAGIC,
    Part,
    duplicate,
)


def part_of(stem: str, size: int, clips: Iterable[tuple], mark: int = 0
            ) -> Part:
    """Columns from clips one by one.

    Args:
        stem: The shard.
        size: Its bytes.
        clips: (name, info as JSON bytes, (M, T, V), schema, [(offset, crc32),
            …]) each; see ``dims_of`` for the schema.
        mark: Of the shard's own index.

    Returns:
        The columns.
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

    Args:
        parts: The shards.

    Returns:
        The sections, in the order of the file.

    Raises:
        StoreError: If two shards, or one, have a clip twice.
    """
    clips, names, schemas = _merge(parts)
    buckets = 1 << max(len(names) - 1, 1).bit_length()
    hashes = np.fromiter(map(zlib.crc32, names), np.int64,
                         len(names)) & (buckets - 1)
    starts = np.zeros(buckets + 1, '<u4')
    metas = [part.meta for part in parts]
    metas = {} if set(metas) <= {None} else dict(metas=metas)
    np.cumsum(np.bincount(hashes, minlength=buckets), out=starts[1:])
    body = [
        _json(schemas),
        _json(dict(stems=[part.stem for part in parts],
                   sizes=[part.size for part in parts],
                   marks=[part.mark for part in parts], **metas)),
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
    arrays = sum(len(part.arrays) for part in parts)
    head = HEADER.pack(MAGIC, len(names), arrays, buckets, *at,
                       at[-1] + len(checks), zlib.crc32(checks))
    head = head.ljust(HEADER_BYTES - CHECKSUM.size, b'\0')
    return [head + CHECKSUM.pack(zlib.crc32(head)), *body, checks]


def _merge(parts: list[Part]) -> tuple[np.ndarray, list[bytes], list[list]]:
    """Clips of all shards by name: (N,) CLIP, their names, and schemas."""
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
    return clips, names, schemas


def _json(content: object) -> bytes:
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
