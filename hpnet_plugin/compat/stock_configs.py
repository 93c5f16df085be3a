"""``--cfg-options ann_file=…`` does not reach the datasets of stock configs.

A base config is evaluated before its variables are changed, so that the
datasets keep the files that they were written with. Where ``ann_file`` names
the annotations of a dataset folder of this package, the datasets, splits and
number of classes follow it (:mod:`hpnet_plugin.stock`).
"""
from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

from . import hooks

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

NAME = 'ann_file of stock configs'
FIX = 'set the ann_file, split and num_classes of each dataset and head'

_MODULE = 'mmengine.runner.runner'


def needed() -> bool:
    """Always: it is how configs are evaluated."""
    return True


def filled() -> bool:
    """Whether Runners look at it."""
    module = sys.modules.get(_MODULE)
    return module is not None and hasattr(
        module.Runner.from_cfg, '__wrapped__')


def apply() -> None:
    """Let Runners look at it before they are built."""
    hooks.after(_MODULE, _wrap)


def _wrap() -> None:
    runner = sys.modules[_MODULE].Runner
    build = runner.from_cfg.__func__
    if hasattr(build, '__wrapped__'):
        return

    @functools.wraps(build)
    def from_cfg(cls: type[Runner], cfg: Config) -> Runner:
        from ..stock import follow
        follow(cfg)
        return build(cls, cfg)

    runner.from_cfg = classmethod(from_cfg)
