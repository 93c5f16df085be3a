"""Pixels of rooms, clothed people and the things in their hands.

Colours are RGB; places are pixels (x, y), whole numbers at a pixel's middle;
`unit` is the body's height in pixels.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_BITS = 4  # OpenCV draws at 1/16 pixel
_ONE = 1 << _BITS

THINGS = ('cup', 'phone', 'box', 'bag', 'ball', 'stick')
Wear = dict[str, Any]  # colours and cuts, see wardrobe
Thing = tuple[str, 'ArrayLike']  # one of THINGS and its colour


def _fixed(points: ArrayLike) -> np.ndarray:
    return np.round(np.asarray(points) * _ONE).astype(np.int32)


def _colour(rgb: ArrayLike) -> tuple[int, ...]:
    return tuple(int(v) for v in np.clip(rgb, 0, 255))


def disc(image: np.ndarray, centre: ArrayLike, radius: float, rgb: ArrayLike
         ) -> None:
    """Fill a circle, smooth at its edge."""
    cv2.circle(image, tuple(_fixed(centre).tolist()),
               max(int(_fixed(radius)), _ONE // 2), _colour(rgb), -1,
               cv2.LINE_AA, _BITS)


def polygon(image: np.ndarray, points: ArrayLike, rgb: ArrayLike) -> None:
    """Fill a convex polygon (N, 2), smooth at its edge."""
    cv2.fillConvexPoly(image, _fixed(points), _colour(rgb), cv2.LINE_AA,
                       _BITS)


def capsule(image: np.ndarray, a: ArrayLike, b: ArrayLike, radius_a: float,
            radius_b: float, rgb: ArrayLike) -> None:
    """Draw a rounded limb from a to b, lit from the upper left."""
    a, b, rgb = np.asarray(a), np.asarray(b), np.asarray(rgb, float)
    along = b - a
    length = max(np.hypot(*along), 1e-3)
    normal = np.array([-along[1], along[0]]) / length
    for size, shift, light in ((1, 0, .72), (.74, .2, .95), (.38, .36, 1.1)):
        p, q = a - shift * radius_a, b - shift * radius_b
        r, s = size * radius_a, size * radius_b
        polygon(image, [p + r * normal, q + s * normal, q - s * normal,
                        p - r * normal], light * rgb)
        disc(image, p, r, light * rgb)
        disc(image, q, s, light * rgb)


# ------------------------------------------------------------------ the place
def room(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Draw an empty place: wall and floor or sky and grass, with furniture.

    Returns:
        np.ndarray: (height, width, 3) uint8.
    """
    rows = np.linspace(0, 1, height)[:, None, None]
    base = rng.uniform(95, 225) + rng.uniform(-28, 28, 3)
    image = np.broadcast_to(base + (rows - .5) * rng.uniform(-50, 50),
                            (height, width, 3)).copy()
    horizon = int(height * rng.uniform(.6, .82))
    floor = rng.uniform(60, 190) + rng.uniform(-30, 30, 3)
    image[horizon:] = floor + (rows[horizon:] - 1) * rng.uniform(-40, 90)
    image = np.clip(image, 0, 255).astype(np.uint8)
    for _ in range(rng.integers(2, 7)):
        w, h = width * rng.uniform(.06, .3), height * rng.uniform(.08, .35)
        x = rng.uniform(-.1, 1) * width
        y = rng.choice([horizon - h, rng.uniform(-.1, .5) * height])
        rgb = rng.uniform(30, 235) + rng.uniform(-40, 40, 3)
        if rng.random() < .75:
            corners = np.array([[0, 0], [w, 0], [w, h], [0, h]]) + [x, y]
            polygon(image, corners, rgb * .7)
            frame = rng.uniform(.05, .15) * min(w, h)
            inner = corners + frame * np.array([[1, 1], [-1, 1], [-1, -1],
                                                [1, -1]])
            polygon(image, inner, rgb)
        else:
            disc(image, (x, y), .5 * h, rgb)
            disc(image, (x - .08 * h, y - .08 * h), .38 * h, rgb * 1.1)
    sigma = rng.uniform(.4, 1.6) * height / 240
    return cv2.GaussianBlur(image, (0, 0), sigma)


# ----------------------------------------------------------------- the person
def wardrobe(rng: np.random.Generator) -> Wear:
    """Choose what a person wears and looks like: a dict of colours, cuts."""
    def cloth() -> np.ndarray:
        return rng.uniform(25, 205) + rng.uniform(-55, 55, 3)

    skin = np.array([224, 178, 148]) * rng.uniform(.42, 1.06)
    return dict(
        skin=np.clip(skin + rng.uniform(-8, 8, 3), 30, 250),
        shirt=cloth(),
        trousers=cloth() * .8,
        shoes=rng.uniform(15, 120) + rng.uniform(-15, 15, 3),
        hair=np.array([[35, 28, 25], [95, 60, 35], [190, 150, 90],
                       [120, 118, 115], [130, 55, 30]][rng.integers(5)]) +
        rng.uniform(-12, 12, 3),
        sleeve=rng.random() < .5,
        shorts=rng.random() < .25,
        long_hair=rng.random() < .35,
        stripe=cloth() if rng.random() < .4 else None)


def _head(image: np.ndarray, head: np.ndarray, joints: np.ndarray,
          gaze: np.ndarray, unit: float, girth: float, wear: Wear,
          up: np.ndarray) -> None:
    """Draw skull, hair and face; the face turns away with the gaze."""
    centre = head[:2]
    radius = .066 * unit * (.94 + .06 * girth)
    right = np.array([-up[1], up[0]])
    angle = np.degrees(np.arctan2(up[0], -up[1]))

    def oval(place: np.ndarray, rx: float, ry: float, rgb: ArrayLike) -> None:
        cv2.ellipse(image, tuple(_fixed(place).tolist()),
                    tuple(_fixed([rx, ry]).tolist()), angle, 0, 360,
                    _colour(rgb), -1, cv2.LINE_AA, _BITS)

    away = -gaze[:2]  # the back of the head, seen from here
    if wear['long_hair']:
        oval(centre + .4 * radius * away - .35 * radius * up, 1.08 * radius,
             1.35 * radius, wear['hair'] * .8)
    oval(centre + .2 * radius * away + .24 * radius * up, .98 * radius,
         1.02 * radius, wear['hair'])
    if gaze[2] > -.25:
        face = centre + .17 * radius * gaze[:2] - .2 * radius * up
        width = .72 + .2 * max(gaze[2], 0)
        oval(face, width * radius, 1.02 * radius, wear['skin'] * .85)
        oval(face - .06 * radius * right, .9 * width * radius,
             .94 * radius, wear['skin'])
    for joint in joints[3:5]:
        if joint[2] > head[2] - .02 * unit:
            disc(image, joint[:2], .016 * unit, wear['skin'] * .78)
    for joint in joints[1:3]:
        if joint[2] > head[2]:
            disc(image, joint[:2], .0125 * unit, (245, 245, 240))
            disc(image, joint[:2] + .003 * unit * gaze[:2], .0075 * unit,
                 (25, 20, 20))
    if joints[0, 2] > head[2] - .01 * unit:
        disc(image, joints[0, :2], .0105 * unit, wear['skin'] * .68)
        if gaze[2] > .2:
            mouth = joints[0, :2] - .026 * unit * up
            polygon(image, [mouth - .016 * unit * right,
                            mouth + .016 * unit * right,
                            mouth - .008 * unit * up], (150, 60, 60))


def _torso(image: np.ndarray, joints: np.ndarray, unit: float, girth: float,
           wear: Wear) -> None:
    shoulders, hips = joints[5:7, :2], joints[11:13, :2]
    r_top, r_low = .036 * unit * girth, .05 * unit * girth
    neck, waist = shoulders.mean(0), hips.mean(0)
    capsule(image, hips[0], hips[1], 1.1 * r_low, 1.1 * r_low,
            wear['trousers'])
    top = shoulders - .03 * (neck - waist)
    bottom = hips + .14 * (neck - waist)

    def trunk(size: float, shift: float, light: float) -> None:
        rims = [(p, size * r) for p, r in ((top[0], r_top), (top[1], r_top),
                                           (bottom[0], r_low),
                                           (bottom[1], r_low))]
        turn = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        ring = np.stack([np.cos(turn), np.sin(turn)], -1)
        points = np.concatenate([p - shift * r_top + r * ring
                                 for p, r in rims])
        polygon(image, cv2.convexHull(points.astype(np.float32))[:, 0],
                light * wear['shirt'])

    trunk(1, 0, .74)
    trunk(.72, .18, .96)
    if wear['stripe'] is not None:
        for share in (.25, .5):
            a, b = top + share * (bottom - top)
            capsule(image, a, b, .4 * r_top, .4 * r_top, wear['stripe'])


def _thing(image: np.ndarray, kind: str, rgb: ArrayLike, hands: np.ndarray,
           elbows: np.ndarray, up: np.ndarray, unit: float) -> None:
    """Draw what is held.

    Small things sit in the first hand, large ones between both.
    """
    hand = hands[0, :2]
    along = _upwards(hand - elbows[0, :2])
    rgb = np.asarray(rgb, float)
    if kind in ('box', 'bag'):
        middle = hands[:2, :2].mean(0) - .02 * unit * up
        right = np.array([-up[1], up[0]])
        w, h = .115 * unit * right, .085 * unit * up
        draw = _box if kind == 'box' else _bag
        draw(image, middle, w, h, unit, rgb)
    elif kind in ('cup', 'phone'):
        draw = _cup if kind == 'cup' else _phone
        draw(image, hand, np.array([-up[1], up[0]]), up, unit, rgb)
    elif kind == 'ball':
        centre = hand + .045 * unit * along
        disc(image, centre, .06 * unit, rgb * .75)
        disc(image, centre - .012 * unit, .045 * unit, rgb)
    else:
        tip = hand + .3 * unit * (.3 * along + .7 * up)
        tail = hand - .08 * unit * (.3 * along + .7 * up)
        capsule(image, tail, tip, .013 * unit, .01 * unit, rgb)


def _cup(image: np.ndarray, hand: np.ndarray, right: np.ndarray,
         up: np.ndarray, unit: float, rgb: np.ndarray) -> None:
    foot, rim = hand - .045 * unit * up, hand + .1 * unit * up
    w, v = .04 * unit * right, .056 * unit * right
    polygon(image, [foot - w, foot + w, rim + v, rim - v], rgb * .75)
    polygon(image, [foot - .8 * w, foot + .1 * w, rim + .1 * v,
                    rim - .8 * v], rgb)
    polygon(image, [rim - v, rim + v, rim + .8 * v + .015 * unit * up,
                    rim - .8 * v + .015 * unit * up], rgb * .3 + 175)


def _phone(image: np.ndarray, hand: np.ndarray, right: np.ndarray,
           up: np.ndarray, unit: float, rgb: np.ndarray) -> None:
    low, top = hand - .045 * unit * up, hand + .1 * unit * up
    w = .045 * unit * right
    polygon(image, [low - w, low + w, top + w, top - w], rgb * .6)
    polygon(image, [low - .75 * w + .01 * unit * up,
                    low + .75 * w + .01 * unit * up,
                    top + .75 * w - .012 * unit * up,
                    top - .75 * w - .012 * unit * up], rgb)


def _box(image: np.ndarray, middle: np.ndarray, w: np.ndarray,
         h: np.ndarray, unit: float, rgb: np.ndarray) -> None:
    polygon(image, [middle - w - h, middle + w - h, middle + w + h,
                    middle - w + h], rgb * .8)
    polygon(image, [middle - w + .62 * h, middle + w + .62 * h,
                    middle + w + h, middle - w + h], rgb * 1.15)
    polygon(image, [middle - .16 * w - h, middle + .16 * w - h,
                    middle + .16 * w + h, middle - .16 * w + h],
            rgb * .5 + 105)


def _bag(image: np.ndarray, middle: np.ndarray, w: np.ndarray,
         h: np.ndarray, unit: float, rgb: np.ndarray) -> None:
    polygon(image, [middle - w - h, middle + w - h,
                    middle + .8 * w + .8 * h,
                    middle - .8 * w + .8 * h], rgb * .8)
    polygon(image, [middle - .8 * w - .8 * h, middle - .8 * h,
                    middle + .7 * h, middle - .7 * w + .7 * h], rgb)
    for sign in (-1, 1):
        foot = middle + .8 * h + sign * .45 * w
        disc(image, foot, .026 * unit, rgb * .55)
        disc(image, foot, .012 * unit, rgb)


class Part(NamedTuple):
    """Something to draw, and how far towards the viewer it is."""
    depth: float
    draw: Callable[[], None]


def _side(image: np.ndarray, side: int, joints: np.ndarray,
          hand: np.ndarray, toe: np.ndarray, scale: float, wear: Wear
          ) -> Iterator[Part]:
    """Arm and leg of a side, 0 left or 1 right."""
    shoulder, elbow, wrist = joints[[5 + side, 7 + side, 9 + side]]
    hip, knee, ankle = joints[[11 + side, 13 + side, 15 + side]]
    lower_arm = wear['shirt'] if wear['sleeve'] else wear['skin']
    lower_leg = wear['skin'] if wear['shorts'] else wear['trousers']

    def limb(a: np.ndarray, b: np.ndarray, radius_a: float, radius_b: float,
             rgb: ArrayLike) -> None:
        capsule(image, a[:2], b[:2], radius_a * scale, radius_b * scale, rgb)

    def arm() -> None:
        limb(shoulder, elbow, .04, .03, wear['shirt'])

    def forearm() -> None:
        limb(elbow, wrist, .029, .022, lower_arm)
        limb(wrist, hand, .024, .027, wear['skin'])

    def thigh() -> None:
        limb(hip, knee, .054, .041, wear['trousers'])

    def shank() -> None:
        limb(knee, ankle, .04, .027, lower_leg)
        limb(ankle, toe, .03, .024, wear['shoes'])

    for a, b, draw in ((shoulder, elbow, arm), (elbow, wrist, forearm),
                       (hip, knee, thigh), (knee, ankle, shank)):
        yield Part(np.mean([a[2], b[2]]), draw)


def _held(image: np.ndarray, thing: Thing, hold: int, joints: np.ndarray,
          hands: np.ndarray, up: np.ndarray, unit: float) -> Part:
    """What is held, behind the hands that hold it.

    So their joints are as visible with it as without it.
    """
    kind, rgb = thing
    order, large = [hold, 1 - hold], kind in ('box', 'bag')
    depth = joints[7:11, 2].reshape(2, 2).mean(0).min() if large else \
        joints[[7 + hold, 9 + hold], 2].mean()

    def draw() -> None:
        _thing(image, kind, rgb, hands[order], joints[[7, 8]][order],
               up if large else np.array([0., -1.]), unit)

    return Part(depth - .001 * unit, draw)


def _upwards(vector: np.ndarray) -> np.ndarray:
    return vector / max(np.hypot(*vector), 1e-3)


def person(image: np.ndarray, joints: np.ndarray, head: np.ndarray,
           toes: np.ndarray, gaze: np.ndarray, unit: float, girth: float,
           wear: Wear, thing: Thing | None = None, hold: int = 1) -> None:
    """Draw one person, the far parts first.

    Args:
        image: (H, W, 3) uint8, drawn upon.
        joints: (17, 3) COCO-17, x and y in pixels, z in pixels towards the
            viewer.
        head: (3,) middle of the head, likewise.
        toes: (2, 3) likewise.
        gaze: (3,) unit vector, where the face points.
        unit: height of the body in pixels.
        girth: factor on the thickness of all parts.
        wear: what :func:`wardrobe` gave.
        thing: kind (one of `THINGS`) and colour of what is held.
        hold: the hand that holds it, 0 left, 1 right.
    """
    shoulders, scale = joints[5:7].mean(0), unit * girth
    hands = joints[9:11] + .12 * (joints[9:11] - joints[7:9])

    def trunk() -> None:
        _torso(image, joints, unit, girth, wear)

    def skull() -> None:
        capsule(image, shoulders[:2], head[:2], .03 * scale, .03 * scale,
                wear['skin'] * .9)
        _head(image, head, joints, gaze, unit, girth, wear,
              _upwards(head[:2] - joints[5:7, :2].mean(0)))

    parts = []
    for side in (0, 1):
        *others, shank = _side(image, side, joints, hands[side], toes[side],
                               scale, wear)
        parts += [*others, shank._replace(depth=shank.depth - .01 * unit)]
    parts += [Part(joints[[5, 6, 11, 12], 2].mean(), trunk),
              Part(head[2], skull)]
    if thing is not None:
        up = _upwards(joints[5:7, :2].mean(0) - joints[11:13, :2].mean(0))
        parts.append(_held(image, thing, hold, joints, hands, up, unit))
    for part in sorted(parts, key=lambda part: part.depth):
        part.draw()


def shadow(image: np.ndarray, centre: np.ndarray, unit: float) -> None:
    """Darken the floor under a person; centre (2,) in pixels."""
    x, y = np.round(centre).astype(int)
    w, h = int(.26 * unit), max(int(.05 * unit), 1)
    top, left = max(y - 2 * h, 0), max(x - 2 * w, 0)
    patch = image[top:max(y + 2 * h, 0), left:max(x + 2 * w, 0)]
    if patch.size:
        mask = np.zeros(patch.shape[:2], np.float32)
        cv2.ellipse(mask, (int(x - left), int(y - top)), (w, h), 0, 0, 360,
                    (.45, ), -1, cv2.LINE_AA)
        mask = cv2.GaussianBlur(mask, (0, 0), max(h / 2, .5))
        patch[:] = patch * (1 - mask[..., None])
