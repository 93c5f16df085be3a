"""From a person's box to the pose net's input, and back."""
from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

# of a person's usual box, what one around few joints has at least
LEAST_SIDE = 0.25


def box_to_window(box: np.ndarray | Sequence[float], size: tuple[int, int],
                  padding: float = 1.25, aspect: str | float = 'input'
                  ) -> tuple[np.ndarray, np.ndarray]:
    """Window of a pose net's aspect ratio around a box.

    Args:
        box: x1, y1, x2, y2 in pixels of the frame.
        size: Width and height of the net's input.
        padding: Factor by which the window exceeds the box.
        aspect: ``'input'``, the ratio of ``size``; or a ratio width / height.
            The released code uses the frame's height / width there
            (``aspect='frame'`` of the extraction), which cuts a standing
            person's head and feet on 16:9 video.

    Returns:
        Centre and extent of the window, (2,) each, float32.
    """
    x1, y1, x2, y2 = np.asarray(box[:4], np.float32)
    width, height = x2 - x1, y2 - y1
    ratio = size[0] / size[1] if aspect == 'input' else float(aspect)
    if width > ratio * height:
        height = width / ratio
    else:
        width = height * ratio
    centre = np.array([(x1 + x2) / 2, (y1 + y2) / 2], np.float32)
    return centre, np.array([width, height], np.float32) * padding


def window_to_matrix(centre: np.ndarray, extent: np.ndarray,
                     size: tuple[int, int], udp: bool = False) -> np.ndarray:
    """Affine map from the frame to the net's input.

    Args:
        centre: Centre of the window in the frame, (2,).
        extent: Width and height of the window, (2,).
        size: Width and height of the net's input.
        udp: Whether the net was trained with unbiased data processing
            (mmpose's ``TopdownAffine(use_udp=True)``), which counts extents
            between pixel centres. Defaults to False.

    Returns:
        (2, 3), float64. One zoom for both axes, so that people keep their
        shape; only the window's width sets it, as in mmpose.
    """
    unit = 1 if udp else 0
    zoom = (size[0] - unit) / extent[0]
    middle = (np.array(size, np.float64) - unit) / 2
    shift = middle - zoom * np.asarray(centre, np.float64)
    return np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])


def warp(frame: np.ndarray, matrix: np.ndarray, size: tuple[int, int]
         ) -> np.ndarray:
    """Sample the net's input from a frame.

    Args:
        frame: (H, W, 3) uint8.
        matrix: From frame to input, (2, 3).
        size: Width and height of the input.

    Returns:
        (h, w, 3) uint8.
    """
    return cv2.warpAffine(frame, matrix, tuple(size), flags=cv2.INTER_LINEAR)


def crop_person(frame: np.ndarray, box: np.ndarray, size: tuple[int, int],
                padding: float = 1.25, aspect: str = 'input',
                udp: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Cut a person out of a frame, as a pose net takes it.

    Args:
        frame: (H, W, 3) uint8.
        box: x1, y1, x2, y2 in pixels.
        size: Width and height of the net's input.
        padding: Factor by which the crop exceeds the box.
        aspect: ``'input'``: the crop has the net's aspect ratio; ``'frame'``:
            the frame's height / width, as the released code.
        udp: See :func:`window_to_matrix`.

    Returns:
        The crop (h, w, 3) and its matrix (2, 3).
    """
    height, width = frame.shape[:2]
    ratio = height / width if aspect == 'frame' else 'input'
    matrix = window_to_matrix(*box_to_window(box, size, padding, ratio), size,
                              udp)
    return warp(frame, matrix, size), matrix


def to_frame(joints: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Joints from crop pixels to frame pixels.

    Args:
        joints: (N, V, 2) in pixels of the crops.
        matrices: (N, 2, 3) from frame to crop.

    Returns:
        (N, V, 2) in pixels of the frame, float32.
    """
    zoom, shift = matrices[:, None, [0, 1], [0, 1]], matrices[:, None, :, 2]
    return ((joints - shift) / zoom).astype(np.float32)


def to_crop(joints: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Joints from frame pixels to crop pixels: :func:`to_frame` undone.

    Args:
        joints: (N, V, 2) in pixels of the frame.
        matrices: (N, 2, 3) from frame to crop.

    Returns:
        (N, V, 2) in pixels of the crops, float32.
    """
    zoom, shift = matrices[:, None, [0, 1], [0, 1]], matrices[:, None, :, 2]
    return (joints * zoom + shift).astype(np.float32)


def joints_to_box(
        joints: np.ndarray,
        scores: np.ndarray,
        shape: tuple[int, int],
        margin: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Boxes around joints of one person or more that are already known.

    Joints of score 0 never count. Where few joints are seen the box around
    them says little of the body, and around a single one it has no area: no
    side is shorter than ``LEAST_SIDE`` of the person's usual one, the median
    over the frames.

    Args:
        joints: (M, T, V, 2), in pixels of the frame.
        scores: (M, T, V).
        shape: Height and width of the frame. A quarter of the height is the
            usual side of somebody of whom only single joints are seen.
        margin: By which a box exceeds the joints at each side, as a share of
            their extent: the crown and the soles are no joints.

    Returns:
        Boxes (M, T, 4), x1, y1, x2, y2, float32, zero where nobody is, and
        presence (M, T), bool.
    """
    seen = (scores > 0)[..., None]
    present = seen.any((2, 3))
    low = np.where(seen, joints, np.inf).min(2)
    high = np.where(seen, joints, -np.inf).max(2)
    low, high = (np.where(present[..., None], x, 0) for x in (low, high))
    pad = margin * (high - low)
    low, high = low - pad, high + pad
    for m in range(len(low)):
        side = high[m] - low[m]
        usual = [np.median(s[s > 0]) if (s > 0).any() else 0 for s in side.T]
        if not any(usual):
            usual = [shape[0] / 4]
        usual = [s or max(usual) for s in usual]
        more = (np.multiply(LEAST_SIDE, usual) - side).clip(0) / 2
        more *= present[m, :, None]
        low[m] -= more
        high[m] += more
    return np.concatenate((low, high), -1).astype(np.float32), present


def areas_in_crops(matrices: np.ndarray, boxes: np.ndarray,
                   shape: Sequence[int]) -> np.ndarray:
    """Where the person's box and the frame lie in crops of one frame.

    Args:
        matrices: From frame to crop, (N, 2, 3).
        boxes: x1, y1, x2, y2 first, in pixels of the frame, (N, 4 or more).
        shape: Height and width of the frame.

    Returns:
        (N, 2, 2, 2) float32, in pixels of the crops: box and frame, of each
        the upper left and the lower right corner, x and y. The frame begins
        half a pixel before the centre of its first.
    """
    corners = np.empty((len(boxes), 2, 2, 2), np.float64)
    corners[:, 0] = np.asarray(boxes)[:, :4].reshape(-1, 2, 2)
    corners[:, 1] = np.array([[0, 0], [shape[1], shape[0]]]) - .5
    zoom = np.asarray(matrices)[:, None, None, [0, 1], [0, 1]]
    shift = np.asarray(matrices)[:, None, None, :, 2]
    return (corners * zoom + shift).astype(np.float32)
