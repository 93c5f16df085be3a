"""A frame that was looked at, and what is known of its people by then.

Plain data of numpy arrays; imports neither torch nor mmaction.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .results import Prediction


class PersonView(NamedTuple):
    """Somebody in a frame.

    Attributes:
        track: The person's number.
        box: (4,) x1, y1, x2, y2 in pixels.
        joints: (V, 2) in pixels.
        scores: (V,) of the joints.
        label: What the person does, None where it is not known yet.
        score: Its probability.
        topk: The best classes, name and probability.
    """
    track: int
    box: np.ndarray
    joints: np.ndarray
    scores: np.ndarray
    label: str | None
    score: float
    topk: list[tuple[str, float]]

    @classmethod
    def of(cls, track: int, box: np.ndarray, joints: np.ndarray,
           scores: np.ndarray, last: Prediction | None) -> PersonView:
        """Somebody of whom a prediction is known, or none.

        Args:
            track: The person's number.
            box: See the attributes, as the next two.
            joints: Likewise.
            scores: Likewise.
            last: The latest prediction, None where there is none.

        Returns:
            The view.
        """
        if last is None:
            return cls(track, box, joints, scores, None, 0., [])
        return cls(track, box, joints, scores, last.label, last.score,
                   last.topk)


class FrameView(NamedTuple):
    """A frame that was looked at, and what is known by then.

    Attributes:
        source: The video, as it was named.
        number: Of the frame.
        time: In s from the first frame.
        image: (H, W, 3) uint8, RGB.
        people: Those in it.
    """
    source: str
    number: int
    time: float
    image: np.ndarray
    people: list[PersonView]
