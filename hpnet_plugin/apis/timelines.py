"""What each person does when, of windows that overlap."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..evaluation.calibration import UNKNOWN
from .results import Prediction, Segment, Timeline
from .windows import EPSILON

LEAST_CHANCE = 1e-4  # one window alone rules nothing out


def timelines(predictions: Iterable[Prediction], classes: Sequence[str],
              threshold: float = 0.) -> list[Timeline]:
    """What each person does when, of overlapping windows.

    The likeliest sequence of labels, one a window (Viterbi's algorithm): an
    action lasts about a window, as the training clips do, so that the next
    window shows another one with the probability stride / window (one half
    at most), any other one alike. Windows that share frames say the same
    twice: each counts with stride / window. Two labels meet midway between
    the middles of their windows. Where no window shows the person there is a
    gap, and after it everything is open again.

    Args:
        predictions: Of one video.
        classes: Class names in label order.
        threshold: ``'unknown'`` is a label of this probability in each
            window.

    Returns:
        In order of the track.
    """
    people: dict[int, list[Prediction]] = {}
    for prediction in predictions:
        people.setdefault(prediction.track, []).append(prediction)
    return [Timeline(track, [
        segment for windows in _unbroken(people[track])
        for segment in _segments(windows, classes, threshold)])
        for track in sorted(people)]


def _unbroken(windows: Iterable[Prediction]) -> list[list[Prediction]]:
    """Windows in order of time, those that meet or overlap together."""
    runs: list[list[Prediction]] = []
    for window in sorted(windows, key=lambda w: (w.start, w.end)):
        if runs and window.start <= runs[-1][-1].end + EPSILON:
            runs[-1].append(window)
        else:
            runs.append([window])
    return runs


def _segments(windows: Sequence[Prediction], classes: Sequence[str],
              threshold: float) -> list[Segment]:
    """Stretches of one label each, of windows that meet or overlap."""
    chances = np.stack([w.probabilities for w in windows]).astype(np.float64)
    labels = _likeliest(windows, np.column_stack((
        chances, np.full(len(chances), threshold))))
    middles = np.array([(w.start + w.end) / 2 for w in windows])
    borders = [windows[0].start, *(middles[1:] + middles[:-1]) / 2,
               max(w.end for w in windows)]
    segments: list[Segment] = []
    first = 0
    for i in range(1, len(labels) + 1):
        if i < len(labels) and labels[i] == labels[first]:
            continue
        best = int(labels[first])
        known = best < len(classes)
        some = chances[first:i]
        score = some[:, best] if known else some.max(1)
        segments.append(Segment(
            float(borders[first]), float(borders[i]),
            classes[best] if known else UNKNOWN, best if known else -1,
            float(score.mean())))
        first = i
    return segments


def _likeliest(windows: Sequence[Prediction], chances: np.ndarray
               ) -> np.ndarray:
    """The likeliest sequence of labels (N,) of probabilities (N, K)."""
    if len(windows) == 1:
        return chances.argmax(1)
    length = np.median([w.end - w.start for w in windows])
    stride = np.median(np.diff([w.start for w in windows]))
    share = float(np.clip(stride / length, 0.01, 1))
    change = min(share, 0.5)
    cost = np.log((1 - change) * max(chances.shape[1] - 1, 1) / change)
    evidence = share * np.log(np.maximum(chances, LEAST_CHANCE))
    total, before = evidence[0], []
    for row in evidence[1:]:
        best = int(total.argmax())
        stays = total >= total[best] - cost
        before.append(np.where(stays, np.arange(len(row)), best))
        total = np.where(stays, total, total[best] - cost) + row
    labels = [int(total.argmax())]
    for row in before[::-1]:
        labels.append(int(row[labels[-1]]))
    return np.array(labels[::-1])
