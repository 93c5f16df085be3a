"""Boxes x1, y1, x2, y2 in pixels: areas, overlaps, order."""
from __future__ import annotations

import numpy as np

NMS_IOU = 0.45  # above, a better box covers another


def diou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distance IoU of two sets of boxes.

    IoU less the squared distance of the centres over the squared diagonal of
    the box around both (Zheng et al., AAAI 2020): 1 for equal boxes, and
    unlike IoU graded where boxes no longer touch.

    Args:
        a: (N, 4), x1, y1, x2, y2.
        b: (K, 4).

    Returns:
        (N, K), in (-1, 1].
    """
    a, b = a[:, None], b[None]
    # a frame has so few boxes that calls cost, not numbers: sums and
    # products of two are written out
    low_a, high_a, low_b, high_b = (
        a[..., :2], a[..., 2:], b[..., :2], b[..., 2:])
    side = np.maximum(
        np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0)
    inner = side[..., 0] * side[..., 1]
    union = area(a) + area(b) - inner
    centres = (low_a + high_a - low_b - high_b) / 2
    around = np.maximum(high_a, high_b) - np.minimum(low_a, low_b)
    return (inner / np.maximum(union, 1e-9)
            - _squared(centres) / np.maximum(_squared(around), 1e-9))


def _squared(vectors: np.ndarray) -> np.ndarray:
    return (vectors[..., 0] * vectors[..., 0]
            + vectors[..., 1] * vectors[..., 1])


def area(boxes: np.ndarray) -> np.ndarray:
    """Areas of boxes.

    Args:
        boxes: (..., 4), x1, y1, x2, y2.

    Returns:
        (...).
    """
    return ((boxes[..., 2] - boxes[..., 0])
            * (boxes[..., 3] - boxes[..., 1]))


def centre_and_size(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres of boxes, their widths and heights.

    Args:
        boxes: (K, 4), x1, y1, x2, y2.

    Returns:
        (K, 2) and (K, 2).
    """
    return ((boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2])


def overlaps(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much each pair of boxes has in common.

    Args:
        boxes: (K, 4 or more), x1, y1, x2, y2 first.

    Returns:
        IoU, and share of the smaller box that is covered: (K, K) each.
    """
    a, b = boxes[:, None], boxes[None]
    inner = (np.minimum(a[..., 2:4], b[..., 2:4])
             - np.maximum(a[..., :2], b[..., :2])).clip(0).prod(-1)
    area = (boxes[:, 2:4] - boxes[:, :2]).prod(-1)
    return (inner / (area[:, None] + area - inner),
            inner / np.minimum(area[:, None], area))


def suppressed(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Non-maximum suppression.

    Args:
        boxes: (K, 4), x1, y1, x2, y2.
        scores: (K,).

    Returns:
        Indices of the boxes that no better one covers, best first.
    """
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    left, kept = np.argsort(-scores, kind='stable'), []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        inner = (np.minimum(boxes[best, 2:], boxes[left, 2:])
                 - np.maximum(boxes[best, :2], boxes[left, :2])
                 ).clip(0).prod(1)
        left = left[inner <= NMS_IOU * (area[best] + area[left] - inner)]
    return np.array(kept, int)


def best_first(boxes: np.ndarray | list[list[float]]) -> np.ndarray:
    """Sort boxes by score; equal ones by place, so that runs agree.

    Args:
        boxes: (K, 5), x1, y1, x2, y2, score.

    Returns:
        The same, float32.
    """
    boxes = np.asarray(boxes, np.float32).reshape(-1, 5)
    return boxes[np.lexsort((boxes[:, 1], boxes[:, 0], -boxes[:, 4]))]
