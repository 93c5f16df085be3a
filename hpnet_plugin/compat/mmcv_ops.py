"""mmcv-lite lacks ``mmcv._ext``, the compiled half of ``mmcv.ops``.

mmpose, mmdet and mmaction import ``mmcv.ops`` unguarded. mmcv-lite has its
Python half (signatures, autograd functions, registered layers), which loads
every kernel by name from ``mmcv._ext``; so that module is all that is
missing. :mod:`hpnet_plugin.compat.mmcv_ext` stands in for it.
"""
from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

from . import hooks

NAME = 'mmcv._ext, the kernels of mmcv.ops'
FIX = ('pip install "mmcv>=2.0.0,<2.2.0" (needs a compiler and CUDA where no '
       'wheel fits the installed torch)')

_SERVED = f'{__package__}.mmcv_ext'


def needed() -> bool:
    """Whether mmcv is installed without its compiled kernels."""
    if filled():
        return True
    return find_spec('mmcv') is not None and hooks.lacks('mmcv._ext')


def filled() -> bool:
    """Whether the kernels are served by this package."""
    module = sys.modules.get('mmcv._ext')
    return getattr(module, '__name__', '') == _SERVED


def apply() -> None:
    """Serve :mod:`hpnet_plugin.compat.mmcv_ext` as ``mmcv._ext``."""
    hooks.serve('mmcv._ext', lambda: import_module(_SERVED))
