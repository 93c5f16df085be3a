"""mmaction2 and mmdet refuse mmcv 2.2, which they work with.

They assert at their import that mmcv is below 2.2.0, the version that came
after them. While they are imported, mmcv 2.2 says that it is 2.1.0.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from importlib import metadata

from . import hooks

NAME = 'mmaction2 and mmdet beside mmcv 2.2'
FIX = 'pip install --no-deps mmcv-lite==2.1.0 (or mmcv==2.1.0)'

_TAKEN = '2.1.0'
_done = False


def needed() -> bool:
    """Whether mmcv is 2.2, by the metadata of its package."""
    for name in ('mmcv', 'mmcv-lite'):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        return re.match(r'2\.2\.', version) is not None
    return False


def filled() -> bool:
    """Whether one of them was imported beside it."""
    return _done


def apply() -> None:
    """Let the two read the version that they were made for."""
    for package in ('mmaction', 'mmdet'):
        hooks.around(package, _import)


def _import(package_runs: Callable[[], None]) -> None:
    global _done
    if not needed():
        package_runs()
        return
    import mmcv
    told = mmcv.__version__
    mmcv.__version__ = _TAKEN
    try:
        package_runs()
    finally:
        mmcv.__version__ = told
    _done = True
