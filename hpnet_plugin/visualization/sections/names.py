"""Short names of files and folders for tables and legends."""
from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path


def short_names(paths: Sequence[str | PathLike]) -> list[str]:
    """The shortest tails of paths that tell them apart, without suffixes.

    Args:
        paths: Files or folders.

    Returns:
        A name each; whole paths where nothing else helps.
    """
    parts = [Path(path).with_suffix('').parts for path in paths]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ['/'.join(p[-depth:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]
