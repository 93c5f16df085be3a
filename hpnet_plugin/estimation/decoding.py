"""Joints from the raw outputs of a pose net, batched.

The decoders take numpy arrays or tensors and give the same kind back, with
the same bits: numpy is the faster one on a CPU (its argmax is ten times that
of torch), tensors stay on the device where they are.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from mmpose.codecs import UDPHeatmap
    from mmpose.models.heads.base_head import BaseHead

Array = np.ndarray | torch.Tensor
# From a head's outputs to joints (N, V, 2) in crop pixels and scores (N, V).
Decoder = Callable[..., tuple[Any, Any]]
BORDERS = ('hrnet', 'mmpose')
# mmpose's UDP decoder counts cells in float32, exact up to here.
EXACT_CELLS = 2**24


def decode_heatmaps(heatmaps: Array, input_size: tuple[int, int],
                    border: str = 'hrnet') -> tuple[Array, Array]:
    """Joints of 2-D heatmaps: the maximum, moved a quarter cell uphill.

    The convention of HRNet, SimpleBaseline and mmpose's ``MSRAHeatmap``:
    cell i of a heatmap of stride s stands for pixel s * i.

    Args:
        heatmaps: (N, V, h, w).
        input_size: Width and height of the net's input.
        border: Where a maximum is not moved. ``'hrnet'``: along an axis on
            whose first or last cell it lies. ``'mmpose'``: as ``MSRAHeatmap``
            does, along an axis also on its second cell, and not at all on the
            first cell of the other axis. Defaults to ``'hrnet'``.

    Returns:
        Joints (N, V, 2) in crop pixels and the maxima as scores (N, V),
        float32. Where no cell is positive the joint is (-1, -1) cells and the
        score as found.

    Raises:
        ValueError: If ``border`` is unknown.
    """
    if border not in BORDERS:
        raise ValueError(f'border must be one of {BORDERS}, got {border!r}')
    n, v = heatmaps.shape[:2]
    h, w = map(int, heatmaps.shape[2:])  # of no symbol in an exported graph
    rows = heatmaps.reshape(n * v, h * w)
    best, scores = _maxima(rows)
    xp = _module(best)
    cells = xp.stack((best % w, best // w))  # x and y, (2, N * V)
    ends, steps = _plan(h, w, _place(heatmaps))
    if border == 'hrnet':
        moves = (cells > 0) & (cells < ends)
    else:
        moves = (cells > 1) & (cells < ends) & (xp.stack(
            (cells[1], cells[0])) > 0)
    # where it may not move, the slope is of a cell to itself: zero
    steps = steps * moves
    slope = _values(rows, best + steps) - _values(rows, best - steps)
    return _joints(_float(cells) + 0.25 * xp.sign(slope), scores,
                   (input_size[0] / w, input_size[1] / h), (n, v))


def decode_simcc(x: Array, y: Array, input_size: tuple[int, int]
                 ) -> tuple[Array, Array]:
    """Joints of SimCC's two vectors a joint: the maxima over the split ratio.

    Args:
        x: (N, V, W * split ratio).
        y: (N, V, H * split ratio).
        input_size: Width and height of the net's input.

    Returns:
        Joints (N, V, 2) in crop pixels and scores (N, V), the smaller of the
        two maxima, float32. Where it is not positive the joint is (-1, -1)
        steps, as in mmpose's ``SimCCLabel``.
    """
    n, v = x.shape[:2]
    (at_x, peak_x), (at_y, peak_y) = (
        _maxima(vector.reshape(n * v, -1)) for vector in (x, y))
    xp = _module(at_x)
    return _joints(_float(xp.stack((at_x, at_y))),
                   xp.minimum(peak_x, peak_y),
                   (input_size[0] / x.shape[-1], input_size[1] / y.shape[-1]),
                   (n, v))


def tensor_decoder(head: BaseHead, input_size: tuple[int, int]
                   ) -> Decoder | None:
    """The decoder of tensors alone that equals a head's own.

    Covered are ``MSRAHeatmap`` without ``unbiased`` and ``SimCCLabel``
    without ``use_dark``. It can be part of an exported graph.

    Args:
        head: Head of a top-down net of mmpose.
        input_size: Width and height of the net's input.

    Returns:
        From the head's outputs, arrays or tensors, to joints (N, V, 2) in crop
        pixels and scores (N, V); None if the head's own is needed.
    """
    from mmpose.codecs import MSRAHeatmap, SimCCLabel
    from mmpose.models.heads.base_head import BaseHead

    codec = head.decoder
    if type(head).decode is not BaseHead.decode:
        return None
    if type(codec) is MSRAHeatmap and not codec.unbiased:
        return lambda maps: decode_heatmaps(maps, input_size, 'mmpose')
    if type(codec) is SimCCLabel and not codec.use_dark:
        return lambda x, y: decode_simcc(x, y, input_size)
    return None


def batched_decoder(head: BaseHead, input_size: tuple[int, int]
                    ) -> Decoder | None:
    """The batched decoder that equals a head's own, where there is one.

    mmpose decodes crop by crop. Covered is what :func:`tensor_decoder` is
    of, on any device, and ``UDPHeatmap`` of Gaussians, on the host, where
    the crops' joints pass mmpose's own code as if they were of one crop.

    Args:
        head: Head of a top-down net of mmpose.
        input_size: Width and height of the net's input.

    Returns:
        From the head's outputs, tensors, to joints (N, V, 2) in crop pixels
        and scores (N, V); None if the head's own is needed.
    """
    from mmpose.codecs import UDPHeatmap
    from mmpose.models.heads.base_head import BaseHead

    decode, codec = tensor_decoder(head, input_size), head.decoder
    if decode is not None:
        return lambda *outputs: decode(*map(on_host, outputs))
    if type(head).decode is BaseHead.decode and \
            type(codec) is UDPHeatmap and codec.heatmap_type == 'gaussian':
        return lambda maps: _decode_udp(codec, maps.float().cpu().numpy())
    return None


def _decode_udp(codec: UDPHeatmap, heatmaps: np.ndarray
                ) -> tuple[np.ndarray, np.ndarray]:
    """UDP decodes each joint for itself, so N crops may be one of N * V."""
    n, v, h, w = heatmaps.shape
    crops = max(1, EXACT_CELLS // (v * (h + 2) * (w + 2)))
    joints, scores = [], []
    for start in range(0, n, crops):
        part = heatmaps[start:start + crops]
        at, score = codec.decode(part.reshape(-1, h, w))
        at, score = at.reshape(-1, v, 2), score.reshape(-1, v)
        # the joint of an empty map is at -1, and mmpose reads before the map
        for i in np.flatnonzero((score <= 0).any(1)):
            at[i] = codec.decode(part[i])[0]
        joints.append(at)
        scores.append(score)
    return (np.concatenate(joints).astype(np.float32),
            np.concatenate(scores).astype(np.float32))


def on_host(value: torch.Tensor) -> Array:
    """A tensor of the CPU as the array over its memory; others as they are.

    Args:
        value: Of floats.

    Returns:
        The same in float32, for the faster decoder.
    """
    value = value.float()
    return value.numpy() if value.device.type == 'cpu' else value


# In what follows Any is an array or a tensor: both have what is used.


def _module(value: Array) -> ModuleType:
    """The library of an array, for the functions that both have."""
    return np if isinstance(value, np.ndarray) else torch


def _place(value: Array) -> torch.device | None:
    return None if isinstance(value, np.ndarray) else value.device


@lru_cache(64)
def _plan(h: int, w: int, device: torch.device | None) -> tuple[Any, Any]:
    """Last cells and steps of x and y, (2, 1).

    Made once: a new tensor of numbers on a GPU makes the host wait for it.
    """
    ends, steps = np.array([[w - 1], [h - 1]]), np.array([[1], [w]])
    if device is None:
        return ends, steps
    # tensors born in inference mode could not be traced for an export later
    with torch.inference_mode(False):
        return (torch.from_numpy(ends).to(device),
                torch.from_numpy(steps).to(device))


def _values(rows: Any, at: Any) -> Any:
    """Values of rows (R, K) at indices (2, R): (2, R)."""
    if isinstance(rows, np.ndarray):
        return rows[np.arange(len(rows)), at]
    return rows.gather(1, at.T).T


def _maxima(rows: Any) -> tuple[Any, Any]:
    """Index and value of the first maximum of each row."""
    if isinstance(rows, np.ndarray):
        return rows.argmax(-1), rows.max(-1)
    scores, best = rows.max(-1)
    return best, scores


def _float(value: Any) -> Any:
    return value.astype(np.float32) if isinstance(
        value, np.ndarray) else value.float()


def _joints(cells: Any, scores: Any, steps: tuple[float, float],
            shape: tuple[int, int]) -> tuple[Array, Array]:
    """Cells x and y (2, N * V) to joints in pixels, empty ones at -1."""
    xp = _module(scores)
    x, y = xp.where(scores <= 0, -1, cells)
    joints = xp.stack((x * steps[0], y * steps[1]), -1)
    return (_float(joints).reshape(*shape, 2), _float(scores).reshape(shape))
