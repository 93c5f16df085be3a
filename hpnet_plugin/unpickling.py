"""Pickles of plain data, read without running code from them.

What pickle builds numbers and arrays with is replaced: numpy's own
``dtype.__setstate__`` and ``ndarray.__setstate__`` believe whatever a file
says, and a few bytes changed in one corrupt memory. The stand-ins take plain
numeric types only and compare every length before anything is built.
"""
from __future__ import annotations

import collections
import functools
import io
import math
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np

_CODE = re.compile(r'[<>|=]?(b1|i[1248]|u[1248]|f(2|4|8|16)|c(8|16|32)|'
                   r'[SU]\d{1,6})')


class UnreadablePickleError(ValueError):
    """A pickle is damaged, or does not hold what it should."""


class UnsafePickleError(UnreadablePickleError):
    """A pickle asks for more than plain data; the message says what."""


class PlainDtype:
    """Stands in for ``numpy.dtype`` while a pickle is read.

    Args:
        code: As numpy writes it: ``'f4'``.
        *_: What else numpy writes, of no use here.

    Attributes:
        dtype: The real one.

    Raises:
        UnsafePickleError: For objects, records and anything but numbers and
            text of a fixed length.
    """

    __slots__ = ('dtype', )

    def __init__(self, code: str, *_: object) -> None:
        if not isinstance(code, str) or not _CODE.fullmatch(code):
            raise UnsafePickleError(
                f'refused: it holds an array of the type {code!r:.40}, '
                'expected numbers or text of a fixed length')
        try:
            self.dtype = np.dtype(code)
        except TypeError as error:
            raise UnreadablePickleError(str(error)) from None

    def __setstate__(self, state: Any) -> None:
        size = self.dtype.itemsize if self.dtype.kind in 'SU' else -1
        align = -1 if size < 0 else self.dtype.alignment
        if not isinstance(state, tuple) or len(state) != 8 or \
                type(state[0]) is not int or state[1] not in (
                    '<', '>', '|', '=') or state[2:] != (
                    None, None, None, size, align, state[7]) or \
                type(state[7]) is not int or state[7] & ~8:
            raise UnsafePickleError(
                f'refused: the type {self.dtype} comes with the state '
                f'{state!r:.80}, which plain numbers do not have')
        if self.dtype.byteorder != '|':
            self.dtype = self.dtype.newbyteorder(state[1])


def plain_array(shape: Any, dtype: Any, fortran: Any, data: Any
                ) -> np.ndarray:
    """Build an array from what a pickle says of it.

    Args:
        shape: Its shape.
        dtype: Its type.
        fortran: Whether the first axis varies fastest.
        data: Its bytes.

    Returns:
        The array, which can be written.

    Raises:
        UnreadablePickleError: If these do not fit together.
    """
    if not isinstance(dtype, PlainDtype):
        raise UnreadablePickleError(f'an array of the type {dtype!r:.40}')
    dtype = dtype.dtype
    if isinstance(data, str):  # of Python 2
        data = data.encode('latin1')
    if not isinstance(shape, tuple) or len(shape) > 32 or not all(
            type(size) is int and size >= 0 for size in shape) or \
            not isinstance(data, (bytes, bytearray)) or \
            math.prod(shape) * dtype.itemsize != len(data):
        size = len(data) if isinstance(data, (bytes, bytearray)) else \
            type(data).__name__
        raise UnreadablePickleError(
            f'an array of shape {shape!r:.80} and type {dtype} in {size} '
            'bytes, which does not fit')
    if not data:
        return np.empty(shape, dtype)
    array = np.frombuffer(data, dtype).reshape(
        shape, order='F' if fortran else 'C')
    return array if array.flags.writeable else array.copy('K')


def plain_scalar(dtype: Any, data: Any) -> np.generic:
    """Build a numpy scalar from what a pickle says of it.

    Args:
        dtype: Its type.
        data: Its bytes.

    Returns:
        The scalar.

    Raises:
        UnreadablePickleError: If its bytes do not fit its type.
    """
    return plain_array((1, ), dtype, False, data)[0]


class _Array:
    """Stands in for an array until the whole pickle is read."""

    __slots__ = ('value', )

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise UnreadablePickleError(f'an array of state {state!r:.80}')
        self.value = plain_array(*state[1:])


class _Storage:
    """Stands in for a storage of tensors."""

    __slots__ = ('value', )

    def __init__(self, value: Any) -> None:
        self.value = value

    __setstate__ = None


class _Tensor(_Storage):
    """Stands in for a tensor until the whole pickle is read."""

    __slots__ = ()


class _Call:
    """A function that a pickle may call, and do nothing else with."""

    __slots__ = ('function', )

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)

    def __setstate__(self, state: Any) -> None:
        raise UnsafePickleError('refused: it changes a function')


def _reconstruct(kind: object, *_: object) -> _Array:
    if kind is not _Array:
        raise UnsafePickleError(f'refused: an array of the kind {kind!r:.40}')
    return _Array()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: str) -> _Array:
    return _Array(plain_array(shape, dtype, order == 'F', data))


@functools.lru_cache(maxsize=64)
def _storage(content: Any) -> _Storage:
    # Neighbouring rows of a dump repeat the storage of their whole batch.
    import torch  # takes seconds, and most files hold no tensors
    storage = torch.load(io.BytesIO(content), weights_only=True)
    if not isinstance(storage, torch.storage.TypedStorage):
        raise UnreadablePickleError('a storage that holds '
                                    f'{type(storage).__name__}')
    return _Storage(storage)


def _load_storage(content: Any) -> _Storage:
    if not isinstance(content, bytes):
        raise UnreadablePickleError('a storage that is not bytes')
    return _storage(content)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: object
            ) -> _Tensor:
    if not isinstance(storage, _Storage) or isinstance(storage, _Tensor):
        raise UnreadablePickleError('a tensor without a storage')
    storage = storage.value
    numbers = [offset, *size, *stride] \
        if isinstance(size, tuple) and isinstance(stride, tuple) else [-1]
    if not all(type(n) is int and n >= 0 for n in numbers) or \
            len(size) != len(stride):
        raise UnreadablePickleError(
            f'a tensor of size {size!r:.80} and stride {stride!r:.80}')
    count = storage._untyped_storage.nbytes() // storage._element_size()
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if 0 not in size and last >= count:
        raise UnreadablePickleError(
            f'a tensor of size {size} that ends at number {last} of a '
            f'storage of {count}')
    if 0 in size and offset > count:
        raise UnreadablePickleError(f'an empty tensor at number {offset} of '
                                    f'a storage of {count}')
    from torch._utils import _rebuild_tensor_v2
    return _Tensor(_rebuild_tensor_v2(
        storage, offset, size, stride, False, collections.OrderedDict()))


def _encode(text: Any, encoding: Any) -> bytes:
    if encoding != 'latin1' or not isinstance(text, str):
        raise UnreadablePickleError(f'bytes kept as {encoding!r:.40}')
    return text.encode('latin1')


def _no_bytes(*args: Any) -> bytes:
    if args:
        raise UnreadablePickleError('bytes made of something else')
    return b''


# numpy 2 moved numpy.core; arrays of protocol 5 come by way of _frombuffer.
_ALLOWED = {
    'collections.OrderedDict': collections.OrderedDict,
    '_codecs.encode': _Call(_encode),
    '__builtin__.bytes': _Call(_no_bytes),  # of protocol 2, where it is b''
    'torch._utils._rebuild_tensor_v2': _Call(_tensor),
    'torch.storage._load_from_bytes': _Call(_load_storage),
    'numpy.dtype': PlainDtype,
    'numpy.ndarray': _Array,
    'numpy.core.multiarray._reconstruct': _Call(_reconstruct),
    'numpy.core.numeric._frombuffer': _Call(_frombuffer),
    'numpy.core.multiarray.scalar': _Call(plain_scalar),
}


class _Unpickler(pickle.Unpickler):
    """Knows tensors, arrays and containers; everything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        key = f'{module.replace("numpy._core", "numpy.core")}.{name}'
        if key not in _ALLOWED:
            raise UnsafePickleError(
                f'refused: it asks for {module}.{name}, and such files hold '
                'tensors, arrays, numbers, text, lists and dicts only')
        return _ALLOWED[key]


def unpickle(path: str) -> Any:
    """Load a pickle of tensors, arrays and plain containers.

    Nothing else is looked up, so that no file can run code or reach memory
    that is not its own; storages of tensors, pickles in themselves, are
    loaded with ``weights_only``.

    Args:
        path: The file.

    Returns:
        What the file holds.

    Raises:
        UnsafePickleError: The file asks for anything else; names it.
        UnreadablePickleError: The file is damaged, or no pickle.
        OSError: The file cannot be opened.
    """
    with open(path, 'rb') as file:
        try:
            return _resolve(_Unpickler(file).load())
        except UnreadablePickleError as error:
            raise type(error)(f'{path}: {error}') from None
        except Exception as error:
            # a broken pickle may raise nearly anything
            raise UnreadablePickleError(
                f'{path}: not a readable pickle ({type(error).__name__}: '
                f'{str(error)[:200]})') from error


def _resolve(content: Any) -> Any:
    """Put arrays and tensors where their stand-ins are, in place."""
    done, todo = {}, [[content]]
    top = todo[0]
    while todo:
        box = todo.pop()
        items = box.items() if isinstance(box, dict) else enumerate(box)
        changed = []
        for key, value in items:
            kind = type(value)
            if kind in _PLAIN:
                continue
            new = _final(value, done, todo)
            if new is not value:
                changed.append((key, new))
        for key, value in changed:
            box[key] = value
    return top[0]


_PLAIN = frozenset((str, int, float, bool, bytes, bytearray, type(None),
                    complex, set, frozenset))


def _final(value: Any, done: dict[int, Any], todo: list[Any]) -> Any:
    """What stands for a value at the end; its own content is put in todo."""
    if isinstance(value, (_Array, _Tensor)):
        if value.value is None:
            raise UnreadablePickleError('an array without content')
        return value.value
    if isinstance(value, (list, dict)):
        if id(value) not in done:
            done[id(value)] = value
            todo.append(value)
        return value
    if isinstance(value, tuple):
        return _final_tuple(value, done, todo)
    if isinstance(value, np.generic):
        return value
    if type(value) in _PLAIN:
        return value
    raise UnsafePickleError(
        f'refused: it holds a bare {type(value).__name__.strip("_")}')


def _final_tuple(value: Any, done: dict[int, Any], todo: list[Any]) -> tuple:
    # Tuples of tuples are taken apart by hand: files may nest them deeply.
    stack = [(value, [])]
    while True:
        source, built = stack[-1]
        if len(built) < len(source):
            item = source[len(built)]
            if type(item) is tuple:
                if id(item) in done:
                    built.append(done[id(item)][1])
                else:
                    stack.append((item, []))
            else:
                built.append(_final(item, done, todo))
            continue
        same = all(a is b for a, b in zip(source, built))
        result = source if same else tuple(built)
        done[id(source)] = (source, result)
        stack.pop()
        if not stack:
            return result
        stack[-1][1].append(result)
