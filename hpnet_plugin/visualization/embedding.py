"""Clips as points, by what a model knows of them (Fig. 6 of the paper)."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .style import INK, halo, marker, new_figure, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = 7
# offsets of a number from its point, in points of 1/72 inch
_PLACES = np.array([(radius * np.cos(angle), radius * np.sin(angle))
                    for radius in (11, 17, 24, 32, 42)
                    for angle in np.arange(0, 2 * np.pi, np.pi / 8)])


def embedding_figure(panels: Mapping[str, tuple[np.ndarray, str]],
                     labels: np.ndarray, classes: Sequence[str]) -> Figure:
    """Points of one or several models side by side, the same clips in each.

    Classes differ in colour and shape, and each has its number beside that
    of its points that is nearest to the others, where it hides as few points
    as can be, because no set of colours tells sixty classes apart.

    Args:
        panels: Title to points (N, 2) and a line of text below it.
        labels: (N,) ints.
        classes: Names in label order.

    Returns:
        The panels and the names of the classes.
    """
    present = np.unique(labels)
    # The numbers of many classes need room.
    side = float(np.clip(1.35 * len(present)**.4, 4.6, 8.5))
    count = len(panels)
    width = side * count
    # a class without a name is called by its number
    names = [f'{label}  {classes[label]}' if classes[label] != str(label)
             else str(label) for label in present]
    # About 0.075 inches a letter, and the mark.
    columns = max(1, int(width / (.075 * max(map(len, names)) + .42)))
    lines = -(-len(names) // columns)
    figure, (axes, ) = new_figure(width, side + .65 + .165 * lines,
                                  columns=count)
    size = float(np.clip(260 / np.sqrt(len(labels)), 6, 34))
    handles = []
    for axis, (title, (points, text)) in zip(axes, panels.items()):
        handles = []
        for label in present:
            own = points[labels == label]
            color = series_color(label % _COLORS)
            handles.append(axis.scatter(
                *own.T, s=size, color=color, marker=marker(label // _COLORS),
                alpha=.75, linewidths=0, rasterized=len(labels) > 2000))
        _numbers(axis, points, labels, 72 * side)
        axis.set(xticks=[], yticks=[], xlabel=text)
        axis.set_title(title, loc='left')
        axis.set_box_aspect(1)
        axis.margins(.03)
        for spine in axis.spines.values():
            spine.set(visible=True, color='#d5d9de')
    legend = figure.legend(
        handles, names, loc='outside lower center', ncols=columns,
        fontsize=8, frameon=False, handletextpad=.2, columnspacing=1,
        labelspacing=.3)
    for handle in legend.legend_handles:
        # of a scatter plot, a PathCollection
        handle.set(sizes=[26], alpha=1)  # pyrefly: ignore[missing-attribute]
    for text in legend.get_texts():
        text.set_color(INK)
    return figure


def _numbers(axis: Axes, points: np.ndarray, labels: np.ndarray, side: float
             ) -> None:
    """The number of each class beside the medoid of its points.

    Args:
        axis: Square.
        points: (N, 2).
        labels: (N,).
        side: Of the axis in points of 1/72 inch, about.
    """
    span = np.ptp(points, axis=0).max() or 1.
    # as seen: both directions fill the square
    at = (points - points.min(0)) / np.maximum(np.ptp(points, axis=0),
                                               1e-9 * span) * side
    taken = at
    for label in np.unique(labels):
        own = labels == label
        far = np.linalg.norm(at[own][:, None] - at[own], axis=-1).sum(1)
        medoid = far.argmin()
        size = np.array([3 + 2.8 * len(str(label)), 5.5])  # half of it
        places = at[own][medoid] + _PLACES
        inside = (np.abs(places - side / 2) < side / 2).all(1)
        near = taken[(np.abs(taken - at[own][medoid])
                      < _PLACES.max() + size + 3).all(1)]
        hidden = (np.abs(places[:, None] - near) < size + 3).all(-1).sum(1)
        # what is hidden counts most, then how far away the number is
        cost = hidden + .01 * np.linalg.norm(_PLACES, axis=1) \
            + len(at) * ~inside
        place = _PLACES[cost.argmin()]
        line = dict(arrowstyle='-', color=INK, alpha=.6, linewidth=.7,
                    shrinkA=4, shrinkB=1)
        number = axis.annotate(
            str(label), points[own][medoid], place, ha='center', va='center',
            textcoords='offset points', fontsize=8, fontweight='bold',
            color=INK, arrowprops=line if np.linalg.norm(place) > 12
            else None)
        number.set_in_layout(False)  # it is inside; this saves time
        halo(number)
        # others keep away from this number more than from a point
        corners = size * ((-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0))
        taken = np.concatenate([taken, np.repeat(
            at[own][medoid] + place + corners, 5, axis=0)])
