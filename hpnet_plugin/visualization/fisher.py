"""Fisher scores as a figure (Fig. 7 of the HP-Net paper)."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .joints import JOINTS
from .style import INK, MUTED, add_grid, halo, marker, new_figure, series_color

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..evaluation.fisher import FisherScore


def fisher_figure(scores: dict[str, FisherScore],
                  joints: Sequence[str] = JOINTS) -> Figure:
    """A bar for each tap, and each of its joints beside it.

    Args:
        scores: By the name shown.
        joints: Names of the V joints.

    Returns:
        Two panels; dashed, what noise scores.
    """
    count = len(scores)
    figure, ((bars, dots), ) = new_figure(
        9.2, max(1.2 + 0.24 * len(joints), 1 + 0.55 * count), columns=2,
        width_ratios=(1, 1.15))
    rows = np.arange(count)[::-1]
    values = [score.score for score in scores.values()]
    colors = [series_color(i) for i in range(count)]
    # Names of taps are long: each stands above its bar.
    bars.barh(rows, values, color=colors, height=.36)
    bars.set_yticks([])
    for index, (name, value) in enumerate(zip(scores, values)):
        row = rows[index]
        halo(bars.annotate(name, (0, row + .22), fontsize=9, color=INK))
        # Beyond seven taps the colours repeat, colour with shape does not.
        bars.plot(value, row, marker(index), color=colors[index],
                  markersize=10, markeredgecolor='white')
        bars.annotate(f'{value:.3f}', (value, row), (8, 0), va='center',
                      textcoords='offset points', fontsize=9)
    bars.set_ylim(-.5, count - .3)
    bars.set_xlim(0, 1.2 * max(values))
    bars.set_title('mean over all channels and joints', loc='left')
    down = np.arange(len(joints))
    for index, (name, score) in enumerate(scores.items()):
        dots.plot(score.joints, down, marker(index), color=colors[index],
                  markersize=6, label=name)
    dots.set_yticks(down, joints)
    dots.set_ylim(len(joints) - .4, -.6)
    dots.set_xlim(left=0)
    dots.set_title('joint by joint', loc='left')
    first = next(iter(scores.values()))
    chance = first.chance.mean()
    for axis, which in ((bars, 'x'), (dots, 'both')):
        add_grid(axis, which)
        axis.set_xlabel('Fisher score')
        if np.isfinite(chance):
            axis.axvline(chance, color=MUTED, linewidth=1, linestyle='--')
    dots.set_title(f'{first.clips} clips, {first.classes} classes; dashed: '
                   'noise', loc='right', fontsize=8.5, color=MUTED)
    return figure
