"""Check a feature store, array by array."""
import json
import os
import os.path as osp
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from .building import build
from .catalog import check_sizes, parts_of, read_part
from .errors import StoreError
from .files import (
    POSE_KEYS,
    SHARD,
    TABLE,
    TIMESTAMP,
    list_folder,
    read_meta,
    stems_of,
)
from .index import Part, duplicate
from .mapping import MappedFile
from .shard import read_layout
from .table import Table


def verify(root: str | os.PathLike[str],
           progress: Callable | None = None) -> list[str]:
    """Read every array of a store and compare it with what was written.

    Indices are compared with the headers of their shards, and the
    consolidated index with both.

    Args:
        root: The store.
        progress: Wraps the list of clips, ``tqdm`` for one.

    Returns:
        What is wrong, a line each; empty if nothing is.
    """
    root = os.fspath(root)
    try:
        meta = read_meta(root)
        stems = sorted(stems_of(list_folder(root)).items())
    except StoreError as error:
        return [str(error)]
    problems, parts, seen = [], [], {}
    for stem, suffix in stems:
        try:
            part = read_part(root, stem, suffix, meta)
            check_sizes(root, {stem: part.size})
        except StoreError as error:
            problems.append(str(error))
            continue
        parts.append(part)
        for name in part.names:
            if seen.setdefault(name, stem) != stem:
                problems.append(str(duplicate(name.decode(), seen[name],
                                              stem)))
    problems += _consolidated(root, problems)
    clips = [(part, row) for part in parts for row in range(len(part.names))]
    shard = None
    for part, row in progress(clips) if progress else clips:
        if shard is None or shard.stem != part.stem:
            shard = _Shard(root, part)
            problems += shard.problems()
        problems += shard.clip(row, meta['taps'])
    return problems


class _Shard:
    """A shard beside its index."""

    def __init__(self, root: str, part: Part) -> None:
        self.stem, self.part = part.stem, part
        self.path = osp.join(root, part.stem + SHARD)
        self.data = MappedFile(self.path).data
        self.header, self.error = {}, None
        try:
            self.header = read_layout(self.data, self.path)
        except StoreError as error:
            self.error = str(error)
        self.table = Table(memoryview(b''.join(build([part]))), self.path)
        self.rows = {name: row for row, name in enumerate(
            self.table.names())}

    def problems(self) -> list[str]:
        """What the shard holds and its index does not."""
        if self.error:
            return [self.error]
        known = {f'{name}/{key}' for name, row in self.rows.items()
                 for key in self.table.keys(self.table.clip(row))}
        return [f'{self.path}: {key} is in the shard and not in its index'
                for key in sorted(self.header.keys() - known)]

    def clip(self, row: int, taps: dict[str, int]) -> Iterator[str]:
        """What is wrong with the arrays of a clip."""
        name = self.part.names[row].decode()
        clip = self.table.clip(self.rows[name])
        keys = self.table.keys(clip)
        missing = sorted({*taps, *POSE_KEYS} - set(keys))
        other = sorted(set(keys) - {*taps, *POSE_KEYS, TIMESTAMP})
        for what, names in (('missing', missing), ('unknown', other)):
            if names:
                yield f'{name}: {names} {what}'
        try:
            self.table.info(clip)
        except ValueError:
            yield f'{name}: its info is damaged'
        for key in keys:
            try:
                place = self.table.array(clip, key)
            except StoreError as error:
                yield str(error)
                continue
            array = np.ndarray(place.shape, place.dtype, self.data,
                               place.offset)
            found = self.header.get(f'{name}/{key}')
            expected = (place.dtype.str, place.shape, place.offset)
            if zlib.crc32(array.data) != place.crc32:
                yield (f'{name}, {key}: damaged, its checksum is not the one '
                       'that was written')
            elif found != expected and not self.error:
                yield (f'{name}, {key}: the index has {expected}, the shard '
                       f'{self.part.stem}{SHARD} {found}')
            elif not np.isfinite(array).all():
                yield f'{name}, {key}: values that are not finite'


def _consolidated(root: str, problems: list[str]) -> list[str]:
    """What is wrong with the consolidated index."""
    path = osp.join(root, TABLE)
    try:
        data = MappedFile(path).data
    except FileNotFoundError:
        return []
    if problems:
        return []  # those come first
    try:
        Table(data, path).check()
        listed = set(Table(data, path).stems)
        parts = [part for part in parts_of(root) if part.stem in listed]
        if data != b''.join(build(parts)):
            return [f'{path} is not what the indices of the shards say: '
                    'remove it, and hpnet verify --upgrade makes it '
                    'again']
    except (StoreError, json.JSONDecodeError) as error:
        return [str(error)]
    return []
