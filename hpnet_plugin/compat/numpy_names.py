"""Names that numpy dropped and stock code uses.

``np.Inf`` stands in the transforms of every stock PoseC3D config,
``np.in1d`` and ``np.trapz`` in metrics of mmaction2 (numpy 2 dropped them),
``np.float`` (gone since 1.24) in mmdet. They are given back to numpy once one
of these packages is imported.
"""
from __future__ import annotations

from typing import Any

from . import hooks

NAME = 'names that numpy dropped (np.Inf, np.float)'
FIX = 'pip install "numpy<1.24"'

_NAMES = dict(Inf='inf', in1d='isin', trapz='trapezoid')
_given = set()


def _missing() -> dict[str, Any]:
    import warnings

    import numpy as np
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # np.float says what to write
        names = {old: getattr(np, new) for old, new in _NAMES.items()
                 if not hasattr(np, old)}
        if not hasattr(np, 'float'):
            names['float'] = float
    return names


def needed() -> bool:
    """Whether the installed numpy dropped one of them."""
    return bool(_given or _missing())


def filled() -> bool:
    """Whether they were given back."""
    return not _missing()


def apply() -> None:
    """Give them back once a package that uses them is imported."""
    for package in ('mmaction', 'mmdet', 'mmcv'):
        hooks.after(package, _give)


def _give() -> None:
    import numpy as np
    for name, value in _missing().items():
        setattr(np, name, value)
        _given.add(name)
