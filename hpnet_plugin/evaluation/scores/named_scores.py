"""The scores of one stream, checked, whatever file they come from."""
from __future__ import annotations

import collections
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...files import VIDEO_SUFFIXES
from ..metrics import is_probability

# Numbers that float32 holds without loss.
_SHORT = {np.dtype('f4'), np.dtype('f2')}


class ScoreError(ValueError):
    """A score file that cannot be used as asked; the message says why."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one stream.

    Args:
        names: Clip names without a video's suffix, N of them, each once.
        scores: (N, K), higher is likelier: float32 where the file has no
            finer numbers, else float64.
        labels: (N,) int64 in [0, K), or None where the file holds none.
        source: Where the scores come from, for messages and tables.

    Raises:
        ScoreError: Shapes that disagree, duplicated names, scores that are
            not finite, labels out of range.
    """
    names: list[str]
    scores: np.ndarray
    labels: np.ndarray | None
    source: str

    def __post_init__(self) -> None:
        num = len(self.names)
        if num == 0:
            raise ScoreError(f'{self.source}: holds no clip')
        if self.scores.ndim != 2 or len(self.scores) != num:
            raise ScoreError(
                f'{self.source}: scores of shape {self.scores.shape} for '
                f'{num} clip names, expected ({num}, classes)')
        if len(set(self.names)) < num:
            twice = [n for n, c in collections.Counter(self.names).items()
                     if c > 1]
            raise ScoreError(f'{self.source}: {listed(twice)} more than '
                             'once; every clip name must be unique')
        finite = np.isfinite(self.scores).all(1)
        if not finite.all():
            broken = [self.names[i] for i in np.flatnonzero(~finite)]
            raise ScoreError(f'{self.source}: scores that are not finite '
                             f'for {listed(broken)}')
        if self.labels is not None:
            check_labels(self.names, self.labels, self.num_classes,
                         self.source)

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self.scores.shape[1]

    @property
    def known_labels(self) -> np.ndarray:
        """The labels, (N,).

        Raises:
            ScoreError: If there are none.
        """
        if self.labels is None:
            raise ScoreError(f'{self.source}: holds no labels')
        return self.labels


def check_labels(names: Sequence[str], labels: np.ndarray, num_classes: int,
                 source: str) -> None:
    """Refuse labels outside [0, num_classes).

    Args:
        names: Clip names.
        labels: (N,) ints.
        num_classes: K.
        source: Where the labels come from, for the message.

    Raises:
        ScoreError: Names the clips.
    """
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if wrong.size:
        bad = [f'{names[i]} ({labels[i]})' for i in wrong]
        raise ScoreError(f'{source}: labels out of range for {listed(bad)}; '
                         f'the scores have {num_classes} classes, so labels '
                         f'run from 0 to {num_classes - 1}')


def listed(names: Iterable[object], limit: int = 3) -> str:
    """Count names and show the first ones, for messages.

    Args:
        names: Of clips.
        limit: Names that are shown.

    Returns:
        ``'1 clip: a'`` or ``'7 clips: a, b, c, …'``.
    """
    texts = [str(name) for name in names]
    shown = ', '.join(texts[:limit]) + (', …' if len(texts) > limit else '')
    return f'{len(texts)} clip{"s" if len(texts) != 1 else ""}: {shown}'


def without_video_suffix(name: str) -> str:
    """A clip's name as the extraction makes it.

    Args:
        name: With or without the suffix of a video.

    Returns:
        Without it; other suffixes stay.
    """
    if name.lower().endswith(VIDEO_SUFFIXES):
        return os.path.splitext(name)[0]
    return name


def stream_of(names: Iterable[str], rows: Iterable[Any],
              labels: Sequence[int] | np.ndarray | None,
              source: str) -> Scores:
    """Scores of what a file holds.

    Args:
        names: N clip names as in the file.
        rows: N arrays, tensors or lists of K numbers.
        labels: N labels.
        source: See :class:`Scores`.

    Returns:
        Checked.

    Raises:
        ScoreError: See :class:`Scores`; or rows that are of several sizes.
    """
    return Scores([without_video_suffix(name) for name in names],
                  _stacked(rows, source), None if labels is None else
                  np.asarray(labels, dtype=np.int64), source)


def _stacked(rows: Iterable[Any], source: str) -> np.ndarray:
    """The rows of several clips as one array."""
    if isinstance(rows, np.ndarray) and rows.ndim == 2:
        return np.ascontiguousarray(rows, np.float32 if rows.dtype in _SHORT
                                    else np.float64)
    arrays = [row if type(row) is np.ndarray and row.dtype in _SHORT
              else np.asarray(row, dtype=np.float64) for row in rows]
    shapes = {row.shape for row in arrays}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise ScoreError(f'{source}: scores a clip of shapes '
                         f'{sorted(shapes)[:4]}, expected one (classes,)')
    if not arrays:
        return np.empty((0, 0))
    kinds = {row.dtype for row in arrays}
    return np.concatenate(
        arrays, dtype=np.float32 if kinds <= _SHORT else np.float64
    ).reshape(len(arrays), -1)


def concatenate(parts: Sequence[Scores], source: str) -> Scores:
    """One stream of its parts, such as those of several ranks.

    Args:
        parts: At least one.
        source: See :class:`Scores`.

    Returns:
        The clips of all parts, part by part.

    Raises:
        ScoreError: Parts that cannot be of one stream, or clips that are in
            two of them.
    """
    classes = {p.num_classes for p in parts}
    if len(classes) > 1:
        raise ScoreError(f'{source}: parts with {sorted(classes)} classes')
    if len({is_probability(p.scores) for p in parts}) > 1:
        raise ScoreError(f'{source}: some parts are probabilities, some '
                         'logits: they are not of one stream')
    labels = [p.labels for p in parts if p.labels is not None]
    if labels and len(labels) < len(parts):
        raise ScoreError(f'{source}: only some parts have labels')
    if len(parts) == 1:
        return replace(parts[0], source=source)
    return Scores([n for p in parts for n in p.names],
                  np.concatenate([p.scores for p in parts]),
                  np.concatenate(labels) if labels else None, source)
