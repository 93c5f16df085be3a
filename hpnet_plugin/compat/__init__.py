"""What the stock packages lack to work side by side, one file a gap.

A gap is a module with the same five names:

- ``NAME``: what is missing, in a few words.
- ``FIX``: what to install for the gap to close without this package.
- ``needed()``: whether the installed packages have the gap.
- ``filled()``: whether :func:`apply` of that module has filled it.
- ``apply()``: fill it.
"""
from . import checkpoints, localizers_drn, mmcv_ops, multimodal

GAPS = (localizers_drn, mmcv_ops, multimodal, checkpoints)


def apply_compat():
    """Fill every gap that the installed packages have, once."""
    for gap in GAPS:
        if gap.needed() and not gap.filled():
            gap.apply()


__all__ = ['GAPS', 'apply_compat']
