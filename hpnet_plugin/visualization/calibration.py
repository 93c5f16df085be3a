"""Reliability diagrams: how sure a model is and how right."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .style import GRID, INK, MUTED, add_grid, new_figure, series_color

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def reliability_figure(bins: Mapping[str, Sequence[Mapping[str, Any]]]
                       ) -> Figure:
    """A reliability diagram, before and after calibration.

    Args:
        bins: ``before`` and ``after``: see
            :func:`hpnet_plugin.evaluation.calibration.reliability`.

    Returns:
        Two panels.
    """
    figure, (axes, ) = new_figure(7.4, 3.7, columns=2, sharey=True)
    for axis, (when, found) in zip(axes, bins.items()):
        total = sum(b['clips'] for b in found)
        axis.plot([0, 100], [0, 100], color=MUTED, linewidth=1,
                  linestyle=(0, (4, 3)))
        sure, right = ([100 * b[key] for b in found]
                       for key in ('confidence', 'accuracy'))
        axis.vlines(sure, sure, right, color=GRID, linewidth=3)
        axis.scatter(sure, right, [
            18 + 300 * b['clips'] / total for b in found],
            color=series_color(0), alpha=.85, edgecolors='white',
            zorder=3, clip_on=False)
        axis.set_title(f'{when} calibration', loc='left', color=INK)
        axis.set(xlim=(0, 102), ylim=(0, 102), aspect='equal',
                 xlabel='confidence in percent')
        add_grid(axis)
    axes[0].set_ylabel('accuracy in percent')
    return figure
