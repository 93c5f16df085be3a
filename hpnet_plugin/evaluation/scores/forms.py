"""The form of a pickled sample: what is the same in all that look like it.

A dump is a list of dicts that differ in names, numbers and places in
pickle's memo only. A :class:`Form` is learned from one of them by following
its opcodes. Whatever is not known well enough is a :class:`NoFormError`;
then the dump is read as any other pickle is.
"""
from __future__ import annotations

import io
import pickletools
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

_LENGTH = struct.Struct('<I')
_GLOBALS = {
    '_codecs encode': 'encode',
    'torch.storage _load_from_bytes': 'load',
    'torch._utils _rebuild_tensor_v2': 'rebuild',
    'collections OrderedDict': 'ordered'}
_WIDTHS = {'BININT1': 1, 'BININT2': 2, 'BININT': 4, 'BINFLOAT': 8}

# Of some bytes, what compares them, from a place on, and their number.
_Part = tuple[Callable[[bytes, int], object], int]


class NoFormError(ValueError):
    """A sample, or a dump, that has no form as this module knows them."""


class Constant(NamedTuple):
    """What a sample may look up in pickle's memo.

    Attributes:
        value: A text that is the same in every sample, or a function's name.
        kind: ``'text'``, ``'function'``, or ``'numbers'``: a tuple of numbers
            that nobody asks for.
    """
    value: str
    kind: str = 'text'


class _Other(NamedTuple):
    """Something that nothing is built of."""


@dataclass(eq=False)
class _Text:
    value: str
    start: int  # of its length, which its bytes follow


@dataclass(frozen=True, eq=False)
class _Number:
    value: int | float
    start: int
    width: int


class Tensor(NamedTuple):
    """A tensor of one axis in a sample.

    Attributes:
        text: Which of the sample's texts is its storage.
        offset: Columns of the number where it starts, as ``(column, width)``.
        size: Numbers.
    """
    text: int
    offset: tuple[int, int]
    size: int


class _Built(NamedTuple):
    """A tensor, or a part of it, that is being built of a text."""
    what: str
    text: _Text
    rest: tuple = ()


@dataclass
class Form:
    """What samples of one kind have in common.

    Attributes:
        parts: Of the bytes before each text, the length of the text in 4
            bytes among them, what compares them and their number.
        last: The same of the bytes after the last text.
        names: Key to which of these texts it has.
        tensors: Key to the tensor that it has.
        puts: Columns of the places in the memo, each with its width; a
            column counts bytes outside of the texts.
        gets: Columns of places that are looked up, with their widths and what
            must be there; of the sample's own, which of its puts it is.
        constants: Which of the puts holds what constant.
    """
    parts: list[_Part]
    last: _Part
    names: dict[str, int] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    puts: list[tuple[int, int]] = field(default_factory=list)
    gets: list[tuple[int, int, Constant | int]] = field(default_factory=list)
    constants: dict[int, Constant] = field(default_factory=dict)

    def match(self, data: bytes, start: int
              ) -> tuple[list[bytes], list[bytes], int] | None:
        """Take a sample apart.

        Args:
            data: Bytes.
            start: Where the sample begins.

        Returns:
            Its parts, its texts, and where it ends; None where the sample has
            another form or ``data`` ends before.
        """
        parts, texts = [], []
        unpack, size = _LENGTH.unpack_from, len(data)
        for matches, length in self.parts:
            start += length
            if start > size or matches(data, start - length) is None:
                return None
            parts.append(data[start - length:start])
            end = start + unpack(data, start - 4)[0]
            texts.append(data[start:end])
            start = end
        matches, length = self.last
        if matches(data, start) is None:
            return None
        parts.append(data[start:start + length])
        return parts, texts, start + length


def learn(data: bytes, start: int,
          memo: Callable[[int], Constant | None], count: int
          ) -> tuple[Form, int]:
    """The form of a sample.

    Args:
        data: Bytes, with the whole sample in them.
        start: Where it begins.
        memo: The constant at a place of pickle's memo, if one is there.
        count: Places that are taken.

    Returns:
        The form, and how many bytes the sample has.

    Raises:
        NoFormError: If the sample is anything but a dict of texts, tensors,
            numbers and tuples of numbers.
    """
    follower = _Follower(memo, count)
    sample, end = follower.follow(data, start)
    raw = data[start:end]
    numbers, texts, tensors = [], [], {}
    for key, value in sample.items():
        if isinstance(value, _Text):
            texts.append(value)
        elif isinstance(value, _Built) and value.what == 'tensor':
            texts.append(value.text)
            tensors[key] = value
            numbers.append(value.rest[0])
        elif _is_numbers(value):
            numbers += value
        elif isinstance(value, _Number):
            numbers.append(value)
        elif not isinstance(value, _Other) and not (
                isinstance(value, Constant) and value.kind != 'function'):
            raise NoFormError(f'{key} is something else')
    texts.sort(key=lambda text: text.start)
    (*parts, last), columns = _parts(raw, texts, [
        *((n.start, n.width) for n in numbers), *follower.puts,
        *((at, width) for at, width, _ in follower.gets)])
    form = Form(parts, last)
    form.names = {key: texts.index(value) for key, value in sample.items()
                  if isinstance(value, _Text)}
    form.tensors = {
        key: Tensor(texts.index(value.text),
                    (columns(value.rest[0].start), value.rest[0].width),
                    value.rest[1].value) for key, value in tensors.items()}
    form.puts = [(columns(at), width) for at, width in follower.puts]
    form.constants = {
        place: _constant(value) for place, value in follower.held.items()
        if isinstance(value, Constant) or value not in texts}
    for at, width, what in follower.gets:
        if isinstance(what, int) and what not in form.constants:
            raise NoFormError('it looks up what differs')
        form.gets.append((columns(at), width, what))
    return form, len(raw)


def _is_numbers(value: Any) -> bool:
    return type(value) is tuple and all(
        isinstance(item, _Number) for item in value)


def _constant(value: Constant | _Text) -> Constant:
    return value if isinstance(value, Constant) else Constant(value.value)


def _parts(raw: bytes, texts: Sequence[_Text], free: Sequence[tuple[int, int]]
           ) -> tuple[list[_Part], Callable[[int], int]]:
    """The parts, and what turns a place in ``raw`` into a column."""
    fixed = np.ones(len(raw), bool)
    for at, width in (*free, *((text.start, 4) for text in texts)):
        fixed[at:at + width] = False

    def part(start: int, end: int) -> _Part:
        pattern = b''.join(re.escape(raw[i:i + 1]) if fixed[i] else b'.'
                           for i in range(start, end))
        return re.compile(pattern, re.DOTALL).match, end - start

    parts, before, skipped = [], 0, []
    for text in texts:
        end = text.start + 4
        parts.append(part(before, end))
        before = end + _LENGTH.unpack_from(raw, text.start)[0]
        skipped.append((end, before - end))
    parts.append(part(before, len(raw)))
    return parts, lambda at: at - sum(
        size for end, size in skipped if end <= at)


class _Follower:
    """Follows the opcodes of a sample."""

    def __init__(self, memo: Callable[[int], Constant | None],
                 count: int) -> None:
        self.memo = memo
        self.first = count
        self.puts: list[tuple[int, int]] = []
        self.gets: list[tuple[int, int, Constant | int]] = []
        self.held: dict[int, Constant | _Text] = {}
        self.stack: list[Any] = []
        self.marks: list[int] = []

    def follow(self, data: bytes, start: int) -> tuple[dict, int]:
        """The sample that begins at ``start``, and where it ends."""
        source = io.BytesIO(data)
        source.seek(start)
        previous = ''
        for code, value, at in pickletools.genops(source):
            if at is None or previous == 'SETITEMS':
                break
            previous = code.name
            self._step(previous, value, at - start)
        else:
            raise NoFormError('it does not end')
        if len(self.stack) != 1 or not isinstance(self.stack[0], dict) or \
                self.marks or at is None:
            raise NoFormError('a sample that is no dict')
        return self.stack[0], at

    def _step(self, name: str, value: Any, at: int) -> None:
        stack = self.stack
        if name in ('BINPUT', 'LONG_BINPUT'):
            self._put(value, at, name)
        elif name in ('BINGET', 'LONG_BINGET'):
            self._get(value, at, name)
        elif name == 'EMPTY_DICT':
            if stack:
                raise NoFormError('a dict in a dict')
            stack.append({})
        elif name == 'MARK':
            self.marks.append(len(stack))
        elif name == 'BINUNICODE':
            stack.append(_Text(value, at + 1))
        elif name in _WIDTHS:
            stack.append(_Number(value, at + 1, _WIDTHS[name]))
        elif name in ('NEWTRUE', 'NEWFALSE', 'NONE'):
            stack.append(_Other())
        elif name == 'GLOBAL' and value in _GLOBALS:
            stack.append(Constant(_GLOBALS[value], 'function'))
        elif name in ('EMPTY_TUPLE', 'TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3'):
            stack.append(tuple(self._popped(name)))
        elif name == 'REDUCE':
            self._least(2)
            arguments, function = stack.pop(), stack.pop()
            stack.append(_reduced(function, arguments))
        elif name == 'SETITEMS':
            self._set(self._popped('TUPLE'))
        else:
            raise NoFormError(f'the opcode {name}')

    def _least(self, count: int) -> None:
        """Refuse to take more than there is above the last mark."""
        if len(self.stack) - count < (self.marks[-1] if self.marks else 0):
            raise NoFormError('it takes more than there is')

    def _popped(self, name: str) -> list[Any]:
        count = {'EMPTY_TUPLE': 0, 'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
        if name in count:
            self._least(count[name])
            start = len(self.stack) - count[name]
        else:
            start = self.marks.pop()
            self._least(0)
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _get(self, place: int, at: int, name: str) -> None:
        own = place - self.first
        found = self.held.get(own) if own >= 0 else self.memo(place)
        if found is None:
            raise NoFormError('it looks up something unknown')
        self.stack.append(found)
        self.gets.append((at + 1, 1 if name == 'BINGET' else 4,
                          own if own >= 0 else _constant(found)))

    def _put(self, place: int, at: int, name: str) -> None:
        if place != self.first + len(self.puts):
            raise NoFormError('places that do not follow one another')
        self.puts.append((at + 1, 1 if name == 'BINPUT' else 4))
        self._least(1)
        top = self.stack[-1]
        if isinstance(top, (_Text, Constant)) or _is_numbers(top):
            self.held[place - self.first] = Constant('', 'numbers') \
                if type(top) is tuple else top

    def _set(self, items: list[Any]) -> None:
        sample = self.stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(sample, dict) or \
                    not isinstance(key, (_Text, Constant)) or \
                    key.value in sample or _constant(key).kind != 'text':
                raise NoFormError('keys')
            sample[key.value] = value


def _reduced(function: Any, arguments: Any) -> Any:
    """What a call gives."""
    if not isinstance(function, Constant) or \
            function.kind != 'function' or \
            type(arguments) is not tuple:
        raise NoFormError('a call of something else')
    match function.value, arguments:
        case 'encode', (_Text() as text, (_Text() | Constant()) as encoding) \
                if _constant(encoding) == Constant('latin1'):
            return _Built('bytes', text)
        case 'load', (_Built('bytes', text), ):
            return _Built('storage', text)
        case 'ordered', ():
            return _Other()
        case 'rebuild', (_Built('storage', text), _Number(int()) as offset, (
                _Number(int()) as size, ), (_Number(1), ), _Other(),
                          _Other()):
            return _Built('tensor', text, (offset, size))
    raise NoFormError('another call')
