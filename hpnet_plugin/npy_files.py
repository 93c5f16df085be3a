"""Arrays of numbers in ``.npy`` files, which may be broken."""
from __future__ import annotations

import math
import os

import numpy as np

# 3.0 has names of fields in UTF-8, and fields are refused
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0}


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
        try:
            version = np.lib.format.read_magic(file)
            if version not in _HEADERS:
                raise ValueError(f'version {version}')
            shape, fortran, dtype = _HEADERS[version](file)
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
        if expected != size - file.tell():
            raise ValueError(
                f'its header says {dtype} of shape {shape}, which are '
                f'{expected} bytes; {size - file.tell()} are there')
        array = np.fromfile(file, dtype, math.prod(shape))
    return array.reshape(shape, order='F' if fortran else 'C')
