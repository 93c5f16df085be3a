"""Pooled features as pictures of their energy."""
from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .joints import JOINTS, energy_limits
from .style import MUTED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def energy_figure(energy: np.ndarray, scores: np.ndarray | None = None,
                  fps: float | None = None) -> Figure:
    """Energy of every joint over time, a panel a person.

    Args:
        energy: (M, T, V = 17), of
            :func:`~hpnet_plugin.visualization.joints.pooled_energy`.
        scores: (M, T, V); where it is zero the joint was not found and the
            picture stays empty.
        fps: Frames a second; time is in frames without.

    Returns:
        Joints down, time across.
    """
    from matplotlib import colormaps
    people, length, joints = energy.shape
    shown = np.ma.array(energy, mask=False if scores is None else scores <= 0)
    figure, axes = new_figure(8.6, 0.5 + 2.9 * people, rows=people,
                              sharex=True)
    colors = colormaps['inferno'].with_extremes(bad='#e9ecef')
    end = length / fps if fps else length
    low, high = energy_limits(energy, np.ones_like(energy)
                              if scores is None else scores)
    images = []
    for person, axis in enumerate(axes[:, 0]):
        images.append(axis.imshow(
            shown[person].T, aspect='auto', cmap=colors, vmin=low, vmax=high,
            interpolation='nearest', extent=(0, end, joints - 0.5, -0.5)))
        axis.set_yticks(range(joints), JOINTS, fontsize=8.5)
        if people > 1:
            axis.set_title(f'person {person + 1}', loc='left')
    axes[-1, 0].set_xlabel('seconds' if fps else 'frame')
    bar = figure.colorbar(images[0], ax=axes[:, 0].tolist(), aspect=28,
                          pad=0.02, extend='both')
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8.5, length=0)
    bar.set_label('L2 norm of the pooled feature', color=MUTED, fontsize=9)
    return figure


def strip(images: list[np.ndarray], gap: int = 6) -> np.ndarray:
    """Images of one height side by side, white between them.

    Args:
        images: (H, W_i, 3) uint8.
        gap: Pixels between two.

    Returns:
        (H, W, 3) uint8.
    """
    space = np.full((images[0].shape[0], gap, 3), 255, np.uint8)
    parts = [images[0]]
    for image in images[1:]:
        parts += [space, image]
    return np.concatenate(parts, axis=1)
