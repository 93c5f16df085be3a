"""What trainings logged, as a section."""
from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from ...evaluation.curves import read_curves
from ...recipes.reading import innermost
from ..curves import training_figure
from ..report import Picture, Section
from .names import short_names

_TEST = 'TEST clips'


def training_section(work_dirs: Sequence[str | PathLike],
                     metric: str = 'acc/top1') -> Section:
    """Curves and best epochs of trainings.

    Args:
        work_dirs: Work folders of ``mim train``.
        metric: The validation metric to show, a fraction.

    Returns:
        A figure and a row a training.

    Raises:
        FileNotFoundError: A folder without a training's log.
    """
    named = dict(zip(short_names(work_dirs), work_dirs))
    rows: list[list[object]] = [[
        'training', 'epochs', 'last loss', 'last top-1', 'best top-1',
        'best epoch', 'chosen on']]
    for name, work_dir in named.items():
        train, val = read_curves(work_dir)
        row: list[object] = [
            name, train[-1].get('epoch', ''), f'{train[-1]["loss"]:.3f}']
        found = [(e[metric], e['step']) for e in val if metric in e]
        if found:
            best, step = max(found, key=lambda f: f[0])
            row += [f'{100 * found[-1][0]:.2f}', f'{100 * best:.2f}', step,
                    _chosen_on(work_dir)]
        rows.append(row + [''] * (len(rows[0]) - len(row)))
    text = ''
    if any(row[-1] == _TEST for row in rows[1:]):
        text = ('NOTE: where the best epoch was chosen on the test clips, '
                'the best top-1 is overstated: compare the last top-1, or '
                'validate on other clips.')
    return Section('Training', text, rows, figure=Picture(
        training_figure(named, metric),
        'Loss as logged; accuracy in training is the mean of an epoch.'))


def _chosen_on(work_dir: str | PathLike) -> str:
    """On which clips a training chose its best epoch, if that is known."""
    from mmengine.config import Config
    configs = sorted(Path(work_dir).glob('*.py'),
                     key=lambda path: path.stat().st_mtime)
    if not configs:
        return ''
    config = Config.fromfile(str(configs[-1]), import_custom_modules=False)
    val, test = (
        {key: dataset.get(key) for key in ('data_root', 'ann_file', 'split')}
        for dataset in (innermost((config.get(f'{part}_dataloader') or {}
                                   ).get('dataset') or {})
                        for part in ('val', 'test')))
    return _TEST if val == test else val['split'] or 'validation'
