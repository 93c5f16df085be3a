"""Changes of files, as accidents and attackers make them.

All of them follow from the random generator that they are given.
"""
from __future__ import annotations

import json
import math
import pickle
import pickletools
import random
import re
import struct
from collections.abc import Callable
from typing import Any

EXTREMES = [0, 1, 2, -1, 127, 128, 255, 256, 32767, 32768, 65535, 65536,
            2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63,
            2**64 - 1, 2**64, 10**30, -2**31, -2**63]
_LARGEST = 1 << 19  # bytes of a changed file, if its seed is not as large
_SIZES = {1: 'B', 2: 'H', 4: 'I', 8: 'Q'}
_TOKENS = ['', ' ', '\0', '\n', '\r\n', '\t', ',', ':', '"', "'", '#', '-',
           '../', '/', '\\', 'null', 'NaN', 'Infinity', '-Infinity', '1e999',
           'true', '{}', '[]', '\ufeff', '\u2028', '\ud7ff', 'é', '𝟘', '٣',
           '%s', '{0}', '*', '.', '..', '-1', '0x10', '1_000', '²']


def changed(data: bytes, rng: random.Random, form: str, other: bytes
            ) -> bytes:
    """A file with one to some changes.

    Args:
        data: Of a valid file.
        rng: Decides on everything.
        form: ``'json'``, ``'pickle'``, ``'text'`` or ``'bytes'``.
        other: Of another valid file, of which parts are taken.

    Returns:
        The changed content.
    """
    ways = {'json': [json_changed, json_changed, text_changed],
            'pickle': [pickle_changed], 'text': [text_changed],
            }.get(form, [])
    if ways and rng.random() < .65:
        new = rng.choice(ways)(data, rng)
    else:
        new = bytes_changed(data, rng, other)
    return new[:max(_LARGEST, 2 * len(data))]


def bytes_changed(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """Changed bytes of any kind of file."""
    content = bytearray(data)
    for _ in range(_some(rng)):
        rng.choice(_BYTES)(content, rng, other)
    return bytes(content)


def _some(rng: random.Random) -> int:
    """1 mostly, seldom up to 32."""
    return min(32, 1 + int(rng.expovariate(.9)))


def _at(content: bytearray, rng: random.Random) -> int:
    # headers and ends matter more than what is between
    size, where = len(content), rng.random()
    if where < .3:
        return rng.randrange(min(size, 64) + 1)
    if where < .4:
        return max(0, size - rng.randrange(64))
    return rng.randrange(size + 1)


def _block(content: bytearray, rng: random.Random) -> slice:
    start = _at(content, rng)
    return slice(start, start + min(
        1 + int(rng.expovariate(1 / 16)), max(1, len(content) // 2)))


def _flip(content: bytearray, rng: random.Random, other: bytes) -> None:
    if content:
        at = min(_at(content, rng), len(content) - 1)
        content[at] ^= 1 << rng.randrange(8)


def _byte(content: bytearray, rng: random.Random, other: bytes) -> None:
    if content:
        at = min(_at(content, rng), len(content) - 1)
        content[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff,
                                  rng.randrange(256)))


def _integer(content: bytearray, rng: random.Random, other: bytes) -> None:
    size = rng.choice((1, 2, 4, 8))
    at = _at(content, rng) // rng.choice((1, 2, 4)) * rng.choice((1, 2, 4))
    value = rng.choice((*EXTREMES, len(content), len(content) - at))
    packed = struct.pack(rng.choice('<>') + _SIZES[size],
                         value & ((1 << 8 * size) - 1))
    content[at:at + size] = packed


def _delete(content: bytearray, rng: random.Random, other: bytes) -> None:
    del content[_block(content, rng)]


def _truncate(content: bytearray, rng: random.Random, other: bytes) -> None:
    del content[_at(content, rng):]


def _double(content: bytearray, rng: random.Random, other: bytes) -> None:
    part = _block(content, rng)
    times = rng.choice((1, 1, 1, 2, 50))
    content[part.stop:part.stop] = content[part] * times


def _swap(content: bytearray, rng: random.Random, other: bytes) -> None:
    one, two = _block(content, rng), _block(content, rng)
    if one.start > two.start:
        one, two = two, one
    if one.stop <= two.start:
        first, second = content[one], content[two]
        content[two], content[one] = first, second


def _insert(content: bytearray, rng: random.Random, other: bytes) -> None:
    at = _at(content, rng)
    content[at:at] = rng.randbytes(rng.choice((1, 2, 4, 8, 32)))


def _overwrite(content: bytearray, rng: random.Random, other: bytes) -> None:
    part = _block(content, rng)
    content[part] = bytes([rng.choice((0, 0xff, 0x20, 0x41))]) * (
        part.stop - part.start)


def _from_other(content: bytearray, rng: random.Random, other: bytes) -> None:
    source = bytearray(other)
    part = _block(source, rng)
    at = _at(content, rng)
    content[at:at + rng.choice((0, part.stop - part.start))] = source[part]


_BYTES: list[Callable[[bytearray, random.Random, bytes], None]] = [
    _flip, _flip, _byte, _integer, _integer, _delete, _truncate, _double,
    _swap, _insert, _overwrite, _from_other]


def text_changed(data: bytes, rng: random.Random) -> bytes:
    """Changed words, numbers and lines of a text."""
    text = data.decode('utf-8', 'surrogateescape')
    for _ in range(_some(rng)):
        text = rng.choice(_TEXT)(text, rng)[:_LARGEST]
    return text.encode('utf-8', 'surrogateescape')


def _token(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(_TOKENS) + text[at + rng.choice((0, 1)):]


def _number(text: str, rng: random.Random) -> str:
    found = list(re.finditer(r'-?\d+(?:\.\d+)?', text[:20000]))
    if not found:
        return text
    one = rng.choice(found)
    new = rng.choice((*map(str, EXTREMES), 'NaN', '-Infinity', '1e999',
                      '1e-400', '9' * 5000, '0.5', 'null', '"1"', ''))
    return text[:one.start()] + new + text[one.end():]


def _lines(text: str, rng: random.Random) -> str:
    lines = text.split('\n')
    at = rng.randrange(len(lines))
    what = rng.randrange(5)
    if what == 0:
        del lines[at]
    elif what == 1:
        lines.insert(rng.randrange(len(lines) + 1), lines[at])
    elif what == 2:
        rng.shuffle(lines)
    elif what == 3:
        lines[at] = lines[at][:1000] * rng.choice((2, 500))
    else:
        lines[at:at] = [''] * 3
    return '\n'.join(lines)


def _nested(text: str, rng: random.Random) -> str:
    at, deep = rng.randrange(len(text) + 1), rng.choice((10, 1000, 200_000))
    opened, closed = rng.choice((('[', ']'), ('{"a":', '}'), ('[', '')))
    return text[:at] + opened * deep + '0' + closed * deep + text[at:]


def _undecodable(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(('\udcff', '\udcc3', '\udced\udca0\udc80')
                                  ) + text[at:]


def _encoded(text: str, rng: random.Random) -> str:
    data = text.encode('utf-8', 'surrogateescape')
    return data.decode('latin1').encode(rng.choice((
        'utf-16', 'utf-32', 'utf-8-sig'))).decode(
            'utf-8', 'surrogateescape')


_TEXT: list[Callable[[str, random.Random], str]] = [
    _token, _token, _number, _number, _lines, _lines, _undecodable]
_RARE = (_nested, _encoded)
_TEXT += _RARE


def json_changed(data: bytes, rng: random.Random) -> bytes:
    """Changed keys, types and values of a JSON document."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return text_changed(data, rng)
    holder = [content]
    for _ in range(_some(rng)):
        _change_node(holder, rng)
    return json.dumps(holder[0], ensure_ascii=rng.random() < .5).encode(
        'utf-8', 'surrogatepass')


def _odd_value(rng: random.Random) -> Any:
    return rng.choice((
        None, True, False, 0, -1, 1, .5, -0., 1e300, math.nan, math.inf,
        -math.inf, *EXTREMES, '', 'x', '0', 'é\n\0', '\ud800', '../../x',
        '/etc/passwd', 'x' * 5000, [], {}, [[]], [None], [0] * 50, {'': {}},
        {'a': 1}, [[[[]]]], ['x', 'x']))


def _change_node(holder: list[Any], rng: random.Random) -> None:
    """Change one value somewhere within, in place."""
    box: Any = holder
    while True:
        keys = list(box) if isinstance(box, dict) else list(range(len(box)))
        key = rng.choice(keys)
        inner = box[key]
        if isinstance(inner, (list, dict)) and inner and rng.random() < .8:
            box = inner
            continue
        break
    what = rng.randrange(6)
    if what <= 1 or box is holder:
        box[key] = _odd_value(rng)
    elif what == 2:
        del box[key]
    elif what == 3 and isinstance(box, dict):
        box[rng.choice(('', 'x', f'{key} ', key.upper(), '\ud800'))] = \
            box.pop(key)
    elif what == 3:
        box.insert(rng.randrange(len(box) + 1), inner)
    elif what == 4 and isinstance(box, list):
        box.extend(box[:] * rng.choice((1, 3)))
    elif what == 4:
        box['more'] = inner
    else:
        other = rng.choice(keys)
        box[key], box[other] = box[other], inner
    if box is holder and not holder:
        holder.append(None)


def pickle_changed(data: bytes, rng: random.Random) -> bytes:
    """Changed operations of a pickle."""
    operations = _operations(data)
    if not operations:
        return data
    for _ in range(_some(rng)):
        at = rng.randrange(len(operations))
        what = rng.randrange(7)
        if what == 0:
            del operations[at]
        elif what == 1:
            operations.insert(rng.randrange(len(operations) + 1),
                              operations[at])
        elif what == 2:
            other = rng.randrange(len(operations))
            operations[at], operations[other] = \
                operations[other], operations[at]
        elif what == 3:
            operations.insert(at, rng.choice(_OPERATIONS))
        elif what == 4:
            operations[at] = rng.choice(_OPERATIONS)
        elif what == 5:
            part = operations[at:at + rng.randrange(1, 20)]
            operations[at:at] = part * rng.choice((1, 1, 5))
        else:
            operations[at] = _argument(operations[at], rng)
        if not operations:
            break
    return b''.join(operations)


def _operations(data: bytes) -> list[bytes]:
    starts = []
    try:
        starts += [at for *_, at in pickletools.genops(data)]
    except Exception:
        pass  # what follows is no pickle, and stays one piece
    starts = [at or 0 for at in starts]
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)])]


def _argument(operation: bytes, rng: random.Random) -> bytes:
    """The same operation with another argument."""
    code, rest = operation[:1], bytearray(operation[1:])
    if not rest:
        return rng.choice(_OPERATIONS)
    if code in (b'c', b'S', b'I', b'L', b'F'):  # arguments of text
        return code + rng.choice((
            b'os\nsystem\n', b'numpy\nndarray\n', b'numpy\ndtype\n',
            b'1\n', b'9999999999999\n', b"'x'\n", b'nan\n', b'\n'))
    size = min(len(rest), rng.choice((1, 2, 4, 8)))
    value = rng.choice(EXTREMES) & ((1 << 8 * size) - 1)
    rest[:size] = value.to_bytes(size, 'little')
    return code + bytes(rest)


_OPERATIONS = [
    pickle.NONE, pickle.NEWTRUE, pickle.EMPTY_LIST, pickle.EMPTY_DICT,
    pickle.EMPTY_TUPLE, pickle.MARK, pickle.POP, pickle.DUP, pickle.TUPLE,
    pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.APPEND,
    pickle.APPENDS, pickle.SETITEM, pickle.SETITEMS, pickle.REDUCE,
    pickle.BUILD, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.STOP,
    pickle.POP_MARK, pickle.STACK_GLOBAL, pickle.MEMOIZE, pickle.EMPTY_SET,
    pickle.ADDITEMS, pickle.FROZENSET, pickle.BINPERSID,
    pickle.NEXT_BUFFER, pickle.READONLY_BUFFER, pickle.LIST, pickle.DICT,
    pickle.OBJ, pickle.PROTO + b'\x04', pickle.PROTO + b'\xff',
    pickle.BININT + b'\xff\xff\xff\x7f', pickle.BININT + b'\0\0\0\x80',
    pickle.BININT1 + b'\x05', pickle.BINFLOAT + b'\x7f\xf8' + bytes(6),
    pickle.LONG1 + b'\x09' + b'\xff' * 8 + b'\x7f',
    pickle.LONG4 + b'\xff\xff\xff\x7f', pickle.INT + b'7\n',
    pickle.LONG + b'9' * 40 + b'L\n', pickle.FLOAT + b'1e999\n',
    pickle.BINUNICODE + b'\1\0\0\0x', pickle.BINUNICODE + b'\0\0\0\x7f',
    pickle.BINUNICODE8 + b'\xff' * 7 + b'\x7f', pickle.SHORT_BINUNICODE
    + b'\0', pickle.BINBYTES + b'\2\0\0\0ab', pickle.BINBYTES8
    + b'\0\0\0\0\1\0\0\0', pickle.BYTEARRAY8 + b'\0\0\0\0\1\0\0\0',
    pickle.SHORT_BINSTRING + b'\1\xff', pickle.BINSTRING + b'\0\0\0\x80',
    pickle.STRING + b"'x'\n", pickle.UNICODE + b'x\n',
    pickle.BINPUT + b'\0', pickle.BINGET + b'\0', pickle.BINGET + b'\3',
    pickle.LONG_BINPUT + b'\xff\xff\xff\xff', pickle.LONG_BINPUT
    + b'\0\0\0\x10', pickle.LONG_BINGET + b'\xff\xff\xff\xff',
    pickle.PUT + b'99999999999\n', pickle.PUT + b'-1\n',
    pickle.GET + b'0\n', pickle.FRAME + b'\xff' * 8,
    pickle.FRAME + b'\5' + bytes(7), pickle.EXT1 + b'\1',
    pickle.PERSID + b'x\n',
    *(pickle.GLOBAL + name + b'\n' for name in (
        b'os\nsystem', b'builtins\neval', b'numpy\ndtype', b'numpy\nndarray',
        b'numpy.core.multiarray\n_reconstruct',
        b'numpy._core.multiarray\nscalar', b'collections\nOrderedDict',
        b'_codecs\nencode', b'torch._utils\n_rebuild_tensor_v2',
        b'torch.storage\n_load_from_bytes', b'__builtin__\nbytes',
        b'numpy._core.numeric\n_frombuffer'))]
