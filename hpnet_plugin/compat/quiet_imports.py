"""The toolbox is imported without the garbage collector looking through it.

An import makes some 500,000 objects that are there to stay, and Python looks
through them again and again while they become more: a sixth of the time that
mmaction2 and its relatives take to be imported, and nothing is freed.
"""
from __future__ import annotations

import gc
from collections.abc import Callable

from . import hooks

# Importing one of these imports most of the rest.
LARGE = ('mmengine', 'mmengine.runner', 'mmcv', 'mmaction', 'mmaction.models',
         'mmaction.datasets', 'mmaction.engine', 'mmdet.models', 'mmpose.apis',
         'mmpose.models')


def pause_garbage_collection() -> None:
    """Have the collector wait during the imports of :data:`LARGE`."""
    for name in LARGE:
        hooks.around(name, _without)


def _without(module_runs: Callable[[], None]) -> None:
    if not gc.isenabled():  # a larger import, or the program itself
        module_runs()
        return
    gc.disable()
    try:
        module_runs()
    finally:
        gc.enable()
