"""The index of format 1: a JSON file a shard."""
import json
import math
import zlib
from typing import Any

import numpy as np

from .building import part_of
from .errors import StoreError
from .files import dims_of, parse_json
from .index import Part


def read_part(data: bytes, path: str, stem: str, taps: dict[str, int]
              ) -> Part:
    """Columns of the clips of one shard.

    Args:
        data: The JSON file: ``{"bytes": …, "clips": {name: {"info": …,
            "arrays": {key: {"offset", "shape", "dtype", "crc32"}}}}}``.
        path: Its name, for messages.
        stem: Of the shard.
        taps: The taps of the store.

    Returns:
        The columns.

    Raises:
        StoreError: If anything in it is not as it must be.
    """
    content = parse_json(data, path)
    size = _entry(content, 'bytes', int, path)
    clips = _entry(content, 'clips', dict, path)
    if not clips:
        raise StoreError(f'{path} is damaged: it lists no clip')
    return part_of(stem, size, (
        _clip(name, clip, size, taps, f'{path}, clip {name!r}')
        for name, clip in clips.items()), zlib.crc32(data))


def _clip(name: str, clip: Any, size: int, taps: dict[str, int], where: str
          ) -> tuple:
    arrays = _entry(clip, 'arrays', dict, where)
    if 'info' not in clip or not name.isprintable() or not name:
        raise StoreError(f'{where} is damaged: no info, or no name')
    shape = _entry(arrays.get('keypoint'), 'shape', list,
                   f"{where}, 'keypoint'")
    base = tuple(shape[:3])
    if len(base) != 3 or not all(type(n) is int and 0 < n < 1 << 32
                                 for n in base):
        raise StoreError(f"{where}, 'keypoint' is damaged: shape {shape}")
    schema, places = [], []
    for key, array in arrays.items():
        what = f'{where}, {key!r}'
        try:
            dtype, dims = dims_of(key, taps)
        except KeyError:
            raise StoreError(f'{what} is damaged: the store has no such '
                             'tap') from None
        expected = [dict(zip('MTV', base)).get(dim, dim) for dim in dims]
        found = (_entry(array, 'dtype', str, what),
                 _entry(array, 'shape', list, what))
        if found != (dtype, expected):
            raise StoreError(f'{what} is damaged: {found}, expected '
                             f'{(dtype, expected)}')
        offset = _entry(array, 'offset', int, what)
        crc32 = _entry(array, 'crc32', int, what)
        end = offset + math.prod(expected) * np.dtype(dtype).itemsize
        if offset < 0 or end > size or not 0 <= crc32 < 1 << 32:
            raise StoreError(f'{what} is damaged: bytes {offset} to {end} of '
                             f'{size}, checksum {crc32}')
        schema.append([key, dtype, dims])
        places.append((offset, crc32))
    info = json.dumps(clip['info'], separators=(',', ':')).encode()
    return name, info, base, schema, places


def _entry(content: Any, key: str, kind: type, where: str) -> Any:
    value = content.get(key) if isinstance(content, dict) else None
    if type(value) is not kind:
        raise StoreError(f'{where} is damaged: {key!r} is {value!r:.60}, '
                         f'expected {kind.__name__}')
    return value
