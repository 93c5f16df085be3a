"""What is sound in a store and what is not, clip by clip."""
import json
import os
import os.path as osp
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .building import build
from .catalog import read_part
from .errors import StoreError
from .files import (
    INDEX,
    POSE_KEYS,
    SHARD,
    TABLE,
    TIMESTAMP,
    dims_of,
)
from .fingerprint import part_checksums
from .index import Part
from .mapping import MappedFile
from .shard import Layout, layout
from .shard_file import ShardFile
from .table import Table


class Place(NamedTuple):
    """An array of a clip, as an index has it."""
    dtype: str
    shape: tuple[int, ...]
    offset: int
    crc32: int
    nbytes: int


@dataclass
class Shard:
    """A shard, and what is wrong with it.

    Attributes:
        stem: Its name.
        suffix: Of its index.
        part: Its clips; None if no index of it can be read.
        lost: Whether its own index cannot be used.
        problems: Lines, of the shard as a whole.
        clips: Clip to what is wrong with it.
        sound: Rows of ``part`` whose arrays are what was written.
    """
    stem: str
    suffix: str
    part: Part | None = None
    lost: bool = False
    problems: list[str] = field(default_factory=list)
    clips: dict[str, list[str]] = field(default_factory=dict)
    sound: list[int] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """All that is wrong.

        Yields:
            A line each.
        """
        yield from self.problems
        for problems in self.clips.values():
            yield from problems


def guarded(read: Callable[[], Any], path: str) -> Any:
    """Read what may be anything: no error but the store's own comes out.

    Args:
        read: Reads it.
        path: Of the file, for messages.

    Returns:
        What it returns.

    Raises:
        StoreError: If it cannot be read.
    """
    try:
        return read()
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f'{path} cannot be read: {error.strerror}') from None
    except Exception as error:
        # its checksums may be right and its content nonsense
        raise StoreError(f'{path} is damaged: {type(error).__name__}: '
                         f'{error}') from None


def places(part: Part, row: int, taps: dict[str, int]) -> dict[str, Place]:
    """The arrays of a clip.

    Args:
        part: An index.
        row: Of the clip.
        taps: Of the store.

    Returns:
        Array to where it is.

    Raises:
        StoreError: If the index says what cannot be.
    """
    clip, found = part.clips[row], {}
    base = dict(zip('MTV', (int(clip[key]) for key in (
        'people', 'frames', 'joints'))))
    keys = [key for key, *_ in part.schemas[int(clip['schema'])]]
    if {*keys} - {TIMESTAMP} != {*taps, *POSE_KEYS} or \
            len({*keys}) < len(keys):
        raise StoreError(f'it has the arrays {sorted(keys)}, expected '
                         f'{sorted([*taps, *POSE_KEYS])}')
    for number, (key, dtype, dims) in enumerate(
            part.schemas[int(clip['schema'])], int(clip['first'])):
        if (dtype, list(dims)) != dims_of(key, taps) or not all(
                base.values()):
            raise StoreError(f'{key}: {dtype} of {dims}, {base}; expected '
                             f'{dims_of(key, taps)}')
        shape = tuple(base.get(dim, dim) for dim in dims)
        size = int(np.dtype(dtype).itemsize)
        for length in shape:
            size *= length
        array = part.arrays[number]
        found[key] = Place(dtype, shape, int(array['offset']),
                           int(array['crc32']), size)
        if found[key].offset + size > part.size:
            raise StoreError(f'{key} would end behind its shard')
    return found


def inspect(root: str, stems: Mapping[str, str], meta: dict[str, Any],
            expected: Mapping[str, int] | None = None) -> Iterator[Shard]:
    """Look at every byte of every shard.

    Args:
        root: The store.
        stems: Shards to the suffixes of their indices.
        meta: Of the store.
        expected: Clip to the checksum (of :mod:`.fingerprint`) that it had
            when the annotations were written, for clips that have one.

    Yields:
        Each shard, in order.
    """
    table = _sound_table(root)
    listed = {stem: INDEX for stem in (table.stems if table else ())
              if osp.isfile(osp.join(root, stem + SHARD))}
    for stem, suffix in sorted({**listed, **stems}.items()):
        shard = Shard(stem, suffix)
        path = osp.join(root, stem + suffix)
        try:
            shard.part = guarded(
                lambda s=shard: read_part(root, s.stem, s.suffix, meta), path)
            _refuse_other_bytes(shard.part, path, suffix)
        except StoreError as error:
            shard.problems.append(str(error))
            shard.lost = True
            shard.part = rescued(table, stem)
        _look(root, shard, meta, expected)
        yield _better(root, shard, rescued(table, stem), meta, expected)


def _look(root: str, shard: Shard, meta: dict[str, Any],
          expected: Mapping[str, int] | None) -> None:
    if shard.part is None:
        return
    try:
        guarded(lambda: _inspect(root, shard, meta, expected),
                osp.join(root, shard.stem + shard.suffix))
    except StoreError as error:
        shard.problems.append(str(error))


def _better(root: str, shard: Shard, part: Part | None,
            meta: dict[str, Any], expected: Mapping[str, int] | None
            ) -> Shard:
    """The shard by what the consolidated index says, if more is sound so."""
    if shard.lost or shard.part is None or part is None or not any(
            shard.lines()):
        return shard
    other = Shard(shard.stem, shard.suffix, part, True, [
        f'{osp.join(root, shard.stem + shard.suffix)} is not the index of '
        f'this shard, which {TABLE} has: it was exchanged or changed'])
    _look(root, other, meta, expected)
    return other if len(other.sound) > len(shard.sound) else shard


def _refuse_other_bytes(part: Part, path: str, suffix: str) -> None:
    """What has right checksums may still be no index of ours."""
    if suffix != INDEX:
        return
    with open(path, 'rb') as file:
        data = file.read()
    # 0, or that of the index of format 1 that it was made of
    mark = Table(memoryview(data), path).marks[0]
    if data != b''.join(build([part._replace(mark=mark)])):
        raise StoreError(f'{path} is damaged: it is not what its own '
                             'content is written as')


def _sound_table(root: str) -> Table | None:
    path = osp.join(root, TABLE)

    def read() -> Table:
        table = Table(MappedFile(path).data, path)
        table.check()
        return table

    try:
        return guarded(read, path)
    except StoreError:
        return None


def rescued(table: Table | None, stem: str) -> Part | None:
    """The index of a shard, from the consolidated one.

    Args:
        table: The consolidated index; None without a sound one.
        stem: The shard.

    Returns:
        Its clips, in the order in which they were written; None if it is not
        listed, or the index contradicts itself.
    """
    if table is None or stem not in table.stems:
        return None
    try:
        return _rescued(table, stem)
    except (IndexError, KeyError, ValueError, OverflowError):
        return None  # its checksums are right, and its numbers are not


def _rescued(table: Table, stem: str) -> Part:
    number = table.stems.index(stem)
    clips, arrays, infos = table.columns()
    chosen = np.flatnonzero(clips['shard'] == number)
    chosen = chosen[np.argsort(clips['first'][chosen], kind='stable')]
    schemas, own, columns, texts = [], {}, [], []
    names, rows, start, first = [], clips[chosen].copy(), 0, 0
    for place, row in enumerate(chosen.tolist()):
        clip = clips[row]
        schema = int(clip['schema'])
        if schema not in own:
            own[schema] = len(schemas)
            schemas.append([[key, dtype.str, dims] for key, (_, dtype, dims)
                            in table.schemas[schema].items()])
        count = len(table.schemas[schema])
        columns.append(arrays[int(clip['first']):int(clip['first']) + count])
        text = bytes(infos[int(clip['info']):
                           int(clip['info']) + int(clip['info_bytes'])])
        rows['schema'][place] = own[schema]
        rows['info'][place], rows['first'][place] = start, first
        start, first = start + len(text), first + count
        names.append(table.name(row).encode())
        texts.append(text)
    return Part(stem, table.sizes[number], names, b''.join(texts), rows,
                np.concatenate(columns or [arrays[:0]]), schemas,
                meta=table.metas[number])


def _inspect(root: str, shard: Shard, meta: dict[str, Any],
             expected: Mapping[str, int] | None) -> None:
    """Find what is sound in a shard."""
    part, taps = shard.part, meta['taps']
    assert part is not None
    numbers = part_checksums(part, meta)
    try:
        file = ShardFile(osp.join(root, shard.stem + SHARD))
    except StoreError as error:
        shard.problems.append(str(error))
        return
    with file:
        if file.size != part.size:
            shard.problems.append(
                f'{file.path}: {part.size} bytes expected, {file.size} found')
        known, errors = {}, {}
        for row in range(len(part.names)):
            try:
                known[row] = guarded(lambda r=row: places(part, r, taps),
                                     shard.stem)
            except StoreError as error:
                errors[row] = str(error)
        expect = _layout(part, known)
        header = file.header_problems(expect.header)
        shard.problems += header
        for row in range(len(part.names)):
            name = part.names[row].decode()
            # what was noted of the clip counts more than a damaged header
            trusted = bool(expected) and \
                expected.get(name) == numbers[name]
            found = [f'{name}: {errors[row]}'] if row in errors else list(
                _clip_problems(part, row, known[row], expect, file, trusted))
            if expected and expected.get(name, numbers[name]) != \
                    numbers[name]:
                found.append(f'{name}: it is not the clip that the '
                             'annotations were written with')
            if found:
                shard.clips[name] = found
            else:
                shard.sound.append(row)


def _layout(part: Part, known: Mapping[int, Mapping[str, Place]]) -> Layout:
    """What the shard must begin with."""
    return layout({
        f'{part.names[row].decode()}/{key}': (place.dtype, place.shape)
        for row, arrays in known.items() for key, place in arrays.items()})


def _clip_problems(part: Part, row: int, arrays: Mapping[str, Place],
                   expect: Layout, file: ShardFile, trusted: bool
                   ) -> Iterator[str]:
    name = part.names[row].decode()
    if not name or not name.isprintable():
        yield f'{name!r}: no name of a clip'
    start = int(part.clips[row]['info'])
    text = part.infos[start:start + int(part.clips[row]['info_bytes'])]
    try:
        if not isinstance(json.loads(text), dict):
            raise ValueError
    except (ValueError, RecursionError):
        yield f'{name}: its info is damaged'
    for key, place in arrays.items():
        what, there = f'{name}, {key}', file.entries.get(f'{name}/{key}')
        try:
            crc32, finite = file.checksum(place.offset, place.nbytes,
                                          place.dtype)
        except StoreError as error:
            yield f'{what}: {error}'
            continue
        if crc32 != place.crc32:
            yield (f'{what}: damaged, its checksum is not the one that was '
                   'written')
        elif not finite:
            yield f'{what}: values that are not finite'
        elif not (file.broken or trusted) and there != (
                place.dtype, place.shape, place.offset):
            yield (f'{what}: the index has '
                   f'{(place.dtype, place.shape, place.offset)}, the shard '
                   f'{part.stem}{SHARD} {there}')
        elif place.offset != expect.offsets[f'{name}/{key}']:
            yield f'{what}: its place is not the one that it is written to'


def leftovers(root: str, names: list[str], stems: Mapping[str, str]
              ) -> list[str]:
    """Shards that no index commits.

    Args:
        root: The store.
        names: Of its files.
        stems: Shards that have an index.

    Returns:
        Their names. Those of a prefix with a journal are left out: a run was
        interrupted, and its next one removes them.
    """
    return sorted(
        name for name in names if name.endswith(SHARD) and name[0] != '.'
        and osp.splitext(name)[0] not in stems
        and osp.splitext(name)[0].rstrip('0123456789') + 'journal'
        not in names)


def free_number(root: str, prefix: str) -> int:
    """The first number that no shard of a prefix has.

    Args:
        root: The store.
        prefix: Of the shards.

    Returns:
        The number.
    """
    taken = {osp.splitext(name)[0] for name in os.listdir(root)}
    return next(i for i in range(len(taken) + 1)
                if f'{prefix}{i:05d}' not in taken)
