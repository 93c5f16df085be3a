"""A shard: a file of the safetensors format, written piece by piece."""
import json
import math
import struct
from typing import Any, NamedTuple

import numpy as np

from .errors import StoreError

_CODES = {'<f2': 'F16', '<f4': 'F32', '<f8': 'F64'}
_DTYPES = {code: dtype for dtype, code in _CODES.items()}


class Layout(NamedTuple):
    """Where everything is in a shard."""
    header: bytes
    offsets: dict[str, int]  # of each array in the file, in its order
    size: int  # of the file


def layout(arrays: dict[str, tuple[str, tuple[int, ...]]]) -> Layout:
    """Lay arrays out as ``safetensors.numpy.save`` does: the widest first.

    Args:
        arrays: Name to dtype and shape.

    Returns:
        Header and places.
    """
    order = sorted(arrays, key=lambda name: (
        -np.dtype(arrays[name][0]).itemsize, name.encode()))
    header, starts, start = {}, {}, 0
    for name in order:
        dtype, shape = arrays[name]
        stop = start + math.prod(shape) * np.dtype(dtype).itemsize
        header[name] = dict(dtype=_CODES[dtype], shape=list(shape),
                            data_offsets=[start, stop])
        starts[name], start = start, stop
    text = json.dumps(header, separators=(',', ':'),
                      ensure_ascii=False).encode()
    text += b' ' * (-len(text) % 8)
    base = 8 + len(text)
    return Layout(struct.pack('<Q', len(text)) + text,
                  {name: base + at for name, at in starts.items()},
                  base + start)


def read_layout(data: memoryview, path: str
                ) -> dict[str, tuple[str, tuple[int, ...], int]]:
    """dtype, shape and offset of the arrays of a shard, from its header.

    Args:
        data: The shard.
        path: Its name, for messages.

    Returns:
        Array to these three.

    Raises:
        StoreError: If it is damaged.
    """
    try:
        length, = struct.unpack_from('<Q', data)
        header: dict[str, Any] = json.loads(bytes(data[8:8 + length]))
        header.pop('__metadata__', None)
        return {name: (_DTYPES[entry['dtype']], tuple(entry['shape']),
                       8 + length + entry['data_offsets'][0])
                for name, entry in header.items()}
    except (ValueError, TypeError, KeyError, IndexError, AttributeError,
            struct.error, RecursionError) as error:
        raise StoreError(f'{path}: its header is damaged '
                         f'({type(error).__name__}: {error})') from None
