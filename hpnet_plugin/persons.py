"""The people of a clip: where they are, how large, and how many."""
from __future__ import annotations

import numpy as np

PADS = ('repeat', 'zero')


def normalize_pose(
        keypoint: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Centre a clip's pose and scale it by the size of its people.

    One centre and one scale for the whole clip, so that motion, and where
    people stand to each other, survive. The centre is the mean of all
    joints; the scale is the root mean square distance of the joints to the
    middle of their own person in their own frame, which walking does not
    change. Joints that are absent, zero in all coordinates, stay so.

    Args:
        keypoint: (M, T, V, 2) in pixels, or (M, T, V, 3).

    Returns:
        The joints in body sizes, float32; the centre (2,) or (3,) and the
        scale in the unit of the input.
    """
    keypoint = keypoint.astype(np.float32)
    present = np.any(keypoint != 0, -1, keepdims=True)
    number = present.sum(2, keepdims=True)
    middle = keypoint.sum(2, keepdims=True) / np.maximum(number, 1)
    centre = keypoint.sum((0, 1, 2)) / max(number.sum(), 1)
    spread = ((keypoint - middle)**2 * present).sum()
    scale = float(np.sqrt(spread / max(number.sum(), 1))) or 1.
    return (keypoint - centre) / scale * present, centre, scale


def centre_features(array: np.ndarray, per: str = 'joint') -> np.ndarray:
    """Take the mean of a clip out of each person's features.

    Args:
        array: (M, T, V, C); frames without the person, all zero, do not count
            and stay zero.
        per: ``'joint'``: the mean over time of each joint and channel;
            ``'channel'``: that over time and joints of each channel. Defaults
            to ``'joint'``.

    Returns:
        The same shape and type.
    """
    feat = array.astype(np.float32)
    present = np.any(feat != 0, axis=(2, 3), keepdims=True)
    mean = feat.sum(1, keepdims=True) / np.maximum(
        present.sum(1, keepdims=True), 1)
    if per == 'channel':
        mean = mean.mean(2, keepdims=True)
    return ((feat - mean) * present).astype(array.dtype)


def fill_people(array: np.ndarray, count: int,
                pad: str = 'repeat') -> np.ndarray:
    """Bring a clip to a number of people.

    Args:
        array: (M, T, V, C).
        count: People wanted. Surplus people are left out.
        pad: What fills the slots of a clip with fewer people: ``'repeat'`` the
            people again, as the paper does, or ``'zero'``.

    Returns:
        (count, T, V, C) of the array's type, its own memory.

    Raises:
        ValueError: If the clip has nobody.
    """
    people = len(array)
    if not people:
        raise ValueError('a clip without people cannot be filled')
    out = np.empty((count, *array.shape[1:]), array.dtype)
    for slot in range(count):
        there = slot < people or pad == 'repeat'
        out[slot] = array[slot % people] if there else 0
    return out
