"""Storages of tensors as pickles keep them, read without torch.

A tensor that is pickled becomes a call of ``_rebuild_tensor_v2`` with the
bytes that ``torch.save`` writes of its storage, in torch's format of before
1.6: some hundred bytes around the numbers. A score dump holds one for every
tensor, and they differ in the key, the length and the numbers only. Bytes of
exactly this form are taken apart here. All others are left to ``torch.load``
with ``weights_only``.
"""
from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch

# Name of a kind of storages -> type of torch, and of the bytes in numpy.
_KINDS = {
    'Double': ('float64', '<f8'), 'Float': ('float32', '<f4'),
    'Half': ('float16', '<f2'), 'BFloat16': ('bfloat16', '<u2'),
    'Long': ('int64', '<i8'), 'Int': ('int32', '<i4'),
    'Short': ('int16', '<i2'), 'Char': ('int8', 'i1'),
    'Byte': ('uint8', 'u1'), 'Bool': ('bool', '?'),
    'ComplexFloat': ('complex64', '<c8'),
    'ComplexDouble': ('complex128', '<c16')}
_TYPES = {name: np.dtype(code) for name, (_, code) in _KINDS.items()}

# Magic number, protocol, system; then the storage.
_HEAD = (
    b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.'
    b'\x80\x02}q\x00(X\x10\x00\x00\x00protocol_versionq\x01M\xe9\x03'
    b'X\r\x00\x00\x00little_endianq\x02\x88X\n\x00\x00\x00type_sizesq\x03'
    b'}q\x04(X\x05\x00\x00\x00shortq\x05K\x02X\x03\x00\x00\x00intq\x06'
    b'K\x04X\x04\x00\x00\x00longq\x07K\x04uu.'
    b'\x80\x02(X\x07\x00\x00\x00storageq\x00ctorch\n')
# Its kind, its key and its length; the key; the length and the numbers.
_SAVED = re.compile(
    re.escape(_HEAD)
    + rb'(?P<kind>' + '|'.join(_KINDS).encode() + rb')Storage\nq\x01'
    + rb'X(?P<length>[\x01-\x20])\0\0\0(?P<key>[0-9]{1,32})q\x02'
    + re.escape(b'X\x03\x00\x00\x00cpuq\x03')
    + rb'(?P<count>K[\0-\xff]|M[\0-\xff]{2}|J[\0-\xff]{3}[\0-\x7f])Ntq\x04Q\.'
    + re.escape(b'\x80\x02]q\x00')
    + rb'X(?P=length)\0\0\0(?P<again>(?P=key))q\x01a\.'
    + rb'(?P<numbers>[\0-\xff]{8})')


class StorageError(ValueError):
    """Bytes that are no storage, or one that a tensor does not fit into."""


class Storage:
    """The numbers of tensors.

    Args:
        kind: Torch's name of the kind, such as ``Float``.
        data: Bytes in which the numbers stand.
        start: The first byte.
        count: Numbers.
    """
    __slots__ = ('count', 'data', 'kind', 'shared', 'start')
    __setstate__ = None  # a pickle must not change one

    def __init__(self, kind: str, data: bytes | np.ndarray, start: int,
                 count: int) -> None:
        self.kind = kind
        self.data = data
        self.start = start
        self.count = count
        self.shared: torch.Tensor | None = None

    def array(self, offset: int, size: tuple[int, ...],
              stride: tuple[int, ...]) -> np.ndarray:
        """A tensor as an array.

        Args:
            offset: Its first number.
            size: Its shape.
            stride: Numbers between neighbours on each axis.

        Returns:
            Of bfloat16 as float32, a copy; of others a view of the bytes,
            which cannot be written.

        Raises:
            StorageError: If it does not fit.
        """
        dtype = _TYPES[self.kind]
        step = dtype.itemsize
        if len(size) == 1 and stride == (1, ) and \
                0 <= size[0] <= self.count - offset and offset >= 0:
            found = np.frombuffer(
                self.data, dtype, size[0], self.start + step * offset) \
                if size[0] else np.empty(0, dtype)
        else:
            self.check(offset, size, stride)
            found = np.ndarray(
                size, dtype, self.data, self.start + step * offset,
                tuple(step * s for s in stride)) \
                if 0 not in size else np.empty(size, dtype)
        if self.kind == 'BFloat16':  # the upper half of a float32
            return (found.astype('<u4') << 16).view('<f4')
        return found

    def check(self, offset: int, size: tuple[int, ...],
              stride: tuple[int, ...]) -> None:
        """Refuse tensors that do not fit; arguments as of :meth:`array`.

        Args:
            offset: See there.
            size: See there.
            stride: See there.

        Raises:
            StorageError: Says what does not fit.
        """
        last = offset + sum((n - 1) * step for n, step in zip(size, stride))
        if 0 not in size and last >= self.count:
            raise StorageError(
                f'a tensor of size {size} that ends at number {last} of a '
                f'storage of {self.count}')
        if 0 in size and offset > self.count:
            raise StorageError(f'an empty tensor at number {offset} of '
                               f'a storage of {self.count}')
        if len(size) > 32 or math.prod(size) > 2**62:
            raise StorageError(f'a tensor of size {size!r:.80}')

    def tensor(self, offset: int, size: tuple[int, ...],
               stride: tuple[int, ...]) -> torch.Tensor:
        """A tensor; all of one storage share their memory.

        Args:
            offset: See :meth:`array`.
            size: See there.
            stride: See there.

        Returns:
            Of the type that the storage has.

        Raises:
            StorageError: If it does not fit.
        """
        import torch
        self.check(offset, size, stride)
        if self.shared is None:
            dtype = getattr(torch, _KINDS[self.kind][0])
            end = self.start + self.count * _TYPES[self.kind].itemsize
            self.shared = torch.frombuffer(
                bytearray(self.data[self.start:end]), dtype=dtype) \
                if self.count else torch.empty(0, dtype=dtype)
        return torch.as_strided(self.shared, size, stride, offset)


class _Look(NamedTuple):
    """What storages of one length look like around their keys."""
    kind: str
    count: int
    keys: tuple[slice, slice]
    head: slice
    middle: slice
    tail: slice
    parts: tuple[bytes, ...]


class Storages:
    """Reads storages; it remembers what those of each length look like."""

    def __init__(self) -> None:
        self._known: dict[int, _Look] = {}

    def __call__(self, content: bytes) -> Storage:
        """The storage that torch has saved.

        Args:
            content: What ``torch.save`` wrote in its old format.

        Returns:
            The storage.

        Raises:
            StorageError: If it is something else.
            Exception: Whatever ``torch.load`` with ``weights_only`` raises.
        """
        look = self.look(content)
        return _by_torch(content) if look is None else Storage(
            look.kind, content, look.tail.stop, look.count)

    def look(self, content: bytes) -> _Look | None:
        """What surrounds the numbers of a storage.

        Args:
            content: See :meth:`__call__`.

        Returns:
            None if it is not exactly what torch writes.
        """
        look = self._known.get(len(content))
        if look is not None:
            one, two = look.keys
            key = content[one]
            if content[two] == key and key.isdigit() and \
                    content[look.head] == look.parts[0] and \
                    content[look.middle] == look.parts[1] and \
                    content[look.tail] == look.parts[2]:
                return look
        match = _SAVED.match(content)
        if match is None:
            return None
        kind, start = match['kind'].decode(), match.end()
        count = int.from_bytes(match['count'][1:], 'little')
        if count != int.from_bytes(match['numbers'], 'little') or \
                len(match['key']) != match['length'][0] or \
                len(content) - start != count * _TYPES[kind].itemsize:
            return None
        one, two = (slice(*match.span(name)) for name in ('key', 'again'))
        around = slice(0, one.start), slice(one.stop, two.start), slice(
            two.stop, start)
        look = self._known[len(content)] = _Look(
            kind, count, (one, two), *around,
            tuple(content[part] for part in around))
        return look


def saved(array: np.ndarray) -> bytes:
    """What ``torch.save`` would write of a storage, in its old format.

    Args:
        array: The numbers, (count,), of one of the types above.

    Returns:
        The bytes, with the key 1.
    """
    kind = next(kind for kind, dtype in _TYPES.items()
                if dtype == array.dtype)
    key = b'X\1\0\0\x001q'
    return b''.join((
        _HEAD, kind.encode(), b'Storage\nq\1', key,
        b'\2X\3\0\0\0cpuq\3J', struct.pack('<i', len(array)),
        b'Ntq\4Q.\x80\2]q\0', key, b'\1a.',
        struct.pack('<q', len(array)), array.tobytes()))


def read_alike(contents: Sequence[bytes]) -> np.ndarray:
    """Read many storages of the same kind at once.

    Args:
        contents: N, of one length, each as :class:`Storages` reads it.

    Returns:
        Numbers, (N, count), those of bfloat16 as float32.

    Raises:
        StorageError: If they are not alike, or not exactly what torch writes.
    """
    look = Storages().look(contents[0])
    if look is None:
        raise StorageError('no storage as torch saves it')
    table = np.frombuffer(b''.join(contents), np.uint8).reshape(
        len(contents), -1)
    one, two = (table[:, key] for key in look.keys)
    if any((table[:, part] != table[0, part]).any()
           for part in (look.head, look.middle, look.tail)) or \
            (one != two).any() or ((one < ord('0')) | (one > ord('9'))).any():
        raise StorageError('storages that are not alike')
    numbers = table[:, look.tail.stop:].reshape(-1)
    size = len(table) * look.count
    return Storage(look.kind, numbers, 0, size).array(
        0, (size, ), (1, )).reshape(len(table), look.count)


def _by_torch(content: bytes) -> Storage:
    """The storage as torch itself reads it."""
    import io

    import torch  # takes seconds, and nearly no file needs it
    found = torch.load(io.BytesIO(content), weights_only=True)
    if not isinstance(found, torch.storage.TypedStorage):
        raise StorageError(f'a storage that holds {type(found).__name__}')
    kinds = {name: kind for kind, (name, _) in _KINDS.items()}
    name = str(found.dtype).removeprefix('torch.')
    if name not in kinds:
        raise StorageError(f'a storage of {name}')
    untyped = found._untyped_storage.cpu()
    raw = torch.empty(0, dtype=torch.uint8).set_(untyped).numpy().tobytes()
    step = _TYPES[kinds[name]].itemsize
    return Storage(kinds[name], raw, 0, len(raw) // step)
