"""What the name of a benchmark's clip says."""
from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from ...benchmark_files import FOLDER, closest, numbers, read_benchmark
from ...files import VIDEO_SUFFIXES
from .rules import find_benchmark, find_rule


def fields_of(benchmark: str, name: str) -> dict:
    """What a clip's name says.

    Args:
        benchmark: See :func:`find_benchmark`.
        name: The clip's name, without folder; a video suffix and NTU's
            ``_rgb`` may be there or not.

    Returns:
        The action as it is written, and numbers: of the subject, the camera, …
        as far as the benchmark names them.

    Raises:
        ValueError: If the name does not follow the rule.
    """
    benchmark, entry = find_benchmark(benchmark)
    match = entry.pattern.fullmatch(name)
    if not match:
        raise ValueError(
            f'{name!r} is no clip of {benchmark}, whose names are '
            f'{entry.layout}: for example {entry.example}')
    try:
        return {field: value if field == 'action' else int(value)
                for field, value in match.groupdict().items()}
    except (TypeError, ValueError):
        raise ValueError(
            f'{name!r}: of a clip of {benchmark}, all that its name says but '
            f'the action must be numbers, found {match.groupdict()}') from None


def label_of(benchmark: str, name: str, split: str | None = None
             ) -> int | None:
    """Label of a clip, from its name.

    Args:
        benchmark: See :func:`find_benchmark`.
        name: The clip's name; see :func:`fields_of`.
        split: Toyota-Smarthome has 31 classes in ``cs`` and 19 in ``cv1`` and
            ``cv2``. Defaults to the benchmark's first.

    Returns:
        The class, from 0; None for an action that is not among the classes of
        this split (A061 to A120 in ntu60, twelve activities in Smarthome's
        cross-view splits).

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
def _labels(benchmark: str, split: str) -> dict[str, int]:
    entry = find_benchmark(benchmark)[1]
    actions = entry.actions or entry.splits[split].classes
    return {action.casefold(): i for i, action in enumerate(actions)}


def bare_name(name: str) -> str:
    """A clip's name without a video suffix and NTU's ``_rgb``.

    Args:
        name: The name.

    Returns:
        The bare name.
    """
    for suffix in VIDEO_SUFFIXES:
        if name.lower().endswith(suffix):
            name = name[:-len(suffix)]
            break
    return name.removesuffix('_rgb')


@functools.cache
def missing_skeletons(benchmark: str) -> frozenset[str]:
    """Clips that published counts leave out: Kinect found nobody in them.

    Args:
        benchmark: See :func:`find_benchmark`.

    Returns:
        Names of the official lists, without ``_rgb``; empty where there is
        none.
    """
    benchmark, entry = find_benchmark(benchmark)
    missing = read_benchmark(benchmark)['names'].get('missing')
    if missing is None:
        return frozenset()
    file = FOLDER / 'missing' / f'{missing}.txt'
    return frozenset(
        name for name in file.read_text(encoding='utf-8').split()
        if label_of(benchmark, name) is not None)


def siblings(benchmark: str, names: Iterable[str]) -> set[str]:
    """Clips that exist if these do.

    NTU recorded every subject of a setup with three cameras, twice, in all
    of the setup's actions: 1 to 60 in setups 1 to 17, 61 to 120 in the
    others. (Each of the published 948 and 960 combinations of setup, camera,
    subject and repetition has 60 clips.)

    Args:
        benchmark: See :func:`find_benchmark`.
        names: Names that follow its rule.

    Returns:
        Names as :func:`bare_name` has them, of this benchmark's classes; empty
        for a benchmark whose clips do not tell of others.
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


def _recorded_actions(rule: Mapping[str, Any],
                      given: Mapping[str, int]) -> list[int]:
    """The actions that were recorded where these values are given."""
    return sorted(number for part in rule['actions']
                  if all(given[field] in numbers(values)
                         for field, values in part.items()
                         if field != 'action')
                  for number in numbers(part['action']))
