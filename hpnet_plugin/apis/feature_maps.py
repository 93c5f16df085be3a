"""Feature maps of pose nets over people in frames (Fig. 3, 4 and 8)."""
from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from ..estimation.assembly import ClipAssembler
from ..estimation.geometry import areas_in_crops
from ..estimation.video import VideoReader, read_frames_at
from ..extraction.crop_cutting import CropCutter

if TYPE_CHECKING:
    from ..estimation.extractor import PooledExtractor
    from ..estimation.people import PersonSource


class Person(NamedTuple):
    """A person in a frame.

    Attributes:
        source: The video or clip.
        time: Of the frame in s from the first one.
        number: Of the person in the clip, from 0.
        image: The frame, (H, W, 3) uint8, RGB.
        box: (4,) x1, y1, x2, y2 in pixels of the frame.
    """
    source: str
    time: float
    number: int
    image: np.ndarray
    box: np.ndarray


class PersonMaps(NamedTuple):
    """What a pose net sees of a person.

    Attributes:
        crop: What the net is given, (h, w, 3) uint8, RGB.
        joints: (V, 2) in pixels of the crop.
        scores: (V,).
        maps: Tap to (h', w') float32: the L2 norm over the channels of each
            cell.
        heatmap: (h', w') float32: the largest of the heatmaps of the joints,
            of SimCC the products of their two vectors.
        pooled: Feature to (V, C) float32.
    """
    crop: np.ndarray
    joints: np.ndarray
    scores: np.ndarray
    maps: dict[str, np.ndarray]
    heatmap: np.ndarray
    pooled: dict[str, np.ndarray]


def find_people(video: str, source: PersonSource, extractor: PooledExtractor,
                moments: int = 4, max_people: int = 1) -> list[Person]:
    """People of a video at some moments.

    Args:
        video: The file.
        source: Says who is where.
        extractor: Of any pose net; confirms who is a person where the
            source's word alone does not count.
        moments: Of the frames in which anybody is seen, so many are taken,
            evenly spread.
        max_people: People kept.

    Returns:
        In order of time; a moment has a person for each who is there.

    Raises:
        ValueError: If nobody is found, or the video cannot be read.
    """
    name = osp.splitext(osp.basename(video))[0]
    assemble = ClipAssembler(source, extractor, max_people, batch=8)
    with VideoReader(video) as reader:
        clip = assemble(name, reader.chunks(), pose=False)
    seen = np.flatnonzero((clip.chosen >= 0).any(0))
    if not len(seen):
        raise ValueError(f'{video}: {source.name} finds nobody in it; give '
                         'another detector')
    at = seen[middles(len(seen), moments)]
    images = read_frames_at(video, [clip.numbers[t] for t in at])
    return [Person(name, float(clip.times[t]), int(m), image,
                   clip.boxes[t][clip.chosen[m, t]][:4])
            for t, image in zip(at, images)
            for m in np.flatnonzero(clip.chosen[:, t] >= 0)]


def middles(length: int, parts: int) -> list[int]:
    """The middles of equal parts of so many frames, each frame once.

    Args:
        length: Of the range.
        parts: How many there are.

    Returns:
        One number a part, ascending.
    """
    return sorted({int((i + .5) * length / parts) for i in range(parts)})


def look(extractor: PooledExtractor, people: Sequence[Person]
         ) -> list[PersonMaps]:
    """What a pose net and its pooling make of people.

    Args:
        extractor: Pose net, taps and pooling.
        people: At least one.

    Returns:
        Of each person.
    """
    crops, matrices = map(np.stack, zip(*(
        extractor.crop(person.image, person.box) for person in people)))
    output = extractor.net(crops)
    areas = np.concatenate([
        areas_in_crops(matrix[None], np.asarray(person.box)[None],
                       person.image.shape[:2])
        for matrix, person in zip(matrices, people)])
    _, _, pooled = extractor(crops, matrices, areas=areas)
    maps = {tap: value.float().norm(dim=1).cpu().numpy()
            for tap, value in output.maps.items()}
    heatmaps = _heat(output.head_outputs).cpu().numpy()
    return [PersonMaps(
        crops[i], output.joints[i], output.scores[i],
        {name: value[i] for name, value in maps.items()}, heatmaps[i],
        {name: value[i].astype(np.float32)
         for name, value in pooled.items()}) for i in range(len(crops))]


def rgb_inputs(people: Sequence[Person], size: int = 224
               ) -> tuple[list[list[np.ndarray]], list[list[float]]]:
    """What the RGB branch sees of people without and with a detector.

    Args:
        people: At least one.
        size: Side of the images in pixels.

    Returns:
        Of each person the whole frame and the window around the person, as
        ``hpnet extract --crops`` cuts them out, (size, size, 3) uint8; and
        the part of each that the person's box covers.
    """
    cutter, images, shares = CropCutter(size), [], []
    for person in people:
        box = np.asarray(person.box, np.float32)
        height, width = person.image.shape[:2]
        windows = [cutter.windows([box[None]], np.array([[chosen]]),
                                  (height, width))[0]
                   for chosen in (-1, 0)]  # nobody: the whole frame
        images.append([cutter.cut(person.image, window)
                       for window in windows])
        shares.append([float(np.prod(box[2:] - box[:2])
                             / np.prod(window[2:] - window[:2]))
                       for window in windows])
    return images, shares


def usual_feature(extractor: PooledExtractor) -> str:
    """The feature that is pooled: of three maps the middle one, H2.

    Args:
        extractor: Pose net, taps and pooling.

    Returns:
        Its name.
    """
    taps = list(extractor.taps)
    return taps[len(taps) // 2]


def titles(people: Sequence[Person]) -> list[str]:
    """Source, time and number of people, without what all share.

    Args:
        people: Some people.

    Returns:
        A title each.
    """
    sources = {person.source for person in people}
    several = any(person.number for person in people)
    return ['\n'.join(filter(None, (
        person.source if len(sources) > 1 else '', f'{person.time:.1f} s'
        + (f', person {person.number + 1}' if several else ''))))
            for person in people]


def _heat(outputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Where the net sees joints at all, (N, h, w)."""
    if len(outputs) == 1:
        return outputs[0].float().amax(1)
    # a SimCC head gives logits of columns and of rows
    x, y = (value.float().softmax(-1) for value in outputs)
    x, y = x / x.amax(-1, True), y / y.amax(-1, True)
    return (y[..., :, None] * x[..., None, :]).amax(1)
