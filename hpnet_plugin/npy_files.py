"""Arrays of numbers, of ``.npy`` files and lists, which may be broken."""
from __future__ import annotations

import io
import math
import os
from typing import Any

import numpy as np

_LONGEST = 1 << 16  # bytes of a header; numpy takes 10,000
# 3.0 has names of fields in UTF-8, and fields are refused
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0}
MOST, _DEEP = 1_000_000, 32  # numbers in lists, lists in each other


def read_npy(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an array of numbers.

    numpy allocates what the header of a file says, however short the file
    is, and takes any type of values.

    Args:
        path: The file.

    Returns:
        The array.

    Raises:
        ValueError: If it holds anything else, or is not as long as its header
            says. The message does not name the file.
        OSError: If it cannot be read.
    """
    with open(path, 'rb') as file:
        size = os.fstat(file.fileno()).st_size
        # a header may claim to be longer than the file, too
        head = io.BytesIO(file.read(_LONGEST))
        try:
            version = np.lib.format.read_magic(head)
            if version not in _HEADERS:
                raise ValueError(f'version {version}')
            shape, fortran, dtype = _HEADERS[version](head)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            # numpy lets Python parse the header, which raises nearly anything
            raise ValueError(f'it has no header of a .npy file ('
                             f'{type(error).__name__}: {error})') from None
        if dtype.kind not in 'fiu':
            raise ValueError(f'it holds no array of numbers, but {dtype}')
        if not all(0 <= length < 1 << 63 for length in shape):
            raise ValueError(f'shape {shape}')
        expected = math.prod(shape) * dtype.itemsize
        file.seek(head.tell())
        if expected != size - head.tell():
            raise ValueError(
                f'its header says {dtype} of shape {shape}, which are '
                f'{expected} bytes; {size - head.tell()} are there')
        array = np.fromfile(file, dtype, math.prod(shape))
    return array.reshape(shape, order='F' if fortran else 'C')


def numbers(value: Any, most: int = MOST) -> np.ndarray:
    """The array that a value of a pickle is, or may be made.

    A list may hold another one many times, and that one another: of forty
    such lists numpy would make as many numbers as no memory holds.

    Args:
        value: An array, a number, or lists of lists of numbers.
        most: So many numbers are allowed in lists.

    Returns:
        An array of real numbers.

    Raises:
        ValueError: If it holds anything else, or too much.
    """
    if isinstance(value, (list, tuple)):
        boxes, found = [(value, 1)], 0
        while boxes:
            box, depth = boxes.pop()
            found += len(box)
            if found > most or depth > _DEEP:
                raise ValueError(f'lists of more than {most} numbers, or '
                                 f'more than {_DEEP} deep')
            boxes += [(item, depth + 1) for item in box
                      if isinstance(item, (list, tuple))]
    array = np.asarray(value)
    if array.dtype.kind not in 'fiu':
        raise ValueError(f'expected numbers, found {array.dtype} in a '
                         f'{type(value).__name__}')
    return array
