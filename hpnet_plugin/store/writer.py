"""Write a feature store, shard by shard."""
import json
import os
import os.path as osp
from collections.abc import Callable, Collection, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from ..files import (
    PARTIAL,
    FileLock,
    LockedError,
    locked,
    remove_leftovers,
    write_whole,
)
from .building import build, part_of
from .catalog import Catalog, consolidate, drop_stale, open_meta
from .errors import StoreError
from .files import (
    INDEX,
    LOCK,
    POSE_KEYS,
    SHARD,
    TIMESTAMP,
    VERSION,
    check_taps,
    dims_of,
    mark_of_meta,
    stems_of,
    write_meta,
)
from .journal import Journal
from .shard import Layout, layout

SHARD_BYTES = 64 << 20
OnCommit = Callable[[str, Collection[str]], None]


class StoreWriter:
    """Open a store for writing, or resume one.

    A clip that was added is in the writer's journal (``<prefix>journal``)
    when :meth:`add` returns: it survives whatever happens to the process,
    and after :meth:`sync` a power cut as well. Clips that fill a shard are
    written as one, which its index commits, and the journal is emptied. The
    same clips in the same order therefore give the same files, byte for
    byte, however often and whenever the run was killed and resumed.

    As a context manager it is closed at the end. After an exception, Ctrl-C
    included, it is suspended instead: the last clips stay in the journal,
    where the next writer takes them up and no reader sees them.

    Args:
        root: The folder.
        meta: What makes the features; JSON. ``taps`` is a dict of tap to
            number of channels. A store that is there must have the same.
        prefix: Of this writer's shards, where several processes fill one
            store. Each prefix has one writer at a time. It must not end in a
            digit. Defaults to ''.
        shard_bytes: Size at which a shard is closed. Defaults to 64 MiB.
        on_commit: Told each shard that was committed, and its clips.

    Raises:
        StoreError: If the folder holds a store that was made otherwise (the
            message names what differs) or that is damaged, or if the prefix
            has another writer (the message names its process and computer).
        OSError: If the folder cannot be written, or has no locks.
    """

    def __init__(self,
                 root: str | os.PathLike[str],
                 meta: dict[str, Any],
                 prefix: str = '',
                 shard_bytes: int = SHARD_BYTES,
                 on_commit: OnCommit | None = None) -> None:
        self.root, self.prefix = os.fspath(root), prefix
        self.shard_bytes, self._on_commit = shard_bytes, on_commit
        if prefix != osp.basename(prefix) or prefix.startswith('.') or \
                not (prefix + 'x').isprintable() or prefix[-1:].isdigit():
            raise StoreError(f'{prefix!r} is no prefix of shards: it must be '
                             'part of a file name, and not start with a dot '
                             'or end in a digit')
        self.meta = json.loads(json.dumps(dict(meta, version=VERSION)))
        check_taps(self.meta.get('taps'), 'meta')
        os.makedirs(self.root, exist_ok=True)
        lock = FileLock(osp.join(self.root, prefix + 'writer.lock'))
        self._lock: FileLock | None = lock
        try:
            lock.acquire(wait=False)
        except LockedError as error:
            raise StoreError(
                f'{self.root} has another writer of the prefix {prefix!r}: '
                f'{error.strerror}; wait until it ends, or stop it') from None
        try:
            self._pid = os.getpid()
            self._open_store()
        except BaseException:
            lock.release()
            raise

    @property
    def names(self) -> set[str]:
        """Clips that are there, in shards of any writer or in the
        journal of this one; made anew each time."""
        return {*self._catalog.names(), *self._flushed,
                *self._journal.records}

    def add(self, name: str, arrays: dict[str, np.ndarray],
            info: dict[str, Any]) -> None:
        """Add a clip.

        Args:
            name: Its name, unique in the store.
            arrays: ``keypoint`` (M, T, V, 2) and ``keypoint_score`` (M, T, V),
                float32; (M, T, V, C) float16 for each tap; optionally
                ``timestamp`` (T,) float64, seconds.
            info: Anything else to keep with it; JSON.

        Raises:
            StoreError: If an array is missing, of another shape or type, or
                not finite, or the clip is already there.
            OSError: If it cannot be written, or a shard is full and cannot be
                written. In the first case the clip was not added; in both all
                that was there before is safe.
        """
        self._must_be_open()
        if not isinstance(name, str) or not name or not name.isprintable():
            raise StoreError(f'{name!r} is no clip name: a non-empty string '
                             'of printable characters is needed')
        if name in self._flushed or name in self._journal.records or \
                self._catalog.find(name):
            raise StoreError(f'clip {name!r} is already in {self.root}')
        self._check(name, arrays)
        taken = {f'{name}/{key}' for key in arrays} & self._keys
        if taken:
            raise StoreError(f'clip {name!r}: {sorted(taken)} would be the '
                             'arrays of another clip in its shard: rename it')
        try:
            content = json.dumps(info, separators=(',', ':')).encode()
        except (TypeError, ValueError) as error:
            raise StoreError(f'clip {name!r}: its info is no JSON '
                             f'({error})') from None
        self._journal.append(name, content, arrays)
        self._keys.update(f'{name}/{key}' for key in arrays)
        self._flush_if_full()

    def sync(self) -> None:
        """Make all that was added survive a power cut.

        Raises:
            OSError: If the disk refuses.
        """
        self._must_be_open()
        self._journal.sync()

    def flush(self) -> None:
        """Write what was added as a shard at once, however small, and commit
        it.

        Shards then end elsewhere than those of a run that did not do this.

        Raises:
            OSError: If it cannot be written; all that was added is safe.
        """
        self._must_be_open()
        records = self._journal.records
        if not records:
            return
        place = layout({
            f'{name}/{key}': (entry.dtype, entry.shape)
            for name, record in records.items()
            for key, entry in record.arrays.items()})
        number = next(i for i in range(len(self._numbers) + 1)
                      if i not in self._numbers)
        stem = f'{self.prefix}{number:05d}'
        path = osp.join(self.root, stem)
        # The order is the commit rule: a shard without its index does not
        # exist, and the journal has its clips until both are there.
        write_whole(path + SHARD, self._content(place))
        write_whole(path + INDEX, build([part_of(
            stem, place.size, self._clips(place))._replace(
                meta=mark_of_meta(self.meta))]))
        self._numbers.add(number)
        self._flushed.update(records)
        self._journal.clear()
        self._keys = set()
        if self._on_commit:
            self._on_commit(stem, [*records])

    def close(self) -> None:
        """Write what is left, and the consolidated index; then let go.

        Raises:
            StoreError: If another writer has stored one of the clips too.
            OSError: If it cannot be written; all that was added is safe, and
                the next writer of this prefix has it.
        """
        if self._lock is None:
            return
        try:
            self.flush()
            consolidate(self.root)
        finally:
            self.suspend()

    def suspend(self) -> None:
        """Let go without writing a shard that is not full.

        What was added stays in the journal for the next writer.
        """
        if self._lock is None or os.getpid() != self._pid:
            return
        lock, self._lock = self._lock, None
        try:
            self._journal.close()
        finally:
            lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None,
                 error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.suspend()

    def _open_store(self) -> None:
        there = open_meta(self.root, self.meta)
        self._compare(there)
        if there['version'] != VERSION:
            with locked(osp.join(self.root, LOCK)):
                write_meta(self.root, self.meta)
        self._remove_leftovers()
        self._catalog = Catalog(self.root)
        if self._catalog.stale:
            drop_stale(self.root)
        self._numbers = {int(stem[len(self.prefix):])
                         for stem in self._catalog.stems()
                         if self._is_mine(stem)}
        self._flushed = set()
        self._journal = Journal(osp.join(self.root, self.prefix + 'journal'))
        self._journal.check(self.meta['taps'])
        self._journal.forget({name for name in self._journal.records
                              if self._catalog.find(name)})
        self._keys = {f'{name}/{key}'
                      for name, record in self._journal.records.items()
                      for key in record.arrays}
        self._flush_if_full()

    def _flush_if_full(self) -> None:
        if self._journal.nbytes >= self.shard_bytes:
            self.flush()

    def _content(self, place: Layout) -> Iterator[bytes]:
        yield place.header
        where = {f'{name}/{key}': (name, key)
                 for name, record in self._journal.records.items()
                 for key in record.arrays}
        for array in place.offsets:
            yield from self._journal.read(*where[array])

    def _clips(self, place: Layout) -> Iterator[tuple]:
        taps = self.meta['taps']
        for name, record in self._journal.records.items():
            yield (name, record.info, record.arrays['keypoint'].shape[:3],
                   [[key, *dims_of(key, taps)] for key in record.arrays],
                   [(place.offsets[f'{name}/{key}'], entry.crc32)
                    for key, entry in record.arrays.items()])

    def _must_be_open(self) -> None:
        if self._lock is None:
            raise StoreError(f'the writer of {self.root} is closed')
        if os.getpid() != self._pid:
            raise StoreError(
                f'the writer of {self.root} belongs to process {self._pid}, '
                f'not to its child {os.getpid()}: give each process a writer '
                'with a prefix of its own')

    def _compare(self, there: dict[str, Any]) -> None:
        keys = sorted(key for key in {*there, *self.meta} - {'version'}
                      if there.get(key) != self.meta.get(key))
        if keys:
            differ = '; '.join(f'{key}: {there.get(key)} there, '
                               f'{self.meta.get(key)} now' for key in keys)
            raise StoreError(f'{self.root} holds features that were made '
                             f'otherwise ({differ}): take another folder, or '
                             'the settings of the first run')

    def _is_mine(self, stem: str) -> bool:
        return stem.startswith(self.prefix) and \
            stem[len(self.prefix):].isdecimal()

    def _remove_leftovers(self) -> None:
        """Remove what a killed run of this writer left uncommitted."""
        remove_leftovers(self.root, lambda name: self._is_mine(
            osp.splitext(name)[0]))
        names = os.listdir(self.root)
        committed = stems_of(names)
        for name in names:
            stem, suffix = osp.splitext(name)
            if suffix == SHARD and self._is_mine(stem) and \
                    stem not in committed and not name.startswith(PARTIAL):
                os.unlink(osp.join(self.root, name))

    def _check(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        taps = self.meta['taps']
        wanted = {*POSE_KEYS, *taps}
        if set(arrays) - {TIMESTAMP} != wanted:
            raise StoreError(f'clip {name!r} has the arrays '
                             f'{sorted(arrays)}; expected {sorted(wanted)}, '
                             f'and {TIMESTAMP!r} if there are times')
        base = np.shape(arrays['keypoint'])[:3]
        sizes = dict(zip('MTV', base))
        for key, array in arrays.items():
            dtype, dims = dims_of(key, taps)
            shape = tuple(sizes.get(dim, dim) for dim in dims)
            if not isinstance(array, np.ndarray) or array.shape != shape or \
                    len(base) != 3 or 0 in base or array.dtype.str != dtype:
                raise StoreError(
                    f'clip {name!r}, {key!r}: '
                    f'{getattr(array, "dtype", type(array).__name__)} of '
                    f'shape {np.shape(array)}; expected {np.dtype(dtype)} of '
                    f'shape {shape} (people, frames, joints, …)')
            bad = array.size - np.count_nonzero(np.isfinite(array))
            if bad:
                raise StoreError(f'clip {name!r}, {key!r}: {bad} of '
                                 f'{array.size} values are not finite')
