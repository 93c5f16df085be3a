"""Several views of a clip: stretches of it, and its mirror image."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .resampling import middle_frames, resize

SAMPLINGS = ('resize', 'segments')


def view_spans(frames: int, views: int, share: float
               ) -> list[tuple[int, int]]:
    """Evenly placed stretches of a clip, the first and the last at its ends.

    Args:
        frames: Frames of the clip, T.
        views: Stretches wanted; one is the whole clip.
        share: Frames of a stretch, as a share of the clip's.

    Returns:
        First frame of each and first one after it.
    """
    if views == 1:
        return [(0, frames)]
    length = min(max(round(frames * share), 1), frames)
    return [(start, start + length) for start in (
        round((frames - length) * view / (views - 1))
        for view in range(views))]


def clip_views(array: np.ndarray, length: int, views: int = 1,
               share: float = .75, sampling: str = 'resize') -> np.ndarray:
    """Views of a clip, one after the other.

    Args:
        array: The clip, (M, T, ...).
        length: Frames of a view, L.
        views: Number of views, K. Defaults to 1: the whole clip.
        share: See :func:`view_spans`. Defaults to 0.75.
        sampling: How a stretch gets its length: ``'resize'``, see
            :func:`~hpnet_plugin.resampling.resize`, or ``'segments'``: the
            frames in the middle of L segments. Defaults to ``'resize'``.

    Returns:
        (M, K * L, ...).

    Raises:
        ValueError: If the clip has no frames.
    """
    if not array.shape[1]:
        raise ValueError('a clip without frames has no views')
    parts = [array[:, start:stop]
             for start, stop in view_spans(array.shape[1], views, share)]
    parts = [resize(part, length) if sampling == 'resize' else
             part.take(middle_frames(part.shape[1], length), 1)
             for part in parts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, 1)


def mirrored(array: np.ndarray, order: Sequence[int],
             width: int | None = None, x: bool = False) -> np.ndarray:
    """A clip in which left and right have changed places.

    Args:
        array: (M, T, V, ...).
        order: For each joint the one that takes its place, of
            :func:`hpnet_plugin.graph.mirror_pairs`.
        width: Of the frame, for joints in pixels. Defaults to None: their
            origin is in the middle.
        x: Whether the first channel is a coordinate. Defaults to False.

    Returns:
        The same shape, its own memory. Joints that are zero stay so.

    Raises:
        ValueError: If the joints are not those of the order.
    """
    if array.shape[2] != len(order):
        raise ValueError(f'{array.shape[2]} joints, the layout has '
                         f'{len(order)}')
    array = array[:, :, order]
    if x:
        absent = np.all(array == 0, -1)
        array[..., 0] = (0 if width is None else width - 1) - array[..., 0]
        array[absent] = 0
    return array
