"""What people do, drawn on the frames of a video.

Imports neither torch nor mmaction.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache

import cv2
import numpy as np

from ..apis.media import Media
from ..apis.paths import People
from ..apis.results import VideoResult
from ..apis.views import FrameView, PersonView
from ..estimation.video import VideoReader
from ..files import open_whole
from .joints import JOINTS, LIMBS
from .text import printable_names, put_text, shorten, text_width
from .timeline_bar import TimelineBar, person_color, person_colors

LEAST = .2  # joints of a lower score are not drawn
SMALL = 240  # frames whose shorter side is below are drawn at twice the size
TOP = 3  # actions beside a person, where there is room
SHOWN = .05  # from this probability on, but for the best
_DARK = (18, 20, 24)
_SHIFT = 4  # cv2 draws at 1/16 pixel


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


def _check_shape(path, result, shape) -> None:
    if any(result.shape) and tuple(result.shape) != tuple(shape):
        raise ValueError(
            f'{getattr(path, "name", path)} has frames of '
            f'{shape[1]}x{shape[0]} pixels, the result is of '
            f'{result.source} with {result.shape[1]}x{result.shape[0]}: '
            'draw a result on the video that it was made of')


def _bar(result, shape, names, duration):
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
                 colors: dict[int, tuple[int, int, int]] | None = None
                 ) -> None:
        self._colors = colors or {}
        self.names = names if names is not None else dict(
            zip(classes, printable_names(classes)))
        self._sides: dict[int, int] = {}

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
            _draw_body(frame, person, factor, size, self._color(person))
        boxes = [factor * np.asarray(p.box) for p in people
                 if np.isfinite(p.box).all()]
        taken = []
        for person in sorted(people, key=lambda p: p.track):
            if np.isfinite(person.box).all():
                self._draw_text(frame, person, factor * person.box, size,
                                boxes, taken)
        return canvas

    def _color(self, person):
        return self._colors.get(person.track) or person_color(person.track)

    def _draw_text(self, frame, person, box, size, boxes, taken) -> None:
        """Track and actions in a block beside the box.

        Where it covers least: no other block, no head, no body.
        """
        height, width = frame.shape[:2]
        most = min(max(9 * size, round(.75 * width)), 22 * size)
        rows = tuple(self._rows(person))
        x1, y1, x2, y2 = np.round(box).astype(int).tolist()
        gap, found = size // 4, []
        for few in (False, True) if len(rows) > 1 else (False, ):
            block = _block(person.track, self._color(person),
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
                cost = (_covered(spot, taken, boxes) + .03 * i + .3 * few
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

    def _rows(self, person):
        """(text, probability, whether it holds) of the actions."""
        if person.label is None:
            return []
        name = self.names.get(person.label, person.label)
        rows = [(name, person.score, True)]
        for label, score in person.topk:
            if len(rows) < TOP and score >= SHOWN and label != person.label:
                rows.append((self.names.get(label, label), score, False))
        return rows


def _factor(shape):
    return 2 if min(shape[:2]) < SMALL else 1


def text_size(height: int, width: int) -> int:
    """Size of text in pixels that can be read in frames of a size."""
    return max(11, round(.026 * min(height, width)))


def _covered(spot, taken, boxes):
    """How much a block would hide, as a share of its area; texts count most,
    then the upper parts of people."""
    area = (spot[2] - spot[0]) * (spot[3] - spot[1])
    hidden = 6 * sum(_common(spot, other) for other in taken)
    for x1, y1, x2, y2 in boxes:
        head = x1, y1, x2, y1 + .4 * (y2 - y1)
        hidden += (.5 * _common(spot, (x1, y1, x2, y2))
                   + 1.5 * _common(spot, head))
    return hidden / area


def _common(a, b):
    """Area that two rectangles share."""
    return (max(0, min(a[2], b[2]) - max(a[0], b[0]))
            * max(0, min(a[3], b[3]) - max(a[1], b[1])))


def _draw_body(frame, person, factor, size, color) -> None:
    """Box and skeleton in the colour of the person, with a dark rim."""
    thick = max(2, round(size / 8))
    rim = max(1, thick // 3)
    if np.isfinite(person.box).all():
        corners = [_point(factor * v) for v in (person.box[:2],
                                                person.box[2:])]
        for extra, shade in ((rim, _DARK), (0, color)):
            cv2.rectangle(frame, *corners, shade, thick + 2 * extra,
                          cv2.LINE_AA, _SHIFT)
    joints, found = factor * np.asarray(person.joints, float), \
        np.asarray(person.scores) >= LEAST
    limbs = LIMBS if len(joints) == len(JOINTS) else ()
    # lines shall not hide small people
    tall = np.ptp(joints[found][:, 1]) if found.any() else 0
    limb = min(thick, max(1, round(.012 * tall)))
    limbs = [(a, b) for a, b in limbs if found[a] and found[b]]
    light = tuple(round(.45 * v + .55 * 255) for v in color)
    for extra, shade in ((rim, _DARK), (0, light)):
        for a, b in limbs:
            cv2.line(frame, _point(joints[a]), _point(joints[b]), shade,
                     limb + 2 * extra, cv2.LINE_AA, _SHIFT)
    radius = min(1.1 * thick, max(.012 * tall, 1.2))
    for joint in joints[found]:
        for extra, shade in ((rim, _DARK), (0, color)):
            cv2.circle(frame, _point(joint),
                       round((radius + extra) * 2**_SHIFT), shade,
                       cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _point(xy):
    return tuple(round(float(v) * 2**_SHIFT) for v in xy)


@lru_cache(256)
def _block(track, color, rows, size, most):
    """The text beside a person, as an image.

    A chip with the number of the track, the label and its probability; below
    it other actions with a bar as long as their probability.
    """
    pad, line = round(.4 * size), round(1.55 * size)
    small = max(10, round(.85 * size))
    chip = text_width(str(track), size, True) + 2 * pad
    texts = []
    for i, (name, score, holds) in enumerate(rows):
        text, big = f'{100 * score:.0f} %', size if holds else small
        room = most - 3 * pad - text_width(text, big, holds) - (
            chip if i == 0 else 0)
        texts.append((shorten(name, room, big, holds), text, big))
    wide = chip
    for i, (name, text, big) in enumerate(texts):
        holds = rows[i][2]
        wide = max(wide, 3 * pad + text_width(name, big, holds) + text_width(
            text, big, holds) + (chip if i == 0 else 0))
    image = np.full((line * max(1, len(rows)), wide, 3), _DARK, np.uint8)
    image[:line, :chip] = color
    put_text(image, str(track), pad, line / 2, size, (0, 0, 0), True)
    for i, ((name, text, big), (_, score, holds)) in enumerate(
            zip(texts, rows)):
        left, y = chip if i == 0 else 0, i * line
        if i:
            low = y + line - max(2, line // 9)
            image[low:y + line, :] = (52, 56, 62)
            image[low:y + line, :round(wide * min(score, 1))] = color
        ink = (255, 255, 255) if holds else (205, 208, 212)
        put_text(image, name, left + pad, y + line / 2, big, ink, holds)
        put_text(image, text, wide - pad - text_width(text, big, holds),
                 y + line / 2, big, ink, holds)
    return image


@contextmanager
def video_writer(out: str | os.PathLike, fps: float = 0.
                 ) -> Iterator[Callable[[np.ndarray, float], None]]:
    """Encode frames as H.264; the file appears when the block has ended.

    Args:
        out: The file, an mp4.
        fps: Frames a second, as far as known; players go by the times.

    Yields:
        Called with a frame, (H, W, 3) uint8 RGB, all of one size, and its time
        in s, ascending. An odd height or width grows by a pixel.

    Raises:
        ValueError: If no frame was written, or sizes differ.
        OSError: If the file cannot be written.
    """
    import av
    from av.video.reformatter import ColorRange, Colorspace
    ticks = 90_000
    with open_whole(out) as file, av.open(
            file.name, 'w', format='mp4',
            options=dict(movflags='faststart')) as container:
        stream = container.add_stream(
            'libx264', rate=Fraction(fps or 25).limit_denominator(1001),
            options=dict(crf='23', preset='veryfast'))
        context = stream.codec_context
        context.time_base = stream.time_base = Fraction(1, ticks)
        stream.pix_fmt = 'yuv420p'
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        size, last = None, -1

        def write(image: np.ndarray, time: float) -> None:
            nonlocal size, last
            height, width = image.shape[:2]
            if size is None:
                size = image.shape
                stream.height = height + height % 2
                stream.width = width + width % 2
            if image.shape != size:
                raise ValueError(
                    f'a video has frames of one size: the first had '
                    f'{size[1]}x{size[0]} pixels, this has {width}x{height}')
            if height % 2 or width % 2:
                image = np.pad(image, ((0, height % 2), (0, width % 2),
                                       (0, 0)), 'edge')
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            frame = frame.reformat(
                format='yuv420p', dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG)
            last = max(round(time * ticks), last + 1)
            frame.pts, frame.time_base = last, Fraction(1, ticks)
            container.mux(stream.encode(frame))

        yield write
        if size is None:
            raise ValueError(f'{out}: no frame to write')
        container.mux(stream.encode())
