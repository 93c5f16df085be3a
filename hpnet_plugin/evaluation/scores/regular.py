"""Dumps whose samples look alike, read without making the samples.

``mim test --dump`` writes a list of one dict a clip. To unpickle 50,000 of
them makes millions of objects. Here the bytes of one sample are compared
with the :class:`~.forms.Form` of an earlier one; what differs is names,
numbers and places in pickle's memo. These are collected and looked at
together. A dump in which anything is different is left to the unpickler,
which also says what is wrong with it: nothing is refused here.
"""
from __future__ import annotations

import bisect
import os
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np

from ...storages import read_alike
from .forms import Constant, Form, NoFormError, learn

_WINDOW = 1 << 22  # bytes that are looked at together
_LARGEST = 1 << 26  # bytes of a sample
_TOGETHER = 1024  # samples of one form that are compared together, at most
_BYTES = 1 << 23  # of these samples
_FORMS = 64  # a dump with more is not regular
_START = b'\x80\x02]q\x00'
_SCORES = {np.dtype(code) for code in ('<f2', '<f4', '<f8')}


class Regular(NamedTuple):
    """What a regular dump holds.

    Attributes:
        names: ``frame_dir`` of each clip, N.
        scores: (N, K), float32 or float64.
        labels: (N,) ``gt_label``.
    """
    names: list[str]
    scores: np.ndarray
    labels: np.ndarray


def read_regular(path: str | os.PathLike, stream: str | None
                 ) -> Regular | None:
    """Read a dump whose samples look alike.

    Args:
        path: The file.
        stream: One of several streams.

    Returns:
        None where the file is anything else, or damaged.

    Raises:
        OSError: The file cannot be read.
    """
    key = 'pred_score' if stream is None else f'pred_score_{stream}'
    with open(path, 'rb') as file:
        try:
            return _Reader(file, key).read()
        except OSError:
            raise
        except Exception:
            # a broken pickle may raise nearly anything
            return None


class _Group:
    """Samples of one form that wait to be looked at together."""

    def __init__(self, form: Form, size: int) -> None:
        self.form = form
        self.most = max(16, min(_TOGETHER, _BYTES // size))
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.numbers: list[int] = []
        self.parts: list[bytes] = []
        self.texts: list[bytes] = []

    def texts_of(self, place: int) -> list[bytes]:
        """The same text of all samples."""
        return self.texts[place::len(self.form.parts)]


class _Reader:
    """Goes through a dump."""

    def __init__(self, file: IO[bytes], key: str) -> None:
        self.file = file
        self.key = key
        self.data = file.read(_WINDOW)
        self.count = 1  # places of the memo that are taken: the list
        self.firsts: list[int] = []  # place of each sample
        self.forms: list[Form] = []
        self.groups: list[_Group] = []
        self.found: list[tuple[list[int], Regular]] = []

    def read(self) -> Regular:
        """All samples.

        Raises:
            NoFormError: If the dump is not regular.
            ValueError: If it is damaged.
        """
        for at in self._samples():
            self._sample(at)
        for group in self.groups:
            self._close(group)
        if not self.found:
            raise NoFormError('no sample')
        first = self.found[0][1].scores
        count = len(self.firsts)
        scores = np.empty((count, first.shape[1]), np.result_type(
            np.float32, *(part.scores for _, part in self.found)))
        if any(part.scores.shape[1] != first.shape[1]
               for _, part in self.found):
            raise NoFormError('several numbers of classes')
        names, labels = [''] * count, np.empty(count, np.int64)
        for numbers, part in self.found:
            scores[numbers], labels[numbers] = part.scores, part.labels
            for number, name in zip(numbers, part.names):
                names[number] = name
        return Regular(names, scores, labels)

    def _samples(self) -> Iterator[int]:
        """Where each sample begins in ``data``; ``end`` is where it ends."""
        if not self.data.startswith(_START):
            raise NoFormError('no list')
        self.end, inside = len(_START), False
        while True:
            if len(self.data) - self.end < 2:
                self._more()
            code = self.data[self.end:self.end + 1]
            if code == b'}':
                yield self.end
                if not inside:  # the last one, on its own
                    self._expect(b'a')
            elif code == (b'e' if inside else b'('):
                self.end += 1
                inside = not inside
            else:
                break
        self._expect(b'.')
        if inside:
            raise NoFormError('a list that does not end')

    def _expect(self, code: bytes) -> None:
        if len(self.data) - self.end < 2:
            self._more()
        if self.data[self.end:self.end + 1] != code:
            raise NoFormError('something else in the list')
        self.end += 1

    def _more(self) -> bool:
        """Read on; whether there was anything."""
        more = self.file.read(max(_WINDOW, len(self.data) - self.end))
        self.data = self.data[self.end:] + more
        self.end = 0
        return bool(more)

    def _sample(self, start: int) -> None:
        """Take a sample apart by a form that is known, or learn its form."""
        found = self._matched(start)
        while found is None and len(self.data) - self.end < _LARGEST:
            near = len(self.data) - self.end < _WINDOW // 4
            if near and self._more():
                found = self._matched(self.end)
                continue
            self._learn()
            found = self._matched(self.end)
        if found is None:
            raise NoFormError('a sample that is unlike itself, or too large')
        group, (parts, texts, self.end) = found
        group.numbers.append(len(self.firsts))
        self.firsts.append(self.count)
        self.forms.append(group.form)
        group.parts += parts
        group.texts += texts
        self.count += len(group.form.puts)
        if len(group.numbers) == group.most:
            self._close(group)

    def _matched(self, start: int) -> tuple[
            _Group, tuple[list[bytes], list[bytes], int]] | None:
        for i, group in enumerate(self.groups):
            found = group.form.match(self.data, start)
            if found is not None:
                if i:  # the newest first
                    self.groups.insert(0, self.groups.pop(i))
                return group, found
        return None

    def _held(self, place: int) -> Constant | None:
        """The constant at a place of the memo."""
        sample = bisect.bisect_right(self.firsts, place) - 1
        if sample < 0:
            return None
        return self.forms[sample].constants.get(place - self.firsts[sample])

    def _learn(self) -> None:
        form, size = learn(self.data, self.end, self._held, self.count)
        if 'frame_dir' not in form.names or 'gt_label' not in form.tensors \
                or self.key not in form.tensors or \
                len(self.groups) == _FORMS:
            raise NoFormError('other samples')
        self.groups.insert(0, _Group(form, size))

    def _close(self, group: _Group) -> None:
        """Look at the samples of a group, and keep their numbers."""
        if not group.numbers:
            return
        table = np.frombuffer(b''.join(group.parts), np.uint8).reshape(
            len(group.numbers), -1)
        self._check(group, table)
        form = group.form
        values = {key: _values(group.texts_of(tensor.text), tensor.size,
                               _numbers(table, *tensor.offset))
                  for key, tensor in form.tensors.items()}
        scores, labels = values[self.key], values['gt_label']
        if scores.dtype not in _SCORES or labels.dtype.kind not in 'iu' or \
                labels.shape[1] != 1:
            raise NoFormError('other scores or labels')
        names = {key: [text.decode() for text in group.texts_of(place)]
                 for key, place in form.names.items()}
        self.found.append((group.numbers, Regular(
            names['frame_dir'], scores, labels[:, 0])))
        group.forget()

    def _check(self, group: _Group, table: np.ndarray) -> None:
        """Compare the places in the memo with those that pickle takes."""
        firsts = np.array([self.firsts[i] for i in group.numbers])
        for i, (column, width) in enumerate(group.form.puts):
            if (_numbers(table, column, width) != firsts + i).any():
                raise NoFormError('places that do not follow one another')
        for column, width, what in group.form.gets:
            places = _numbers(table, column, width)
            if isinstance(what, int):
                if (places != firsts + what).any():
                    raise NoFormError('it looks up something else')
            elif (places >= firsts).any() or any(
                    self._held(place) != what
                    for place in np.unique(places).tolist()):
                raise NoFormError('it looks up something else')


def _numbers(table: np.ndarray, column: int, width: int) -> np.ndarray:
    """The numbers that stand in a column, little-endian."""
    wide = np.zeros((len(table), 8), np.uint8)
    wide[:, :width] = table[:, column:column + width]
    return wide.view('<i8')[:, 0]


def _values(texts: list[bytes], size: int, starts: np.ndarray) -> np.ndarray:
    """The numbers of the same tensor in several samples, one a row.

    Args:
        texts: The storage of each, as pickle keeps bytes.
        size: Of the tensor.
        starts: Number of each storage where it starts.
    """
    contents = [text.decode().encode('latin1') for text in texts]
    lengths = np.array([len(content) for content in contents])
    found = None
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        values = read_alike([contents[row] for row in rows])
        if not 0 < size <= values.shape[1] - starts[rows].max():
            raise NoFormError('a tensor that does not fit')
        if found is None:
            found = np.empty((len(texts), size), values.dtype)
        elif found.dtype != values.dtype:
            raise NoFormError('numbers of several types')
        found[rows] = values if size == values.shape[1] else values[
            np.arange(len(rows))[:, None],
            starts[rows][:, None] + np.arange(size)]
    if found is None:
        raise NoFormError('no storage')
    return found
