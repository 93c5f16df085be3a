"""What people do, drawn on the frames of a video.

Imports neither torch nor mmaction.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from ..apis.media import Media
from ..apis.paths import People
from ..apis.results import VideoResult
from ..apis.views import FrameView, PersonView
from ..estimation.video import VideoReader
from .person_drawing import (
    Color,
    Rectangle,
    Row,
    covered,
    draw_body,
    label_block,
)
from .text import printable_names
from .timeline_bar import TimelineBar, person_color, person_colors
from .video_writer import video_writer

SMALL = 240  # frames whose shorter side is below are drawn at twice the size
TOP = 3  # actions beside a person, where there is room
SHOWN = .05  # from this probability on, but for the best


def draw_video(path: str | os.PathLike | Media, result: VideoResult,
               out: str | os.PathLike, *,
               progress: Callable[[int, int], None] | None = None,
               names: dict[str, str] | None = None) -> None:
    """Draw what was predicted of a video on all of its frames.

    The frames are decoded again, one after the other, and those between two
    that were looked at get boxes and joints in between. The file is an mp4
    (H.264, yuv420p) with the times of the video's frames and without sound;
    below the frames is a bar with the timelines. Frames smaller than 240
    pixels are drawn at twice their size.

    Args:
        path: The video, or a medium that is not live.
        result: What was predicted of it.
        out: The file to write; it appears when it is complete.
        progress: Told the frames that are drawn, and their number.
        names: Label to how it is written, of :attr:`Overlay.names`.

    Raises:
        VideoError: If the video cannot be decoded.
        ValueError: If the result is one of frames of another size.
        OSError: If the file cannot be written.
    """
    people = People(result)
    with path.reader() if isinstance(path, Media) else VideoReader(
            os.fspath(path), damaged='mark', threads=0) as reader:
        overlay = bar = None
        with video_writer(out, reader.info.fps) as write:
            done = 0
            for chunk in reader.chunks(4):
                for time, image in zip(chunk.times, chunk.images):
                    if overlay is None:
                        _check_shape(path, result, image.shape[:2])
                        overlay = Overlay(
                            result.classes, names,
                            person_colors(result.timelines))
                        bar = _bar(result, image.shape[:2], overlay.names,
                                   max(result.duration, reader.times[-1]))
                    write(overlay.draw(image, people.at(time), bar, time),
                          time)
                done += len(chunk.images)
                if progress:
                    progress(done, reader.count)


def _check_shape(path: str | os.PathLike | Media, result: VideoResult,
                 shape: tuple[int, ...]) -> None:
    if any(result.shape) and tuple(result.shape) != tuple(shape):
        raise ValueError(
            f'{getattr(path, "name", path)} has frames of '
            f'{shape[1]}x{shape[0]} pixels, the result is of '
            f'{result.source} with {result.shape[1]}x{result.shape[0]}: '
            'draw a result on the video that it was made of')


def _bar(result: VideoResult, shape: tuple[int, ...],
         names: dict[str, str], duration: float) -> TimelineBar:
    factor = _factor(shape)
    return TimelineBar(result.timelines, duration, factor * shape[1],
                       text_size(factor * shape[0], factor * shape[1]), names)


def draw_frame(view: FrameView, names: dict[str, str] | None = None
               ) -> np.ndarray:
    """Draw the people of one frame, for live display.

    Args:
        view: The frame and its people.
        names: Label to how it is written, of :attr:`Overlay.names`; labels are
            written as they are without.

    Returns:
        (H, W, 3) uint8 RGB, at twice the frame's size if that is small.
    """
    return Overlay(names=names).draw(view.image, view.people)


class Overlay:
    """Draws people on the frames of one video, one after the other.

    It remembers on which side of a person the text stood, so that it does
    not jump.

    Args:
        classes: Names of the classes in label order.
        names: Label to how it is written, instead of ``classes``.
        colors: Track to RGB; by the number of the track without.

    Attributes:
        names: Label to how it is written.
    """

    def __init__(self, classes: tuple[str, ...] = (),
                 names: dict[str, str] | None = None,
                 colors: dict[int, Color] | None = None
                 ) -> None:
        self._colors = colors or {}
        self.names = names if names is not None else dict(
            zip(classes, printable_names(classes)))
        self._sides: dict[int, tuple[int, bool]] = {}

    def draw(self, image: np.ndarray, people: Sequence[PersonView],
             bar: TimelineBar | None = None, time: float = 0.) -> np.ndarray:
        """Draw people on a frame.

        Args:
            image: (H, W, 3) uint8 RGB; stays as it is.
            people: Who is in it.
            bar: To stand below the frame.
            time: Of the frame in s, for the bar.

        Returns:
            (H, W, 3) uint8 RGB, a copy.
        """
        factor = _factor(image.shape)
        height, width = factor * image.shape[0], factor * image.shape[1]
        canvas = np.empty((height + (bar.height if bar else 0), width, 3),
                          np.uint8)
        frame = canvas[:height]
        if factor == 1:
            frame[:] = image
        else:
            cv2.resize(image, (width, height), dst=frame,
                       interpolation=cv2.INTER_CUBIC)
        if bar:
            bar.draw(canvas[height:], time)
        size = text_size(height, width)
        # who stands further down is nearer, and drawn last
        people = sorted(people, key=lambda p: p.box[3])
        for person in people:
            draw_body(frame, person, factor, size, self._color(person))
        boxes = [factor * np.asarray(p.box) for p in people
                 if np.isfinite(p.box).all()]
        taken: list[Rectangle] = []
        for person in sorted(people, key=lambda p: p.track):
            if np.isfinite(person.box).all():
                self._draw_text(frame, person, factor * person.box, size,
                                boxes, taken)
        return canvas

    def _color(self, person: PersonView) -> Color:
        return self._colors.get(person.track) or person_color(person.track)

    def _draw_text(self, frame: np.ndarray, person: PersonView,
                   box: np.ndarray, size: int, boxes: list[np.ndarray],
                   taken: list[Rectangle]) -> None:
        """Track and actions in a block beside the box.

        Where it covers least: no other block, no head, no body.
        """
        height, width = frame.shape[:2]
        most = min(max(9 * size, round(.75 * width)), 22 * size)
        rows = tuple(self._rows(person))
        x1, y1, x2, y2 = np.round(box).astype(int).tolist()
        gap, found = size // 4, []
        for few in (False, True) if len(rows) > 1 else (False, ):
            block = label_block(person.track, self._color(person),
                           rows[:1] if few else rows, size, most)
            rise, wide = block.shape[:2]
            beside = min(max(x1, 0), max(width - wide, 0))
            for i, (x, y) in enumerate((
                    (beside, y1 - rise - gap), (x2 + gap, y1),
                    (x1 - wide - gap, y1), (beside, y2 + gap),
                    (beside, min(y2, height) - rise),
                    (beside, max(y1, 0)))):
                spot = x, y, x + wide, y + rise
                if not (0 <= x and 0 <= y and spot[3] <= height
                        and spot[2] <= max(width, wide)):
                    continue
                side = i, few
                cost = (covered(spot, taken, boxes) + .03 * i + .3 * few
                        + .2 * (side != self._sides.get(person.track, side)))
                found.append((cost, side, spot, block))
        if not found:  # a frame too small for any of them
            return
        _, side, spot, block = min(found, key=lambda spot: spot[0])
        self._sides[person.track] = side
        taken.append(spot)
        x, y = spot[:2]
        block = block[:, :width - x]
        frame[y:spot[3], x:x + block.shape[1]] = block

    def _rows(self, person: PersonView) -> list[Row]:
        """(text, probability, whether it holds) of the actions."""
        if person.label is None:
            return []
        name = self.names.get(person.label, person.label)
        rows = [(name, person.score, True)]
        for label, score in person.topk:
            if len(rows) < TOP and score >= SHOWN and label != person.label:
                rows.append((self.names.get(label, label), score, False))
        return rows


def _factor(shape: tuple[int, ...]) -> int:
    return 2 if min(shape[:2]) < SMALL else 1


def text_size(height: int, width: int) -> int:
    """Size of text that can be read in frames of a size.

    Args:
        height: Of the frames in pixels.
        width: Of the frames in pixels.

    Returns:
        In pixels.
    """
    return max(11, round(.026 * min(height, width)))
