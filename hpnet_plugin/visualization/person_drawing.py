"""A person on a frame: box, skeleton, and the text beside it."""
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from ..apis.views import PersonView
from .joints import JOINTS, LIMBS, SHIFT, cv_point
from .text import put_text, shorten, text_width

LEAST = .2  # joints of a lower score are not drawn
DARK = (18, 20, 24)
Color = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]
Row = tuple[str, float, bool]


def draw_body(frame: np.ndarray, person: PersonView, factor: int, size: int,
              color: Color) -> None:
    """Draw box and skeleton in the colour of the person, with a dark rim.

    Args:
        frame: (H, W, 3) uint8 RGB, drawn upon.
        person: In pixels of the video.
        factor: Pixels of the frame to one of the video.
        size: Of texts in pixels, which lines go by.
        color: RGB of the person.
    """
    thick = max(2, round(size / 8))
    rim = max(1, thick // 3)
    if np.isfinite(person.box).all():
        first, last = (cv_point(factor * v)
                       for v in (person.box[:2], person.box[2:]))
        for extra, shade in ((rim, DARK), (0, color)):
            cv2.rectangle(frame, first, last, shade, thick + 2 * extra,
                          cv2.LINE_AA, SHIFT)
    joints, found = factor * np.asarray(person.joints, float), \
        np.asarray(person.scores) >= LEAST
    limbs = LIMBS if len(joints) == len(JOINTS) else ()
    # lines shall not hide small people
    tall = float(np.ptp(joints[found][:, 1])) if found.any() else 0.
    limb = min(thick, max(1, round(.012 * tall)))
    limbs = [(a, b) for a, b in limbs if found[a] and found[b]]
    light = tuple(round(.45 * v + .55 * 255) for v in color)
    for extra, shade in ((rim, DARK), (0, light)):
        for a, b in limbs:
            cv2.line(frame, cv_point(joints[a]), cv_point(joints[b]), shade,
                     limb + 2 * extra, cv2.LINE_AA, SHIFT)
    radius = min(1.1 * thick, max(.012 * tall, 1.2))
    for joint in joints[found]:
        for extra, shade in ((rim, DARK), (0, color)):
            cv2.circle(frame, cv_point(joint),
                       round((radius + extra) * 2**SHIFT), shade,
                       cv2.FILLED, cv2.LINE_AA, SHIFT)


def covered(spot: Rectangle, taken: Sequence[Rectangle],
            boxes: Sequence[np.ndarray]) -> float:
    """How much a block would hide.

    Args:
        spot: Of the block, x1, y1, x2, y2.
        taken: Of other blocks; they count most.
        boxes: Of people; their upper parts count next.

    Returns:
        As a share of the block's area, weighted.
    """
    area = (spot[2] - spot[0]) * (spot[3] - spot[1])
    hidden = 6 * sum(_common(spot, other) for other in taken)
    for x1, y1, x2, y2 in boxes:
        hidden += (.5 * _common(spot, (x1, y1, x2, y2)) + 1.5 * _common(
            spot, (x1, y1, x2, y1 + .4 * (y2 - y1))))
    return hidden / area


def _common(a: Rectangle, b: Rectangle) -> float:
    """Area that two rectangles share."""
    return (max(0, min(a[2], b[2]) - max(a[0], b[0]))
            * max(0, min(a[3], b[3]) - max(a[1], b[1])))


@lru_cache(256)
def label_block(track: int, color: Color, rows: tuple[Row, ...], size: int,
                most: int) -> np.ndarray:
    """The text beside a person, as an image.

    A chip with the number of the track, the label and its probability; below
    it other actions with a bar as long as their probability.

    Args:
        track: Number of the person.
        color: RGB of the person.
        rows: Text, probability, and whether it is the action that holds.
        size: Of the text in pixels.
        most: Width in pixels, at most; longer texts are shortened.

    Returns:
        (h, w, 3) uint8, shared by all calls with the same arguments.
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
    image = np.full((line * max(1, len(rows)), wide, 3), DARK, np.uint8)
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
