"""Learning curves of a study, and the gains of rows over others."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .curves import apart
from .style import (
    INK,
    MUTED,
    add_grid,
    marker,
    new_figure,
    series_color,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Records = Sequence[Mapping[str, Any]]


def learning_figure(rows: Sequence[Records], title: str) -> Figure:
    """Accuracy by the number of training clips, a line for each row.

    Args:
        rows: Of each row its records, see
            :func:`hpnet_plugin.studies.tables.row_record`, a fraction each.
        title: What is compared.

    Returns:
        One panel with a logarithmic axis. Bands are a standard error over
        seeds to both sides.
    """
    figure, ((axis, ), ) = new_figure(6.4, 4.2)
    ends, sizes = [], set()
    for index, records in enumerate(rows):
        found = sorted((r for r in records if r['runs']),
                       key=lambda r: r['train_clips'])
        if not found:
            continue
        clips = [r['train_clips'] for r in found]
        values = [r['accuracy'] for r in found]
        color = series_color(index)
        axis.plot(clips, values, color=color, linewidth=1.6,
                  marker=marker(index), markersize=5)
        errors = [r['error'] or 0. for r in found]
        axis.fill_between(
            clips, [v - e for v, e in zip(values, errors)],
            [v + e for v, e in zip(values, errors)], color=color, alpha=.15,
            linewidth=0)
        ends.append((clips[-1], values[-1], found[-1]['row'], color))
        sizes.update(clips)
    _log_clips(axis, sorted(sizes))
    _name_ends(axis, ends)
    axis.set_title(title, loc='left', color=INK)
    axis.set_ylabel('accuracy in percent')
    add_grid(axis)
    return figure


def gains_figure(gains: Records, title: str) -> Figure:
    """Gains of rows over others with their 95 % intervals.

    Args:
        gains: Of :meth:`hpnet_plugin.studies.measures.Measures.gain`, with
            ``first`` and ``second``; those without ``gain`` are left out.
        title: What is compared.

    Returns:
        One panel, a line for each gain.
    """
    found = [gain for gain in gains if 'gain' in gain]
    figure, ((axis, ), ) = new_figure(6.4, 1.3 + .42 * max(len(found), 1))
    axis.axvline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    for place, gain in enumerate(found):
        sure = gain['low'] > 0 or gain['high'] < 0
        color = series_color(0) if sure else MUTED
        axis.plot([gain['low'], gain['high']], [place, place], color=color,
                  linewidth=2.2, solid_capstyle='round')
        axis.plot([gain['gain']], [place], 'o', color=color, markersize=6)
        axis.annotate(f'{gain["gain"]:+.1f}', (gain['gain'], place),
                      xytext=(0, 6), textcoords='offset points',
                      ha='center', fontsize=9, color=INK)
    axis.set_yticks(range(len(found)), [
        f'{gain["first"]} over {gain["second"]}' for gain in found])
    axis.set_ylim(len(found) - .4, -.7)
    axis.set_xlabel('gain in accuracy, percentage points; the line is the '
                    '95 % interval')
    axis.set_title(title, loc='left', color=INK)
    add_grid(axis, 'x')
    return figure


def _log_clips(axis: Axes, sizes: Sequence[float]) -> None:
    axis.set_xscale('log')
    axis.minorticks_off()
    axis.set_xticks(sizes, [f'{size:.0f}' for size in sizes])
    axis.set_xlabel('training clips of a fold; bands: standard error over '
                    'seeds')


def _name_ends(axis: Axes, ends: Sequence[tuple[float, float, str, str]]
               ) -> None:
    """Names of the lines at their right ends, one below the other."""
    if not ends:
        return
    low, high = axis.get_ylim()
    places = apart([end[1] for end in ends], gap=.055 * (high - low))
    right = max(end[0] for end in ends)
    for (_, _, name, color), place in zip(ends, places):
        axis.annotate(name, (right, place),
                      xytext=(8, 0), textcoords='offset points', va='center',
                      fontsize=9, color=color, annotation_clip=False)
