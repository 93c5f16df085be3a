"""Who trains and who tests: the splits of a benchmark's clips."""
from __future__ import annotations

import os.path as osp
from collections.abc import Iterable

from ...benchmark_files import PARTS
from .clip_names import fields_of, label_of
from .rules import BENCHMARKS, Rule, find_benchmark, find_rule

TRAIN_FULL = 'train_full'


def split_names(benchmark: str, split: str, names: Iterable[str],
                holdout: bool = True) -> dict[str, list[str]]:
    """Divide clips into training, validation and test set.

    ``train`` and ``val`` are disjoint and together the published training
    set, wherever the validation split is cut from it: fusion weights and
    epochs are chosen on clips that nothing was trained on. Results for the
    tables are trained on the published training set in full: that is
    ``train`` with ``holdout=False``, and what ``hpnet prepare`` writes as
    ``train_full``.

    Who trains, tests and validates stands in the benchmarks' files. The
    validation split is the benchmark's own where it has one (cameras of
    Smarthome's cross-view splits), else some subjects of the training set:
    Smarthome's as released (they are left out of training there, although
    the paper trains on them); of the others the fifth training subject, in
    order of number, and every tenth after it (for UCF101, group).

    Args:
        benchmark: ``'ntu60'``, ``'ntu120'``, ``'smarthome'``, ``'uav_human'``,
            ``'nw_ucla'`` or ``'ucf101'``.
        split: One of the benchmark's protocols.
        names: Names of clips, as :func:`fields_of` takes them. NTU's clips
            without a skeleton (:func:`missing_skeletons`), which published
            counts leave out, are treated as any other here.
        holdout: Whether to cut the validation split out of the training set.
            Defaults to True; False leaves ``val`` with a validation split of
            the benchmark's own, or empty.

    Returns:
        ``train``, ``val`` and ``test``, each in the order of ``names``. Clips
        of actions that are no class of this split, or of cameras that it does
        not use, are in none.

    Raises:
        ValueError: If there is no such benchmark or split, or a name does not
            follow the rule.
    """
    benchmark, entry = find_benchmark(benchmark)
    split, rule = find_rule(benchmark, split)
    parts = {part: [] for part in PARTS}
    for name in names:
        fields = fields_of(benchmark, name)
        if label_of(benchmark, name, split) is None:
            continue
        part = _part(rule, fields[rule.by])
        if part == 'train' and holdout and \
                fields.get(entry.subject) in rule.held_out:
            part = 'val'
        if part is not None:
            parts[part].append(name)
    return parts


def _part(rule: Rule, value: int) -> str | None:
    """Where a value of the field that decides belongs; None: nowhere."""
    for part in PARTS:
        if value in (getattr(rule, part) or ()):
            return part
    if rule.test is None:
        return 'test'
    return 'train' if rule.train is None else None


def published_clips(folder: str, split: str | None) -> int | None:
    """How many clips a split of a dataset folder has, as published.

    Args:
        folder: The dataset folder. It is named after the benchmark, as
            ``data/ntu120``, ``data/smarthome_cv`` or ``data/ntu60_hrnet``.
        split: A split and its part, as ``hpnet prepare`` names them:
            ``'xsub_test'``, ``'csv1_train_full'``.

    Returns:
        None where no number is published, or nobody can tell from these names.
    """
    name = osp.basename(osp.normpath(folder or ''))
    protocol, _, part = (split or '').partition('_')
    for benchmark, facts in BENCHMARKS.items():
        if name == benchmark or name.startswith(f'{benchmark}_'):
            rule = facts.splits.get(protocol)
            return None if rule is None else rule.published.get(part)
    return None


def compare_counts(tested: int, published: int | None) -> str:
    """How many clips were tested, and how many are in the published split.

    Args:
        tested: Clips that have a score.
        published: Of :func:`published_clips`.

    Returns:
        A clause that says what the two numbers mean.
    """
    text = f'tested on {tested:,} clip{"s" * (tested != 1)}'
    if published is None:
        return text
    if tested == published:
        return f'{text}, all {published:,} of the published test split'
    return (f'{text}, but the published test split has {published:,}: the '
            'accuracy cannot be compared with published ones')
