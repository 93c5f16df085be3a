"""From a person's box to the pose net's input, and back."""
import cv2
import numpy as np


def box_to_window(box, size, padding=1.25, aspect='input'):
    """Window of a pose net's aspect ratio around a box.

    Args:
        box (Sequence[float]): x1, y1, x2, y2 in pixels of the frame.
        size (tuple[int]): Width and height of the net's input.
        padding (float): Factor by which the window exceeds the box.
        aspect (str | float): ``'input'``, the ratio of ``size``; or a ratio
            width / height. The released code uses the frame's height / width
            there (``aspect='frame'`` of the extraction), which cuts a
            standing person's head and feet on 16:9 video.

    Returns:
        tuple[np.ndarray]: Centre and extent of the window, (2,) each, float32.
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


def window_to_matrix(centre, extent, size, udp=False):
    """Affine map from the frame to the net's input.

    Args:
        centre (np.ndarray): Centre of the window in the frame, (2,).
        extent (np.ndarray): Width and height of the window, (2,).
        size (tuple[int]): Width and height of the net's input.
        udp (bool): Whether the net was trained with unbiased data
            processing (mmpose's ``TopdownAffine(use_udp=True)``), which
            counts extents between pixel centres. Defaults to False.

    Returns:
        np.ndarray: (2, 3), float64. One zoom for both axes, so that people
        keep their shape; only the window's width sets it, as in mmpose.
    """
    unit = 1 if udp else 0
    zoom = (size[0] - unit) / extent[0]
    middle = (np.array(size, np.float64) - unit) / 2
    shift = middle - zoom * np.asarray(centre, np.float64)
    return np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])


def warp(frame, matrix, size):
    """Sample the net's input from a frame: (H, W, 3) -> (h, w, 3) uint8."""
    return cv2.warpAffine(frame, matrix, tuple(size), flags=cv2.INTER_LINEAR)


def to_frame(joints, matrices):
    """Joints from crop pixels to frame pixels.

    Args:
        joints (np.ndarray): (N, V, 2) in pixels of the crops.
        matrices (np.ndarray): (N, 2, 3) from frame to crop.

    Returns:
        np.ndarray: (N, V, 2) in pixels of the frame, float32.
    """
    zoom, shift = matrices[:, None, [0, 1], [0, 1]], matrices[:, None, :, 2]
    return ((joints - shift) / zoom).astype(np.float32)


def to_crop(joints, matrices):
    """Joints from frame pixels to crop pixels; the inverse of `to_frame`."""
    zoom, shift = matrices[:, None, [0, 1], [0, 1]], matrices[:, None, :, 2]
    return (joints * zoom + shift).astype(np.float32)


def joints_to_box(joints, margin=0.1):
    """Box around joints that are already known.

    Args:
        joints (np.ndarray): (V, 2) in pixels of the frame.
        margin (float): What joints miss of the body at each side, as a share
            of the box's height. Defaults to 0.1.

    Returns:
        np.ndarray: x1, y1, x2, y2, float32.
    """
    low, high = joints.min(0), joints.max(0)
    edge = margin * (high[1] - low[1])
    return np.concatenate((low - edge, high + edge)).astype(np.float32)
