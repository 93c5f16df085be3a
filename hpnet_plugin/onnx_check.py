"""What an ONNX file links to and claims, read from its bytes alone.

A tensor of an ONNX file may stand in another file, which any path of this
machine may name, and onnxruntime reads it from wherever a program runs. A
tensor may also say that it has a million values where the file has two. Both
are looked for in weights, constants, subgraphs and functions, without the
package onnx, before anything is built of the file.
"""
from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

DEEPEST = 16  # subgraphs in subgraphs
# number of a field that holds messages -> what these are; of onnx.proto
_FIELDS: dict[str, dict[int, str]] = {
    'model': {7: 'graph', 20: 'training', 25: 'function'},
    'training': {1: 'graph', 2: 'graph'},
    'graph': {1: 'node', 5: 'tensor', 15: 'sparse'},
    'function': {7: 'node', 11: 'attribute'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph',
                  22: 'sparse', 23: 'sparse'},
    'sparse': {1: 'tensor', 2: 'tensor'},
}
# bits of a value by TensorProto.DataType; texts are of any length
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 8: 0, 9: 8, 10: 16,
         11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16, 17: 8, 18: 8,
         19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8}
# fields of values that are not raw, and how many a byte can hold
_VALUES = {4: 1 / 4, 5: 2, 6: 1, 7: 1, 10: 1 / 8, 11: 1}
_RAW, _LINKS, _LINKED = 9, 13, 14


class GraphError(ValueError):
    """An ONNX file that is damaged or reaches out; the message says how."""


class Contents(NamedTuple):
    """What an ONNX file is made of, as far as it can do harm.

    Attributes:
        places: The files that its tensors stand in, as it names them.
    """
    places: tuple[str, ...]


def check_onnx(content: bytes, linked: bool = False) -> Contents:
    """Refuse an ONNX file that reaches out or claims what it has not.

    Args:
        content: Of the file.
        linked: Whether its tensors may stand in other files, which the
            caller looks at.

    Returns:
        What it is made of.

    Raises:
        GraphError: If it is damaged; keeps weights in other files or as
            sparse tensors; or has tensors whose values are not there.
    """
    places: list[str] = []
    found = 0
    try:
        for kind, message in _messages(memoryview(content), 'model', 0):
            found += kind == 'graph'
            if kind == 'sparse':
                raise GraphError(
                    'it keeps weights as sparse tensors, which are not '
                    'read: save the net with dense ones')
            if kind == 'tensor':
                places += _check_tensor(message)
    except (IndexError, UnicodeDecodeError) as error:
        raise GraphError('it is damaged: a field does not end '
                         f'({type(error).__name__})') from None
    if not found:
        raise GraphError('it holds no graph')
    if places and not linked:
        raise GraphError(
            f'it keeps weights in another file ({places[0]!r:.80}), and '
            'nothing but this file is read: save the net as one file')
    return Contents(tuple(dict.fromkeys(places)))


def _messages(data: memoryview, kind: str, depth: int
              ) -> Iterator[tuple[str, memoryview]]:
    """All messages within one that may hold tensors, at any depth."""
    if depth > 4 * DEEPEST:
        raise GraphError(f'its subgraphs are nested more than {DEEPEST} deep')
    inner = _FIELDS.get(kind)
    if inner is None:
        return
    for number, value in _fields(data):
        if number in inner and isinstance(value, memoryview):
            yield inner[number], value
            yield from _messages(value, inner[number], depth + 1)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and content of each field of a message."""
    at, end = 0, len(data)
    while at < end:
        key, at = _number(data, at)
        if key & 7 == 0:
            value, at = _number(data, at)
            yield key >> 3, value
            continue
        if key & 7 == 2:
            size, at = _number(data, at)
        elif key & 7 in (1, 5):
            size = 8 if key & 7 == 1 else 4
        else:
            raise GraphError(f'it is damaged: a field of the kind {key & 7}')
        if not key >> 3 or size > end - at:
            raise IndexError
        yield key >> 3, data[at:at + size]
        at += size


def _number(data: memoryview, at: int) -> tuple[int, int]:
    """A number of variable length, and what comes after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, at
        shift += 7
        if shift > 63:
            raise IndexError


def _check_tensor(data: memoryview) -> list[str]:
    """Where a tensor stands; raise an error if its values are not there."""
    sizes: list[int] = []
    kind = linked = most = 0
    raw = None
    links: dict[str, str] = {}
    for number, value in _fields(data):
        if number == 1:
            sizes += _packed(value)
        elif number in _VALUES:
            # at most so many values
            most += int((1 if isinstance(value, int) else len(value))
                        * _VALUES[number])
        elif isinstance(value, int):
            kind = value if number == 2 else kind
            linked |= number == _LINKED and value
        elif number == _RAW:
            raw = len(value)
        elif number == _LINKS:
            links.update([_entry(value)])
    if kind not in _BITS:
        raise GraphError(f'a tensor has the type {kind}, which is not known')
    if linked or links:
        return [links.get('location', '')]
    count, bits = math.prod(sizes), _BITS[kind]
    if raw is None and bits and count > most or \
            raw is not None and raw != (count * bits + 7) // 8:
        raise GraphError(f'a tensor of shape {sizes!r:.80} has '
                         f'{raw or 0} bytes, or at most {most} values')
    return []


def _packed(data: int | memoryview) -> list[int]:
    if isinstance(data, int):
        return [data]
    found, at = [], 0
    while at < len(data):
        value, at = _number(data, at)
        found.append(value)
    return found


def _entry(data: memoryview) -> tuple[str, str]:
    """Key and value of an entry of ``external_data``."""
    texts = {number: bytes(value).decode() for number, value in _fields(data)
             if isinstance(value, memoryview)}
    return texts.get(1, ''), texts.get(2, '')
