"""What mmengine logged of a training, from its work folder."""
from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

Entries = list[dict[str, Any]]


def read_curves(work_dir: str | PathLike) -> tuple[Entries, Entries]:
    """Read the scalars of a training, resumed runs joined.

    A run that resumes, or starts anew, replaces what earlier runs logged
    from its first epoch on.

    Args:
        work_dir: Folder with ``<time>/vis_data/scalars.json``, as the Runner
            writes it.

    Returns:
        Entries of training (``loss``, ``iter``, …; ``at`` is the position in
        epochs, or the iteration in a training without epochs) and of
        validation (``acc/top1``, …, and ``at``), in order.

    Raises:
        FileNotFoundError: No log of a training in the folder.
        ValueError: A log with a broken line.
    """
    train: Entries = []
    val: Entries = []
    for path in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        entries = _entries(path)
        trained = [e for e in entries if 'iter' in e and 'loss' in e]
        if not trained:
            continue
        unit = 'epoch' if 'epoch' in trained[0] else 'iter'
        start = trained[0][unit]
        train = [e for e in train if e[unit] < start] + trained
        val = ([e for e in val if e['step'] < start]
               + [e for e in entries if 'iter' not in e])
    if not train:
        raise FileNotFoundError(
            f'{work_dir}: no */vis_data/scalars.json with entries of a '
            'training; expected the work_dir of a run of mim train')
    per_epoch = max((e['iter'] / e['epoch'] for e in train if 'epoch' in e),
                    default=1)
    for entry in train:
        entry['at'] = entry['iter'] / per_epoch
    for entry in val:
        entry['at'] = entry['step']
    return train, val


def _entries(path: Path) -> Entries:
    lines = path.read_text(encoding='utf-8').splitlines()
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError as error:
            # A killed run may leave half a line at the end.
            if number < len(lines):
                raise ValueError(f'{path}, line {number}: no JSON '
                                 f'({error})') from None
    return entries
