"""Drop what is damaged of a store, and keep every sound clip.

Killed at any moment nothing sound is lost, and it may be run again: what is
kept of a shard is committed as a new shard before the old one goes, and
indices that are rescued from the consolidated one are written before that
goes.
"""
import contextlib
import os
import os.path as osp
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..files import (
    FileLock,
    LockedError,
    locked,
    remove_leftovers,
    write_whole,
)
from .building import build
from .catalog import consolidate
from .errors import StoreError
from .files import (
    INDEX,
    INDEX_1,
    LOCK,
    META,
    SHARD,
    TABLE,
    list_folder,
    mark_of_meta,
    meta_bytes,
    read_meta,
    stems_of,
)
from .index import Part
from .inspection import Shard, free_number, inspect, leftovers, places
from .journal_scan import scan_journal
from .shard import layout
from .shard_file import ShardFile
from .verify import journals, table_problems

WRITER = 'writer.lock'
_CHUNK = 1 << 22
Say = Callable[[str], None]


class _Copy(NamedTuple):
    """One sound clip, somewhere."""
    shard: Shard
    row: int
    digest: tuple  # of its arrays, to tell copies that are the same


def repair(root: str | os.PathLike[str],
           expected: Mapping[str, int] | None = None,
           meta: dict[str, Any] | None = None,
           say: Say = print) -> list[str]:
    """Drop what is damaged, so that the next extraction makes it again.

    A clip stays if its arrays are what was written. Where two shards have one
    clip, one stays if both have the same, or else the one of ``expected``.

    Args:
        root: The store. Nobody may write it, nor should read it, meanwhile.
        expected: Clip to its checksum, of clips where it was noted.
        meta: What meta.json was, for a store whose own is damaged.
        say: Is told what is done, a line each.

    Returns:
        Clips that were dropped and are in no other shard, sorted.

    Raises:
        StoreError: If meta.json is damaged and ``meta`` is not that of the
            shards, or the store has a writer.
        OSError: If something cannot be written.
    """
    root = os.fspath(root)
    with _alone(root), locked(osp.join(root, LOCK)):
        _mend_meta(root, meta, say)
        dropped = _mend_shards(root, expected or {}, say)
        for name in journals(list_folder(root)):
            _mend_journal(osp.join(root, name), say)
    if consolidate(root):
        say(f'{TABLE} was made anew')
    return dropped


@contextlib.contextmanager
def _alone(root: str) -> Iterator[None]:
    """Hold the locks of all writers."""
    names = list_folder(root)
    prefixes = {'', *(name.removesuffix(WRITER) for name in names
                      if name.endswith(WRITER) and name[0] != '.'),
                *(stem.rstrip('0123456789') for stem in stems_of(names))}
    with contextlib.ExitStack() as stack:
        for prefix in sorted(prefixes):
            lock = FileLock(osp.join(root, prefix + WRITER))
            try:
                lock.acquire(wait=False)
            except LockedError as error:
                raise StoreError(
                    f'{root} has a writer of the prefix {prefix!r}: '
                    f'{error.strerror}; wait until it ends, or stop it'
                ) from None
            stack.callback(lock.release)
        remove_leftovers(root, lambda name: True)
        yield


def _mend_meta(root: str, meta: dict[str, Any] | None, say: Say) -> None:
    path, marks = osp.join(root, META), _marks(root)
    try:
        there = read_meta(root)
        if marks - {mark_of_meta(there)} and meta is not None and \
                mark_of_meta(meta) in marks:
            raise StoreError(f'{path} is not that of the shards')
    except StoreError as error:
        if meta is None or marks and mark_of_meta(meta) not in marks:
            raise StoreError(
                f'{error}. Without it nothing tells what made the features, '
                'so nothing can be kept: extract into another folder, or put '
                'back a copy of the file') from None
        there = meta
        say(f'{META} was damaged and was made again from its copy')
    if there['version'] != 1:
        with contextlib.suppress(OSError), open(path, 'rb') as file:
            if file.read() == meta_bytes(there):
                return
        write_whole(path, meta_bytes(there))


def _marks(root: str) -> set[int]:
    """Of the meta.json that the shards were written with."""
    from .mapping import MappedFile
    from .table import Table
    found = set()
    for stem, suffix in stems_of(list_folder(root)).items():
        if suffix == INDEX:
            path = osp.join(root, stem + suffix)
            with contextlib.suppress(Exception):  # whatever it holds
                found.update(Table(MappedFile(path).data, path).metas)
    return found - {None}


def _mend_shards(root: str, expected: Mapping[str, int],
                 say: Say) -> list[str]:
    meta = read_meta(root)
    names = list_folder(root)
    shards = list(inspect(root, stems_of(names), meta, expected))
    kept = _choose(shards, expected, meta, say)
    lost = _lost(root, shards, kept, expected)
    changed = [shard for shard in shards
               if shard.lost or shard.problems or shard.part is None
               or len(kept[shard.stem]) < len(shard.part.names)]
    for shard in changed:  # before what they come from goes
        if shard.lost and shard.part is not None:
            _rescue(root, shard, say)
    if changed or leftovers(root, names, stems_of(names)) or \
            table_problems(root):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(osp.join(root, TABLE))
    for shard in changed:
        # one whose index alone was damaged has a sound one now
        if not shard.lost or len(shard.problems) > 1 or \
                shard.part is None or \
                len(kept[shard.stem]) < len(shard.part.names):
            _replace(root, shard, kept[shard.stem], meta, say)
    for name in leftovers(root, list_folder(root), stems_of(
            list_folder(root))):
        os.unlink(osp.join(root, name))
        say(f'{name} was removed: it had no index')
    for name in lost:
        say(f'clip {name} was dropped')
    return lost


def _rescue(root: str, shard: Shard, say: Say) -> None:
    """Write the index of a shard that the consolidated one still has."""
    assert shard.part is not None
    path = osp.join(root, shard.stem)
    write_whole(path + INDEX, build([shard.part]))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path + INDEX_1)
    say(f'{shard.stem}{INDEX} was made again from {TABLE}')


def _choose(shards: list[Shard], expected: Mapping[str, int],
            meta: dict[str, Any], say: Say) -> dict[str, list[int]]:
    """Rows of each shard that stay: of each clip one."""
    copies: dict[bytes, list[_Copy]] = {}
    for shard in shards:
        for row in shard.sound:
            assert shard.part is not None
            start = int(shard.part.clips[row]['info'])
            digest = (shard.part.infos[start:start + int(
                shard.part.clips[row]['info_bytes'])], tuple(sorted(
                    (key, place.shape, place.crc32) for key, place in places(
                        shard.part, row, meta['taps']).items())))
            copies.setdefault(shard.part.names[row], []).append(
                _Copy(shard, row, digest))
    kept: dict[str, list[int]] = {shard.stem: [] for shard in shards}
    for name, found in copies.items():
        if len({copy.digest for copy in found}) > 1:
            # with a checksum that was noted, others would not be sound
            say(f'clip {name.decode()} is in {len(found)} shards, and not '
                'the same')
            continue
        # of a shard that is whole, so that it need not be written again
        copy = min(found, key=lambda copy: bool(
            copy.shard.lost or copy.shard.problems or copy.shard.clips))
        kept[copy.shard.stem].append(copy.row)
        if len(found) > 1:
            say(f'clip {name.decode()} was there {len(found)} times, all the '
                f'same; that of {copy.shard.stem}{SHARD} stays')
    return {stem: sorted(rows) for stem, rows in kept.items()}


def _lost(root: str, shards: list[Shard], kept: Mapping[str, list[int]],
          expected: Mapping[str, int]) -> list[str]:
    """Clips that were there, and of which nothing stays."""
    there, stay = set(expected), set()
    for shard in shards:
        if shard.part is not None:
            there.update(name.decode() for name in shard.part.names)
            stay.update(shard.part.names[row].decode()
                        for row in kept[shard.stem])
    return sorted(there - stay)


def _replace(root: str, shard: Shard, rows: list[int], meta: dict[str, Any],
             say: Say) -> None:
    """Commit what stays of a shard as another, and remove it."""
    path = osp.join(root, shard.stem)
    if rows:
        assert shard.part is not None
        prefix = shard.stem.rstrip('0123456789')
        stem = f'{prefix}{free_number(root, prefix):05d}'
        _write(root, stem, shard, rows, meta)
        say(f'{shard.stem}{SHARD}: {len(rows)} of '
            f'{len(shard.part.names)} clips were kept, in {stem}{SHARD}')
    else:
        say(f'{shard.stem}{SHARD} was removed: nothing of it is needed')
    for suffix in (INDEX_1, INDEX, SHARD):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)


def _write(root: str, stem: str, shard: Shard, rows: list[int],
           meta: dict[str, Any]) -> None:
    """Write some clips of a shard as another."""
    part = shard.part
    assert part is not None
    arrays = {f'{part.names[row].decode()}/{key}': place for row in rows
              for key, place in places(part, row, meta['taps']).items()}
    place = layout({name: (array.dtype, array.shape)
                    for name, array in arrays.items()})

    def content() -> Iterator[bytes]:
        yield place.header
        with ShardFile(osp.join(root, shard.stem + SHARD)) as file:
            for name in place.offsets:
                array = arrays[name]
                for start in range(0, array.nbytes, _CHUNK):
                    yield file.read(array.offset + start, min(
                        _CHUNK, array.nbytes - start))

    write_whole(osp.join(root, stem + SHARD), content())
    write_whole(osp.join(root, stem + INDEX), build([_index(
        part, stem, place.size, rows, place.offsets, meta)]))


def _index(part: Part, stem: str, size: int, rows: list[int],
           offsets: Mapping[str, int], meta: dict[str, Any]) -> Part:
    """The index of some clips of a shard, in another."""
    from .building import part_of
    from .files import dims_of

    def clips() -> Iterator[tuple]:
        for row in rows:
            clip, name = part.clips[row], part.names[row].decode()
            start = int(clip['info'])
            found = places(part, row, meta['taps'])
            yield (name, part.infos[start:start + int(clip['info_bytes'])],
                   tuple(int(clip[key]) for key in (
                       'people', 'frames', 'joints')),
                   [[key, *dims_of(key, meta['taps'])] for key in found],
                   [(offsets[f'{name}/{key}'], array.crc32)
                    for key, array in found.items()])

    return part_of(stem, size, clips())._replace(meta=mark_of_meta(meta))


def _mend_journal(path: str, say: Say) -> None:
    scan = scan_journal(path)
    if not scan.bad:
        return

    def content() -> Iterator[bytes]:
        with open(path, 'rb') as file:
            for _, start, stop in scan.clips:
                file.seek(start)
                yield file.read(stop - start)

    if scan.clips:
        write_whole(path, content())
    else:
        os.unlink(path)
    say(f'{osp.basename(path)}: '
        f'{sum(stop - start for start, stop in scan.bad)} bytes of no whole '
        f'clip were dropped, {len(scan.clips)} sound clips were kept')
