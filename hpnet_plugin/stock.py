"""A stock config of mmaction2 on a dataset folder.

Stock configs write the file of annotations, the splits and the number of
classes into several places each. A dataset folder has them all as its facts,
so that the folder is all that a user need say::

    mim train mmaction2 CONFIG --cfg-options ann_file=FOLDER/annotations.pkl
"""
from __future__ import annotations

import os.path as osp
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .facts import FILE, Facts, read_facts

if TYPE_CHECKING:
    from .recipes.reading import ConfigLike

ANNOTATIONS = 'annotations.pkl'
# what a Runner needs of a phase, and is dropped where there is no split
PARTS = dict(
    train=('train_dataloader', 'train_cfg', 'optim_wrapper',
           'param_scheduler'),
    val=('val_dataloader', 'val_cfg', 'val_evaluator'),
    test=('test_dataloader', 'test_cfg', 'test_evaluator'))


def folder_of(config: ConfigLike) -> str | None:
    """The dataset folder that a config's own ``ann_file`` names.

    Args:
        config: Any config.

    Returns:
        None for all configs but stock ones whose ``ann_file``,
        at the top level, is that of a dataset folder of this package.
    """
    path = config.get('ann_file')
    if not isinstance(path, str) or 'composed' in config:
        return None
    folder, name = osp.split(path)
    if name != ANNOTATIONS or not any(
            osp.isfile(osp.join(folder, file))
            for file in (FILE, 'extraction.json')):
        return None
    return folder


def settings(config: ConfigLike, facts: Facts) -> dict[str, Any]:
    """What brings a stock config to a folder.

    Args:
        config: A config of mmaction2's on ``PoseDataset``.
        facts: The folder's.

    Returns:
        Dotted keys of the config to their values, as ``--cfg-options``
        takes them. Phases that the folder has no split for are None. Phases
        that read another kind of dataset are left as they are.
    """
    changed: dict[str, Any] = {}
    for phase, parts in PARTS.items():
        place, dataset = _dataset(config, f'{phase}_dataloader')
        if dataset is None or dataset.get('type') != 'PoseDataset':
            continue
        if phase in facts.use:
            changed[f'{place}.ann_file'] = osp.join(facts.folder, ANNOTATIONS)
            changed[f'{place}.split'] = facts.use[phase]
        else:
            changed.update(dict.fromkeys(parts))
    head = config.get('model', {}).get('cls_head') or {}
    if changed and facts.classes and 'num_classes' in head:
        changed['model.cls_head.num_classes'] = len(facts.classes)
    return changed


def _dataset(config: ConfigLike,
             loader: str) -> tuple[str, Mapping[str, Any] | None]:
    """Dotted place and config of a phase's dataset, without wrappers."""
    if not config.get(loader):
        return '', None
    place, dataset = f'{loader}.dataset', config[loader].get('dataset') or {}
    while 'dataset' in dataset:
        place, dataset = f'{place}.dataset', dataset['dataset']
    return place, dataset


def follow(config: Any) -> None:
    """Bring a stock config to the folder of its ``ann_file``, in place.

    Args:
        config: Any config; all others are left as they are.

    Raises:
        FactsError: If the folder's facts are damaged.
    """
    folder = folder_of(config)
    if folder is None:
        return
    facts = read_facts(folder)
    changed = settings(config, facts)
    if not changed:
        return
    from mmengine.logging import print_log
    config.merge_from_dict(changed)
    splits = [f'{phase} {facts.use.get(phase, "(no split)")}'
              for phase in PARTS]
    classes = f'{len(facts.classes)} classes' if facts.classes \
        else 'no labels'
    print_log(f'{folder}: {classes}; {", ".join(splits)}', logger='current')
