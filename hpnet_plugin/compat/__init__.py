"""What the stock packages lack to work side by side, one file a gap.

A gap is a module with the same five names:

- ``NAME``: what is missing, in a few words.
- ``FIX``: what to install for the gap to close without this package.
- ``needed()``: whether the installed packages have the gap.
- ``filled()``: whether this package has filled it.
- ``apply()``: fill it as soon as a program imports what has it.

Only :mod:`hpnet_plugin.compat.hooks` is at work until then, so
``apply_compat`` takes no time and imports none of the stock packages.
"""
from __future__ import annotations

from . import (
    checkpoints,
    half_precision_scores,
    localizers_drn,
    mmcv_ops,
    mmcv_version,
    multimodal,
    numpy_names,
    pkg_resources_gone,
    plain_files,
    stock_configs,
    xtcocotools_gone,
)

GAPS = (localizers_drn, mmcv_ops, mmcv_version, multimodal, checkpoints,
        numpy_names, pkg_resources_gone, xtcocotools_gone, stock_configs,
        half_precision_scores, plain_files)


def apply_compat() -> None:
    """Fill every gap that the installed packages have, when it is met."""
    for gap in GAPS:
        gap.apply()


__all__ = ['GAPS', 'apply_compat']
