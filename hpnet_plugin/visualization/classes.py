"""Figures of what happens in each class."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation.metrics import names_or_numbers
from .style import INK, MUTED, add_grid, halo, new_figure, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Numbers = Sequence[float] | np.ndarray
    Panel = tuple[str, Sequence[str], Numbers, Numbers]


def confusion_figure(matrix: np.ndarray, classes: Sequence[str] | None = None
                     ) -> Figure:
    """A confusion matrix, each row in percent of its class.

    The picture grows with the number of classes, so that every name can be
    read; up to 20 classes also have the numbers in the cells.

    Args:
        matrix: (K, K) counts, row the label.
        classes: K names.

    Returns:
        The matrix.
    """
    from matplotlib.colors import PowerNorm
    count = len(matrix)
    names = names_or_numbers(classes, count)
    totals = matrix.sum(1, keepdims=True)
    share = 100 * np.divide(matrix, totals, where=totals > 0,
                            out=np.zeros(matrix.shape))
    cell = float(np.clip(7 / count, 0.17, 0.52))
    size = min(9.5, cell * 72 * 0.66)
    # Room for the names, at about half the font's size a letter; a layout
    # of its own, because the cells must be square and the names whole.
    room = 0.5 + max(map(len, names)) * size * 0.58 / 72
    side, edge = count * cell, 0.15
    width, height = room + side + 1.1, room + side + edge
    figure, ((axis, ), ) = new_figure(width, height)
    figure.set_layout_engine('none')
    axis.set_position((room / width, room / height, side / width,
                       side / height))
    # Below linear, so that small confusions can be seen at all.
    image = axis.imshow(share, cmap='Blues', norm=PowerNorm(0.6, 0, 100))
    ticks = range(count)
    axis.set_xticks(ticks, names, rotation=90, fontsize=size)
    axis.set_yticks(ticks, names, fontsize=size)
    axis.set_xlabel('predicted')
    axis.set_ylabel('label')
    axis.set_xticks(np.arange(count + 1) - .5, minor=True)
    axis.set_yticks(np.arange(count + 1) - .5, minor=True)
    axis.grid(which='minor', color='#eef0f3', linewidth=min(1, cell * 3))
    axis.tick_params(which='minor', length=0)
    if count <= 20:
        for i, j in np.argwhere(share >= 0.5):
            axis.text(j, i, f'{share[i, j]:.0f}', ha='center', va='center',
                      fontsize=size * .95,
                      color='white' if share[i, j] > 45 else INK)
    tall = min(side, 3.2)
    bar = figure.colorbar(image, cax=figure.add_axes((
        (room + side + 0.2) / width, 1 - (edge + tall) / height,
        0.16 / width, tall / height)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8.5, length=0)
    bar.set_label('percent of the class', color=MUTED, fontsize=9)
    return figure


def comparison_figure(first: np.ndarray, second: np.ndarray,
                      names: tuple[str, str],
                      classes: Sequence[str] | None = None, limit: int = 40
                      ) -> Figure:
    """Accuracy a class of two streams, by how much they differ.

    A line a class from the first stream's accuracy to the second's, in the
    colour of the better one.

    Args:
        first: (K,) accuracies as fractions, NaN for classes without clips,
            which are left out.
        second: Likewise.
        names: What to call the two.
        classes: K names.
        limit: Show so many classes, those that differ most.

    Returns:
        Classes from the first stream's largest lead, at the bottom, to the
        second's.
    """
    titles = names_or_numbers(classes, len(first))
    first, second = 100 * np.asarray(first), 100 * np.asarray(second)
    gain = second - first
    occur = np.flatnonzero(~np.isnan(gain))
    most = occur[np.argsort(-np.abs(gain[occur]), kind='stable')[:limit]]
    order = most[np.argsort(gain[most], kind='stable')]
    figure, ((axis, ), ) = new_figure(8.2, 1.1 + 0.235 * len(order))
    _dumbbells(axis, [titles[i] for i in order], first[order], second[order],
               names)
    axis.set_xlabel('accuracy in percent; at the right, the difference')
    axis.legend(frameon=False, fontsize=9, ncols=2, loc='lower left',
                bbox_to_anchor=(0, 1), borderaxespad=0.2)
    if len(occur) > len(order):
        axis.set_title(f'the {len(order)} of {len(occur)} classes that '
                       'differ most', loc='right', fontsize=9, color=MUTED)
    return figure


def accuracy_figure(records: Sequence[Mapping[str, Any]],
                    summary: Mapping[str, float], rows: int = 40) -> Figure:
    """Accuracy of each class as a bar, best first.

    Args:
        records: ``class``, ``clips`` and ``accuracy`` in percent; classes
            without clips are left out.
        summary: ``top1`` and ``mean_class_accuracy`` in percent.
        rows: Bars in a column, before another one starts.

    Returns:
        Names, number of clips, accuracies.
    """
    shown = sorted((r for r in records if r['clips']),
                   key=lambda r: -r['accuracy'])
    columns = -(-len(shown) // rows)
    each = -(-len(shown) // columns)
    figure, (axes, ) = new_figure(6.4 if columns == 1 else 4.4 * columns,
                                  1 + 0.2 * each, columns=columns)
    mean = summary['mean_class_accuracy']
    for column, axis in enumerate(axes):
        part = shown[column * each:(column + 1) * each]
        at = np.arange(len(part))
        axis.barh(at, [r['accuracy'] for r in part], height=.68,
                  color=series_color(0), alpha=.8)
        for row, record in enumerate(part):
            halo(axis.annotate(
                f'{record["accuracy"]:.1f}', (record['accuracy'], row),
                (3, 0), va='center', textcoords='offset points', fontsize=8))
        axis.set_yticks(at, [f'{r["class"]} ({r["clips"]})' for r in part],
                        fontsize=8.5)
        axis.set_ylim(each - .4, -.6)
        axis.set_xlim(0, 112)
        axis.set_xticks(range(0, 101, 20))
        axis.axvline(mean, color=MUTED, linewidth=1, linestyle='--')
        add_grid(axis, 'x')
    figure.supxlabel(
        'accuracy in percent of the class (number of clips); dashed: mean '
        f'class {mean:.1f}, top-1 {summary["top1"]:.1f}', fontsize=9,
        color=MUTED)
    return figure


def gains_figure(panels: Sequence[Panel], names: tuple[str, str]
                 ) -> Figure:
    """Accuracies of chosen classes in two streams.

    Args:
        panels: Title, names of the rows, and the accuracies of both streams in
            percent; empty panels are left out.
        names: What to call the two streams.

    Returns:
        The panels, one below the other, rows from top to bottom, at the right
        the difference.
    """
    panels = [panel for panel in panels if panel[1]]
    counts = [len(panel[1]) for panel in panels]
    figure, axes = new_figure(
        8.2, 0.9 + 0.235 * sum(counts) + 0.5 * len(panels),
        rows=len(panels), height_ratios=[count + .6 for count in counts],
        sharex=True)
    for axis, (title, rows, first, second) in zip(axes[:, 0], panels):
        _dumbbells(axis, rows[::-1], first[::-1], second[::-1], names)
        axis.set_title(title, loc='left')
    axes[-1, 0].set_xlabel('accuracy in percent; at the right, the '
                           'difference')
    figure.legend(*axes[0, 0].get_legend_handles_labels(), frameon=False,
                  fontsize=9, ncols=2, loc='outside upper right')
    return figure


def _dumbbells(axis: Axes, titles: Sequence[str], first: Numbers,
               second: Numbers, names: tuple[str, str]) -> None:
    """A line a row from the first value to the second, from the bottom up.

    The line has the colour of the larger.
    """
    first, second = np.asarray(first), np.asarray(second)
    rows, gain = np.arange(len(titles)), second - first
    colors = [series_color(int(value > 0)) for value in gain]
    axis.hlines(rows, first, second, colors=colors, linewidth=5, alpha=.35)
    for index, values in enumerate((first, second)):
        axis.plot(values, rows, 'o', color=series_color(index),
                  markersize=6, label=names[index])
    for row, value in enumerate(gain):
        text, color = ((f'{value:+.1f}', colors[row]) if value
                       else ('0', MUTED))
        axis.annotate(text, (1.01, row), va='center', fontsize=8.5,
                      xycoords=('axes fraction', 'data'), color=color)
    axis.set_yticks(rows, titles)
    axis.set_ylim(-0.7, len(titles) - 0.3)
    axis.set_xlim(-2, 102)
    add_grid(axis)
