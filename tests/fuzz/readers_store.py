"""Feature stores: indices of both formats, meta.json, shards, journals."""
from __future__ import annotations

import json
import random
import struct
import zlib
from pathlib import Path

import numpy as np

from fuzz.changes import EXTREMES
from fuzz.engine import Reader
from hpnet_plugin.store import FeatureStore, StoreError, StoreWriter
from hpnet_plugin.store.index import (
    BLOCK,
    CHECKSUM,
    HEADER,
    HEADER_BYTES,
    SECTIONS,
)
from hpnet_plugin.store.verify import verify

META = dict(taps={'tap': 6, 'other': 2}, pose='hrnet')


def _clip(seed: int) -> tuple[dict, dict]:
    rng = np.random.default_rng(seed)
    shape = 1 + seed % 2, 3, 17
    return {
        'keypoint': rng.random((*shape, 2)).astype('f4'),
        'keypoint_score': rng.random(shape).astype('f4'),
        'tap': rng.random((*shape, 6)).astype('f2'),
        'other': rng.random((*shape, 2)).astype('f2'),
        **({'timestamp': np.arange(3.)} if seed % 3 else {}),
    }, dict(img_shape=[48, 64], num_frames=3, fps=25.)


def write_store(folder: Path, journal: bool = False) -> Path:
    """A store of two shards."""
    root = folder / 'store'
    for part in range(2):
        writer = StoreWriter(root, META)
        for number in range(2):
            writer.add(f'clip{2 * part + number}',
                       *_clip(2 * part + number))
        writer.close()
    if journal:
        writer = StoreWriter(root, META)
        writer.add('new0', *_clip(7))
        writer.add('new1', *_clip(8))
        writer.suspend()
    return root


def _part(pattern: str, journal: bool = False):
    def seeds(folder: Path) -> list[Path]:
        return sorted(write_store(folder, journal).glob(pattern))
    return seeds


def _shard_index(folder: Path) -> list[Path]:
    root = write_store(folder)
    (root / 'consolidated.index').unlink()
    return sorted(root.glob('*.index'))


def _format1(folder: Path) -> list[Path]:
    """The same store as format 1 has it."""
    store = FeatureStore(write_store(folder))
    root = Path(store.root)
    shards: dict[str, dict] = {}
    for name in store.names:
        table, row = store._catalog.find(name)
        clip = table.clip(row)
        places = {key: table.array(clip, key) for key in table.keys(clip)}
        stem = next(iter(places.values())).stem
        shards.setdefault(stem, {})[name] = dict(
            info=store.info(name), arrays={key: dict(
                offset=place.offset, shape=list(place.shape),
                dtype=place.dtype.str, crc32=place.crc32)
                for key, place in places.items()})
    for path in root.glob('*.index'):
        path.unlink()
    for stem, clips in shards.items():
        (root / f'{stem}.json').write_text(json.dumps(dict(bytes=(
            root / f'{stem}.safetensors').stat().st_size, clips=clips)))
    (root / 'meta.json').write_text(json.dumps(dict(META, version=1)))
    return sorted(root.glob('0*.json'))


def _read_all(path: Path) -> None:
    """Open a store, and read every array of every clip, and verify it."""
    root = path.parent
    try:
        store = FeatureStore(root)
        repr(store)
        for name in store.names:
            store.info(name)
            for key in store.keys(name):
                store.shape(name, key)
                store.read(name, key)
                store.read(name, key, [0])
    finally:
        verify(root)


def _open_journal(path: Path) -> None:
    # the writer takes up what is whole, and puts it into a shard
    with StoreWriter(path.parent, META):
        pass
    _read_all(path)


def index_repaired(data: bytes) -> bytes:
    """Checksums of an index made those of its content."""
    if len(data) < HEADER_BYTES:
        return data
    head = list(HEADER.unpack_from(data))
    first = 4 + len(SECTIONS)
    end_at = first - 1
    end = head[end_at]
    if not HEADER_BYTES <= end <= len(data):
        return data
    checks = b''.join(CHECKSUM.pack(zlib.crc32(
        data[at:min(at + BLOCK, end)])) for at in range(
            HEADER_BYTES, end, BLOCK))
    head[first:] = [end + len(checks), zlib.crc32(checks)]
    new = HEADER.pack(*head).ljust(HEADER_BYTES - CHECKSUM.size, b'\0')
    return (new + CHECKSUM.pack(zlib.crc32(new)) + data[HEADER_BYTES:end]
            + checks)


def index_changed(data: bytes, rng: random.Random) -> bytes:
    """A number of the header, or a part of a section, is another."""
    head = list(HEADER.unpack_from(data))
    content = bytearray(data)
    if rng.random() < .4:
        at = rng.randrange(1, len(head))
        head[at] = rng.choice((
            *(n & (1 << 32) - 1 if at == len(head) - 1 else
              n & (1 << 64) - 1 for n in EXTREMES), head[at] + 1,
            max(0, head[at] - 1), head[at] + 8))
        if at == len(head) - 1:
            head[at] &= (1 << 32) - 1
        HEADER.pack_into(content, 0, *head)
        return bytes(content)
    bounds = head[4:4 + len(SECTIONS)]
    part = rng.randrange(len(bounds) - 1)
    if bounds[part] >= bounds[part + 1]:
        return bytes(content)
    size = rng.choice((1, 4, 8))
    at = rng.randrange(bounds[part], bounds[part + 1])
    at -= (at - bounds[part]) % size
    value = rng.choice((*EXTREMES, rng.randrange(256))) & (1 << 8 * size) - 1
    content[at:at + size] = value.to_bytes(size, 'little')
    return bytes(content)


def meta_repaired(data: bytes) -> bytes:
    """The checksum of meta.json made that of its content."""
    try:
        meta = json.loads(data)
        if not isinstance(meta, dict):
            return data
        meta.pop('crc32', None)
        meta['crc32'] = zlib.crc32(json.dumps(
            meta, separators=(',', ':')).encode())
        return json.dumps(meta).encode()
    except (ValueError, RecursionError):
        return data


def journal_repaired(data: bytes) -> bytes:
    """The checksum and length of a journal's first header."""
    head = struct.Struct('<4sIQI')
    start = data.find(b'[')
    stop = data.find(b']]]') + 3
    if len(data) < head.size or stop < 3 or start < 0:
        return data
    header = data[start:stop]
    _, _, size, _ = head.unpack_from(data)
    return head.pack(b'HPJ2', len(header), size & (1 << 40) - 1, zlib.crc32(
        header)) + header + data[stop:]


def journal_changed(data: bytes, rng: random.Random) -> bytes:
    """Another header of the first clip."""
    from fuzz.changes import json_changed
    start, stop = data.find(b'['), data.find(b']]]') + 3
    return journal_repaired(
        data[:start] + json_changed(data[start:stop], rng) + data[stop:])


def shard_changed(data: bytes, rng: random.Random) -> bytes:
    """Another header of a shard, of the same length where that fits."""
    from fuzz.changes import json_changed
    size, = struct.unpack_from('<Q', data)
    header = json_changed(data[8:8 + size], rng)
    if rng.random() < .5:
        header = header[:size].ljust(size)
    return struct.pack('<Q', len(header)) + header + data[8 + size:]


# that a store has no such clip is a KeyError that names the store
_ERRORS = StoreError, KeyError
_STORE = dict(beside=True, named=lambda path: path.parent.name)
READERS = {
    'index': Reader(_part('consolidated.index'), _read_all, _ERRORS,
                    change=index_changed, repair=index_repaired, **_STORE),
    'shard-index': Reader(_shard_index, _read_all, _ERRORS,
                          change=index_changed, repair=index_repaired,
                          **_STORE),
    'index-1': Reader(_format1, _read_all, _ERRORS, **_STORE),
    'meta': Reader(_part('meta.json'), _read_all, _ERRORS,
                   repair=meta_repaired, **_STORE),
    'shard': Reader(_part('*.safetensors'), _read_all, _ERRORS,
                    change=shard_changed, **_STORE),
    'journal': Reader(_part('journal', True), _open_journal, _ERRORS,
                      change=journal_changed, repair=journal_repaired,
                      **_STORE),
}
