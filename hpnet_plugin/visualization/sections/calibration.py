"""What ``hpnet calibrate`` found for trainings, as sections."""
from __future__ import annotations

import json
import os.path as osp
from collections.abc import Sequence

from ...evaluation.calibration import summary
from ..calibration import reliability_figure
from ..report import Picture, Section

FILE = 'calibration.json'


def calibration_sections(work_dirs: Sequence[str]) -> list[Section]:
    """What ``hpnet calibrate`` found for some trainings.

    Args:
        work_dirs: Work dirs; those without a calibration are passed over.

    Returns:
        A table and a reliability diagram each.

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
