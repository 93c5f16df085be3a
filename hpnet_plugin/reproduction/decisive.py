"""What of a config decides its result, and where two of them differ."""
from __future__ import annotations

import json
from typing import Any

from mmengine.config import Config

KEYS = ('model', 'train_dataloader', 'test_dataloader', 'train_cfg',
        'optim_wrapper', 'param_scheduler', 'load_from', 'sync_bn')


def decisive(cfg: Config) -> dict[str, Any]:
    """What decides the result of a config.

    Args:
        cfg: Of a training; stays as it is.

    Returns:
        As JSON would give it back, without how data is read and what only
        memory and time depend on.
    """
    kept = json.loads(json.dumps({key: cfg[key] for key in KEYS
                                  if key in cfg}, default=str))
    for phase in ('train', 'test'):
        loader = kept[f'{phase}_dataloader']
        for key in ('num_workers', 'persistent_workers'):
            loader.pop(key, None)
        dataset = loader['dataset']
        while 'dataset' in dataset:
            dataset = dataset['dataset']
        if dataset['type'] == 'PooledDataset':
            dataset['type'] = 'PoseDataset'  # the same clips, read otherwise
    kept['optim_wrapper'].get('optimizer', {}).pop('fused', None)
    kept['model'].get('backbone', {}).pop('grad_checkpointing', None)
    return kept


def first_difference(before: object, now: object, where: str = ''
                     ) -> str | None:
    """Where two nested values differ first.

    Args:
        before: JSON data.
        now: JSON data.
        where: Dotted key of both.

    Returns:
        The dotted key with both values; None if they are alike.
    """
    pairs: list[tuple[object, object, object]] | None = None
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = [(key, before.get(key), now.get(key))
                 for key in sorted({*before, *now})]
    elif isinstance(before, list) and isinstance(now, list) and \
            len(before) == len(now):
        pairs = [*zip(range(len(now)), before, now)]
    if pairs is None:
        return None if before == now else \
            f'{where} was {before!r:.80}, it is {now!r:.80}'
    for key, old, new in pairs:
        found = first_difference(old, new,
                                 f'{where}.{key}' if where else str(key))
        if found:
            return found
    return None
