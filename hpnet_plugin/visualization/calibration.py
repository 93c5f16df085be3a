"""How sure models are and how right: reliability diagrams."""
from __future__ import annotations

import json
import os.path as osp
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..evaluation.calibration import summary
from .report import Picture, Section
from .style import GRID, INK, MUTED, add_grid, new_figure, series_color

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE = 'calibration.json'


def calibration_sections(work_dirs: Sequence[str]) -> list[Section]:
    """What ``hpnet calibrate`` found for some trainings.

    Args:
        work_dirs: Work dirs; those without a calibration are passed over.

    Raises:
        ValueError: If a calibration cannot be read.
    """
    sections = []
    for folder in work_dirs:
        path = osp.join(folder, FILE)
        if not osp.isfile(path):
            continue
        try:
            with open(path, encoding='utf-8') as file:
                found = json.load(file)
            rows = summary(found)
            figure = reliability_figure(found['reliability'])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'{path} is no calibration ({error!r}): run '
                             'hpnet calibrate again') from None
        where = ' '.join(filter(None, (found.get('data'),
                                       found.get('split'))))
        text = [f'Of {osp.normpath(folder)}, fitted to {where}. ECE, the '
                'expected calibration error, is over 15 bins; after: each '
                'half of the clips by the temperature of the other half.']
        if found.get('on') == 'test':
            text.append('These are test clips: on them, all of this looks '
                        'better than it is.')
        sections.append(Section(
            'Calibration', text, [('', ''), *rows], Picture(
                figure, 'Answers by how sure the model is. On the diagonal '
                'it is as sure as it is right, below it is too sure. The '
                'size of a dot is the share of the clips.')))
    return sections


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
