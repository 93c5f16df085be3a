"""Groups of clips, such as those of one subject, by the clips' names."""
from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from .scores import ScoreError, listed


def groups_of(names: Sequence[str], pattern: str) -> np.ndarray:
    """The groups of clips by their names.

    Args:
        names: Clip names.
        pattern: A regular expression that finds the group in a name: the part
            in parentheses where it has such a part, else all that it finds.

    Returns:
        (N,) numbers from 0 on, equal for clips of one group.

    Raises:
        ScoreError: No regular expression, names in which it finds nothing, or
            one group only.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ScoreError(f'{pattern!r} is no regular expression: {error}'
                         ) from None
    found = [expression.search(name) for name in names]
    lost = [name for name, match in zip(names, found) if match is None]
    if lost:
        raise ScoreError(f'the pattern {pattern!r} of the groups finds '
                         f'nothing in the name of {listed(lost)}')
    texts = [(match[1] if expression.groups else match[0]) or ''
             for match in found if match]
    groups = np.unique(texts, return_inverse=True)[1]
    if not groups.any():
        raise ScoreError(
            f'the pattern {pattern!r} finds one group only, {texts[0]!r}, in '
            f'the names of {listed(names)}; two are needed')
    return groups


def divided(groups: np.ndarray, parts: int, seed: int | None = None
            ) -> np.ndarray:
    """Put whole groups into parts that are about as large.

    Args:
        groups: (N,) numbers from 0 on.
        parts: How many; no more than there are groups.
        seed: The order in which groups are put where fewest clips are.
            Defaults to None: the largest first.

    Returns:
        (N,) the part of each clip, from 0 on.
    """
    sizes = np.bincount(groups)
    order = np.argsort(-sizes, kind='stable') if seed is None else \
        np.random.default_rng(seed).permutation(len(sizes))
    filled = [0] * parts
    of_group = np.empty(len(sizes), int)
    for group in order:
        part = filled.index(min(filled))
        filled[part] += sizes[group]
        of_group[group] = part
    return of_group[groups]
