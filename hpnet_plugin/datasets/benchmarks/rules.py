"""The benchmarks' files as rules: how clips are named, and who tests."""
from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...benchmark_files import (
    benchmark_key,
    closest,
    codes,
    numbers,
    read_benchmark,
    read_classes,
    shipped_benchmarks,
)
from ...files import VIDEO_SUFFIXES


class Rule(NamedTuple):
    """Who trains and who tests in one split of a benchmark.

    Attributes:
        by: The field of a clip's name that decides.
        train: Its values of the published training set; None: all that neither
            test nor validate.
        test: Its values of the test set; None: all others.
        val: Its values of the benchmark's own validation split, where it has
            one beside the training set.
        held_out: Subjects of the published training set that form the
            validation split where the benchmark has none.
        classes: Class names in label order.
        published: Clips of the parts, as published; ``train_full`` is the
            published training set.
    """
    by: str
    train: frozenset[int] | None
    test: frozenset[int] | None
    classes: tuple[str, ...]
    val: frozenset[int] = frozenset()
    held_out: frozenset[int] = frozenset()
    published: dict[str, int] = {}


class Benchmark(NamedTuple):
    """The names of a benchmark's clips, and its splits.

    Attributes:
        pattern: Of a name, with the group ``action``, and one group a field, a
            number.
        layout: The same for people.
        example: A name.
        splits: Split to rule, the main one first.
        actions: Action codes in label order; None: names carry the class names
            themselves.
        subject: The field that validation splits are cut by.
    """
    pattern: re.Pattern[str]
    layout: str
    example: str
    splits: dict[str, Rule]
    actions: tuple[str, ...] | None = None
    subject: str = 'subject'


@functools.cache
def _benchmark(key: str) -> Benchmark:
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


def _rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(
        by=entry['by'],
        train=numbers(entry['train']) if 'train' in entry else None,
        test=numbers(entry['test']) if 'test' in entry else None,
        classes=tuple(read_classes(entry['classes'], entry['file'])),
        val=numbers(entry.get('val', ())),
        held_out=numbers(entry.get('held_out', ())),
        published=entry.get('published', {}))


BENCHMARKS = {name: _benchmark(name) for name in shipped_benchmarks()}


def find_benchmark(benchmark: str) -> tuple[str, Benchmark]:
    """A benchmark by name.

    Args:
        benchmark: ``'ntu60'``, ``'ntu120'``, ``'smarthome'``, ``'uav_human'``,
            ``'nw_ucla'`` or ``'ucf101'``; in capitals, or with dashes, if one
            likes.

    Returns:
        Its name as written here, and the benchmark.

    Raises:
        ValueError: If there is no such benchmark, with the closest names.
    """
    name = benchmark_key(str(benchmark))
    return name, _benchmark(name)


def find_rule(benchmark: str, split: str | None = None) -> tuple[str, Rule]:
    """The rule of a split.

    Args:
        benchmark: See :func:`find_benchmark`.
        split: One of its splits (UCF101's may be called by number). Defaults
            to the first.

    Returns:
        The split's name as written here, and its rule.

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
