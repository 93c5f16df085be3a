"""Moving people and their actions, all joints known.

Eight actions. Two pairs of them, drink and phone, box and bag, have the very
same motion: a clip of the one differs from the clip of the other with the
same number only in the thing held, so that joints cannot tell them apart.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import drawing, figure

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FPS = 16
SIZES = ((160, 120), (240, 180), (320, 240))  # width, height of a video


class Action(NamedTuple):
    """A class of the data set."""
    short: str  # begins the names of its clips
    name: str
    motion: Callable
    thing: tuple | None = None  # kind, RGB


ACTIONS = (
    Action('cup', 'drink from a red cup', figure.raise_to_head,
           ('cup', (214, 34, 38))),
    Action('phone', 'talk on a dark phone', figure.raise_to_head,
           ('phone', (42, 44, 52))),
    Action('box', 'carry a box', figure.carry, ('box', (176, 126, 72))),
    Action('bag', 'carry a bag', figure.carry, ('bag', (44, 150, 84))),
    Action('wave', 'wave', figure.wave),
    Action('pickup', 'pick up', figure.pick_up),
    Action('kick', 'kick', figure.kick),
    Action('jump', 'jumping jack', figure.jumping_jack),
)
CLASSES = tuple(action.name for action in ACTIONS)
PAIRS = ((0, 1), (2, 3))  # labels that differ only in the thing held
MOTIONS = list(dict.fromkeys(action.motion for action in ACTIONS))


class Actor(NamedTuple):
    """A body placed in the picture, all in pixels."""
    joints: np.ndarray  # (T, 17, 3)
    head: np.ndarray  # (T, 3)
    toes: np.ndarray  # (T, 2, 3)
    gaze: np.ndarray  # (T, 3)
    unit: float
    girth: float
    floor: np.ndarray  # (T, 2), the place of the shadow

    def boxes(self) -> np.ndarray:
        """Bounding boxes (T, 4) of the body, without what it holds."""
        radius = .075 * self.unit
        around = np.concatenate([
            self.joints[..., :2], self.toes[..., :2],
            self.head[:, None, :2] - radius, self.head[:, None, :2] + radius],
                                1)
        margin = .035 * self.unit
        return np.concatenate([around.min(1) - margin,
                               around.max(1) + margin], -1)

    def draw(self, image: np.ndarray, t: int, wear: drawing.Wear,
             thing: drawing.Thing | None = None, hold: int = 1) -> None:
        drawing.person(image, self.joints[t], self.head[t], self.toes[t],
                       self.gaze[t], self.unit, self.girth, wear, thing, hold)


def place(body: figure.Figure, unit: float, origin: ArrayLike) -> Actor:
    """Put a figure into the picture: origin (2,) is its place on the floor."""
    shift = np.r_[origin, 0]
    floor = body.joints[:, 11:13].mean(1) * [1, 0, 0]
    return Actor(
        joints=body.joints * unit + shift,
        head=body.head * unit + shift,
        toes=body.toes * unit + shift,
        gaze=body.gaze,
        unit=unit,
        girth=body.build.girth,
        floor=(floor * unit + shift)[:, :2])


def extent(body: figure.Figure) -> np.ndarray:
    """Left, top, right, bottom of all a figure's boxes, in body heights."""
    boxes = place(body, 1, np.zeros(2)).boxes()
    return np.r_[boxes[:, :2].min(0), boxes[:, 2:].max(0)]


def put_inside(rng: np.random.Generator, body: figure.Figure, unit: float,
               width: float, height: float) -> Actor:
    """Put a figure at random where it is in the picture all the time."""
    return place(body, *room_for(rng, extent(body), unit, width, height))


def room_for(rng: np.random.Generator, reach: np.ndarray, unit: float,
             width: float, height: float) -> tuple:
    """Size and place at random of a figure that is to be in the picture.

    Args:
        rng: source of all chance.
        reach: (4,) what :func:`extent` gave.
        unit: its height in pixels; less where it would not fit.
        width: of the picture.
        height: likewise.

    Returns:
        tuple: height in pixels, and the place (2,) for :func:`place`.
    """
    left, top, right, bottom = reach
    unit = min(unit, .98 * width / (right - left),
               .98 * height / (bottom - top))
    low = .01 * width - left * unit
    # where it only just fits, rounding may leave less than nothing
    x = rng.uniform(low, max(low, .99 * width - right * unit))
    low, high = .01 * height - top * unit, .99 * height - bottom * unit
    return unit, (x, low + (high - low) * rng.uniform(.5, 1))
