"""Pictures of one person, cut out as top-down pose nets want them."""
from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from . import drawing, figure
from .actors import Actor, extent, place

_TRAIN_MOTIONS = (figure.raise_to_head, figure.carry, figure.wave,
                  figure.pick_up, figure.kick, figure.jumping_jack,
                  figure.stroll, figure.flail, figure.flail, figure.flail)


class Crop(NamedTuple):
    """A picture of one person, cut out as top-down pose nets want it."""
    image: np.ndarray  # (h, w, 3) uint8 RGB
    joints: np.ndarray  # (17, 2) float32, pixels of the crop
    inside: np.ndarray  # (17,) bool, the joint is within the crop
    box_height: float  # height of the person's box in pixels of the crop


def _instant(rng: np.random.Generator
             ) -> tuple[figure.Figure, drawing.Thing | None, int]:
    """One posture of any kind, (1, ...) frames, and the hand of a thing."""
    motion = _TRAIN_MOTIONS[rng.integers(len(_TRAIN_MOTIONS))]
    mirrored = bool(rng.integers(2))
    body = figure.pose(motion(rng, rng.uniform(0, 3, 1)),
                       figure.Build.sample(rng), mirrored)
    things = [one for one in drawing.THINGS
              if motion is figure.carry or one not in ('box', 'bag')]
    thing = None
    if rng.random() < .6:
        thing = (things[rng.integers(len(things))],
                 rng.uniform(20, 220) + rng.uniform(-60, 60, 3))
    return body, thing, 0 if mirrored else 1


def make_crop(rng: np.random.Generator, size: tuple[int, int] = (96, 128),
              padding: float = 1.25, jitter: float = 1.0) -> Crop:
    """Draw one random person and cut them out.

    The cut is mmpose's affine crop: a window of the crop's aspect around the
    box, padded, its middle at (w / 2, h / 2), its width spread over w pixels.

    Args:
        rng: source of all chance.
        size: width and height of the crop in pixels.
        padding: window over box.
        jitter: how much the window is shifted (6 % of it), scaled
            (20 %) and turned (14 degrees), and how often something covers
            the person; 0 is the exact crop.

    Returns:
        the picture and its truth.
    """
    image, actor = _scene(rng)
    if rng.random() < .15 * jitter:
        side = len(image)
        w, h = rng.uniform(.1, .3, 2) * side
        x, y = rng.uniform(0, side - w), rng.uniform(0, side - h)
        drawing.polygon(image, [[x, y], [x + w, y], [x + w, y + h],
                                [x, y + h]], rng.uniform(0, 255, 3))
    x1, y1, x2, y2 = actor.boxes()[0]
    width, height = size
    window = padding * max(x2 - x1, (y2 - y1) * width / height)
    shift, scale, turn = rng.uniform(-1, 1, 2), *rng.uniform(-1, 1, 2)
    centre = np.array([x1 + x2, y1 + y2]) / 2 + .06 * jitter * window * shift
    window *= 1 + .2 * jitter * scale
    # getRotationMatrix2D turns about the centre, which then moves to (w, h)/2
    matrix = cv2.getRotationMatrix2D(centre.tolist(), 14 * jitter * turn,
                                     width / window)
    matrix[:, 2] += np.array(size) / 2 - centre
    image = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR)
    joints = actor.joints[0, :, :2] @ matrix[:, :2].T + matrix[:, 2]
    if rng.random() < .3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(.3, 1))
    image = (image * (rng.uniform(.65, 1.2) * rng.uniform(.92, 1.08, 3)) +
             rng.uniform(-15, 15) +
             rng.normal(0, rng.uniform(1, 7), image.shape))
    return Crop(
        np.clip(image, 0, 255).astype(np.uint8), joints.astype(np.float32),
        ((joints >= 0) & (joints <= np.array(size) - 1)).all(-1),
        float((y2 - y1) * width / window))


def _scene(rng: np.random.Generator) -> tuple[np.ndarray, Actor]:
    """A square picture of one person, at times with another one behind."""
    body, thing, hold = _instant(rng)
    unit = np.exp(rng.uniform(np.log(60), np.log(210)))
    left, top, right, bottom = extent(body) * unit
    side = int(1.35 * max(right - left, bottom - top))
    origin = np.array([side - left - right, side - top - bottom]) / 2
    actor = place(body, unit, origin)
    image = drawing.room(rng, side, side)
    if rng.random() < .3:
        behind, other_thing, other_hold = _instant(rng)
        away = rng.choice([-1, 1]) * rng.uniform(.35, .8) * unit
        other = place(behind, unit * rng.uniform(.5, .9),
                      origin + [away, -.08 * unit])
        drawing.shadow(image, other.floor[0], other.unit)
        other.draw(image, 0, drawing.wardrobe(rng), other_thing, other_hold)
    drawing.shadow(image, actor.floor[0], unit)
    actor.draw(image, 0, drawing.wardrobe(rng), thing, hold)
    return image, actor
