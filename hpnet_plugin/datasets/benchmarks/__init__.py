"""The benchmarks: how their clips are named, labelled and split.

Each is a JSON file of this folder, or one of one's own; its keys are those of
:mod:`hpnet_plugin.benchmark_files`.
"""
from __future__ import annotations

import functools
import os.path as osp
import re
from itertools import product
from typing import NamedTuple

from ...benchmark_files import (
    FOLDER,
    PARTS,
    benchmark_key,
    closest,
    codes,
    numbers,
    read_benchmark,
    read_classes,
    shipped_benchmarks,
)
from ...files import VIDEO_SUFFIXES

TRAIN_FULL = 'train_full'


class Rule(NamedTuple):
    """Who trains and who tests in one split of a benchmark.

    Attributes:
        by (str): The field of a clip's name that decides.
        train (frozenset[int], optional): Its values of the published
            training set; None: all that neither test nor validate.
        test (frozenset[int], optional): Its values of the test set; None:
            all others.
        val (frozenset[int]): Its values of the benchmark's own validation
            split, where it has one beside the training set.
        held_out (frozenset[int]): Subjects of the published training set
            that form the validation split where the benchmark has none.
        classes (tuple[str]): Class names in label order.
        published (dict[str, int]): Clips of the parts, as published;
            ``train_full`` is the published training set.
    """
    by: str
    train: frozenset | None
    test: frozenset | None
    classes: tuple
    val: frozenset = frozenset()
    held_out: frozenset = frozenset()
    published: dict = {}


class Benchmark(NamedTuple):
    """The names of a benchmark's clips, and its splits.

    Attributes:
        pattern (re.Pattern): Of a name, with the group ``action``, and one
            group a field, a number.
        layout (str): The same for people.
        example (str): A name.
        splits (dict[str, Rule]): Split to rule, the main one first.
        actions (tuple[str], optional): Action codes in label order; None:
            names carry the class names themselves.
        subject (str): The field that validation splits are cut by.
    """
    pattern: re.Pattern
    layout: str
    example: str
    splits: dict
    actions: tuple | None = None
    subject: str = 'subject'


@functools.cache
def _benchmark(key):
    content = read_benchmark(key)
    names = content['names']
    suffixes = '|'.join(map(re.escape, VIDEO_SUFFIXES))
    return Benchmark(
        pattern=re.compile(f'{names["pattern"]}(?:{suffixes})?'),
        layout=names['layout'],
        example=names['example'],
        splits={split: _rule({**content, **entry})
                for split, entry in content['protocols'].items()},
        actions=codes(names['actions']) if 'actions' in names else None,
        subject=names.get('subject', 'subject'))


def _rule(entry):
    return Rule(
        by=entry['by'],
        train=numbers(entry['train']) if 'train' in entry else None,
        test=numbers(entry['test']) if 'test' in entry else None,
        classes=tuple(read_classes(entry['classes'], entry['file'])),
        val=numbers(entry.get('val', ())),
        held_out=numbers(entry.get('held_out', ())),
        published=entry.get('published', {}))


BENCHMARKS = {name: _benchmark(name) for name in shipped_benchmarks()}


def find_benchmark(benchmark):
    """A benchmark by name.

    Args:
        benchmark (str): ``'ntu60'``, ``'ntu120'``, ``'smarthome'``,
            ``'uav_human'``, ``'nw_ucla'`` or ``'ucf101'``; in capitals, or
            with dashes, if one likes.

    Returns:
        tuple[str, Benchmark]: Its name as written here, and the benchmark.

    Raises:
        ValueError: If there is no such benchmark, with the closest names.
    """
    name = benchmark_key(str(benchmark))
    return name, _benchmark(name)


def find_rule(benchmark, split=None):
    """The rule of a split.

    Args:
        benchmark (str): See :func:`find_benchmark`.
        split (str, optional): One of its splits (UCF101's may be called by
            number). Defaults to the first.

    Returns:
        tuple[str, Rule]: The split's name as written here, and its rule.

    Raises:
        ValueError: If it has no such split, with the closest names.
    """
    benchmark, entry = find_benchmark(benchmark)
    if split is None:
        return next(iter(entry.splits.items()))
    name = str(split).casefold()
    name = f'split{name}' if name.isdecimal() else name
    if name not in entry.splits:
        raise ValueError(f'{benchmark} has no split {split!r}'
                         + closest(name, entry.splits))
    return name, entry.splits[name]


def fields_of(benchmark, name):
    """What a clip's name says.

    Args:
        benchmark (str): See :func:`find_benchmark`.
        name (str): The clip's name, without folder; a video suffix and
            NTU's ``_rgb`` may be there or not.

    Returns:
        dict: The action as it is written, and numbers: of the subject, the
        camera, … as far as the benchmark names them.

    Raises:
        ValueError: If the name does not follow the rule.
    """
    benchmark, entry = find_benchmark(benchmark)
    match = entry.pattern.fullmatch(name)
    if not match:
        raise ValueError(
            f'{name!r} is no clip of {benchmark}, whose names are '
            f'{entry.layout}: for example {entry.example}')
    return {field: value if field == 'action' else int(value)
            for field, value in match.groupdict().items()}


def label_of(benchmark, name, split=None):
    """Label of a clip, from its name.

    Args:
        benchmark (str): See :func:`find_benchmark`.
        name (str): The clip's name; see :func:`fields_of`.
        split (str, optional): Toyota-Smarthome has 31 classes in ``cs`` and
            19 in ``cv1`` and ``cv2``. Defaults to the benchmark's first.

    Returns:
        int | None: The class, from 0; None for an action that is not among
        the classes of this split (A061 to A120 in ntu60, twelve activities
        in Smarthome's cross-view splits).

    Raises:
        ValueError: If the name does not follow the rule.
    """
    benchmark, entry = find_benchmark(benchmark)
    split, _ = find_rule(benchmark, split)
    action = fields_of(benchmark, name)['action'].casefold()
    label = _labels(benchmark, split).get(action)
    if label is None and entry.actions is None:
        known = _labels(benchmark, next(iter(entry.splits)))
        if action not in known:
            raise ValueError(f'{name!r}: {benchmark} has no class '
                             f'{action!r}' + closest(action, known))
    return label


@functools.cache
def _labels(benchmark, split):
    entry = _benchmark(benchmark)
    actions = entry.actions or entry.splits[split].classes
    return {action.casefold(): i for i, action in enumerate(actions)}


def split_names(benchmark, split, names, holdout=True):
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
        benchmark (str): ``'ntu60'``, ``'ntu120'``, ``'smarthome'``,
            ``'uav_human'``, ``'nw_ucla'`` or ``'ucf101'``.
        split (str): One of the benchmark's protocols.
        names (Iterable[str]): Names of clips, as :func:`fields_of` takes
            them. NTU's clips without a skeleton
            (:func:`missing_skeletons`), which published counts leave out,
            are treated as any other here.
        holdout (bool): Whether to cut the validation split out of the
            training set. Defaults to True; False leaves ``val`` with a
            validation split of the benchmark's own, or empty.

    Returns:
        dict[str, list[str]]: ``train``, ``val`` and ``test``, each in the
        order of ``names``. Clips of actions that are no class of this split,
        or of cameras that it does not use, are in none.

    Raises:
        ValueError: If there is no such benchmark or split, or a name does
            not follow the rule.
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


def _part(rule, value):
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
        folder (str): The dataset folder. It is named after the benchmark, as
            ``data/ntu120``, ``data/smarthome_cv`` or ``data/ntu60_hrnet``.
        split (str, optional): A split and its part, as ``hpnet prepare``
            names them: ``'xsub_test'``, ``'csv1_train_full'``.

    Returns:
        int | None: None where no number is published, or nobody can tell
        from these names.
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
        tested (int): Clips that have a score.
        published (int, optional): Of :func:`published_clips`.

    Returns:
        str: A clause that says what the two numbers mean.
    """
    text = f'tested on {tested:,} clip{"s" * (tested != 1)}'
    if published is None:
        return text
    if tested == published:
        return f'{text}, all {published:,} of the published test split'
    return (f'{text}, but the published test split has {published:,}: the '
            'accuracy cannot be compared with published ones')


def bare_name(name):
    """A clip's name without a video suffix and NTU's ``_rgb``."""
    for suffix in VIDEO_SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[:-len(suffix)]
            break
    return name.removesuffix('_rgb')


@functools.cache
def missing_skeletons(benchmark):
    """Clips that published counts leave out: Kinect found nobody in them.

    Args:
        benchmark (str): See :func:`find_benchmark`.

    Returns:
        frozenset[str]: Names of the official lists, without ``_rgb``; empty
        where there is none.
    """
    benchmark, entry = find_benchmark(benchmark)
    missing = read_benchmark(benchmark)['names'].get('missing')
    if missing is None:
        return frozenset()
    file = FOLDER / 'missing' / f'{missing}.txt'
    return frozenset(
        name for name in file.read_text(encoding='utf-8').split()
        if label_of(benchmark, name) is not None)


def siblings(benchmark, names):
    """Clips that exist if these do.

    NTU recorded every subject of a setup with three cameras, twice, in all
    of the setup's actions: 1 to 60 in setups 1 to 17, 61 to 120 in the
    others. (Each of the published 948 and 960 combinations of setup, camera,
    subject and repetition has 60 clips.)

    Args:
        benchmark (str): See :func:`find_benchmark`.
        names (Iterable[str]): Names that follow its rule.

    Returns:
        set[str]: Names as :func:`bare_name` has them, of this benchmark's
        classes; empty for a benchmark whose clips do not tell of others.
    """
    benchmark, entry = find_benchmark(benchmark)
    rule = read_benchmark(benchmark)['names'].get('recorded')
    if rule is None:
        return set()
    seen = {tuple(fields[field] for field in rule['of_each'])
            for fields in (fields_of(benchmark, name) for name in names
                           if label_of(benchmark, name) is not None)}
    found = set()
    for values in seen:
        given = dict(zip(rule['of_each'], values))
        every = {field: sorted(numbers(values))
                 for field, values in rule['all'].items()}
        every['action'] = _recorded_actions(rule, given)
        for combination in product(*every.values()):
            found.add(rule['name'].format(
                **given, **dict(zip(every, combination))))
    return {name for name in found if label_of(benchmark, name) is not None}


def _recorded_actions(rule, given):
    """The actions that were recorded where these values are given."""
    return sorted(number for part in rule['actions']
                  if all(given[field] in numbers(values)
                         for field, values in part.items()
                         if field != 'action')
                  for number in numbers(part['action']))
