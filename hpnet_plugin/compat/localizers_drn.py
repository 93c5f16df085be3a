"""The wheel of mmaction2 1.2.0 lacks ``mmaction.models.localizers.drn``.

Its folder has no ``__init__.py``, so the wheel was built without it, and
``import mmaction.models`` fails. Nothing but the localizer DRN lives there.
"""
from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from . import hooks

NAME = 'mmaction.models.localizers.drn'
FIX = ('pip install mmaction2 from a clone of its repository after '
       '"touch mmaction/models/localizers/drn/__init__.py"')

_PACKAGE = 'mmaction.models.localizers.drn'
_MODULE = f'{_PACKAGE}.drn'


def needed() -> bool:
    """Whether mmaction is installed without the module.

    Looks for the file: an import of any part of ``mmaction.models`` would
    run into the gap itself.
    """
    spec = find_spec('mmaction')
    if spec is None:
        return False
    return not any(
        Path(root, 'models/localizers/drn/drn.py').is_file()
        for root in spec.submodule_search_locations or ())


def filled() -> bool:
    """Whether the module is served by this package."""
    return getattr(sys.modules.get(_MODULE), 'served_by', '') == __name__


def apply() -> None:
    """Serve the module with a ``DRN`` that only says why it is missing."""
    hooks.serve(_PACKAGE, _package)
    hooks.serve(_MODULE, _module)


def _package() -> ModuleType:
    module = ModuleType(_PACKAGE, doc=f'Served by {__name__}.')
    module.__path__ = []
    return module


def _module() -> ModuleType:
    from mmaction.registry import MODELS

    @MODELS.register_module()
    class DRN:
        """Stands in for the localizer that the wheel lacks.

        Raises:
            NotImplementedError: Always, when it is built.
        """

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise NotImplementedError(
                'The installed mmaction2 comes without its localizer DRN '
                f'({_MODULE} is not in the wheel). To use it: {FIX}.')

    module = ModuleType(_MODULE, doc=f'Served by {__name__}.')
    DRN.__module__ = _MODULE
    vars(module).update(served_by=__name__, DRN=DRN)
    return module
