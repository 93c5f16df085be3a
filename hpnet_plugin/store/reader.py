"""Read a feature store."""
import difflib
import mmap
import os
import os.path as osp

import numpy as np

from .errors import StoreError
from .files import POSE_KEYS, read_indices, read_meta


class FeatureStore:
    """The clips of a store, memory-mapped.

    Opening reads the indices only; shards are mapped when they are first
    read, once in each process. It may be pickled and forked.

    Args:
        root (str): The folder.

    Raises:
        StoreError: If there is no store, or a shard is missing or cut off.
    """

    def __init__(self, root):
        self.root = os.fspath(root)
        self.meta = read_meta(self.root)
        self._clips, self._maps = {}, {}
        for shard, index in read_indices(self.root).items():
            path = osp.join(self.root, shard)
            size = osp.getsize(path) if osp.exists(path) else None
            if size != index['bytes']:
                found = 'it is missing' if size is None else f'{size} found'
                raise StoreError(
                    f'{path}: {index["bytes"]} bytes expected, {found}; '
                    'remove its index (.json), and the extraction makes the '
                    f'{len(index["clips"])} clips again')
            for name, clip in index['clips'].items():
                if name in self._clips:
                    raise StoreError(
                        f'clip {name!r} is in {self._clips[name][0]} and in '
                        f'{shard}: remove one shard with its index')
                self._clips[name] = (shard, clip)

    @property
    def names(self):
        """list[str]: The clips, sorted."""
        return sorted(self._clips)

    @property
    def taps(self):
        """dict[str, int]: Tap to number of channels."""
        return self.meta['taps']

    def __len__(self):
        return len(self._clips)

    def __contains__(self, name):
        return name in self._clips

    def info(self, name):
        """dict: What was kept with a clip."""
        return self._clip(name)[1]['info']

    def shape(self, name, key=None):
        """Shape of an array, without reading it.

        Args:
            name (str): The clip.
            key (str | list[str], optional): See :meth:`read`.

        Returns:
            tuple[int]: (M, T, V, C), or (M, T, V) of ``keypoint_score``.
        """
        if isinstance(key, (list, tuple)):
            shapes = [self.shape(name, one) for one in key]
            return (*shapes[0][:3], sum(shape[3] for shape in shapes))
        return tuple(self._array(name, key)[1]['shape'])

    def read(self, name, key=None, frames=None):
        """Read an array of a clip.

        Args:
            name (str): The clip.
            key (str | list[str], optional): A tap, several (joined along C),
                ``'keypoint'`` or ``'keypoint_score'``. Defaults to None: the
                only tap of the store.
            frames (Sequence[int], optional): Read these frames only.

        Returns:
            np.ndarray: (M, T, V, C), or (M, T, V) of ``keypoint_score``. A
            read-only view of the file where neither frames nor several taps
            are asked for: pages are read when they are touched.

        Raises:
            KeyError: If there is no such clip or array; with the closest.
            StoreError: If the store has several taps and none is named.
        """
        if isinstance(key, (list, tuple)):
            return np.concatenate(
                [self.read(name, one, frames) for one in key], -1)
        shard, entry = self._array(name, key)
        array = np.ndarray(entry['shape'], entry['dtype'], self._map(shard),
                           entry['offset'])
        return array if frames is None else array[:, frames]

    def checksum(self, name, key):
        """int: crc32 that an array of a clip had when it was written."""
        return self._array(name, key)[1]['crc32']

    def keys(self, name):
        """list[str]: Arrays of a clip."""
        return list(self._clip(name)[1]['arrays'])

    def __getstate__(self):
        return dict(self.__dict__, _maps={})

    def __repr__(self):
        return (f'{self.__class__.__name__}({self.root!r}, '
                f'{len(self)} clips, taps={self.taps})')

    def _clip(self, name):
        if name not in self._clips:
            close = difflib.get_close_matches(name, self._clips, n=3)
            raise KeyError(f'clip {name!r} is not in {self.root}, which has '
                           f'{len(self)} clips; closest: {close}')
        return self._clips[name]

    def _array(self, name, key):
        shard, clip = self._clip(name)
        if key is None:
            if len(self.taps) > 1:
                raise StoreError(f'{self.root} has several taps, name one or '
                                 f'more: {list(self.taps)}')
            key = next(iter(self.taps))
        if key not in clip['arrays']:
            known = [*self.taps, *POSE_KEYS]
            close = difflib.get_close_matches(str(key), known, n=1)
            raise KeyError(f'{key!r} is no tap of {self.root}; there are '
                           f'{known}' + (f'; did you mean {close[0]!r}?'
                                         if close else ''))
        return shard, clip['arrays'][key]

    def _map(self, shard):
        if shard not in self._maps:
            with open(osp.join(self.root, shard), 'rb') as file:
                self._maps[shard] = mmap.mmap(
                    file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[shard]
