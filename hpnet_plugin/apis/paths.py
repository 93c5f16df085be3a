"""Where each person of a video is at any time, and what the person does."""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np

from .results import Prediction, VideoResult
from .views import PersonView


class Place(NamedTuple):
    """A person in one frame.

    Attributes:
        box: (4,) x1, y1, x2, y2 in pixels.
        joints: (V, 2) in pixels.
        scores: (V,), 0 where a joint was not found.
    """
    box: np.ndarray
    joints: np.ndarray
    scores: np.ndarray


class Path(NamedTuple):
    """A person in all frames that were looked at and show them.

    Attributes:
        track: The person's number.
        numbers: (T,) ascending, numbers of the frames.
        times: (T,) s from the first frame of the video.
        boxes: (T, 4) x1, y1, x2, y2 in pixels.
        joints: (T, V, 2) in pixels.
        scores: (T, V), 0 where a joint was not found.
        step: s from one frame that was looked at to the next.
    """
    track: int
    numbers: np.ndarray
    times: np.ndarray
    boxes: np.ndarray
    joints: np.ndarray
    scores: np.ndarray
    step: float

    def at(self, time: float) -> Place | None:
        """Where the person is at a time in s.

        Places between two frames are interpolated, also over one frame in
        which the person was missed. The last place before a longer gap, or
        before the end, holds for one step.

        Args:
            time: In s from the first frame.

        Returns:
            None where the person is not seen.
        """
        i = bisect_right(self.times, time) - 1
        if i < 0:
            return None
        since = time - self.times[i]
        if i + 1 < len(self.times):
            gap = self.times[i + 1] - self.times[i]
            if gap <= 2.5 * self.step:
                share = since / gap
                # a joint that one of both frames lacks cannot be placed
                found = np.minimum(self.scores[i], self.scores[i + 1])
                return Place(_mix(self.boxes, i, share),
                             _mix(self.joints, i, share), found)
        if since > self.step:
            return None
        return Place(self.boxes[i], self.joints[i], self.scores[i])


def _mix(values: np.ndarray, i: int, share: float) -> np.ndarray:
    return (1 - share) * values[i] + share * values[i + 1]


def paths(result: VideoResult) -> list[Path]:
    """The people of a video, in order of their track.

    Windows overlap: a frame counts once, as the last window that holds it
    has it.

    Args:
        result: Of a video.

    Returns:
        One a person, in order of the track.
    """
    tracks = {}
    for prediction in result.predictions:
        tracks.setdefault(prediction.track, []).append(prediction)
    looked_at = np.unique(np.concatenate(
        [p.times for p in result.predictions] or [[0.]]))
    step = float(np.median(np.diff(looked_at))) if len(looked_at) > 1 else .5
    found = []
    for track, windows in sorted(tracks.items()):
        numbers = np.concatenate([w.numbers for w in windows])
        boxes = np.concatenate([w.boxes for w in windows])
        # np.unique keeps the first of equals: the last window comes first
        order = np.arange(len(numbers))[::-1]
        order = order[np.isfinite(boxes[order]).all(1)]
        numbers, first = np.unique(numbers[order], return_index=True)
        order = order[first]
        found.append(Path(
            track, numbers,
            np.concatenate([w.times for w in windows])[order], boxes[order],
            np.concatenate([w.joints for w in windows])[order],
            np.concatenate([w.joint_scores for w in windows])[order], step))
    return found


class People:
    """Who is where and does what at any time of a video.

    Args:
        result: What was predicted of it.

    Attributes:
        paths: Where they are, in order of the track.
    """

    def __init__(self, result: VideoResult) -> None:
        self.paths = paths(result)
        self._timelines = {t.track: t for t in result.timelines}
        self._windows: dict[int, list[Prediction]] = {}
        for prediction in sorted(result.predictions, key=lambda p: p.start):
            self._windows.setdefault(prediction.track, []).append(prediction)
        self._starts = {track: [w.start for w in windows]
                        for track, windows in self._windows.items()}
        self._longest = max(
            (p.end - p.start for p in result.predictions), default=0.)

    def at(self, time: float) -> list[PersonView]:
        """The people who are seen at a time in s.

        The label is that of the timeline. The other classes are those of the
        window whose middle is nearest, among those of the same label.

        Args:
            time: In s from the first frame.

        Returns:
            Those who are seen then.
        """
        found = []
        for path in self.paths:
            place = path.at(time)
            if place is not None:
                found.append(PersonView(path.track, *place,
                                        *self._action(path.track, time)))
        return found

    def _action(self, track: int, time: float
                ) -> tuple[str | None, float, list[tuple[str, float]]]:
        """Label, its probability and the best classes."""
        timeline = self._timelines.get(track)
        segment = timeline.at(time) if timeline else None
        starts, windows = self._starts[track], self._windows[track]
        around = windows[bisect_left(starts, time - self._longest):
                         bisect_right(starts, time)]
        window = min(
            (w for w in around if time < w.end),
            key=lambda w: (segment is not None and w.label != segment.label,
                           abs(w.start + w.end - 2 * time)), default=None)
        if segment is None:
            return (None, 0., []) if window is None else (
                window.label, window.score, window.topk)
        if window is None or window.label != segment.label:
            return segment.label, segment.score, []
        return segment.label, window.score, window.topk
