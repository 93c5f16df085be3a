"""What the inferencer gives: windows of people, timelines, videos.

Plain data of numpy arrays; imports neither torch nor mmaction.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

UNKNOWN = 'unknown'
STATUSES = ('ok', 'no_person', 'damaged', 'failed')


class ClipInput(NamedTuple):
    """What a model is given of a window or clip: M people, T frames.

    Attributes:
        arrays: ``keypoint`` (M, T, V, 2) float32 in pixels of the frame,
            ``keypoint_score`` (M, T, V) float32, 0 where a person is absent,
            and each feature by its name, (M, T, V, C) float16: the arrays
            that ``hpnet extract`` stores.
        shape: Height and width of the frames.
        crops: Person-centred images, for models that see them: an object
            with ``frames``, the number T of its frames, and
            ``read(indices)``, which gives (H, W, 3) uint8 RGB images in the
            order asked (:class:`hpnet_plugin.datasets.crops.Crops` is one).
            None where no model asks for them.
        name: For messages.
    """
    arrays: dict[str, np.ndarray]
    shape: tuple[int, int]
    crops: Any = None
    name: str = ''


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one person does in one window of time.

    Attributes:
        source: The video, as it was named.
        track: The person's number in this source, from 0.
        start: Of the window, in s from the first frame of the source.
        end: Likewise; the last frame's own duration is included.
        label: Name of the class, or ``'unknown'``.
        label_id: Its number, -1 of ``'unknown'``.
        score: Probability of the best class (also where it is unknown).
        topk: The best classes, name and probability, the best first.
        probabilities: (K,) float32, calibrated where the model is.
        raw: (K,) float32, what ``mim test --dump`` holds for this input.
        numbers: (T,) int, frames of the source that were looked at.
        times: (T,) s from the first frame of the source.
        boxes: (T, 4) x1, y1, x2, y2 in pixels; NaN where the person is
            absent.
        joints: (T, V, 2) in pixels of the frame, 0 where absent.
        joint_scores: (T, V), 0 where absent.
        pose_score: Mean score of the joints where the person is present.
        energy: (T, V) L2 norm of the pooled feature at each joint, None
            where no feature was pooled.
        together: Tracks of the other people that the model saw with this
            one.
        final: Whether nothing that comes later changes it.
    """
    source: str
    track: int
    start: float
    end: float
    label: str
    label_id: int
    score: float
    topk: list[tuple[str, float]]
    probabilities: np.ndarray
    raw: np.ndarray
    numbers: np.ndarray
    times: np.ndarray
    boxes: np.ndarray
    joints: np.ndarray
    joint_scores: np.ndarray
    pose_score: float
    energy: np.ndarray | None = None
    together: tuple[int, ...] = ()
    final: bool = True


class Segment(NamedTuple):
    """A stretch of a timeline, in s, in which one label holds."""
    start: float
    end: float
    label: str
    label_id: int
    score: float


@dataclass(frozen=True)
class Timeline:
    """What one person does, from the first to the last window.

    Attributes:
        track: The person's number.
        segments: In order of time; they do not overlap. There may be gaps,
            where the person is not seen.
    """
    track: int
    segments: list[Segment]

    def at(self, time: float) -> Segment | None:
        """The segment at a time in s, None in a gap."""
        for segment in self.segments:
            if segment.start <= time < segment.end:
                return segment
        return None


@dataclass(frozen=True)
class VideoResult:
    """All that is known of one video.

    Attributes:
        source: The video, as it was named.
        status: ``'ok'``; ``'no_person'``: nobody was found;
            ``'damaged'``: predicted as far as it could be decoded;
            ``'failed'``: nothing could be predicted.
        message: What is wrong, empty if nothing is.
        predictions: In order of their end, then of the track.
        timelines: One a person, in order of the track.
        classes: Names in label order.
        fps: Frames a second of the video; 0 if it does not say.
        duration: In s.
        frames: Frames of the video.
        shape: Height and width of the frames, upright.
        seconds: What the prediction took.
        model: Name of the model.
    """
    source: str
    status: str
    message: str = ''
    predictions: list[Prediction] = field(default_factory=list)
    timelines: list[Timeline] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    fps: float = 0.
    duration: float = 0.
    frames: int = 0
    shape: tuple[int, int] = (0, 0)
    seconds: float = 0.
    model: str = ''


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
