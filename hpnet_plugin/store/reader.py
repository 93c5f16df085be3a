"""Read a feature store."""
import difflib
import errno
import os
import os.path as osp
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from .catalog import Catalog
from .errors import StoreError
from .files import POSE_KEYS, SHARD, TIMESTAMP
from .mapping import MappedFile, Shards, read_range, read_ranges
from .table import Array, Table

# Frames that are less than this part of an array are read one by one.
SCATTERED = 4


class FeatureStore:
    """The clips of a store, memory-mapped.

    Opening maps the consolidated index and reads some pages of it; shards
    are mapped when they are read, a bounded number of them at a time and
    without file descriptors. It may be pickled and forked: neither copies
    the index.

    Args:
        root: The folder.
        check: Whether an array is compared with its checksum when it is first
            read in a process, as a whole, even where only some of its frames
            are wanted: 0.4 ms a MB, once, and its bytes come from the disk
            then. Forked processes inherit what was compared. Defaults to True.

    Raises:
        StoreError: If there is no store, it is damaged, or a shard is missing
            or cut off.
    """

    def __init__(self, root: str | os.PathLike[str],
                 check: bool = True) -> None:
        self.root, self.check = os.fspath(root), check
        self._catalog = Catalog(self.root)
        self._prepare()

    @property
    def meta(self) -> dict[str, Any]:
        """What made the features."""
        return self._catalog.meta

    @property
    def names(self) -> list[str]:
        """The clips, sorted; made anew each time."""
        return self._catalog.names()

    @property
    def taps(self) -> dict[str, int]:
        """Tap to number of channels."""
        return self.meta['taps']

    def __len__(self) -> int:
        return len(self._catalog)

    def __contains__(self, name: str) -> bool:
        return self._catalog.find(name) is not None

    def info(self, name: str) -> dict[str, Any]:
        """What was kept with a clip.

        Args:
            name: The clip.

        Returns:
            As it was given to ``StoreWriter.add``.
        """
        table, row = self._find(name)
        return table.info(table.clip(row))

    def shape(self, name: str, key: str | Sequence[str] | None = None
              ) -> tuple[int, ...]:
        """Shape of an array, without reading it.

        Args:
            name: The clip.
            key: See :meth:`read`.

        Returns:
            (M, T, V, C), (M, T, V) of ``keypoint_score`` or (T,) of
            ``timestamp``.
        """
        if key is not None and not isinstance(key, str):
            shapes = [self.shape(name, one) for one in key]
            return (*shapes[0][:3], sum(shape[3] for shape in shapes))
        return self._array(name, key)[1].shape

    def read(self, name: str, key: str | Sequence[str] | None = None,
             frames: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Read an array of a clip.

        Args:
            name: The clip.
            key: A tap, several (joined along C), ``'keypoint'``,
                ``'keypoint_score'`` or ``'timestamp'``, which a clip may lack.
                Defaults to None: the only tap of the store.
            frames: Read these frames only.

        Returns:
            (M, T, V, C), (M, T, V) of ``keypoint_score``, or (T,) of
            ``timestamp``. A read-only view of the file where neither frames
            nor several taps are asked for.

        Raises:
            KeyError: If there is no such clip or array; with the closest.
            StoreError: If the store has several taps and none is named, or the
                array is not what was written.
        """
        if key is not None and not isinstance(key, str):
            return np.concatenate(
                [self.read(name, one, frames) for one in key], -1)
        table, place = self._array(name, key)
        array, shard = self._view(name, key, table, place, frames is not None)
        if frames is None:
            return array
        axis = 0 if array.ndim == 1 else 1
        chosen = np.asarray(frames)
        if not chosen.size:
            chosen = chosen.astype(np.intp)
        if chosen.dtype.kind not in 'iu':
            return array[(slice(None), ) * axis + (chosen, )]
        if axis and shard and chosen.ndim == 1 and chosen.size:
            found = self._from_disk(shard, place, chosen)
            if found is not None:
                return found
        return array.take(chosen, axis)  # copies whole rows, not values

    def checksum(self, name: str, key: str) -> int:
        """Crc32 that an array of a clip had when it was written.

        Args:
            name: The clip.
            key: The array.

        Returns:
            The checksum.
        """
        return self._array(name, key)[1].crc32

    def keys(self, name: str) -> list[str]:
        """Arrays of a clip.

        Args:
            name: The clip.

        Returns:
            Their names.
        """
        table, row = self._find(name)
        return table.keys(table.clip(row))

    def __getstate__(self) -> dict[str, Any]:
        return dict(root=self.root, check=self.check, _catalog=self._catalog)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def __repr__(self) -> str:
        return (f'{self.__class__.__name__}({self.root!r}, '
                f'{len(self)} clips, taps={self.taps})')

    def _prepare(self) -> None:
        self._shards = Shards()
        self._folder = osp.join(self.root, '')
        # An array is 1 here once it was compared with its checksum.
        self._sound = {id(table): bytearray(table.arrays)
                       for table in self._catalog.tables}

    def _find(self, name: str) -> tuple[Table, int]:
        found = self._catalog.find(name)
        if found is None:
            close = self._catalog.close_to(name)
            if name in close:
                raise StoreError(
                    f'{self.root}: its index is damaged: it lists clip '
                    f'{name!r} where nobody finds it; hpnet verify names '
                    'what is')
            raise KeyError(f'clip {name!r} is not in {self.root}, which has '
                           f'{len(self)} clips; closest: {close}')
        return found

    def _array(self, name: str, key: str | None) -> tuple[Table, Array]:
        table, row = self._find(name)
        if key is None:
            if len(self.taps) > 1:
                raise StoreError(f'{self.root} has several taps, name one or '
                                 f'more: {list(self.taps)}')
            key = next(iter(self.taps))
        try:
            return table, table.array(table.clip(row), key)
        except KeyError:
            pass
        if key == TIMESTAMP:
            raise KeyError(f'clip {name!r} in {self.root} has no '
                           f'{TIMESTAMP!r}: it was stored without times')
        known = [*self.taps, *POSE_KEYS]
        close = difflib.get_close_matches(str(key), known, n=1)
        raise KeyError(f'{key!r} is no tap of {self.root}; there are {known}'
                       + (f'; did you mean {close[0]!r}?' if close else ''))

    def _from_disk(self, shard: MappedFile, place: Array, chosen: np.ndarray
                   ) -> np.ndarray | None:
        """Frames of an array (M, T, ...), all asked for at the same time.

        None where they are in memory, or may be, or much of the array is
        asked for. As with a whole array, one frame stands for all: what was
        read together is forgotten together.
        """
        people, frames = place.shape[:2]
        size = place.nbytes // max(people * frames, 1)
        # an index of an empty array, or one out of range, is numpy's to refuse
        if not size or shard.in_memory(place.offset + size * (
                int(chosen[len(chosen) // 2]) % frames)) is not False or \
                not 0 <= chosen.min() <= chosen.max() < frames:
            return None
        if SCATTERED * len(chosen) > frames:
            shard.will_need(place.offset, place.offset + place.nbytes)
            return None
        starts = size * np.add.outer(
            frames * np.arange(people), chosen.astype(np.int64)).ravel()
        found = np.empty((people, len(chosen), *place.shape[2:]), place.dtype)
        try:
            read_ranges(f'{self._folder}{place.stem}{SHARD}',
                        place.offset + starts,
                        found.view(np.uint8).reshape(len(starts), size))
        except FileNotFoundError:
            return None  # the map outlives its file
        return found

    def _shard(self, path: str, place: Array, key: str | None) -> MappedFile:
        """The map of a shard, which is fetched if the store mirrors one."""
        try:
            shard = self._shards.get(path)
        except FileNotFoundError:
            from .fetching import HEAD_KEYS, fetch_head, fetch_shard
            if key in HEAD_KEYS:
                head = fetch_head(self.root, place.stem)
                if head:
                    return self._shards.get(head)
            if not fetch_shard(self.root, place.stem):
                raise
            shard = self._shards.get(path)
        if shard.size != place.size:
            raise StoreError(f'{path}: {place.size} bytes expected, '
                             f'{shard.size} found')
        return shard

    def _view(self, name: str, key: str | None, table: Table, place: Array,
              partly: bool) -> tuple[np.ndarray, MappedFile | None]:
        """An array, and the shard, if that is mapped."""
        path = f'{self._folder}{place.stem}{SHARD}'
        sound = self._sound[id(table)]
        first = not sound[place.number]
        stop = place.offset + place.nbytes
        shard = None
        try:
            shard = self._shard(path, place, key)
            data, start = shard.data, place.offset
            if not partly or first and self.check:
                if first or not shard.in_memory((start + stop) // 2):
                    shard.will_need(start, stop)
        except FileNotFoundError:
            raise StoreError(f'{path} is missing') from None
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            # more maps than the system allows are viewed by arrays
            data, start = read_range(path, place.offset, place.nbytes), 0
        array = np.ndarray(place.shape, place.dtype, data, start)
        if first and self.check:
            if zlib.crc32(array.data) != place.crc32:
                raise StoreError(
                    f'{path}: clip {name!r}, {key or next(iter(self.taps))!r} '
                    'is damaged: its checksum is not the one that was '
                    'written; hpnet verify names all that is')
        if first and (self.check or not partly):
            sound[place.number] = 1
        return array, shard
