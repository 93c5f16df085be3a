"""Joints from the raw outputs of a pose net, batched.

The decoders take numpy arrays or tensors and give the same kind back, with
the same bits: numpy is the faster one on a CPU (its argmax is ten times that
of torch), tensors stay on the device where they are.
"""
import numpy as np
import torch

BORDERS = ('hrnet', 'mmpose')
# mmpose's UDP decoder counts cells in float32, exact up to here.
EXACT_CELLS = 2**24


def decode_heatmaps(heatmaps, input_size, border='hrnet'):
    """Joints of 2-D heatmaps: the maximum, moved a quarter cell uphill.

    The convention of HRNet, SimpleBaseline and mmpose's ``MSRAHeatmap``:
    cell i of a heatmap of stride s stands for pixel s * i.

    Args:
        heatmaps (np.ndarray | Tensor): (N, V, h, w).
        input_size (tuple[int]): Width and height of the net's input.
        border (str): Where a maximum is not moved. ``'hrnet'``: along an
            axis on whose first or last cell it lies. ``'mmpose'``: as
            ``MSRAHeatmap`` does, along an axis also on its second cell, and
            not at all on the first cell of the other axis. Defaults to
            ``'hrnet'``.

    Returns:
        tuple[np.ndarray | Tensor]: Joints (N, V, 2) in crop pixels and the
        maxima as scores (N, V), float32. Where no cell is positive the joint
        is (-1, -1) cells and the score as found.

    Raises:
        ValueError: If ``border`` is unknown.
    """
    if border not in BORDERS:
        raise ValueError(f'border must be one of {BORDERS}, got {border!r}')
    n, v, h, w = heatmaps.shape
    rows = heatmaps.reshape(n * v, h * w)
    best, scores = _maxima(rows)
    x, y = best % w, best // w
    if border == 'hrnet':
        moves = ((x > 0) & (x < w - 1), (y > 0) & (y < h - 1))
    else:
        moves = ((x > 1) & (x < w - 1) & (y > 0),
                 (y > 1) & (y < h - 1) & (x > 0))
    at = []
    for cell, step, move in ((x, 1, moves[0]), (y, w, moves[1])):
        # where it may not move, the slope is of a cell to itself: zero
        step = step * move
        slope = _take(rows, best + step) - _take(rows, best - step)
        at.append(_float(cell) + 0.25 * _sign(slope))
    return _joints(at, scores, (input_size[0] / w, input_size[1] / h), (n, v))


def decode_simcc(x, y, input_size):
    """Joints of SimCC's two vectors a joint: the maxima over the split ratio.

    Args:
        x (np.ndarray | Tensor): (N, V, W * split ratio).
        y (np.ndarray | Tensor): (N, V, H * split ratio).
        input_size (tuple[int]): Width and height of the net's input.

    Returns:
        tuple[np.ndarray | Tensor]: Joints (N, V, 2) in crop pixels and
        scores (N, V), the smaller of the two maxima, float32. Where it is not
        positive the joint is (-1, -1) steps, as in mmpose's ``SimCCLabel``.
    """
    n, v = x.shape[:2]
    at, scores, steps = [], None, []
    for vector, pixels in ((x, input_size[0]), (y, input_size[1])):
        best, peak = _maxima(vector.reshape(n * v, -1))
        at.append(_float(best))
        steps.append(pixels / vector.shape[-1])
        if scores is None:
            scores = peak
        else:
            scores = np.minimum(scores, peak) if isinstance(
                peak, np.ndarray) else torch.minimum(scores, peak)
    return _joints(at, scores, steps, (n, v))


def batched_decoder(head, input_size):
    """The batched decoder that equals a head's own, where there is one.

    mmpose decodes crop by crop. Covered are ``MSRAHeatmap`` without
    ``unbiased`` and ``SimCCLabel`` without ``use_dark``, on any device, and
    ``UDPHeatmap`` of Gaussians, on the host, where the crops' joints pass
    mmpose's own code as if they were of one crop.

    Args:
        head (nn.Module): Head of a top-down net of mmpose.
        input_size (tuple[int]): Width and height of the net's input.

    Returns:
        Callable | None: From the head's outputs, tensors, to joints (N, V, 2)
        in crop pixels and scores (N, V); None if the head's own is needed.
    """
    from mmpose.codecs import MSRAHeatmap, SimCCLabel, UDPHeatmap
    from mmpose.models.heads.base_head import BaseHead

    codec = head.decoder
    if type(head).decode is not BaseHead.decode:
        return None
    if type(codec) is MSRAHeatmap and not codec.unbiased:
        return lambda maps: decode_heatmaps(on_host(maps), input_size, 'mmpose')
    if type(codec) is SimCCLabel and not codec.use_dark:
        return lambda x, y: decode_simcc(on_host(x), on_host(y), input_size)
    if type(codec) is UDPHeatmap and codec.heatmap_type == 'gaussian':
        return lambda maps: _decode_udp(codec, maps.float().cpu().numpy())
    return None


def _decode_udp(codec, heatmaps):
    """UDP decodes each joint for itself, so N crops may be one of N * V."""
    n, v, h, w = heatmaps.shape
    crops = max(1, EXACT_CELLS // (v * (h + 2) * (w + 2)))
    joints, scores = [], []
    for start in range(0, n, crops):
        part = heatmaps[start:start + crops]
        at, score = codec.decode(part.reshape(-1, h, w))
        joints.append(at.reshape(-1, v, 2))
        scores.append(score.reshape(-1, v))
    return (np.concatenate(joints).astype(np.float32),
            np.concatenate(scores).astype(np.float32))


def on_host(value):
    """A tensor of the CPU as the array over its memory; others as they are.

    Args:
        value (Tensor): Of floats.

    Returns:
        np.ndarray | Tensor: The same in float32, for the faster decoder.
    """
    value = value.float()
    return value.numpy() if value.device.type == 'cpu' else value


def _maxima(rows):
    """Index and value of the first maximum of each row."""
    if isinstance(rows, np.ndarray):
        best = rows.argmax(-1)
        return best, _take(rows, best)
    scores, best = rows.max(-1)
    return best, scores


def _take(rows, index):
    if isinstance(rows, np.ndarray):
        return rows[np.arange(len(rows)), index]
    return rows.gather(1, index[:, None])[:, 0]


def _float(value):
    return value.astype(np.float32) if isinstance(
        value, np.ndarray) else value.float()


def _sign(value):
    return np.sign(value) if isinstance(
        value, np.ndarray) else torch.sign(value)


def _joints(at, scores, steps, shape):
    """Cells x and y (N * V) to joints in pixels, empty ones at -1 cells."""
    xp = np if isinstance(scores, np.ndarray) else torch
    empty = scores <= 0
    at = [xp.where(empty, -1, cells) * step for cells, step in zip(at, steps)]
    return (_float(xp.stack(at, -1)).reshape(*shape, 2),
            _float(scores).reshape(shape))
