"""What a pickle would do to memory, told from its opcodes before it is read.

Harmless-looking opcodes end a process that reads them, whatever classes are
allowed. Python allocates the length that a text or a frame is said to have
before it looks whether the file is that long: sixteen bytes can ask for a
terabyte. A number in Python's memo that is far above those before it takes as
much memory. A tuple that is nested a hundred thousand deep overflows the stack
of the machine when it becomes the key of a dict. Python's own pickler writes
none of these, and torch's reader of weights looks for none.
"""
from __future__ import annotations

import io
import mmap
import os
import stat
from typing import IO, Any

DEEPEST = 10_000  # tuples in tuples; a hundred thousand overflow 8 MB
NAME = 1000  # letters of the name of a module or of what is in it
AHEAD = 256  # numbers of the memo that may be left out

(_UNKNOWN, _PUSH, _SHORT, _LONG, _LONGER, _LINE, _PUT, _GET, _TUPLE, _MARK,
 _POP, _TO_MARK, _CALL, _OTHER) = range(14)
_OPCODES = {
    _PUSH: {b'}]\x8f)N\x88\x89\x97': 0, b'K\x82': 1, b'M\x83': 2,
            b'J\x84': 4, b'G': 8},
    _SHORT: {b'CU\x8a\x8c': 1}, _LONG: {b'BTX\x8b': 4},
    _LONGER: {b'\x8d\x8e\x96': 8}, _LINE: {b'FILSVP': 1, b'c': 2},
    _PUT: {b'q': 1, b'r': 4, b'p\x94': 0}, _GET: {b'h': 1, b'j': 4, b'g': 0},
    _TUPLE: {b'\x85': 1, b'\x86': 2, b'\x87': 3}, _MARK: {b'(': 0},
    _POP: {b'ab': 1, b's': 2}, _TO_MARK: {b'eu\x90dloit\x91': 0},
    _CALL: {b'R\x81\x93': 2, b'\x92': 3, b'Q': 1},
    _OTHER: {b'.012\x98': 0, b'\x80': 1, b'\x95': 8}}
_KINDS, _SIZES = bytearray(256), bytearray(256)
for _kind, _groups in _OPCODES.items():
    for _codes, _size in _groups.items():
        for _code in _codes:
            _KINDS[_code], _SIZES[_code] = _kind, _size


class ScanError(ValueError):
    """A pickle that would exhaust memory or stack, or is damaged.

    Attributes:
        harmful: Whether reading it would do harm.
    """
    harmful = False


class HarmfulError(ScanError):
    """A pickle that no pickler writes and that would end the process."""
    harmful = True


def scan(data: Any, start: int = 0) -> int:
    """Go through a pickle without building anything of it.

    Args:
        data: Bytes, or a file that is mapped into memory.
        start: Where the pickle begins.

    Returns:
        Where it ends.

    Raises:
        ScanError: If it would exhaust memory or stack, or is damaged.
    """
    try:
        return _scan(data, start)
    except (IndexError, ValueError) as error:
        if isinstance(error, ScanError):
            raise
        raise ScanError('pickle data was truncated, or takes more than it '
                        'has put down') from None


def scan_file(file: IO[bytes]) -> None:
    """:func:`scan` of the pickle that a file holds.

    Args:
        file: Open for reading; it is where it was afterwards.

    Raises:
        ScanError: See there.
    """
    start = file.tell()
    try:
        number = file.fileno()
    except io.UnsupportedOperation:  # it is in memory
        data = file.read()
        file.seek(start)
        scan(data)
        return
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        raise ScanError('not a readable pickle: an empty file, or no ordinary '
                        'one')
    with mmap.mmap(number, 0, access=mmap.ACCESS_READ) as data:
        scan(data, start)


def _scan(data: Any, at: int) -> int:
    """See :func:`scan`; one number, how deep its tuples are, an object."""
    kinds, sizes, end = bytes(_KINDS), bytes(_SIZES), len(data)
    stack: list[int] = []
    marks: list[int] = []
    memo = _Memo()
    push, pop, deep = stack.append, stack.pop, memo.deep
    while True:
        op = data[at]
        kind, size = kinds[op], sizes[op]
        at += 1
        if kind == _GET and size == 1:  # the most frequent
            push(deep.get(data[at], 0) if deep else 0)
            at += 1
        elif kind == _PUSH:
            at += size
            push(0)
        elif kind == _SHORT:
            at += 1 + data[at]
            push(0)
        elif kind == _LONG or kind == _LONGER:
            at = _claimed(data, at, size, end)
            push(0)
        elif kind == _PUT or kind == _GET:
            at = memo.use(data, op, size, at, stack)
        elif kind == _MARK:
            marks.append(len(stack))
        elif kind == _TUPLE:
            depth = pop()
            for _ in range(size - 1):
                depth = max(depth, pop())
            push(_deeper(depth))
        elif kind == _TO_MARK:
            at = _to_mark(data, op, at, stack, marks)
        elif kind == _CALL:
            depth = pop()
            for _ in range(size - 1):
                depth = max(depth, pop())
            push(depth)
        elif kind == _POP:
            for _ in range(size):
                pop()
        elif kind == _LINE:
            for _ in range(size):
                at = _line(data, at, NAME if op == 99 else None)
            push(0)
        elif op == 46:  # STOP
            return at
        elif kind == _UNKNOWN:
            raise ScanError(f'invalid load key, {chr(op)!r}')
        elif op == 0x95:  # FRAME
            _claimed(data, at, size, end)
            at += size
        else:
            at += size
            _other(op, stack, marks)
        if at > end:
            raise IndexError


class _Memo:
    """Python's memo of a pickle: depths by number."""

    __slots__ = ('deep', 'implied', 'named', 'puts')

    def __init__(self) -> None:
        self.deep: dict[int, int] = {}
        self.puts = 0
        self.named = self.implied = False

    def use(self, data: Any, op: int, size: int, at: int, stack: list[int]
            ) -> int:
        """Put the last object in, or take one out; where it goes on."""
        if op == 0x94:  # MEMOIZE has no number
            number, self.implied = self.puts, True
        elif size:
            number = data[at] if size == 1 else int.from_bytes(
                data[at:at + size], 'little')
            at += size
        else:
            after = _line(data, at)
            number, at = int(data[at:after - 1]), after
        if _KINDS[op] == _GET:
            stack.append(self.deep.get(number, 0))
            return at
        self.named |= op != 0x94
        if not 0 <= number <= self.puts + AHEAD or \
                self.named and self.implied:
            raise HarmfulError(
                f'refused: it numbers object {self.puts} of its memo '
                f'{number}, which no pickler does and which takes memory')
        self.puts += 1
        if stack[-1]:
            self.deep[number] = stack[-1]
        return at


def _claimed(data: Any, at: int, size: int, end: int) -> int:
    """Where the bytes end whose number is given in so many bytes."""
    length = int.from_bytes(data[at:at + size], 'little')
    at += size
    if at + length > end:
        raise ScanError(f'it claims {length} bytes after byte {at}, where '
                        f'{max(0, end - at)} are')
    return at + length


def _deeper(depth: int) -> int:
    """How deep a tuple is that holds what is as deep as this."""
    if depth >= DEEPEST:
        raise HarmfulError(
            f'refused: its tuples are nested more than {DEEPEST} deep, which '
            'as a key of a dict would overflow the stack')
    return depth + 1


def _to_mark(data: Any, op: int, at: int, stack: list[int],
             marks: list[int]) -> int:
    """What takes all objects since the last mark; where it goes on."""
    place = marks.pop()
    inside = stack[place:]
    del stack[place:]
    if op in b't\x91':  # TUPLE, FROZENSET
        stack.append(_deeper(max(inside, default=0)))
    elif op in b'dloi':
        stack.append(max(inside, default=0) if op in b'oi' else 0)
        if op == 105:  # INST
            at = _line(data, _line(data, at, NAME), NAME)
    elif not stack:
        raise IndexError
    return at


def _line(data: Any, at: int, most: int | None = None) -> int:
    end = data.find(b'\n', at)
    if end < 0:
        raise IndexError
    if most is not None and end - at > most:
        raise HarmfulError(f'refused: it asks for a name of {end - at} '
                           'letters, over which torch takes minutes')
    return end + 1


def _other(op: int, stack: list[int], marks: list[int]) -> None:
    if op == 48:  # POP
        if marks and marks[-1] == len(stack):
            marks.pop()
        else:
            stack.pop()
    elif op == 49:  # POP_MARK
        del stack[marks.pop():]
    elif op == 50:  # DUP
        stack.append(stack[-1])
