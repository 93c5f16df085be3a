"""One long video of people who do one thing after the other, and the truth.

Each person keeps their body, clothes and place; postures pass into each
other. The actions are those of the data set, see :mod:`people`.
"""
import json
import os
import shutil
from typing import NamedTuple

import numpy as np

from . import drawing, figure, people

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


def plan(frames, rng):
    """Actions that follow each other, each in turn as often as the others.

    Args:
        frames (int): of the video.
        rng (np.random.Generator): source of all chance.

    Returns:
        list[Stretch]: without gaps; no action follows itself.
    """
    shortest = round(LENGTHS[0] * people.FPS)
    stretches, labels, start = [], [], 0
    while start < frames:
        if not labels:
            labels = rng.permutation(len(people.ACTIONS)).tolist()
            if stretches and labels[-1] == stretches[-1].label:
                labels.reverse()
        stop = start + round(rng.uniform(*LENGTHS) * people.FPS)
        if frames - stop < shortest:
            stop = frames
        stretches.append(Stretch(start, stop, labels.pop()))
        start = stop
    return stretches


class _Person:
    """One who acts all through the video."""

    def __init__(self, seed, number, count, frames, width, height):
        self.seed = [seed, number]
        rng = np.random.default_rng(self.seed)
        self.stretches = plan(frames, rng)
        self.build = figure.Build.sample(rng)
        self.mirrored = bool(rng.integers(2))
        self.wear = drawing.wardrobe(rng)
        self.things = [
            action.thing and (action.thing[0], np.array(action.thing[1])
                              * rng.uniform(.85, 1.12))
            for action in people.ACTIONS]
        # everybody stays in a part of the picture of their own
        reach = [people.extent(body) for body, _ in self.bodies()]
        low, high = np.min(reach, 0), np.max(reach, 0)
        unit, place = people.room_for(
            rng, np.r_[low[:2], high[2:]], height * rng.uniform(.66, .86),
            width / count, height)
        self.unit = unit
        self.place = np.array(place) + [number * width / count, 0]

    def bodies(self):
        """Yield body and label of each stretch; the same each time."""
        last = None
        for k, stretch in enumerate(self.stretches):
            rng = np.random.default_rng([*self.seed, k])
            t = np.arange(stretch.stop - stretch.start) / people.FPS
            motion = people.ACTIONS[stretch.label].motion(rng, t)
            if last is not None:
                motion = _pass(last, motion)
            last = [part[-1] for part in motion]
            yield (figure.pose(motion, self.build, self.mirrored),
                   stretch.label)

    def frames(self):
        """Yield where the person is, which frame of it, and what is held."""
        for body, label in self.bodies():
            actor = people.place(body, self.unit, self.place)
            for i, box in enumerate(actor.boxes()):
                yield actor, i, box, self.things[label]


def _pass(last, motion):
    """Let a motion begin with the posture in which another ended."""
    count = min(round(PASSING * people.FPS), len(motion.yaw))
    share = (np.arange(count) + 1) / (count + 1)
    share = share**2 * (3 - 2 * share)
    parts = []
    for before, part in zip(last, motion):
        part = np.array(part, float)
        weight = share.reshape(-1, *[1] * np.ndim(before))
        part[:count] = (1 - weight) * before + weight * part[:count]
        parts.append(part)
    return figure.Motion(*parts)


def _images(actors, rng, boxes):
    """Yield the frames; what is true of them is added to ``boxes``."""
    width, height = SIZE
    scene = drawing.room(rng, width, height)
    light = np.float32(rng.uniform(.8, 1.12) * rng.uniform(.95, 1.05, 3))
    grain = np.float32(rng.uniform(1, 4)) * rng.standard_normal(
        (GRAINS, height, width, 3), np.float32)
    for together in zip(*(actor.frames() for actor in actors)):
        image = scene.copy()
        for one, i, *_ in together:
            drawing.shadow(image, one.floor[i], one.unit)
        for person, (one, i, _, thing) in zip(actors, together):
            one.draw(image, i, person.wear, thing,
                     0 if person.mirrored else 1)
        boxes.append(np.float32([box for *_, box, _ in together]))
        noise = np.roll(grain[rng.integers(GRAINS)],
                        rng.integers(width), 1)
        yield np.clip(image * light + noise, 0, 255).astype(np.uint8)


def make_long_video(root, minutes=10., count=1, seed=0):
    """Write one video of many actions, with their true times.

    The folder gets ``video.mp4``; ``segments.json`` ({"fps", "duration",
    "classes", "segments": [{"track", "start", "end", "label"}]}, times in s,
    tracks numbered from the left); and ``boxes.json`` ({"video": a list a
    frame of [x1, y1, x2, y2, score] a person}, for ``--detector
    boxes:FILE``). Frames are encoded as they are drawn: memory does not grow
    with them.

    Args:
        root (str | os.PathLike): the folder; it appears only when complete.
        minutes (float): length of the video.
        count (int): people, side by side, each with actions of their own.
        seed (int): seed of everything.

    Returns:
        dict: what ``segments.json`` holds.

    Raises:
        FileExistsError: the folder is there already.
        ValueError: a number is out of range.
    """
    root = os.fspath(root)
    if os.path.exists(root):
        raise FileExistsError(
            f'{root} exists already: remove it or choose another folder')
    if not 1 <= count <= MOST_PEOPLE:
        raise ValueError(f'{count} people do not fit side by side: take 1 to '
                         f'{MOST_PEOPLE}')
    frames = round(60 * minutes * people.FPS)
    if frames < LENGTHS[0] * people.FPS:
        raise ValueError(f'{minutes:g} minutes are shorter than an action: '
                         f'take {LENGTHS[0] / 60:g} or more')
    part = f'{root}.part'
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    actors = [_Person(seed, number, count, frames, *SIZE)
              for number in range(count)]
    boxes = []
    people.save_video(os.path.join(part, 'video.mp4'), _images(
        actors, np.random.default_rng([seed, count]), boxes))
    truth = dict(
        fps=people.FPS, duration=frames / people.FPS,
        classes=people.CLASSES, segments=[
            dict(track=track, start=stretch.start / people.FPS,
                 end=stretch.stop / people.FPS,
                 label=people.CLASSES[stretch.label])
            for track, actor in enumerate(actors)
            for stretch in actor.stretches])
    rows = [[[round(float(v), 2) for v in box] + [1.0] for box in frame]
            for frame in boxes]
    for name, content in (('segments.json', truth),
                          ('boxes.json', dict(video=rows))):
        with open(os.path.join(part, name), 'w', encoding='utf-8') as file:
            json.dump(content, file)
    os.replace(part, root)
    return truth
