"""Joints from the raw outputs of a pose net, batched."""
import numpy as np


def decode_heatmaps(heatmaps, input_size):
    """Joints of 2-D heatmaps: the maximum, moved a quarter cell uphill.

    The convention of HRNet, SimpleBaseline and mmpose's ``MSRAHeatmap``:
    cell i of a heatmap of stride s stands for pixel s * i.

    Args:
        heatmaps (np.ndarray): (N, V, h, w).
        input_size (tuple[int]): Width and height of the net's input.

    Returns:
        tuple[np.ndarray]: Joints (N, V, 2) in crop pixels and the maxima as
        scores (N, V), float32. Where no cell is positive the joint is
        (-1, -1) cells and the score as found.
    """
    n, v, h, w = heatmaps.shape
    flat = heatmaps.reshape(n, v, -1)
    best = flat.argmax(-1)
    scores = np.take_along_axis(flat, best[..., None], -1)[..., 0]
    x, y = best % w, best // w
    at = np.stack((x, y), -1).astype(np.float32)
    for axis, (cell, cells) in enumerate(((x, w), (y, h))):
        i, j = np.nonzero((cell > 0) & (cell < cells - 1))
        step = np.eye(2, dtype=int)[axis]
        after, before = (heatmaps[i, j, y[i, j] + s * step[1],
                                  x[i, j] + s * step[0]] for s in (1, -1))
        at[i, j, axis] += 0.25 * np.sign(after - before)
    at[scores <= 0] = -1
    stride = np.array(input_size, np.float32) / (w, h)
    return at * stride, scores.astype(np.float32)


def decode_simcc(x, y, input_size):
    """Joints of SimCC's two vectors a joint: the maxima over the split ratio.

    Args:
        x (np.ndarray): (N, V, W * split ratio).
        y (np.ndarray): (N, V, H * split ratio).
        input_size (tuple[int]): Width and height of the net's input.

    Returns:
        tuple[np.ndarray]: Joints (N, V, 2) in crop pixels and scores (N, V),
        the smaller of the two maxima, float32.
    """
    at = np.stack((x.argmax(-1), y.argmax(-1)), -1).astype(np.float32)
    ratio = np.array((x.shape[-1], y.shape[-1]), np.float32) / input_size
    scores = np.minimum(x.max(-1), y.max(-1))
    return at / ratio, scores.astype(np.float32)
