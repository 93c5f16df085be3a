"""Write a feature store, shard by shard."""
import json
import os
import os.path as osp
import struct
import zlib

import numpy as np
from safetensors.numpy import save

from ..files import PARTIAL, write_whole
from .errors import StoreError
from .files import (
    INDEX,
    META,
    POSE_KEYS,
    SHARD,
    VERSION,
    read_indices,
    read_meta,
    write_json,
)

SHARD_BYTES = 64 << 20


class StoreWriter:
    """Open a store for writing, or resume one.

    Clips are kept in memory until they fill a shard, which is then written
    at once. The same clips in the same order give the same files, byte for
    byte, also when a run was killed and resumed. Used as a context manager,
    what was added is written at the end, after an error too.

    Args:
        root (str): The folder.
        meta (dict): What makes the features; JSON. ``taps`` is a dict of tap
            to number of channels. A store that is there must have the same.
        prefix (str): Of this writer's shards, where several processes fill
            one store. Defaults to ''.
        shard_bytes (int): Size at which a shard is closed. Defaults to
            64 MiB.

    Raises:
        StoreError: If the folder holds a store that was made otherwise; the
            message names what differs.
    """

    def __init__(self, root, meta, prefix='', shard_bytes=SHARD_BYTES):
        self.root, self.prefix = os.fspath(root), prefix
        self.shard_bytes = shard_bytes
        self.meta = json.loads(json.dumps(dict(meta, version=VERSION)))
        os.makedirs(self.root, exist_ok=True)
        path = osp.join(self.root, META)
        if osp.exists(path):
            self._compare(read_meta(self.root))
        else:
            write_json(path, self.meta)
        self._committed = set()
        for index in read_indices(self.root).values():
            self._committed.update(index['clips'])
        self._remove_leftovers()
        self._count = sum(
            self._is_mine(name) and name.endswith(INDEX)
            for name in os.listdir(self.root))
        self._buffer, self._infos, self._bytes = {}, {}, 0

    @property
    def names(self):
        """set[str]: Clips that are committed, by any writer."""
        return set(self._committed)

    def add(self, name, arrays, info):
        """Add a clip.

        Args:
            name (str): Its name, unique in the store.
            arrays (dict[str, np.ndarray]): ``keypoint`` (M, T, V, 2) and
                ``keypoint_score`` (M, T, V), float32; (M, T, V, C) float16
                for each tap. They are copied.
            info (dict): Anything else to keep with it; JSON.

        Raises:
            StoreError: If an array is missing, of another shape or type, or
                not finite, or the clip is already there.
            OSError: If a shard is full and cannot be written.
        """
        if not isinstance(name, str) or not name or not name.isprintable():
            raise StoreError(f'{name!r} is no clip name: a non-empty string '
                             'of printable characters is needed')
        if name in self._committed or name in self._infos:
            raise StoreError(f'clip {name!r} is already in {self.root}')
        self._check(name, arrays)
        for key, array in arrays.items():
            array = np.array(array, order='C')
            self._buffer[f'{name}/{key}'] = array
            self._bytes += array.nbytes
        self._infos[name] = dict(keys=list(arrays), info=info)
        if self._bytes >= self.shard_bytes:
            self.flush()

    def flush(self):
        """Write what was added as a shard and commit it.

        Raises:
            OSError: If it cannot be written; earlier shards are safe.
        """
        if not self._infos:
            return
        data = save(self._buffer)
        header_bytes, = struct.unpack('<Q', data[:8])
        header = json.loads(data[8:8 + header_bytes])
        start = 8 + header_bytes
        clips = {}
        for name, entry in self._infos.items():
            arrays = {}
            for key in entry['keys']:
                array = self._buffer[f'{name}/{key}']
                offset = header[f'{name}/{key}']['data_offsets'][0]
                arrays[key] = dict(
                    offset=start + offset,
                    shape=list(array.shape),
                    dtype=array.dtype.str,
                    crc32=zlib.crc32(array))
            clips[name] = dict(info=entry['info'], arrays=arrays)
        stem = osp.join(self.root, f'{self.prefix}{self._count:05d}')
        write_whole(stem + SHARD, data)
        write_json(stem + INDEX, dict(bytes=len(data), clips=clips))
        self._committed.update(clips)
        self._count += 1
        self._buffer, self._infos, self._bytes = {}, {}, 0

    def close(self):
        """Write what is left."""
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        # a full disk refuses the rest as well: its own message stands
        if not isinstance(error, OSError):
            self.close()

    def _compare(self, there):
        keys = sorted(key for key in {*there, *self.meta}
                      if there.get(key) != self.meta.get(key))
        if keys:
            differ = '; '.join(f'{key}: {there.get(key)} there, '
                               f'{self.meta.get(key)} now' for key in keys)
            raise StoreError(f'{self.root} holds features that were made '
                             f'otherwise ({differ}): take another folder, or '
                             'the settings of the first run')

    def _is_mine(self, name):
        stem = osp.splitext(name)[0]
        return stem.startswith(self.prefix) and \
            stem[len(self.prefix):].isdecimal()

    def _remove_leftovers(self):
        """Remove what a killed run of this writer left uncommitted."""
        for name in os.listdir(self.root):
            stem, suffix = osp.splitext(name)
            partial = name.startswith(PARTIAL) and self._is_mine(
                name[len(PARTIAL):])
            orphan = suffix == SHARD and self._is_mine(name) and \
                not osp.exists(osp.join(self.root, stem + INDEX))
            if partial or orphan:
                os.unlink(osp.join(self.root, name))

    def _check(self, name, arrays):
        taps = self.meta['taps']
        wanted = {*POSE_KEYS, *taps}
        if set(arrays) != wanted:
            raise StoreError(f'clip {name!r} has the arrays '
                             f'{sorted(arrays)}; expected {sorted(wanted)}')
        keypoint = arrays['keypoint']
        base = keypoint.shape[:3]
        shapes = dict(keypoint=(*base, 2), keypoint_score=base)
        shapes.update({tap: (*base, channels)
                       for tap, channels in taps.items()})
        for key, array in arrays.items():
            dtype = np.float16 if key in taps else np.float32
            if array.shape != shapes[key] or len(base) != 3 or \
                    0 in base or array.dtype != dtype:
                raise StoreError(
                    f'clip {name!r}, {key!r}: {array.dtype} of shape '
                    f'{array.shape}; expected {np.dtype(dtype)} of shape '
                    f'{shapes[key]} (people, frames, joints, …)')
            bad = array.size - np.count_nonzero(np.isfinite(array))
            if bad:
                raise StoreError(f'clip {name!r}, {key!r}: {bad} of '
                                 f'{array.size} values are not finite')
