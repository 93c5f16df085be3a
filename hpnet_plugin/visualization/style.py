"""One look for all figures."""
from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..files import write_whole

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

INK = '#22262b'
MUTED = '#7a828c'
GRID = '#e4e7eb'
# Distinct for the common kinds of colour blindness (Okabe and Ito).
CYCLE = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9',
         '#5c5c5c')
_MARKERS = 'osD^vP*X<>'


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1,
               **grid: Any) -> tuple[Figure, np.ndarray]:
    """A figure without global state, and its axes.

    Args:
        width: In inches.
        height: In inches.
        rows: Rows of axes.
        columns: Columns of axes.
        **grid: Further arguments of ``Figure.subplots``.

    Returns:
        The figure and its axes, (rows, columns).
    """
    from matplotlib.figure import Figure
    figure = Figure(figsize=(width, height), dpi=120, layout='constrained',
                    facecolor='white')
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    for axis in axes.flat:
        axis.tick_params(colors=INK, labelsize=9, length=0)
        axis.title.set_size(10.5)
        axis.xaxis.label.set(size=9.5, color=MUTED)
        axis.yaxis.label.set(size=9.5, color=MUTED)
        for spine in axis.spines.values():
            spine.set_visible(False)
    return figure, axes


def add_grid(axis: Axes, which: Literal['both', 'x', 'y'] = 'both') -> None:
    """Draw light grid lines behind the data.

    Args:
        axis: Drawn upon.
        which: The axis that the lines cross.
    """
    axis.grid(axis=which, color=GRID, linewidth=0.9)
    axis.set_axisbelow(True)


def series_color(index: int) -> str:
    """Colour of a series.

    Args:
        index: Its number; beyond seven the colours repeat.

    Returns:
        Hexadecimal RGB.
    """
    return CYCLE[index % len(CYCLE)]


def marker(index: int) -> str:
    """Shape of the points of a series, where colour alone is not enough.

    Args:
        index: Its number; beyond ten the shapes repeat.

    Returns:
        As matplotlib names it.
    """
    return _MARKERS[index % len(_MARKERS)]


def halo(text: Text) -> None:
    """Set off a text from what it is written over.

    Args:
        text: Gets a white rim.
    """
    from matplotlib.patheffects import withStroke
    text.set_path_effects([withStroke(linewidth=2.2, foreground='white')])


def save_figure(stem: str, figure: Figure,
                kinds: Sequence[str] = ('png', 'svg')) -> None:
    """Write a figure as ``STEM.png`` and ``STEM.svg``.

    Args:
        stem: Path without a suffix; each file appears whole or not at all, and
            the same figure gives the same bytes.
        figure: The figure.
        kinds: Those of the two that are written.
    """
    from matplotlib import rc_context
    for kind, metadata in (('png', {'Software': None}), ('svg', {
            'Date': None, 'Creator': None})):
        if kind not in kinds:
            continue
        buffer = io.BytesIO()
        with rc_context({'svg.hashsalt': 'hpnet_plugin'}):
            figure.savefig(buffer, format=kind, metadata=metadata)
        write_whole(f'{stem}.{kind}', buffer.getvalue())
