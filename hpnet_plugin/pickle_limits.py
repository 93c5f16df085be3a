"""What a pickle claims, compared with its size before it is read.

Python's own unpickler allocates the length that a text or a table of earlier
values is said to have, before it looks whether the file is that long: sixteen
bytes can ask for a terabyte. And a dict whose key is a tuple in a tuple in a
tuple, some hundred thousand deep, overflows the stack of the process, which
dies. Here the operations of a file are gone through, without doing them.
"""
from __future__ import annotations

import mmap
import os
import re
import stat
import threading
from collections.abc import Callable
from typing import IO, Any

import numpy as np

# Operations of a fixed length, none of which allocates what it says.
_FIXED = re.compile(
    rb'(?:[(012NRQbad}el\]ost)u\x81\x85-\x89\x8f-\x94\x97\x98]|'
    rb'[Khq\x80\x82].|[M\x83]..|[Jj\x84]....|G.{8})*+', re.DOTALL)
# Code to the bytes of the length that follows it, and is followed by that
# many bytes.
_COUNTED = {ord(code): size for code, size in (
    ('U', 1), ('\x8c', 1), ('C', 1), ('\x8a', 1), ('T', 4), ('X', 4),
    ('B', 4), ('\x8b', 4), ('\x8d', 8), ('\x8e', 8), ('\x96', 8))}
_LINES = {ord(code): lines for code, lines in (
    ('I', 1), ('L', 1), ('F', 1), ('S', 1), ('V', 1), ('P', 1), ('g', 1),
    ('p', 1), ('c', 2), ('i', 2))}
_FRAME, _STOP, _PUT, _LONG_PUT = 0x95, ord('.'), ord('p'), ord('r')
_TUPLES = (b't', b'\x85', b'\x86', b'\x87')
_DIGITS = 12  # of a place in the table of earlier values, as text
MOST, _DEEP = 1_000_000, 32
SHALLOW = 20_000  # tuples in each other, which any stack has room for
_FRAME_BYTES = 256  # of the stack, for each of more


class ClaimError(ValueError):
    """A pickle claims to be larger than it is."""


def check_file(file: IO[bytes]) -> int:
    """Go through the operations of a file; see :func:`check_claims`.

    Args:
        file: An ordinary file, open.

    Returns:
        How many tuples it makes, at most.

    Raises:
        ClaimError: See there; or if it is empty, a device or a pipe.
    """
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        raise ClaimError('not a readable pickle: an empty file, or no '
                         'ordinary one')
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return check_claims(data)


def check_claims(data: bytes | mmap.mmap) -> int:
    """Go through the operations of a pickle.

    Args:
        data: The pickle, and anything behind it.

    Returns:
        How many tuples it makes, at most.

    Raises:
        ClaimError: If a length or a place in it is beyond its end, the number
            of which names the byte. Where it is no pickle, its reader says so.
    """
    at, size, tuples = 0, len(data), 0
    while True:
        start, at = at, _FIXED.match(data, at).end()  # type: ignore
        tuples += _count(data, start, at)
        if at >= size or data[at] == _STOP:
            return tuples
        code = data[at]
        if code in _COUNTED:
            first = at + 1 + _COUNTED[code]
            length = int.from_bytes(data[at + 1:first], 'little')
            at = first + length
            if at > size:
                raise ClaimError(f'it claims {length} bytes after byte '
                                 f'{first}, where {max(0, size - first)} are')
        elif code in _LINES:
            at = _after_lines(data, at, code)
        elif code == _FRAME:
            length = int.from_bytes(data[at + 1:at + 9], 'little')
            at += 9
            if at + length > size:
                raise ClaimError(f'it claims a frame of {length} bytes after '
                                 f'byte {at}, where {max(0, size - at)} are')
        elif code == _LONG_PUT:
            _check_place(int.from_bytes(data[at + 1:at + 5], 'little'), at)
            at += 5
        else:
            return tuples  # no operation: reading ends here, with an error


def _count(data: bytes | mmap.mmap, start: int, stop: int) -> int:
    if stop - start == 0:
        return 0
    part = data[start:stop]
    return sum(map(part.count, _TUPLES))


def _after_lines(data: bytes | mmap.mmap, at: int, code: int) -> int:
    start = at + 1
    for _ in range(_LINES[code]):
        end = data.find(b'\n', at + 1)
        if end < 0:
            return len(data)
        at = end
    if code == _PUT:
        digits = data[start:at].strip()
        if len(digits) > _DIGITS:
            raise ClaimError(f'it claims a place of {len(digits)} digits')
        if digits.isdigit():
            _check_place(int(digits), start)
    return at + 1


def _check_place(place: int, at: int) -> None:
    # places count what was kept before, each by an operation of its own
    if place > at:
        raise ClaimError(f'it claims place {place} in the table of earlier '
                         f'values at byte {at}')


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
                raise ClaimError(f'lists of more than {most} numbers, or '
                                 f'more than {_DEEP} deep')
            boxes += [(item, depth + 1) for item in box
                      if isinstance(item, (list, tuple))]
    array = np.asarray(value)
    if array.dtype.kind not in 'fiu':
        raise ValueError(f'expected numbers, found {array.dtype} in a '
                         f'{type(value).__name__}')
    return array


def with_stack(tuples: int, function: Callable[[], Any]) -> Any:
    """Call a function on a stack on which tuples may be in each other.

    Args:
        tuples: How many.
        function: Called without arguments.

    Returns:
        What it returns.

    Raises:
        Exception: What it raises.
    """
    if tuples <= SHALLOW:
        return function()
    found: list[Any] = []

    def call() -> None:
        try:
            found.append((function(), None))
        except BaseException as error:
            found.append((None, error))

    # memory of a stack is taken when it is used
    before = threading.stack_size((tuples * _FRAME_BYTES + (8 << 20))
                                  & -mmap.PAGESIZE)
    try:
        thread = threading.Thread(target=call)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    value, error = found.pop()
    if error is not None:
        raise error
    return value
