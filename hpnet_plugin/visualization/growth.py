"""How time and memory grow, beside their lower bounds."""
from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .style import MUTED, add_grid, new_figure, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
WIDTH = 46  # letters of a line below a title


class Growth(Protocol):
    """What is drawn; ``hpnet benchmark growth`` measures it.

    Attributes:
        what: What is measured.
        along: What the sizes are.
        unit: Of the values.
        sizes: From small to large.
        ours: Values, one a size.
        bound: What they cannot be less than.
        bound_is: What that is.
    """
    what: str
    along: str
    unit: str
    sizes: list[float]
    ours: list[float]
    bound: list[float]
    bound_is: str


def growth_figure(curves: Sequence[Growth], exponents: Sequence[float]
                  ) -> Figure:
    """A panel a curve, both axes logarithmic.

    Args:
        curves: From the first panel to the last.
        exponents: Of their growth.

    Returns:
        The panels, row by row, in three columns.
    """
    rows = -(-len(curves) // COLUMNS)
    figure, axes = new_figure(10.2, .4 + 2.75 * rows, rows=rows,
                              columns=COLUMNS)
    layout: Any = figure.get_layout_engine()
    layout.set(hspace=.06, wspace=.05)
    for axis in axes.flat[len(curves):]:
        axis.set_axis_off()
    for axis, curve, exponent in zip(axes.flat, curves, exponents):
        _panel(axis, curve, exponent)
    figure.supxlabel(
        'solid: measured; dashed: its lower bound, which is named below the '
        'title; $n^x$: how the measured value grows with the size n',
        fontsize=9, color=MUTED)
    return figure


def _panel(axis: Axes, curve: Growth, exponent: float) -> None:
    color = series_color(int('memory' in curve.unit))
    axis.plot(curve.sizes, curve.bound, '--', color=MUTED, linewidth=1.2)
    axis.plot(curve.sizes, curve.ours, 'o-', color=color, linewidth=1.6,
              markersize=4)
    axis.set_xscale('log')
    axis.set_yscale('log')
    axis.set_ylim(_below(min(*curve.bound, *curve.ours)),
                  _above(max(*curve.bound, *curve.ours)))
    axis.set_xticks(_few(curve.sizes), [_short(x) for x in _few(
        curve.sizes)])
    axis.minorticks_off()
    axis.set_xlabel(curve.along)
    axis.set_ylabel(curve.unit)
    lines = textwrap.wrap(curve.bound_is, WIDTH)
    axis.set_title(curve.what, loc='left', pad=4 + 11 * len(lines))
    axis.text(0, 1.02, '\n'.join(lines), transform=axis.transAxes,
              fontsize=8, color=MUTED, va='bottom')
    axis.text(.03, .95, f'$n^{{{max(exponent, 0):.2f}}}$', color=color,
              transform=axis.transAxes, fontsize=11, va='top')
    add_grid(axis)


def _few(sizes: Sequence[float]) -> list[float]:
    """At most five of the sizes, the largest among them."""
    step = -(-len(sizes) // 5)
    return list(sizes)[::-1][::step][::-1]


def _short(value: float) -> str:
    for letter, unit in (('M', 1e6), ('k', 1e3)):
        if value >= unit and not value % (unit / 10):
            return f'{value / unit:g}{letter}'
    return f'{value:g}'


def _below(value: float) -> float:
    return max(value, 1e-3) / 2


def _above(value: float) -> float:
    return value * 3
