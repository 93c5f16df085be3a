"""Results in the form of the package supervision, which is imported here."""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .paths import People
from .results import VideoResult


class SupervisionFrame(NamedTuple):
    """A frame that was looked at.

    Attributes:
        number: Of the frame.
        time: In s from the first frame.
        detections: Its people.
        key_points: Their joints, in the same order.
    """
    number: int
    time: float
    detections: Any
    key_points: Any


def supervision_frames(result: VideoResult) -> list[SupervisionFrame]:
    """A result for the annotators and trackers of the package supervision.

    Args:
        result: Of a video.

    Returns:
        A frame each that was looked at, in order.

    Raises:
        ImportError: If supervision is not installed.
    """
    try:
        import supervision  # pyrefly: ignore[missing-import]  # optional
    except ImportError as error:
        raise ImportError('to_supervision() needs the package supervision: '
                          'pip install supervision') from error
    people, ids = People(result), {
        label: number for number, label in enumerate(result.classes)}
    times = {int(number): float(time) for path in people.paths
             for number, time in zip(path.numbers, path.times)}
    frames = []
    for number, time in sorted(times.items()):
        shown = people.at(time)
        numbers = np.array([ids.get(p.label or '', -1) for p in shown])
        names = dict(class_name=np.array([p.label or '' for p in shown]))
        frames.append(SupervisionFrame(
            number, time,
            supervision.Detections(
                xyxy=np.array([p.box for p in shown], np.float32),
                confidence=np.array([p.score for p in shown], np.float32),
                class_id=numbers,
                tracker_id=np.array([p.track for p in shown]), data=names),
            # by place: the third argument changed its name in 0.29
            supervision.KeyPoints(
                np.array([p.joints for p in shown], np.float32), numbers,
                np.array([p.scores for p in shown], np.float32),
                data=dict(names))))
    return frames
