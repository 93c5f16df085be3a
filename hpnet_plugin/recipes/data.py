"""Loaders and metrics that all recipes share."""
from __future__ import annotations

from typing import Any

from ..facts import Facts

# frame_dir, the clip's name, goes into the dumps: scores are joined by it
PACK = dict(type='PackActionInputs', meta_keys=('frame_dir', 'img_shape'))
LOG_INTERVAL = 20  # steps between two lines of the log, at most


def loaders(facts: Facts,
            train: list[dict],
            test: list[dict],
            batch_size: int,
            workers: int,
            test_batch_size: int = 64,
            collate: str | None = None,
            **dataset: Any) -> dict[str, Any]:
    """Loaders, loops, metrics and log of a dataset folder.

    Args:
        facts: The dataset. Without a split for ``'val'`` nothing is
            validated; the test split is never trained on.
        train: Pipeline of training.
        test: Pipeline of validation and testing.
        batch_size: Clips a training step.
        workers: Loader processes of each phase; 0 loads in the main
            process, which is best for features mapped into memory and
            light pipelines.
        test_batch_size: Clips a step otherwise. Defaults to 64.
        collate: How clips become a batch; ``'stack_in_worker'`` for inputs of
            one shape. Defaults to None: by ``pseudo_collate``.
        **dataset: Of the dataset; ``type`` and ``ann_file`` have defaults.

    Returns:
        The parts of a config.
    """
    # PooledDataset is PoseDataset, but no process holds the joints of all
    # clips
    dataset = dict(
        dict(type='PooledDataset', ann_file='annotations.pkl',
             data_root=facts.folder), **dataset)

    def loader(part: str, pipeline: list[dict], size: int,
               **more: Any) -> dict[str, Any]:
        return dict(
            batch_size=size,
            num_workers=workers,
            persistent_workers=workers > 0,
            sampler=dict(type='ClipSampler', shuffle=True)
            if part == 'train' else
            dict(type='DefaultSampler', shuffle=False),
            dataset=dict(dataset, split=split_of(facts, part),
                         pipeline=pipeline, **more),
            **(dict(collate_fn=dict(type=collate)) if collate else {}))

    # top-1, top-5, and the mean accuracy of the classes that occur
    top_k: dict[str, Any] = dict(
        type='LabelledAccMetric', metric_list=('top_k_accuracy', ))
    config = dict(
        train_dataloader=loader('train', train, batch_size),
        test_dataloader=loader(
            'test', test, test_batch_size, test_mode=True),
        test_cfg=dict(type='TestLoop'),
        test_evaluator=[top_k, dict(type='PerClassAccuracy')],
        default_hooks=dict(
            logger=dict(interval=_log_interval(facts, batch_size))))
    if 'val' in facts.use:
        # for the curves only: nothing is chosen by it
        config.update(
            val_dataloader=loader(
                'val', test, test_batch_size, test_mode=True),
            val_cfg=dict(type='ValLoop'),
            val_evaluator=[top_k, dict(type='PerClassAccuracy', table=False)])
    return config


def _log_interval(facts: Facts, batch_size: int) -> int:
    """Steps between two lines of the log; five lines an epoch at least."""
    clips = facts.splits.get(facts.use.get('train', ''))
    steps = LOG_INTERVAL if clips is None else clips // batch_size // 5
    return max(1, min(LOG_INTERVAL, steps))


def split_of(facts: Facts, part: str) -> str | None:
    """The split of a phase.

    Args:
        facts: The dataset.
        part: ``'train'``, ``'val'`` or ``'test'``.

    Returns:
        Its name; None, all clips, only for testing on a folder that has no
        splits. A split that is not there is refused before work starts.
    """
    if part == 'test' and not facts.splits:
        return None
    return facts.use.get(part, part)
