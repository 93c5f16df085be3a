"""What the inferencer gives: windows of people, timelines, videos.

Plain data of numpy arrays; imports neither torch nor mmaction. The JSON form
is described by ``prediction.schema.json`` beside this file.
"""
from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..files import write_whole

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from .supervision_frames import SupervisionFrame

FORMAT, VERSION = 'hpnet_plugin prediction', 1
SCHEMA = Path(__file__).with_name('prediction.schema.json')


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

    def to_dict(self, poses: bool = False) -> dict[str, Any]:
        """As JSON data; the source is not in it.

        Args:
            poses: Also boxes, joints and energies of each frame.

        Returns:
            By ``prediction.schema.json``.
        """
        data = dict(
            track=self.track, start=_rounded(self.start, 4),
            end=_rounded(self.end, 4), label=self.label,
            label_id=self.label_id, score=_rounded(self.score, 6),
            topk=[dict(label=label, score=_rounded(score, 6))
                  for label, score in self.topk],
            pose_score=_rounded(self.pose_score, 4),
            together=list(self.together),
            probabilities=_rounded(self.probabilities, 6),
            raw=_rounded(self.raw, 5))
        if poses:
            absent = ~np.isfinite(self.boxes).all(1)
            boxes = _rounded(np.nan_to_num(self.boxes), 2)
            data.update(
                numbers=np.asarray(self.numbers).tolist(),
                times=_rounded(self.times, 4),
                boxes=[None if no else box
                       for no, box in zip(absent, boxes)],
                joints=_rounded(self.joints, 2),
                joint_scores=_rounded(self.joint_scores, 4),
                energy=None if self.energy is None
                else _rounded(self.energy, 3))
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = ''
                  ) -> Prediction:
        """What :meth:`to_dict` was made of, to the digits that it keeps.

        Without poses it has no frames: T = 0.

        Args:
            data: Of :meth:`to_dict`.
            source: The video, as it was named.

        Returns:
            The prediction.
        """
        boxes = [[np.nan] * 4 if box is None else box
                 for box in data.get('boxes', [])]
        joints = _array(data.get('joints', []))
        return cls(
            source=source, track=data['track'], start=data['start'],
            end=data['end'], label=data['label'], label_id=data['label_id'],
            score=_number(data['score']),
            topk=[(best['label'], _number(best['score']))
                  for best in data['topk']],
            probabilities=_array(data['probabilities']),
            raw=_array(data['raw']),
            numbers=np.array(data.get('numbers', []), np.int64),
            times=_array(data.get('times', []), np.float64),
            boxes=_array(boxes).reshape(-1, 4),
            joints=joints if joints.ndim == 3 else joints.reshape(0, 0, 2),
            joint_scores=_array(data.get('joint_scores', [])).reshape(
                len(joints), -1 if joints.size else 0),
            pose_score=_number(data['pose_score']),
            energy=None if data.get('energy') is None
            else _array(data['energy']),
            together=tuple(data['together']))


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
        """The segment at a time.

        Args:
            time: In s.

        Returns:
            None in a gap.
        """
        i = bisect_right(self.segments, time, key=lambda s: s.start) - 1
        found = i >= 0 and time < self.segments[i].end
        return self.segments[i] if found else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON data.

        Returns:
            By ``prediction.schema.json``.
        """
        return dict(track=self.track, segments=[
            dict(start=_rounded(s.start, 4), end=_rounded(s.end, 4),
                 label=s.label, label_id=s.label_id,
                 score=_rounded(s.score, 6)) for s in self.segments])

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Timeline:
        """What :meth:`to_dict` was made of, to the digits that it keeps.

        Args:
            data: Of :meth:`to_dict`.

        Returns:
            The timeline.
        """
        return cls(data['track'], [
            Segment(s['start'], s['end'], s['label'], s['label_id'],
                    _number(s['score'])) for s in data['segments']])


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

    def to_dict(self, poses: bool = False) -> dict[str, Any]:
        """As JSON data, by ``prediction.schema.json``.

        Times have four digits after the point, probabilities six, pixels
        two. What is no number is None.

        Args:
            poses: Also boxes, joints and energies of each frame that was
                looked at: what it takes to draw the result later, and most
                of the bytes.

        Returns:
            Dicts, lists, texts and numbers.
        """
        height, width = self.shape
        return dict(
            format=FORMAT, version=VERSION, source=self.source,
            status=self.status, message=self.message, model=self.model,
            seconds=_rounded(self.seconds, 3), classes=list(self.classes),
            video=dict(fps=_rounded(self.fps, 4),
                       duration=_rounded(self.duration, 4),
                       frames=self.frames, width=width, height=height),
            timelines=[timeline.to_dict() for timeline in self.timelines],
            predictions=[prediction.to_dict(poses)
                         for prediction in self.predictions])

    def to_json(self, path: str | os.PathLike[str] | None = None,
                poses: bool = False) -> str:
        """As JSON text, one prediction a line.

        Args:
            path: A file to write it to, too; it appears whole.
            poses: See :meth:`to_dict`.

        Returns:
            The text.

        Raises:
            OSError: If the file cannot be written.
        """
        data = self.to_dict(poses)
        long = {key: data.pop(key) for key in ('timelines', 'predictions')}
        text = json.dumps(data, ensure_ascii=False, indent=1)[:-2]
        for key, rows in long.items():
            lines = ',\n  '.join(json.dumps(row, ensure_ascii=False,
                                           allow_nan=False) for row in rows)
            text += f',\n "{key}": [' + (f'\n  {lines}\n ]' if rows else ']')
        text += '\n}\n'
        if path is not None:
            write_whole(path, text.encode())
        return text

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> VideoResult:
        """What :meth:`to_dict` was made of, to the digits that it keeps.

        Args:
            data: Of :meth:`to_dict`.

        Returns:
            The result.

        Raises:
            ValueError: If it is something else, or of a later version.
        """
        found = data.get('format') if isinstance(data, Mapping) else None
        if found != FORMAT or data.get('version') != VERSION:
            raise ValueError(
                f'no result of "hpnet predict": expected format {FORMAT!r} '
                f'and version {VERSION}, got '
                + (f'{found!r} and {data.get("version")!r}'
                   if isinstance(data, Mapping) else type(data).__name__))
        video = data['video']
        return cls(
            source=data['source'], status=data['status'],
            message=data['message'],
            predictions=[Prediction.from_dict(row, data['source'])
                         for row in data['predictions']],
            timelines=[Timeline.from_dict(row) for row in data['timelines']],
            classes=tuple(data['classes']), fps=video['fps'],
            duration=video['duration'], frames=video['frames'],
            shape=(video['height'], video['width']),
            seconds=data['seconds'], model=data['model'])

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> VideoResult:
        """Read a file of :meth:`to_json`.

        Args:
            path: The file.

        Returns:
            The result.

        Raises:
            FileNotFoundError: If it is not there.
            ValueError: If it is something else; names the file.
        """
        try:
            return cls.from_dict(json.loads(Path(path).read_bytes()))
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from None
        except KeyError as error:
            raise ValueError(f'{path}: no result of "hpnet predict", key '
                             f'{error} is missing') from None

    def window_rows(self) -> list[dict[str, Any]]:
        """Rows of a table, one a prediction.

        Returns:
            Column to value, of each prediction.
        """
        return [dict(source=self.source, track=p.track,
                     start=_rounded(p.start, 4), end=_rounded(p.end, 4),
                     label=p.label, score=_rounded(p.score, 6),
                     pose_score=_rounded(p.pose_score, 4))
                for p in self.predictions]

    def segment_rows(self) -> list[dict[str, Any]]:
        """Rows of a table, one a segment of a timeline.

        Returns:
            Column to value, of each segment.
        """
        return [dict(source=self.source, track=timeline.track,
                     start=_rounded(s.start, 4), end=_rounded(s.end, 4),
                     label=s.label, score=_rounded(s.score, 6))
                for timeline in self.timelines for s in timeline.segments]

    def to_supervision(self) -> list[SupervisionFrame]:
        """For the annotators and trackers of the package supervision.

        Returns:
            A frame each that was looked at, in order: number, time in s, a
            ``supervision.Detections`` of its people (``xyxy``,
            ``tracker_id``, ``class_id`` and ``confidence`` of the label at
            that time, -1 of ``'unknown'`` and where there is none; ``data``
            with ``class_name``) and their ``supervision.KeyPoints``.

        Raises:
            ImportError: If supervision is not installed.
        """
        from .supervision_frames import supervision_frames
        return supervision_frames(self)


def _rounded(values: Any, digits: int) -> Any:
    """As JSON data of so many digits after the point; None for NaN."""
    if isinstance(values, np.ndarray):
        if np.isfinite(values).all():
            return np.round(values.astype(np.float64), digits).tolist()
        return [_rounded(value, digits) for value in values]
    value = round(float(values), digits)
    return value if np.isfinite(value) else None


def _array(values: Any, dtype: DTypeLike = np.float32) -> np.ndarray:
    return np.array(values, dtype)  # None becomes NaN


def _number(value: float | None) -> float:
    return float('nan') if value is None else value
