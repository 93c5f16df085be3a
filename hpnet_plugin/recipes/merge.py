"""Changes made by hand, carried over to another config."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge3(old: Mapping, mine: Mapping, new: Mapping) -> dict[str, Any]:
    """What was changed between two dicts, laid over a third.

    Args:
        old: What was composed.
        mine: The same with changes made by hand.
        new: What is composed instead.

    Returns:
        *new* with these changes: keys that *mine* changed or added
        have its value, keys that it deleted are absent. Dicts are merged in
        depth, lists and everything else are replaced as a whole.
    """
    merged = {}
    for key in (*new, *(key for key in mine if key not in new)):
        if key in old and key not in mine:
            continue  # deleted by hand
        if key not in mine:
            merged[key] = new[key]
        elif key in old and same(old[key], mine[key]):
            if key in new:
                merged[key] = new[key]
        elif isinstance(mine[key], Mapping) and isinstance(
                new.get(key), Mapping):
            base = old.get(key)
            merged[key] = merge3(
                base if isinstance(base, Mapping) else {}, mine[key],
                new[key])
        else:
            merged[key] = mine[key]
    return merged


def same(one: Any, other: Any) -> bool:
    """Whether two values of configs are equal; tuples are lists.

    Args:
        one: A value, nested or not.
        other: The other value.

    Returns:
        Whether they are.
    """
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(
            same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def own(value: Any) -> Any:
    """A copy in which no two places share a dict or a list.

    Args:
        value: A value of a config, nested or not.

    Returns:
        The copy.
    """
    if isinstance(value, Mapping):
        return {key: own(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(own, value))
    return value
