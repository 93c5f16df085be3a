"""Pickles of plain data, read without running code from them.

What pickle builds numbers and arrays with is replaced: numpy's own
``dtype.__setstate__`` and ``ndarray.__setstate__`` believe whatever a file
says, and a few bytes changed in one corrupt memory. The stand-ins take plain
numeric types only and compare every length before anything is built.
"""
from __future__ import annotations

import collections
import contextlib
import gc
import math
import os
import pickle
import re
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeVar

import numpy as np

from .pickle_scan import HarmfulError, ScanError, scan_file
from .storages import Storage, Storages

_Function = TypeVar('_Function', bound=Callable[..., Any])
_BUFFER = 1 << 16  # bytes; pickle looks ahead as far as the file has read

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


class _Tensor:
    """Stands in for a tensor until the whole pickle is read."""

    __slots__ = ('value', )
    __setstate__ = None

    def __init__(self, value: Any) -> None:
        self.value = value


def _refuse_state(state: Any) -> None:
    raise UnsafePickleError('refused: it changes a function')


def _callable(function: _Function) -> _Function:
    """A function that a pickle may call, and do nothing else with."""
    # pickle asks for this before it would change attributes
    setattr(function, '__setstate__', _refuse_state)  # noqa: B010
    return function


@_callable
def _reconstruct(kind: object, *_: object) -> _Array:
    if kind is not _Array:
        raise UnsafePickleError(f'refused: an array of the kind {kind!r:.40}')
    return _Array()


@_callable
def _frombuffer(data: Any, dtype: Any, shape: Any, order: str) -> _Array:
    return _Array(plain_array(shape, dtype, order == 'F', data))


def _check_view(storage: Any, offset: Any, size: Any, stride: Any) -> None:
    """Refuse what a tensor cannot be made of."""
    if type(storage) is not Storage:
        raise UnreadablePickleError('a tensor without a storage')
    numbers = (offset, *size, *stride) \
        if type(size) is type(stride) is tuple else (-1, )
    for number in numbers:
        if type(number) is not int or number < 0 or len(size) != len(stride):
            raise UnreadablePickleError(
                f'a tensor of size {size!r:.80} and stride {stride!r:.80}')


@_callable
def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: object
            ) -> _Tensor:
    _check_view(storage, offset, size, stride)
    return _Tensor(storage.tensor(offset, size, stride))


@_callable
def _tensor_as_array(storage: Any, offset: Any, size: Any, stride: Any,
                     *_: object) -> _Tensor:
    _check_view(storage, offset, size, stride)
    return _Tensor(storage.array(offset, size, stride))


@_callable
def _encode(text: Any, encoding: Any) -> bytes:
    if encoding != 'latin1' or not isinstance(text, str):
        raise UnreadablePickleError(f'bytes kept as {encoding!r:.40}')
    return text.encode('latin1')


@_callable
def _no_bytes(*args: Any) -> bytes:
    if args:
        raise UnreadablePickleError('bytes made of something else')
    return b''


@_callable
def _scalar(dtype: Any, data: Any) -> np.generic:
    return plain_scalar(dtype, data)


# numpy 2 moved numpy.core; arrays of protocol 5 come by way of _frombuffer.
_ALLOWED = {
    'collections.OrderedDict': collections.OrderedDict,
    '_codecs.encode': _encode,
    '__builtin__.bytes': _no_bytes,  # of protocol 2, where it is b''
    'torch._utils._rebuild_tensor_v2': _tensor,
    'numpy.dtype': PlainDtype,
    'numpy.ndarray': _Array,
    'numpy.core.multiarray._reconstruct': _reconstruct,
    'numpy.core.numeric._frombuffer': _frombuffer,
    'numpy.core.multiarray.scalar': _scalar,
}


class _Unpickler(pickle.Unpickler):
    """Knows tensors, arrays and containers; everything else is refused."""

    def __init__(self, file: IO[bytes], arrays: bool, **options: Any
                 ) -> None:
        super().__init__(file, **options)
        read = Storages()

        @_callable
        def load_storage(content: Any) -> Storage:
            if type(content) is not bytes:
                raise UnreadablePickleError('a storage that is not bytes')
            return read(content)

        self._allowed = {
            **_ALLOWED, 'torch.storage._load_from_bytes': load_storage}
        if arrays:
            self._allowed['torch._utils._rebuild_tensor_v2'] = \
                _tensor_as_array

    def find_class(self, module: str, name: str) -> Any:
        key = f'{module.replace("numpy._core", "numpy.core")}.{name}'
        if key not in self._allowed:
            raise UnsafePickleError(
                f'refused: it asks for {key:.200}, and such files hold '
                'tensors, arrays, numbers, text, lists and dicts only')
        return self._allowed[key]


def unpickle(path: str | os.PathLike, arrays: bool = False,
             file: IO[bytes] | None = None, **options: Any) -> Any:
    """Load a pickle of tensors, arrays and plain containers.

    Nothing else is looked up, so that no file can run code or reach memory
    that is not its own.

    Args:
        path: The file.
        arrays: Whether tensors become arrays of numpy that cannot be written,
            those of bfloat16 of float32. Then torch is not imported.
        file: The file where it is open already; its path is for messages.
        **options: Of ``pickle.Unpickler``: ``encoding`` of Python 2's texts.

    Returns:
        What the file holds.

    Raises:
        UnsafePickleError: The file asks for anything else; names it.
        UnreadablePickleError: The file is damaged, or no pickle.
        OSError: The file cannot be opened.
    """
    if file is None:
        with open(path, 'rb', buffering=_BUFFER) as opened:
            return unpickle(path, arrays, opened, **options)
    with no_collection():
        try:
            scan_file(file)
            return _resolve(_Unpickler(file, arrays, **options).load())
        except UnreadablePickleError as error:
            raise type(error)(f'{path}: {error}') from None
        except HarmfulError as error:
            raise UnsafePickleError(f'{path}: {error}') from None
        except ScanError as error:
            raise UnreadablePickleError(f'{path}: {error}') from None
        except Exception as error:
            # a broken pickle may raise nearly anything
            raise UnreadablePickleError(
                f'{path}: not a readable pickle ({type(error).__name__}: '
                f'{str(error)[:200]})') from error


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Let Python look for no unreachable cycles of objects meanwhile.

    It would go through millions of objects, again and again.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _resolve(content: Any) -> Any:
    """Put arrays and tensors where their stand-ins are, in place."""
    done, todo = {}, [[content]]
    top = todo[0]
    while todo:
        box = todo.pop()
        items = box.items() if isinstance(box, dict) else enumerate(box)
        changed = []
        for key, value in items:
            if type(key) is tuple and any(type(k) is tuple for k in key):
                raise UnreadablePickleError(
                    'tuples in each other as the key of a dict')
            kind = type(value)
            if kind in _SETS and any(type(v) is tuple for v in value):
                raise UnreadablePickleError('a set of tuples')
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
_SETS = (set, frozenset)


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
