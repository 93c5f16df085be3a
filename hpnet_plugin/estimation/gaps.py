"""Frames in which a person is absent, filled from those around them."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def fill_gaps(
        values: np.ndarray,
        present: np.ndarray,
        limit: int,
        numbers: Sequence[int] | None = None) -> np.ndarray:
    """Fill the frames without a person, linearly between the neighbours.

    Args:
        values: (M, T, ...), floating point.
        present: (M, T) bool, where ``values`` are known.
        limit: Longest gap in frames of the video that is filled. Longer ones,
            and what is before the first and after the last presence, is zero.
        numbers: (T,) increasing, of the frames in the video; by default they
            follow each other.

    Returns:
        A new array of the shape and dtype of ``values``.

    Raises:
        ValueError: If the shapes do not fit, or ``values`` are integers.
    """
    values, present = np.asarray(values), np.asarray(present, bool)
    if values.shape[:2] != present.shape or present.ndim != 2:
        raise ValueError(f'present must be (M, T) of values (M, T, ...), got '
                         f'{present.shape} and {values.shape}')
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError('values must be floating point to be filled '
                         f'linearly, got {values.dtype}')
    frames = present.shape[1]
    places = np.arange(frames) if numbers is None else np.asarray(numbers)
    if places.shape != (frames, ) or (np.diff(places) <= 0).any():
        raise ValueError(f'numbers must be {frames} that increase, got '
                         f'{places}')
    filled = values.copy()
    filled[~present] = 0
    t = np.arange(frames)
    before = np.maximum.accumulate(np.where(present, t, -1), axis=1)
    after = np.minimum.accumulate(
        np.where(present, t, frames)[:, ::-1], axis=1)[:, ::-1]
    m, t = np.nonzero(~present & (before >= 0) & (after < frames))
    a, b = before[m, t], after[m, t]
    near = places[b] - places[a] - 1 <= limit
    m, t, a, b = m[near], t[near], a[near], b[near]
    exact = np.result_type(values.dtype, np.float32)  # float16 would round
    weight = ((places[t] - places[a])
              / (places[b] - places[a])).astype(exact)
    weight = weight.reshape(-1, *[1] * (values.ndim - 2))
    filled[m, t] = (values[m, a] * (1 - weight)
                    + values[m, b] * weight).astype(values.dtype)
    return filled
