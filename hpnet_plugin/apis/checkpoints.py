"""What a training left in its work dir: config, checkpoints, what they say.

Nothing is run from a checkpoint: it is read with ``weights_only``.
"""
from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..checkpoint_files import load_tensors
from ..weights import CheckpointError, unreadable


def newest_config(folder: str | os.PathLike[str]) -> str:
    """The config of a work dir that was written last.

    Args:
        folder: The work dir.

    Returns:
        Its path.

    Raises:
        FileNotFoundError: If it holds none.
    """
    configs = sorted(Path(folder).glob('*.py'),
                     key=lambda path: path.stat().st_mtime)
    if not configs:
        raise FileNotFoundError(f'{folder} holds no config: expected the '
                                'work dir of a training')
    return str(configs[-1])


def newest_checkpoint(folder: str | os.PathLike[str]) -> str:
    """The checkpoint that mmengine calls the last of a work dir.

    Args:
        folder: The work dir.

    Returns:
        Its path; in a work dir that was moved or copied, that of the copy.

    Raises:
        FileNotFoundError: If there is none.
        CheckpointError: If the note that names it is damaged.
    """
    folder = Path(folder)
    note = folder / 'last_checkpoint'
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder} is no work dir of a training; to '
                                'test a config, name a checkpoint, too')
    if not note.is_file():
        raise FileNotFoundError(
            f'{folder} holds no checkpoint: it is no work dir of a training, '
            'or the training did not get that far')
    try:
        path = Path(note.read_text(encoding='utf-8').strip())
    except UnicodeDecodeError:
        raise CheckpointError(
            f'{note} is damaged: expected the path of a checkpoint; name the '
            'checkpoint itself in place of its work dir') from None
    # the folder may have been moved since, or be a copy
    beside = folder / path.name
    return str(beside if beside.is_file() else path)


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a checkpoint of mmengine holds; its tensors stay in the file.

    Args:
        path: The file.

    Returns:
        ``state_dict``, ``meta`` and the rest.

    Raises:
        FileNotFoundError: If it is not there.
        CheckpointError: If it is damaged, asks for code, or is no checkpoint
            of a training.
    """
    import mmengine.runner.checkpoint  # noqa: F401  torch then allows logs
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f'{path}: no such checkpoint')
    try:
        content = load_tensors(path)
    except Exception as error:  # a broken file may raise nearly anything
        raise CheckpointError(unreadable(path, error)
                              ) from None
    if not isinstance(content, dict) or \
            not isinstance(content.get('state_dict'), dict):
        raise CheckpointError(
            f"{path}: no checkpoint of a training: it has no 'state_dict'")
    return content


def run_results(folder: str | os.PathLike[str],
                checkpoint: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Validation and tests of a checkpoint, as its work dir has them.

    Args:
        folder: The work dir.
        checkpoint: One of its checkpoints.

    Returns:
        ``part`` (``'val'`` or ``'test'``), ``data``, ``split``,
        ``epoch`` of a validation, and ``metrics`` by name; the newest of the
        tests on the same data.
    """
    from mmengine.config import Config

    from ..evaluation.curves import read_curves
    from ..recipes.reading import innermost

    def entry(part: str, config: Config, values: Mapping[str, Any],
              **more: Any) -> dict[str, Any]:
        dataset = innermost(config[f'{part}_dataloader']['dataset'])
        return dict(part=part, data=dataset.get('data_root'),
                    split=dataset.get('split'), **more, metrics={
                        key: value for key, value in values.items()
                        if '/' in key})

    def config_of(run: Path) -> Config:
        return Config.fromfile(run / 'vis_data/config.py',
                               import_custom_modules=False)

    folder, name, found = Path(folder), Path(checkpoint).name, []
    runs = sorted(folder.glob('*/vis_data/config.py'))
    epoch = re.fullmatch(r'(?:.*_)?epoch_(\d+)\.pth', name)
    if runs and epoch:
        with contextlib.suppress(OSError, ValueError, KeyError):
            config = config_of(runs[-1].parents[1])
            found += [entry('val', config, values, epoch=values['step'])
                      for values in read_curves(folder)[1]
                      if values['step'] == int(epoch[1])]
    tests = {}
    for path in sorted(folder.glob('*/*/*.json')):
        if path.stem != path.parent.name:
            continue
        with contextlib.suppress(OSError, ValueError, KeyError):
            config = config_of(path.parent)
            if Path(config.get('load_from') or '').name == name:
                values = json.loads(path.read_text(encoding='utf-8'))
                test = entry('test', config, values)
                tests[test['data'], test['split']] = test
    return [*found, *tests.values()]
