"""One long video of people who do one thing after the other, and the truth.

Each person keeps their body, clothes and place; postures pass into each
other. The actions are those of the data set, see :mod:`actors`.
"""
from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import actors, drawing, figure
from .folder import box_rows, new_folder
from .people import save_video

SIZE = 320, 240  # width, height
LENGTHS = 3., 8.  # s of an action
PASSING = .4  # s from one posture to the next
GRAINS = 32  # pictures of noise, which costs more than a person to draw
MOST_PEOPLE = 3  # side by side


class Stretch(NamedTuple):
    """What one person does for a while; frames ``start`` to ``stop`` - 1."""
    start: int
    stop: int
    label: int


def plan(frames: int, rng: np.random.Generator) -> list[Stretch]:
    """Actions that follow each other, each in turn as often as the others.

    Args:
        frames: of the video.
        rng: source of all chance.

    Returns:
        list[Stretch]: without gaps; no action follows itself.
    """
    shortest = round(LENGTHS[0] * actors.FPS)
    stretches, labels, start = [], [], 0
    while start < frames:
        if not labels:
            labels = rng.permutation(len(actors.ACTIONS)).tolist()
            if stretches and labels[-1] == stretches[-1].label:
                labels.reverse()
        stop = start + round(rng.uniform(*LENGTHS) * actors.FPS)
        if frames - stop < shortest:
            stop = frames
        stretches.append(Stretch(start, stop, labels.pop()))
        start = stop
    return stretches


class _Person:
    """One who acts all through the video."""

    def __init__(self,
                 seed: int,
                 number: int,
                 count: int,
                 frames: int,
                 width: int,
                 height: int) -> None:
        self.seed = [seed, number]
        rng = np.random.default_rng(self.seed)
        self.stretches = plan(frames, rng)
        self.build = figure.Build.sample(rng)
        self.mirrored = bool(rng.integers(2))
        self.wear = drawing.wardrobe(rng)
        self.things = [
            action.thing and (action.thing[0], np.array(action.thing[1])
                              * rng.uniform(.85, 1.12))
            for action in actors.ACTIONS]
        # everybody stays in a part of the picture of their own
        reach = [actors.extent(body) for body, _ in self.bodies()]
        low, high = np.min(reach, 0), np.max(reach, 0)
        unit, place = actors.room_for(
            rng, np.r_[low[:2], high[2:]], height * rng.uniform(.66, .86),
            width / count, height)
        self.unit = unit
        self.place = np.array(place) + [number * width / count, 0]

    def bodies(self) -> Iterator[tuple[figure.Figure, int]]:
        """Yield body and label of each stretch; the same each time."""
        last = None
        for k, stretch in enumerate(self.stretches):
            rng = np.random.default_rng([*self.seed, k])
            t = np.arange(stretch.stop - stretch.start) / actors.FPS
            motion = actors.ACTIONS[stretch.label].motion(rng, t)
            if last is not None:
                motion = _pass(last, motion)
            last = [part[-1] for part in motion]
            yield (figure.pose(motion, self.build, self.mirrored),
                   stretch.label)

    def frames(self) -> Iterator[tuple[actors.Actor, int, np.ndarray,
                                       drawing.Thing | None]]:
        """Yield where the person is, which frame of it, and what is held."""
        for body, label in self.bodies():
            actor = actors.place(body, self.unit, self.place)
            for i, box in enumerate(actor.boxes()):
                yield actor, i, box, self.things[label]


def _pass(last: Sequence[Any], motion: figure.Motion) -> figure.Motion:
    """Let a motion begin with the posture in which another ended."""
    count = min(round(PASSING * actors.FPS), len(motion.yaw))
    share = (np.arange(count) + 1) / (count + 1)
    share = share**2 * (3 - 2 * share)
    parts = []
    for before, part in zip(last, motion):
        part = np.array(part, float)
        weight = share.reshape(-1, *[1] * np.ndim(before))
        part[:count] = (1 - weight) * before + weight * part[:count]
        parts.append(part)
    return figure.Motion(*parts)


def _images(cast: Sequence[_Person], rng: np.random.Generator,
            boxes: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the frames; what is true of them is added to ``boxes``."""
    width, height = SIZE
    scene = drawing.room(rng, width, height)
    light = np.float32(rng.uniform(.8, 1.12) * rng.uniform(.95, 1.05, 3))
    grain = np.float32(rng.uniform(1, 4)) * rng.standard_normal(
        (GRAINS, height, width, 3), np.float32)
    for together in zip(*(actor.frames() for actor in cast)):
        image = scene.copy()
        for one, i, *_ in together:
            drawing.shadow(image, one.floor[i], one.unit)
        for person, (one, i, _, thing) in zip(cast, together):
            one.draw(image, i, person.wear, thing,
                     0 if person.mirrored else 1)
        boxes.append(np.array(
            [box for *_, box, _ in together], np.float32))
        noise = np.roll(grain[rng.integers(GRAINS)],
                        rng.integers(width), 1)
        yield np.clip(image * light + noise, 0, 255).astype(np.uint8)


def make_long_video(root: str | os.PathLike[str], minutes: float = 10.,
                    count: int = 1, seed: int = 0) -> dict:
    """Write one video of many actions, with their true times.

    The folder gets ``video.mp4``; ``segments.json`` ({"fps", "duration",
    "classes", "segments": [{"track", "start", "end", "label"}]}, times in s,
    tracks numbered from the left); and ``boxes.json`` ({"video": a list a
    frame of [x1, y1, x2, y2, score] a person}, for ``--detector
    boxes:FILE``). Frames are encoded as they are drawn: memory does not grow
    with them.

    Args:
        root: the folder; it appears only when complete.
        minutes: length of the video.
        count: people, side by side, each with actions of their own.
        seed: seed of everything.

    Returns:
        dict: what ``segments.json`` holds.

    Raises:
        FileExistsError: the folder is there already.
        ValueError: a number is out of range.
    """
    with new_folder(root) as part:
        if not 1 <= count <= MOST_PEOPLE:
            raise ValueError(f'{count} people do not fit side by side: take '
                             f'1 to {MOST_PEOPLE}')
        frames = round(60 * minutes * actors.FPS)
        if frames < LENGTHS[0] * actors.FPS:
            raise ValueError(f'{minutes:g} minutes are shorter than an '
                             f'action: take {LENGTHS[0] / 60:g} or more')
        cast = [_Person(seed, number, count, frames, *SIZE)
                for number in range(count)]
        boxes: list[np.ndarray] = []
        save_video(part / 'video.mp4', _images(
            cast, np.random.default_rng([seed, count]), boxes))
        truth = dict(
            fps=actors.FPS, duration=frames / actors.FPS,
            classes=actors.CLASSES, segments=[
                dict(track=track, start=stretch.start / actors.FPS,
                     end=stretch.stop / actors.FPS,
                     label=actors.CLASSES[stretch.label])
                for track, actor in enumerate(cast)
                for stretch in actor.stretches])
        for name, content in (('segments.json', truth),
                              ('boxes.json', dict(video=box_rows(boxes)))):
            (part / name).write_text(json.dumps(content), encoding='utf-8')
    return truth
