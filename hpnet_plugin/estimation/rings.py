"""The mean of feature maps around a person, to be subtracted."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# What a cell within the person's box counts, of one beside it. Where the box
# fills all that is seen, the ring is the mean of the box.
INSIDE = 1e-3


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


def within(areas: Tensor, size: Sequence[int]) -> Tensor:
    """Areas whose frame ends where the crop does.

    Args:
        areas: See :func:`areas_in_crops`.
        size: Width and height of the crops.

    Returns:
        Likewise.
    """
    x, y = areas[:, 1].unbind(-1)
    seen = torch.stack((x.clamp(-.5, size[0] - .5),
                        y.clamp(-.5, size[1] - .5)), -1)
    return torch.stack((areas[:, 0], seen), 1)


def ring_means(maps: Tensor, areas: Tensor, input_size: Sequence[int]
               ) -> Tensor:
    """Means of feature maps over what is seen around the person.

    Each cell counts by the part of it that lies in the frame and outside of
    the person's box; the part inside counts ``INSIDE`` of that.

    Args:
        maps: (N, C, h, w).
        areas: Box and what is seen of the frame, in pixels of the crops; see
            :func:`areas_in_crops` and :func:`within`.
        input_size: Width and height of the crops in pixels.

    Returns:
        (N, C) float32; zero where nothing of the frame is seen.
    """
    maps = maps.float()
    box, seen = areas.to(maps.device).float().unbind(1)
    low = torch.maximum(box[:, 0], seen[:, 0])
    high = torch.minimum(box[:, 1], seen[:, 1])
    sides = [_cover(low[:, i], high[:, i], maps.shape[3 - i], input_size[i])
             for i in (0, 1)]
    whole = [_cover(seen[:, 0, i], seen[:, 1, i], maps.shape[3 - i],
                    input_size[i]) for i in (0, 1)]
    weights = whole[1][:, :, None] * whole[0][:, None] - (1 - INSIDE) * \
        sides[1][:, :, None] * sides[0][:, None]
    total = weights.sum((1, 2)).clamp(min=1e-6)
    return (maps * weights[:, None]).sum((2, 3)) / total[:, None]


def _cover(low: Tensor, high: Tensor, cells: int, pixels: int) -> Tensor:
    """Part of each cell of a row that lies between two bounds, (N, cells)."""
    edges = torch.arange(cells + 1, dtype=low.dtype, device=low.device) \
        * (pixels / cells) - .5
    over = torch.minimum(high[:, None], edges[1:]) - torch.maximum(
        low[:, None], edges[:-1])
    return over.clamp(min=0) * (cells / pixels)
