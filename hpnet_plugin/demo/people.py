"""Clips and datasets of moving people, all joints known.

A clip depends on its label, its number and the seed of its dataset alone.
"""
from __future__ import annotations

import json
import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np

from . import drawing, figure
from .actors import ACTIONS, CLASSES, FPS, MOTIONS, SIZES, Actor, put_inside
from .folder import box_rows, new_folder


class SyntheticClip(NamedTuple):
    """A rendered clip of P people; the acting one is the first."""
    frames: np.ndarray  # (T, H, W, 3) uint8 RGB
    boxes: np.ndarray  # (P, T, 4) float32 xyxy, pixels
    joints: np.ndarray  # (P, T, 17, 2) float32, pixels


class _Somebody(NamedTuple):
    """A person with clothes and, if any, what is held, in which hand."""
    actor: Actor
    wear: drawing.Wear
    thing: drawing.Thing | None = None
    hold: int = 1


def make_clip(label: int, number: int, seed: int = 0, length: int = 32
              ) -> SyntheticClip:
    """Render one clip.

    Args:
        label: index into `ACTIONS`.
        number: which clip of the action.
        seed: seed of the data set.
        length: number of frames.

    Returns:
        depends on the arguments alone. Two labels of a pair give the same
        clip but for the thing held.
    """
    action = ACTIONS[label]
    rng = np.random.default_rng(
        [seed, MOTIONS.index(action.motion), number])
    width, height = SIZES[rng.integers(len(SIZES))]
    t = np.arange(length) / FPS
    mirrored = bool(rng.integers(2))
    body = figure.pose(action.motion(rng, t), figure.Build.sample(rng),
                       mirrored)
    actor = put_inside(rng, body, height * rng.uniform(.66, .86), width,
                       height)
    wear = drawing.wardrobe(rng)
    scene = drawing.room(rng, width, height)
    light, cast = rng.uniform(.8, 1.12), rng.uniform(.95, 1.05, 3)
    grain = rng.uniform(1, 4)
    others = _passer_by(rng, t, actor, width, height)
    thing = action.thing
    if thing is not None:
        thing = thing[0], np.array(thing[1]) * rng.uniform(.85, 1.12)
    people = [_Somebody(actor, wear, thing, 0 if mirrored else 1), *others]
    frames = []
    for i in range(length):
        image = _picture(scene, people, i) * np.float32(light * cast)
        image = image + np.float32(grain) * (
            rng.standard_normal(image.shape, np.float32))
        frames.append(np.clip(image, 0, 255).astype(np.uint8))
    return SyntheticClip(
        np.stack(frames),
        np.array([one.actor.boxes() for one in people], np.float32),
        np.array([one.actor.joints[..., :2] for one in people],
                 np.float32))


def _passer_by(rng: np.random.Generator, t: np.ndarray, actor: Actor,
               width: int, height: int) -> list[_Somebody]:
    """Somebody in the background, or nobody if they would be too near."""
    body = figure.pose(
        (figure.stroll, figure.wave)[rng.integers(2)](rng, t),
        figure.Build.sample(rng), bool(rng.integers(2)))
    other = put_inside(rng, body, actor.unit * rng.uniform(.55, .8), width,
                       height)
    wear = drawing.wardrobe(rng)
    if np.abs(other.floor[:, 0] - actor.floor[:, 0]).min() <= .5 * actor.unit:
        return []
    # farther away is higher up in the picture
    rise = max(0, other.floor[0, 1] - actor.floor[0, 1] + .12 * actor.unit)
    shift = np.array([0, min(rise, other.boxes()[:, 1].min()), 0])
    return [_Somebody(other._replace(
        joints=other.joints - shift, head=other.head - shift,
        toes=other.toes - shift, floor=other.floor - shift[:2]), wear)]


def _picture(scene: np.ndarray, people: list[_Somebody], t: int
             ) -> np.ndarray:
    """A frame without light and noise: the first person before the others."""
    image = scene.copy()
    for one in people[::-1]:
        drawing.shadow(image, one.actor.floor[t], one.actor.unit)
    for one in people[::-1]:
        one.actor.draw(image, t, one.wear, one.thing, one.hold)
    return image


def save_video(path: str | os.PathLike[str], frames: Iterable[np.ndarray],
               fps: int = FPS) -> None:
    """Write frames as H.264; the file appears whole.

    Args:
        path: the file.
        frames: (H, W, 3) uint8 RGB each; they are
            taken one by one.
        fps: frames a second.
    """
    import av
    path = os.fspath(path)
    part = f'{path}.part.mp4'
    with av.open(part, 'w') as container:
        stream = container.add_stream('libx264', rate=fps)
        stream.pix_fmt = 'yuv420p'
        stream.thread_count = 1
        # x264's assembler code gives other files from run to run
        stream.options = {'crf': '20', 'preset': 'veryfast',
                          'x264-params': 'asm=0'}
        for i, image in enumerate(frames):
            if not i:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(
                av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(stream.encode())
    os.replace(part, path)


def _write_clip(task: tuple[str, str, int, int, int, int]
                ) -> tuple[str, np.ndarray, np.ndarray]:
    """Make one clip and its video; what a worker process does."""
    folder, name, label, number, seed, length = task
    clip = make_clip(label, number, seed, length)
    save_video(os.path.join(folder, f'{name}.mp4'), clip.frames)
    return name, clip.boxes, clip.joints


def make_dataset(root: str | os.PathLike[str], clips_per_class: int = 24,
                 test_share: float = 1 / 3, length: int = 32, seed: int = 0,
                 workers: int | None = None) -> None:
    """Write a data set of videos, labels, splits and the truth.

    The folder gets ``videos/<clip>.mp4``, ``labels.txt`` ("<clip> <label>" a
    line), ``classes.txt`` (in label order), ``splits.json`` ({"train",
    "test"}: lists of clips; clips of a pair with the same number are on the
    same side), ``boxes.json`` ({clip: a list a frame of [x1, y1, x2, y2,
    score] a person}, for ``--detector boxes:FILE``) and ``truth.npz``
    ("<clip>/boxes" (P, T, 4) and "<clip>/joints" (P, T, 17, 2), pixels, the
    acting person first).

    Args:
        root: the folder; it appears only when complete.
        clips_per_class: clips of each of the eight actions.
        test_share: the share of them in the test split.
        length: frames of a clip.
        seed: seed of everything.
        workers: processes; default one a core.

    Raises:
        FileExistsError: the folder is there already.
        ValueError: a split would be empty.
    """
    test = round(clips_per_class * test_share)
    with new_folder(root) as part:
        if not 0 < test < clips_per_class:
            raise ValueError(
                f'{clips_per_class} clips a class with a test share of '
                f'{test_share:g} leave a split empty: take more clips')
        videos = part / 'videos'
        videos.mkdir()
        names = {(label, number): f'{action.short}_{number:03d}'
                 for label, action in enumerate(ACTIONS)
                 for number in range(clips_per_class)}
        tasks = [(str(videos), name, label, number, seed, length)
                 for (label, number), name in names.items()]
        truth, boxes = {}, {}
        with ProcessPoolExecutor(workers) as pool:
            for name, box, joints in pool.map(_write_clip, tasks,
                                              chunksize=4):
                truth[f'{name}/boxes'], truth[f'{name}/joints'] = box, joints
                boxes[name] = box_rows(box.transpose(1, 0, 2))
        splits: dict[str, list[str]] = {'train': [], 'test': []}
        for (_, number), name in names.items():
            splits['test' if number < test else 'train'].append(name)
        for file, text in (
                ('labels.txt', ''.join(
                    f'{name} {label}\n' for (label, _), name in
                    names.items())),
                ('classes.txt', '\n'.join(CLASSES) + '\n'),
                ('splits.json', json.dumps(splits, indent=1)),
                ('boxes.json', json.dumps(boxes))):
            (part / file).write_text(text, encoding='utf-8')
        np.savez_compressed(part / 'truth.npz', **truth)
