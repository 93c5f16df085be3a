"""Training curves as figures."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation.curves import Entries, read_curves
from .style import MUTED, add_grid, new_figure, series_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def training_figure(work_dirs: Mapping[str, str | PathLike],
                    metric: str = 'acc/top1',
                    train_metric: str = 'top1_acc') -> Figure:
    """Loss, and accuracy in training and validation, of some trainings.

    Args:
        work_dirs: Name shown to work folder.
        metric: The validation metric, a fraction.
        train_metric: Its counterpart in the training's log, drawn faintly
            where it is there.

    Returns:
        Two panels.
    """
    figure, ((loss, accuracy), ) = new_figure(9.2, 3.5, columns=2)
    ends, unit = [], 'iteration'
    for index, (name, work_dir) in enumerate(work_dirs.items()):
        train, val = read_curves(work_dir)
        color = series_color(index)
        unit = 'epoch' if 'epoch' in train[0] else 'iteration'
        _line(loss, _series(train, 'loss'), color, label=name)
        _line(accuracy, _by_epoch(train, train_metric, 100), color, alpha=.3)
        x, y = found = _series(val, metric, 100)
        _line(accuracy, found, color, dots=True)
        if len(y):
            ends.append((x[-1], y[-1], color))
    for (x, y, color), at in zip(ends, apart([end[1] for end in ends])):
        accuracy.annotate(f'{y:.1f}', (x, at), xytext=(6, 0),
                          textcoords='offset points', va='center',
                          fontsize=9, color=color)
    for axis, title in ((loss, 'Loss in training'),
                        (accuracy, 'Accuracy in percent')):
        axis.set_title(title, loc='left')
        axis.set_xlabel(unit)
        axis.set_xlim(left=0)
        add_grid(axis)
    loss.set_ylim(bottom=0)
    accuracy.set_ylim(0, 102)
    accuracy.margins(x=0.1)
    accuracy.plot([], [], color=MUTED, marker='o', markersize=3.5,
                  label='validation')
    accuracy.plot([], [], color=MUTED, alpha=.3, label='training')
    accuracy.legend(frameon=False, fontsize=9, loc='lower right')
    loss.legend(frameon=False, fontsize=9)
    return figure


def apart(values: Sequence[float], gap: float = 5.5) -> np.ndarray:
    """Where numbers stand that are written at values.

    Args:
        values: In percent of the axis.
        gap: Between two of them, at least. Default: 5.5, a line.

    Returns:
        In the order given, near the values.
    """
    order = np.argsort(values, kind='stable')
    ranks = gap * np.arange(len(values))
    # the nearest that keep the gaps, by the mean of what would overlap
    free = np.asarray(values, float)[order] - ranks
    blocks = []
    for value in free:
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    places = np.empty(len(order))
    places[order] = ranks + [np.mean(block) for block in blocks
                             for _ in block]
    return places


def _series(entries: Entries, key: str, factor: float = 1) -> np.ndarray:
    """Positions and values, (2, N)."""
    found = [(e['at'], e[key] * factor) for e in entries if key in e]
    return np.array(found, dtype=float).reshape(-1, 2).T


def _by_epoch(entries: Entries, key: str, factor: float) -> np.ndarray:
    """Means over the epochs; few clips make a single batch jump."""
    if 'epoch' not in entries[0]:
        return _series(entries, key, factor)
    values = {}
    for entry in entries:
        if key in entry:
            values.setdefault(entry['epoch'], []).append(entry[key] * factor)
    return np.array([[*values], [*map(np.mean, values.values())]])


def _line(axis: Axes, found: np.ndarray, color: str, dots: bool = False,
          **kwargs: Any) -> None:
    x, y = found
    # A dot a point tells few points apart and hides many.
    marker = 'o' if len(x) == 1 or (dots and len(x) <= 40) else None
    axis.plot(x, y, color=color, linewidth=1.6, marker=marker,
              markersize=3.5, **kwargs)
