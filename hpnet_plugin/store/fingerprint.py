"""What a store holds, in some digits: the same for the same clips.

Computed from the indices alone: they have a checksum of each array. Neither
the shards, nor their order, nor who wrote them, changes it.
"""
import hashlib
import json
import os
import zlib
from typing import Any

import numpy as np

from .catalog import Catalog
from .errors import StoreError
from .files import POSE_KEYS, TIMESTAMP
from .index import Part, damaged
from .reader import FeatureStore
from .table import Table

DIGITS = 16  # of the sha256
_FIELDS = 5  # before the checksums of the arrays


def fingerprint(store: FeatureStore | str | os.PathLike[str]) -> str:
    """The digits that tell what a store holds.

    They depend on ``meta.json`` (but not on the version of the format), and
    on each clip's name, info, shape and arrays.

    Args:
        store: The store, or its folder.

    Returns:
        16 hexadecimal digits.

    Raises:
        StoreError: If there is no store, or an index is damaged.
    """
    catalog = _catalog(store)
    names, rows = _rows(catalog)
    meta = {key: value for key, value in catalog.meta.items()
            if key != 'version'}
    digest = hashlib.sha256(json.dumps(
        meta, sort_keys=True, separators=(',', ':')).encode())
    digest.update(b'\0' + b'\0'.join(names) + b'\0')
    digest.update(rows.tobytes())
    return digest.hexdigest()[:DIGITS]


def clip_checksums(store: FeatureStore | str | os.PathLike[str]
                   ) -> dict[str, int]:
    """A number for each clip: of its name, info, shape and arrays.

    Args:
        store: The store, or its folder.

    Returns:
        Clip to its checksum, sorted by name.

    Raises:
        StoreError: If there is no store, or an index is damaged.
    """
    names, rows = _rows(_catalog(store))
    return _numbers(names, rows)


def part_checksums(part: Part, meta: dict[str, Any]) -> dict[str, int]:
    """The same of the clips of one shard.

    Args:
        part: Its index.
        meta: Of the store.

    Returns:
        Clip to its checksum.

    Raises:
        StoreError: If the index is damaged.
    """
    rows = _columns(part.clips, part.arrays, memoryview(part.infos),
                    part.schemas, _keys(meta), part.stem)
    return _numbers(part.names, rows)


def _catalog(store: FeatureStore | str | os.PathLike[str]) -> Catalog:
    return store._catalog if isinstance(store, FeatureStore) else \
        Catalog(os.fspath(store))


def _numbers(names: list[bytes], rows: np.ndarray) -> dict[str, int]:
    # each row is hashed with its name, so that exchanged names are noticed
    return {name.decode(): zlib.crc32(row.tobytes(), zlib.crc32(name))
            for name, row in zip(names, rows)}


def _keys(meta: dict[str, Any]) -> dict[str, int]:
    """Arrays that a clip may have, each with its column."""
    return {key: _FIELDS + i for i, key in enumerate(
        sorted({*meta['taps'], *POSE_KEYS, TIMESTAMP}))}


def _rows(catalog: Catalog) -> tuple[list[bytes], np.ndarray]:
    """Names of all clips, sorted, and a row of numbers for each."""
    keys = _keys(catalog.meta)
    names, rows = [], [np.empty((0, _FIELDS + len(keys)), '<u4')]
    for table in catalog.tables:
        names += [name.encode() for name in table.names()]
        rows.append(_table_rows(table, keys))
    numbers = np.concatenate(rows)
    if len(catalog.tables) > 1:
        order = sorted(range(len(names)), key=names.__getitem__)
        names, numbers = [names[i] for i in order], numbers[order]
    return names, numbers


def _table_rows(table: Table, keys: dict[str, int]) -> np.ndarray:
    clips, arrays, infos = table.columns()
    schemas = [[[key] for key in schema] for schema in table.schemas]
    return _columns(clips, arrays, infos, schemas, keys, table.path)


def _columns(clips: np.ndarray, arrays: np.ndarray, infos: memoryview,
             schemas: list[list], keys: dict[str, int], path: str
             ) -> np.ndarray:
    """People, frames, joints, checksum of the info, which arrays there are,
    and the checksum of each; (N, 5 + K) uint32."""
    rows = np.zeros((len(clips), _FIELDS + len(keys)), '<u4')
    for column, name in enumerate(('people', 'frames', 'joints')):
        rows[:, column] = clips[name]
    ends = clips['info'] + clips['info_bytes']
    if len(clips) and int(ends.max()) > len(infos):
        raise damaged(path, 'the info of a clip would end behind it')
    rows[:, 3] = [zlib.crc32(infos[start:stop]) for start, stop in zip(
        clips['info'].tolist(), ends.tolist())]
    for number, schema in enumerate(schemas):
        chosen = np.flatnonzero(clips['schema'] == number)
        first = clips['first'][chosen]
        if len(chosen) and int(first.max()) + len(schema) > len(arrays):
            raise damaged(path, 'the arrays of a clip would end behind it')
        for place, (key, *_) in enumerate(schema):
            if key not in keys:
                raise StoreError(f'{path} is damaged: the store has no '
                                 f'array {key!r}')
            rows[chosen, 4] |= 1 << keys[key] % 32
            rows[chosen, keys[key]] = arrays['crc32'][first + place]
    return rows
