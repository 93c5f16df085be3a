"""What bounds an extraction, against the number of machines."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from .style import INK, MUTED, add_grid, new_figure, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Planned(Protocol):
    """A plan of ``hpnet plan`` for a number of machines."""

    @property
    def hours(self) -> float:
        """All that it takes."""
        ...

    @property
    def finish(self) -> float:
        """Of these, what comes after the last clip."""
        ...


def plan_figure(machines: Sequence[int],
                bounds: Sequence[Mapping[str, float]],
                rows: Sequence[Planned]) -> Figure:
    """Two panels: clips a second that each part allows, and hours.

    Args:
        machines: From few to many.
        bounds: Of each, clips a second by what bounds them.
        rows: Of each, its plan.

    Returns:
        The figure.
    """
    figure, axes = new_figure(9.6, 3.9, columns=2)
    rate, hours = axes[0]
    _rates(rate, machines, bounds)
    hours.plot(machines, [row.hours for row in rows], color=INK, linewidth=2,
               label='all')
    hours.plot(machines, [row.finish for row in rows], '--', linewidth=1.4,
               color=series_color(1), label='index and annotations')
    hours.set_title('hours', loc='left')
    hours.set_ylabel('hours')
    for axis in (rate, hours):
        axis.set_xscale('log', base=2)
        axis.set_yscale('log')
        axis.set_xlabel('machines')
        shown = [n for n in machines if n & (n - 1) == 0]
        axis.set_xticks(shown, [str(n) for n in shown])
        axis.minorticks_off()
        axis.legend(frameon=False, fontsize=8.5, labelcolor=INK)
        add_grid(axis)
    return figure


def _rates(axis: Axes, machines: Sequence[int],
           bounds: Sequence[Mapping[str, float]]) -> None:
    for i, name in enumerate(bounds[0]):
        axis.plot(machines, [one[name] for one in bounds], '--',
                  color=series_color(i), linewidth=1.4, label=name)
    axis.plot(machines, [min(one.values()) for one in bounds], color=INK,
              linewidth=2.4, label='what is reached', zorder=3)
    axis.set_title('clips a second that each part allows', loc='left')
    axis.set_ylabel('clips/s', color=MUTED)
