"""mmcv-lite lacks ``mmcv._ext``, the compiled half of ``mmcv.ops``.

mmpose, mmdet and mmaction import ``mmcv.ops`` unguarded. mmcv-lite has its
Python half (signatures, autograd functions, registered layers), which loads
every kernel by name from ``mmcv._ext``; so that module is all that is
missing. :mod:`hpnet_plugin.compat.mmcv_ext` stands in for it.
"""
import sys
from importlib.util import find_spec

NAME = 'mmcv._ext, the kernels of mmcv.ops'
FIX = ('pip install "mmcv>=2.0.0,<2.2.0" (needs a compiler and CUDA where no '
       'wheel fits the installed torch)')


def needed():
    """Whether mmcv is installed without its compiled kernels."""
    if filled():
        return True
    return find_spec('mmcv') is not None and find_spec('mmcv._ext') is None


def filled():
    """Whether the kernels are served by this package."""
    module = sys.modules.get('mmcv._ext')
    return getattr(module, '__name__', '') == f'{__package__}.mmcv_ext'


def apply():
    """Serve :mod:`hpnet_plugin.compat.mmcv_ext` as ``mmcv._ext``."""
    from . import mmcv_ext
    sys.modules['mmcv._ext'] = mmcv_ext
