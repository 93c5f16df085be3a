"""Predicted timelines against true segments: accuracy and segment F1.

The measures of action segmentation (Lea et al., *Temporal Convolutional
Networks for Action Segmentation and Detection*, CVPR 2017; the same in
MS-TCN, CVPR 2019):

- **frame-wise accuracy**: the share of frames with a true label whose
  predicted label is the same. Frames without a prediction, or with
  ``'unknown'``, are wrong; frames without a true label are not counted.
- **F1@k**: a predicted segment is right if its IoU with a true segment of
  the same label is at least k percent, and no earlier predicted segment has
  that true one; every other predicted segment is wrong, and so is each true
  one that is left over. It asks for the right number of segments where
  accuracy forgives many short ones.
"""
from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .calibration import UNKNOWN

if TYPE_CHECKING:
    from ..apis.results import Timeline

OVERLAPS = (10, 25, 50)


class TrueSegment(NamedTuple):
    """A stretch of a video in which somebody does something.

    Attributes:
        start: In s from the first frame.
        end: In s.
        label: What is done.
    """
    start: float
    end: float
    label: str


class SegmentCounts(NamedTuple):
    """What was counted in some videos.

    Attributes:
        frames: With a true label.
        right: Of them, with the same predicted label.
        predicted: Predicted segments.
        true: True segments.
        hits: Overlap in percent to the predicted segments that are right.
    """
    frames: int
    right: int
    predicted: int
    true: int
    hits: dict[int, int]

    def __add__(self, other: SegmentCounts) -> SegmentCounts:  # pyrefly: ignore[bad-override]
        return SegmentCounts(
            self.frames + other.frames, self.right + other.right,
            self.predicted + other.predicted, self.true + other.true,
            {k: hits + other.hits[k] for k, hits in self.hits.items()})

    @property
    def accuracy(self) -> float:
        """Frame-wise accuracy in percent."""
        return 100 * self.right / max(self.frames, 1)

    def f1(self, overlap: int) -> float:
        """F1@k of the segments.

        Args:
            overlap: k in percent, one of ``OVERLAPS``.

        Returns:
            In percent.
        """
        return 200 * self.hits[overlap] / max(self.predicted + self.true, 1)

    def record(self) -> dict[str, Any]:
        """The counts and measures as JSON data.

        Returns:
            ``frames``, ``accuracy``, ``f1@10``, ``f1@25``, ``f1@50``,
            ``predicted_segments`` and ``true_segments``.
        """
        return dict(
            frames=self.frames, accuracy=self.accuracy,
            **{f'f1@{k}': self.f1(k) for k in self.hits},
            predicted_segments=self.predicted, true_segments=self.true)


def compare_timelines(timelines: Iterable[Timeline],
                      truth: Sequence[TrueSegment],
                      fps: float) -> SegmentCounts:
    """Count what is right in the timelines of one video.

    Who does what is not compared: where several people are seen at once, the
    label with the highest score counts. So a person who was lost and found
    again under another number is one person.

    Args:
        timelines: Predicted.
        truth: True segments, of the person who acts.
        fps: Frames a second.

    Returns:
        To be added to those of other videos.
    """
    predicted = joined(timelines)
    truth = _join(truth)
    times = np.arange(int(np.ceil(max(s.end for s in truth) * fps))) / fps
    wanted = _labels(truth, times)
    found = _labels(predicted, times)
    known = [i for i, label in enumerate(wanted) if label is not None]
    return SegmentCounts(
        len(known), sum(found[i] == wanted[i] for i in known),
        len(predicted), len(truth),
        {k: _hits(predicted, truth, k / 100) for k in OVERLAPS})


def joined(timelines: Iterable[Timeline]) -> list[TrueSegment]:
    """The segments of all people as one sequence, without ``'unknown'``.

    Args:
        timelines: Of one video.

    Returns:
        Of any two that overlap, the one with the higher score.
    """
    segments = [s for timeline in timelines for s in timeline.segments]
    edges = sorted({time for s in segments for time in (s.start, s.end)})
    parts = []
    for start, end in zip(edges, edges[1:]):
        best = max((s for s in segments if s.start <= start and s.end >= end),
                   key=lambda s: s.score, default=None)
        if best is not None and best.label != UNKNOWN:
            parts.append(TrueSegment(start, end, best.label))
    return _join(parts)


def _join(segments: Iterable[TrueSegment], slack: float = 1e-3
          ) -> list[TrueSegment]:
    """Segments of one label that touch are one; in order of time."""
    whole: list[TrueSegment] = []
    for s in sorted(segments):
        last = whole[-1] if whole else None
        if last and last.label == s.label and s.start - last.end <= slack:
            whole[-1] = last._replace(end=max(last.end, s.end))
        else:
            whole.append(TrueSegment(*s))
    return whole


def _labels(segments: Sequence[TrueSegment], times: np.ndarray
            ) -> list[str | None]:
    """The label at each time, None where there is none."""
    labels: list[str | None] = [None] * len(times)
    for segment in segments:
        first, last = np.searchsorted(
            times, (segment.start - 1e-6, segment.end - 1e-6))
        labels[first:last] = [segment.label] * (last - first)
    return labels


def _hits(predicted: Sequence[TrueSegment], truth: Sequence[TrueSegment],
          least: float) -> int:
    """Predicted segments that are right."""
    taken, hits = set(), 0
    for p in predicted:
        best, at = 0., None
        for i, t in enumerate(truth):
            common = min(p.end, t.end) - max(p.start, t.start)
            if t.label == p.label and common > 0:
                overlap = common / (max(p.end, t.end) - min(p.start, t.start))
                if overlap > best:
                    best, at = overlap, i
        if at is not None and best >= least - 1e-9 and at not in taken:
            taken.add(at)
            hits += 1
    return hits


def read_truth(path: str) -> list[TrueSegment]:
    """Read true segments, ``[{"start": s, "end": s, "label": name}, …]``.

    They may stand as ``segments`` in an object, as in the file that
    ``python -m hpnet_plugin.demo OUT --long MINUTES`` writes.

    Args:
        path: A JSON file; times are in s.

    Returns:
        In order of time.

    Raises:
        FileNotFoundError: If it is not there.
        ValueError: If it is something else, or segments overlap.
    """
    with open(path, encoding='utf-8') as file:
        try:
            rows = json.load(file)
        except (ValueError, RecursionError) as error:
            raise ValueError(f'{path} is no JSON: {error}') from None
    if isinstance(rows, dict):
        rows = rows.get('segments')
    try:
        people = {row.get('track', 0) for row in rows}
        if len(people) > 1:
            raise ValueError(f'{len(people)} people, where the measure is of '
                             'one')
        truth = sorted(TrueSegment(float(row['start']), float(row['end']),
                                   str(row['label'])) for row in rows)
    except (TypeError, KeyError, ValueError, AttributeError,
            OverflowError) as error:
        raise ValueError(
            f'{path}: expected a list of {{"start": s, "end": s, "label": '
            f'name}}, got trouble with {error}') from None
    if not truth:
        raise ValueError(f'{path} has no segment')
    for s, after in zip(truth, [*truth[1:], None]):
        if not 0 <= s.start < s.end:
            raise ValueError(f'{path}: a segment from {s.start:g} to '
                             f'{s.end:g} s; it must begin at 0 or later and '
                             'end after its start')
        if after and after.start < s.end - 1e-6:
            raise ValueError(
                f'{path}: "{s.label}" until {s.end:g} s and "{after.label}" '
                f'from {after.start:g} s overlap')
    return truth
