"""A jointed figure in space: what its limbs do over time, and where it is.

Lengths are shares of the body's height. Space: x to the right of the picture,
y down, z towards the viewer; the origin is on the floor between the feet.
Body axes: forward (where the chest points), left (the person's own) and up.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

# COCO-17: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles,
# the person's left before the right.
NUM_JOINTS = 17
MIRROR = np.array([0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])
ANKLE = .04  # its height
SIDES = (0, 1)  # left, right: the place of a side in every (T, 2, ...) array


class Build(NamedTuple):
    """Proportions of one person, in body heights."""
    shoulder: float  # half the width between the shoulders
    hip: float  # half the width between the hips
    torso: float  # hips to shoulders
    upper_arm: float
    forearm: float
    thigh: float
    shank: float
    girth: float  # factor on the thickness of every part

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Build:
        """Draw the proportions of an adult."""
        return cls(
            shoulder=.118 * rng.uniform(.88, 1.12),
            hip=.07 * rng.uniform(.88, 1.12),
            torso=.29 * rng.uniform(.96, 1.04),
            upper_arm=.17 * rng.uniform(.95, 1.05),
            forearm=.15 * rng.uniform(.95, 1.05),
            thigh=.24 * rng.uniform(.96, 1.04),
            shank=.23 * rng.uniform(.96, 1.04),
            girth=rng.uniform(.85, 1.2))


class Motion(NamedTuple):
    """What a body does in T frames; angles in radians.

    Targets are (T, 2, 3), left then right, each (forward, out, up) with "out"
    away from the body's middle: hands from the middle of the shoulders along
    the torso's axes, feet (ankles) from the floor under the hips.
    """
    yaw: np.ndarray  # (T,), 0 looks at the viewer, pi/2 to the right
    lean: np.ndarray  # (T,), torso forwards
    tilt: np.ndarray  # (T,), torso to its left
    nod: np.ndarray  # (T,), head downwards
    turn: np.ndarray  # (T,), head to its left
    place: np.ndarray  # (T, 2), x and z of the body on the floor
    crouch: np.ndarray  # (T,), how much lower than standing the hips are
    hands: np.ndarray  # (T, 2, 3)
    feet: np.ndarray  # (T, 2, 3)


Parts = dict[str, Any]  # of a Motion, by name; not yet complete


class Figure(NamedTuple):
    """A body in space, (T, ...) body heights."""
    joints: np.ndarray  # (T, 17, 3) COCO-17
    head: np.ndarray  # (T, 3) middle of the head
    toes: np.ndarray  # (T, 2, 3) left, right
    gaze: np.ndarray  # (T, 3) unit vector, where the face points
    build: Build


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def reach(start: np.ndarray, target: np.ndarray, first: float, second: float,
          pole: np.ndarray) -> tuple:
    """Bend a limb of two bones so that its end meets a target.

    Args:
        start: (T, 3) where the limb begins.
        target: (T, 3) where it should end; one out of reach is
            approached as far as the limb goes.
        first: length of the first bone.
        second: length of the second bone.
        pole: (T, 3) direction in which the joint bends out.

    Returns:
        tuple: the middle joint and the end, (T, 3) each.
    """
    span = target - start
    length = np.linalg.norm(span, axis=-1, keepdims=True)
    along = span / np.maximum(length, 1e-6)
    length = np.clip(length, 1.02 * abs(first - second) + .02,
                     .995 * (first + second))
    side = _unit(pole - (pole * along).sum(-1, keepdims=True) * along)
    # law of cosines at the start
    cos = (first**2 + length**2 - second**2) / (2 * first * length)
    middle = start + first * (cos * along + np.sqrt(1 - cos**2) * side)
    return middle, start + length * along


class _Axes(NamedTuple):
    """Axes of a part of the body in space, (T, 3) unit vectors."""
    forward: np.ndarray
    left: np.ndarray
    up: np.ndarray


def _turned(a: np.ndarray, b: np.ndarray, angle: np.ndarray
            ) -> tuple[np.ndarray, np.ndarray]:
    """Rotate the axes a, b by an angle from a towards b."""
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return c * a + s * b, c * b - s * a


def pose(motion: Motion, build: Build, mirrored: bool = False) -> Figure:
    """Place all joints of a body that carries out a motion.

    Args:
        motion: what it does in T frames.
        build: its proportions.
        mirrored: the same seen in a mirror, left and right renamed.

    Returns:
        the body in space.
    """
    sin, cos = np.sin(motion.yaw), np.cos(motion.yaw)
    zero, one = np.zeros_like(sin), np.ones_like(sin)
    body = _Axes(np.stack([sin, zero, cos], -1),
                 np.stack([cos, zero, -sin], -1),
                 np.stack([zero, -one, zero], -1))
    hips = np.stack([motion.place[:, 0], zero, motion.place[:, 1]], -1)
    hips = hips + body.up * (build.thigh + build.shank + ANKLE -
                             motion.crouch[:, None])
    chest_up, chest_forward = _turned(body.up, body.forward, motion.lean)
    chest_up, chest_left = _turned(chest_up, body.left, motion.tilt)
    chest = _Axes(chest_forward, chest_left, chest_up)
    shoulders = hips + build.torso * chest.up

    joints = np.zeros((len(sin), NUM_JOINTS, 3))
    toes = np.zeros((len(sin), 2, 3))
    for side in SIDES:
        joints[:, [5 + side, 7 + side, 9 + side]] = _arm(
            side, motion, build, shoulders, chest)
        leg = _leg(side, motion, build, hips, body)
        joints[:, [11 + side, 13 + side, 15 + side]] = leg
        out = body.left if side == 0 else -body.left
        toes[:, side] = (leg[:, 2] + .085 * body.forward + .02 * out
                         - .03 * body.up)
    joints[:, :5], head, gaze = _face(motion, shoulders, chest)
    if mirrored:
        joints = joints[:, MIRROR] * [-1, 1, 1]
        toes = toes[:, ::-1] * [-1, 1, 1]
        head, gaze = head * [-1, 1, 1], gaze * [-1, 1, 1]
    return Figure(joints, head, toes, gaze, build)


def _arm(side: int, motion: Motion, build: Build, shoulders: np.ndarray,
         chest: _Axes) -> np.ndarray:
    """Shoulder, elbow and wrist of a side, (T, 3, 3)."""
    out = chest.left if side == 0 else -chest.left
    shoulder = shoulders + build.shoulder * out
    hand = motion.hands[:, side, :, None]
    target = (shoulders + hand[:, 0] * chest.forward +
              hand[:, 1] * out + hand[:, 2] * chest.up)
    elbow, wrist = reach(shoulder, target, build.upper_arm, build.forearm,
                         .7 * out - chest.up - .5 * chest.forward)
    return np.stack([shoulder, elbow, wrist], 1)


def _leg(side: int, motion: Motion, build: Build, hips: np.ndarray,
         body: _Axes) -> np.ndarray:
    """Hip, knee and ankle of a side, (T, 3, 3)."""
    out = body.left if side == 0 else -body.left
    hip = hips + build.hip * out
    foot = motion.feet[:, side, :, None]
    target = (hips * [1, 0, 1] + foot[:, 0] * body.forward +
              (build.hip + foot[:, 1]) * out +
              (ANKLE + foot[:, 2]) * body.up)
    knee, ankle = reach(hip, target, build.thigh, build.shank,
                        body.forward + .25 * out)
    return np.stack([hip, knee, ankle], 1)


def _face(motion: Motion, shoulders: np.ndarray, chest: _Axes
          ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nose, eyes and ears (T, 5, 3), middle of the head, and gaze."""
    forward, left = _turned(chest.forward, chest.left, motion.turn)
    forward, up = _turned(forward, -chest.up, motion.nod)
    up = -up
    head = shoulders + .06 * chest.up + .085 * up
    joints = np.zeros((len(head), 5, 3))
    joints[:, 0] = head + .062 * forward - .012 * up
    for side, sign in zip(SIDES, (1, -1)):
        joints[:, 1 + side] = (head + .052 * forward + .018 * up +
                               sign * .026 * left)
        joints[:, 3 + side] = head + sign * .056 * left
    return joints, head, forward


# --------------------------------------------------------------- the actions
def _wave(rng: np.random.Generator, t: np.ndarray, low: float, high: float
          ) -> np.ndarray:
    """A sine over time t (seconds) with a random rate (low..high, 1/s)."""
    return np.sin(2 * np.pi * (rng.uniform(low, high) * t + rng.random()))


def _strokes(rng: np.random.Generator, t: np.ndarray,
             period: tuple[float, float]) -> np.ndarray:
    """Rise from 0 to 1, stay, fall back, rest; again after a period (s)."""
    phase = (t / rng.uniform(*period) + rng.random()) % 1
    return np.clip(1.5 * np.sin(2 * np.pi * phase) + .6, 0, 1)


def _standing(rng: np.random.Generator, t: np.ndarray) -> Parts:
    """A body at ease: the parts of a Motion, which an action then changes."""
    many = np.ones_like(t)
    sway = .012 * _wave(rng, t, .2, .6)
    hands = np.tile([.03, .17, -.29], (len(t), 2, 1))
    hands += rng.normal(0, .015, (2, 3))
    hands[:, :, 0] += sway[:, None]
    feet = np.zeros((len(t), 2, 3))
    feet[:, :, 1] = rng.uniform(0, .05)
    feet[:, :, 0] = rng.uniform(-.03, .03, 2)
    return dict(
        yaw=many * rng.uniform(-1.1, 1.1) + .05 * _wave(rng, t, .1, .4),
        lean=many * rng.uniform(-.03, .09) + .01 * _wave(rng, t, .2, .5),
        tilt=.02 * _wave(rng, t, .2, .5),
        nod=many * rng.uniform(-.1, .15) + .05 * _wave(rng, t, .2, .6),
        turn=many * rng.uniform(-.3, .3) + .15 * _wave(rng, t, .1, .4),
        place=np.stack([sway, np.zeros_like(t)], -1),
        crouch=many * rng.uniform(.005, .02),
        hands=hands,
        feet=feet)


def _walk(rng: np.random.Generator, t: np.ndarray, parts: Parts
          ) -> np.ndarray:
    """Let the legs walk, nearly on the spot."""
    step = 2 * np.pi * (rng.uniform(.7, 1.1) * t + rng.random())
    stride = rng.uniform(.07, .13)
    for side, phase in zip(SIDES, (step, step + np.pi)):
        parts['feet'][:, side, 0] = stride * np.sin(phase)
        parts['feet'][:, side, 2] = .07 * np.maximum(np.cos(phase), 0)
    parts['crouch'] = .03 + .012 * np.cos(2 * step)
    drift = np.linspace(-.5, .5, len(t)) * rng.uniform(-.35, .35)
    parts['place'] = np.stack([drift, np.zeros_like(t)], -1)
    return step


def raise_to_head(rng: np.random.Generator, t: np.ndarray) -> Motion:
    """One hand goes up to the head and stays there a while."""
    parts = _standing(rng, t)
    up = _strokes(rng, t, (1.6, 2.6))[:, None]
    low = np.array([.19, .1, -.2]) + rng.normal(0, .015, 3)
    high = np.array([.11, .07, .06]) + rng.normal(0, .01, 3)
    parts['hands'][:, 1] = low + up * (high - low)
    parts['nod'] = parts['nod'] - .15 * up[:, 0]
    return Motion(**parts)


def carry(rng: np.random.Generator, t: np.ndarray) -> Motion:
    """Both hands hold something before the belly while the legs walk."""
    parts = _standing(rng, t)
    step = _walk(rng, t, parts)
    hold = np.array([.2, .1, -.22]) + rng.normal(0, .012, 3)
    parts['hands'][:] = hold + .012 * np.sin(2 * step)[:, None, None] * [
        0, 0, 1]
    parts['lean'] = parts['lean'] - .06
    return Motion(**parts)


def wave(rng: np.random.Generator, t: np.ndarray) -> Motion:
    """One raised hand goes from side to side."""
    parts = _standing(rng, t)
    swing = _wave(rng, t, 1.2, 2.2)
    parts['hands'][:, 1] = np.array([.07, .2, .16]) + rng.normal(0, .015, 3)
    parts['hands'][:, 1, 1] += .08 * swing
    parts['hands'][:, 1, 2] -= .02 * swing**2
    return Motion(**parts)


def pick_up(rng: np.random.Generator, t: np.ndarray) -> Motion:
    """Bend down until one hand is at the floor, and rise again."""
    parts = _standing(rng, t)
    down = _strokes(rng, t, (1.8, 2.8))
    down = down**2 * (3 - 2 * down)
    knees = rng.uniform(.1, .24)
    parts['crouch'] = parts['crouch'] + knees * down
    parts['lean'] = parts['lean'] + rng.uniform(.85, 1.15) * down
    parts['feet'][:, :, 0] += .05 * down[:, None] * [1, -1]
    for side, depth in zip(SIDES, (.8, 1)):
        low = np.array([.2, .05, -.1]) if side else np.array([.12, .1, -.2])
        parts['hands'][:, side] += depth * down[:, None] * (
            low - parts['hands'][:, side])
    return Motion(**parts)


def kick(rng: np.random.Generator, t: np.ndarray) -> Motion:
    """One leg swings forwards and up."""
    parts = _standing(rng, t)
    parts['yaw'] = parts['yaw'] + .5 * np.sign(parts['yaw'].mean())
    swing = _strokes(rng, t, (1., 1.6))
    high = rng.uniform(.18, .34)
    parts['feet'][:, 1, 0] += (.55 * swing - .12 * (1 - swing))
    parts['feet'][:, 1, 2] += high * swing + .05
    parts['lean'] = parts['lean'] - .18 * swing
    parts['hands'][:, 0] += swing[:, None] * [.1, .05, .12]
    return Motion(**parts)


def jumping_jack(rng: np.random.Generator, t: np.ndarray) -> Motion:
    """Arms and legs spread and close."""
    parts = _standing(rng, t)
    phase = 2 * np.pi * (rng.uniform(.8, 1.3) * t + rng.random())
    spread = .5 - .5 * np.cos(phase)
    angle = np.radians(15 + 140 * spread)[:, None]
    parts['hands'][:] = .3 * np.stack(
        [0 * angle, np.sin(angle) + .25, -np.cos(angle)], -1)
    parts['feet'][:, :, 1] = .02 + .13 * spread[:, None]
    jump = .05 * np.abs(np.sin(phase))
    parts['feet'][:, :, 2] = jump[:, None]
    parts['crouch'] = .03 - jump
    return Motion(**parts)


def stroll(rng: np.random.Generator, t: np.ndarray) -> Motion:
    """Walk with swinging arms; what people in the background do."""
    parts = _standing(rng, t)
    step = _walk(rng, t, parts)
    for side, sign in zip(SIDES, (-1, 1)):
        parts['hands'][:, side, 0] += .1 * sign * np.sin(step)
    return Motion(**parts)


def flail(rng: np.random.Generator, t: np.ndarray) -> Motion:
    """Take any posture: hands and feet anywhere in reach, any bend.

    No action of the data set; it widens what the pose net has seen.
    """
    parts = _standing(rng, t)
    many = np.ones_like(t)
    for side in SIDES:
        direction = _unit(rng.normal(0, 1, 3) * [1, 1, 1.3] + [.5, .4, 0])
        parts['hands'][:, side] = direction * rng.uniform(.12, .32) + [
            0, .1, 0]
    parts['lean'] = many * rng.choice([rng.normal(0, .12),
                                       rng.uniform(-.1, 1.2)])
    parts['tilt'] = many * rng.normal(0, .12)
    parts['nod'] = many * rng.uniform(-.35, .5)
    parts['turn'] = many * rng.uniform(-.8, .8)
    parts['yaw'] = many * rng.uniform(-1.6, 1.6)
    parts['crouch'] = many * rng.choice([.02, rng.uniform(0, .3)])
    for side in SIDES:
        parts['feet'][:, side] = rng.normal(0, 1, 3) * [.1, .05, 0] + [
            0, .05, rng.choice([0, 0, rng.uniform(0, .35)])]
    return Motion(**parts)
