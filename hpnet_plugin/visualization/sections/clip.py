"""Joints and pooled features of a clip, as a section."""
from __future__ import annotations

import itertools
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...estimation.video import read_frames
from ..energy import energy_figure, strip
from ..joints import (
    draw_energy,
    draw_joints,
    energy_limits,
    people_box,
    pooled_energy,
    zoom,
)
from ..maps import detector_figure, maps_figure
from ..report import Picture, Section

if TYPE_CHECKING:
    from ...apis.feature_maps import Person
    from ...estimation.extractor import PooledExtractor
    from ...store import FeatureStore


def clip_section(store: FeatureStore, name: str,
                 videos: str | PathLike | None = None,
                 tap: str | None = None, moments: int = 4,
                 extractor: PooledExtractor | None = None) -> Section:
    """Joints and pooled energy of one clip.

    Args:
        store: Holds the clip.
        name: The clip.
        videos: Folder, searched with its subfolders, of the videos that were
            extracted; without it only the energy over time is shown.
        tap: Which features; may be left out where the store has one tap only.
        moments: How many frames to show.
        extractor: The pose net whose feature maps are shown, too.

    Returns:
        Its pictures.
    """
    joints = store.read(name, 'keypoint')
    scores = store.read(name, 'keypoint_score')
    energy = pooled_energy(store.read(name, tap))
    info = store.info(name)
    length = joints.shape[1]
    # Where frames were left out at extraction, time passes faster.
    fps = info.get('fps', 0) * length / info['num_frames']
    pictures = [Picture(
        energy_figure(energy, scores, fps),
        'Energy of the pooled feature of each joint; empty where nobody was '
        'found.')]
    text = ''
    video = None
    if videos is not None:
        video = next((p for p in sorted(Path(videos).rglob('*'))
                      if p.name == info['source']), None)
        if video is None:
            text = f'{info["source"]} is not in the folder of videos.'
    if video is not None:
        at = sorted({int((i + 0.5) * length / moments)
                     for i in range(moments)})
        frames = _frames_at(video, length, at)
        image = moments_image(frames, joints[:, at], scores[:, at],
                              energy[:, at], energy_limits(energy, scores))
        when = ', '.join(f'{t / fps:.1f}' if fps else str(t) for t in at)
        pictures.insert(0, Picture(
            image, f'Joints (left blue, right orange) and the energy pooled '
            f'at them at {when} {"s" if fps else "(frames)"}.'))
        people = _people(name, frames, joints[:, at], scores[:, at],
                         [t / fps if fps else t for t in at])
        pictures += _pictures_of(people, extractor)
    return Section(name, text, figure=pictures)


def _people(name: str, frames: Sequence[np.ndarray], joints: np.ndarray,
            scores: np.ndarray, times: Sequence[float]) -> list[Person]:
    """People of frames, by the box around their joints."""
    from ...apis.feature_maps import Person
    found = []
    for t, frame in enumerate(frames):
        for m in np.flatnonzero((scores[:, t] > 0).any(-1)):
            box = people_box(joints[m, t], scores[m, t], margin=.05)
            if box is not None:
                found.append(Person(name, float(times[t]), int(m), frame,
                                    box))
    return found


def _pictures_of(people: list[Person],
                 extractor: PooledExtractor | None = None) -> list[Picture]:
    """The RGB branch's input of people, and maps of them."""
    from ...apis.feature_maps import look, rgb_inputs, titles, usual_feature
    pictures = []
    if people:
        pictures.append(Picture(
            detector_figure(titles(people), people, *rgb_inputs(people)),
            'What the RGB branch sees of the frame without and with a human '
            'detector.'))
    if people and extractor is not None:
        pictures.append(Picture(
            maps_figure(titles(people), dict(net=look(extractor, people)),
                        usual_feature(extractor)),
            'Feature maps of the pose net (L2 norm over the channels of each '
            'cell), the heatmaps of its joints, and the pooled features.'))
    return pictures


def moments_image(frames: Sequence[np.ndarray], joints: np.ndarray,
                  scores: np.ndarray, energy: np.ndarray,
                  limits: tuple[float, float]) -> np.ndarray:
    """Frames side by side: joints above, their pooled energy below.

    Args:
        frames: T frames, (H, W, 3) uint8.
        joints: (M, T, V, 2) in pixels of the frame.
        scores: (M, T, V).
        energy: (M, T, V).
        limits: Energies of the smallest and largest dot.

    Returns:
        (H', W', 3) uint8, all frames cut to the same window around the people.
    """
    box = people_box(joints, scores)
    joined, pooled = [], []
    for t, frame in enumerate(frames):
        image, at = zoom(frame, joints[:, t], box)
        joined.append(draw_joints(image, at, scores[:, t]))
        pooled.append(draw_energy(image, at, scores[:, t], energy[:, t],
                                  limits))
    above, below = strip(joined), strip(pooled)
    gap = np.full((6, *above.shape[1:]), 255, np.uint8)
    return np.concatenate([above, gap, below])


def _frames_at(video: Path, length: int, wanted: Sequence[int]
               ) -> list[np.ndarray]:
    """Frames of a video by their number among the ``length`` stored ones."""
    chunks = read_frames(str(video), max_frames=length)
    stored = itertools.chain.from_iterable(frames for _, frames in chunks)
    return [frame for t, frame in enumerate(stored) if t in wanted]
