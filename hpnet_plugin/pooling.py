"""Feedback Pooling (paper, Eq. 3): feature maps sampled at the joints."""
from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

REGIONS = (1, 3, 5)
GRIDS = ('exact', 'corners')
# Of a bone's length, how far past its end a feature is pooled. The fist lies a
# third of the forearm beyond the wrist, and what it holds lies beyond that.
REACH = .5


def pool_at_joints(maps: Tensor, joints: Tensor, input_size: Sequence[int],
                   region: int = 1, grid: str = 'exact') -> Tensor:
    """Pool feature maps around each joint (paper, Eq. 3).

    A pure tensor function: batched, differentiable in ``maps`` and
    ``joints``, on any device. What lies outside a map counts as zero.

    Args:
        maps: Feature maps of the crops, (N, C, h, w).
        joints: Joints as x, y in pixels of the crop, (N, V, 2); (0, 0) is the
            centre of the crop's first pixel.
        input_size: Width and height of the crop in pixels.
        region: R of Eq. 3 in cells of the map. 1 is one bilinear sample at the
            joint; 3 and 5 are the mean of the R x R bilinear samples one cell
            apart around it. Defaults to 1.
        grid: How crop pixels meet map cells. ``'exact'``: cell i of a map of
            stride s covers the pixels s * i to s * i + s - 1, so column = (x +
            0.5) * w / W - 0.5. ``'corners'``: what the released code does,
            ``grid_sample(align_corners=True)`` at 2 * x / W - 1, so column = x
            * (w - 1) / W. Defaults to ``'exact'``.

    Returns:
        Pooled features, (N, V, C), in the dtype of ``maps``.

    Raises:
        ValueError: If a shape does not fit, or ``region`` or ``grid`` is
            none of the above.
    """
    if region not in REGIONS:
        raise ValueError(f'region must be one of {REGIONS}, got {region!r}')
    samples = _sample(maps, joints, input_size, region, grid)
    # the mean of one sample is the sample
    samples = samples[..., 0] if region == 1 else samples.mean(-1)
    return samples.transpose(1, 2).to(maps.dtype)


def beyond(joints: Tensor, parents: Sequence[int]) -> Tensor:
    """Places past the joints, along the bones that end in them.

    Past the wrist lies the hand with what it holds, past the ankle the foot;
    COCO's joints have neither.

    Args:
        joints: (N, V, 2).
        parents: The joint where the bone of each joint begins; its own
            number where it has none, so that its place is the joint.

    Returns:
        (N, V, 2), ``joints + REACH * (joints - parents)``.
    """
    return joints + REACH * (joints - joints[:, list(parents)])


def patch_at_joints(maps: Tensor, joints: Tensor, input_size: Sequence[int],
                    size: int = 5, grid: str = 'exact') -> Tensor:
    """Cut out the neighbourhood of each joint, without taking its mean.

    Args:
        maps: (N, C, h, w), as :func:`pool_at_joints` has it.
        joints: (N, V, 2), likewise.
        input_size: Likewise.
        size: Cells of a side, odd. Defaults to 5.
        grid: As :func:`pool_at_joints` has it. Defaults to ``'exact'``.

    Returns:
        (N, V, C * size * size), channels first, then rows.

    Raises:
        ValueError: If a shape does not fit, or ``size`` is even.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f'size must be odd and positive, got {size}')
    samples = _sample(maps, joints, input_size, size, grid)
    return samples.transpose(1, 2).flatten(2).to(maps.dtype)


def _sample(maps: Tensor, joints: Tensor, input_size: Sequence[int],
            size: int, grid: str) -> Tensor:
    """Bilinear samples (N, C, V, size * size) one cell apart, float32."""
    if maps.ndim != 4 or joints.ndim != 3 or joints.shape[-1] != 2 or \
            len(maps) != len(joints):
        raise ValueError(
            'pooling needs maps (N, C, h, w) and joints (N, V, 2) of '
            f'one N, got {tuple(maps.shape)} and {tuple(joints.shape)}')
    if grid not in GRIDS:
        raise ValueError(f'grid must be one of {GRIDS}, got {grid!r}')

    cells = tuple(map(int, maps.shape[:1:-1]))  # symbols while it is traced
    factor, shifts = _grid_constants(
        cells, tuple(input_size), size, grid, maps.device)
    joints = joints.to(maps.device, torch.float32)
    at = torch.addcmul(shifts, joints[:, :, None], factor)
    # Reading the four neighbours by index takes 1.3 to 4.6 times as long on a
    # CPU, by layout and batch: grid_sample is one pass.
    return F.grid_sample(
        maps.float(), at, mode='bilinear', align_corners=False)


@lru_cache(64)
def _grid_constants(
        cells: tuple[int, ...], pixels: tuple[int, ...], size: int, grid: str,
        device: torch.device) -> tuple[Tensor, Tensor]:
    """Factor (2,) and shifts (size * size, 2) from joints to the grid.

    ``grid_sample(align_corners=False)`` reads column c of w at
    (2 c + 1) / w - 1, so that its grid is factor * joint + shift with, in x,

    - ``'exact'``, c = (x + 0.5) w / W - 0.5: 2 / W and 1 / W - 1;
    - ``'corners'``, c = x (w - 1) / W: 2 (w - 1) / (w W) and 1 / w - 1;

    and 2 d / w more for the sample d columns beside the joint.

    Made once: a new tensor of numbers on a GPU makes the host wait for it.
    """
    w, side = np.array(cells, float), np.array(pixels, float)
    if grid == 'exact':
        factor, shift = 2 / side, 1 / side - 1
    else:
        factor, shift = 2 * (w - 1) / (w * side), 1 / w - 1
    dy, dx = np.mgrid[:size, :size] - size // 2
    shifts = shift + 2 * np.stack((dx, dy), -1).reshape(-1, 2) / w
    # tensors born in inference mode could not take part in training later
    with torch.inference_mode(False):
        return (torch.from_numpy(factor).float().to(device),
                torch.from_numpy(shifts).float().to(device))
