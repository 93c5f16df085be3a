"""Pickles of plain data, read without running code from them."""
import collections
import functools
import io
import pickle

import numpy as np
import torch


class UnsafePickleError(ValueError):
    """A pickle asks for more than plain data; the message says what."""


@functools.lru_cache(maxsize=64)
def _storage(content):
    # Neighbouring rows of a dump repeat the storage of their whole batch.
    return torch.load(io.BytesIO(content), weights_only=True)


def _tensor(storage, offset, size, stride, *_):
    return torch._utils._rebuild_tensor_v2(storage, offset, size, stride,
                                           False, collections.OrderedDict())


def _encode(text, encoding):
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'bytes kept as {encoding!r}')
    return text.encode('latin1')


class _Unpickler(pickle.Unpickler):
    """Knows tensors, arrays and containers; everything else is refused."""

    def find_class(self, module, name):
        # numpy 2 moved numpy.core to numpy._core.
        key = f'{module.replace("numpy._core", "numpy.core")}.{name}'
        allowed = {
            'collections.OrderedDict': collections.OrderedDict,
            '_codecs.encode': _encode,
            'torch._utils._rebuild_tensor_v2': _tensor,
            'torch.storage._load_from_bytes': _storage,
            'numpy.dtype': np.dtype,
            'numpy.ndarray': np.ndarray,
            # The functions themselves, wherever this numpy keeps them.
            'numpy.core.multiarray._reconstruct': np.empty(0).__reduce__()[0],
            'numpy.core.numeric._frombuffer': np.empty(0).__reduce_ex__(5)[0],
            'numpy.core.multiarray.scalar': np.float64().__reduce__()[0],
        }
        if key not in allowed:
            raise UnsafePickleError(
                f'refused: it asks for {module}.{name}, and such files hold '
                'tensors, arrays, numbers, text, lists and dicts only')
        return allowed[key]


def unpickle(path):
    """Load a pickle of tensors, arrays and plain containers.

    Nothing else is looked up, so that no file can run code; storages of
    tensors, pickles in themselves, are loaded with ``weights_only``.

    Raises:
        UnsafePickleError: The file asks for anything else; names it.
    """
    with open(path, 'rb') as file:
        try:
            return _Unpickler(file).load()
        except UnsafePickleError as error:
            raise UnsafePickleError(f'{path}: {error}') from None
