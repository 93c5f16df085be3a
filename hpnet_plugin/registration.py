"""Names of this package in mmaction's registries, without importing it.

The registries import the modules that they name as their locations at the
first look-up. Those of this package are added to them as soon as
``mmaction.registry`` is there.
"""
from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import PathFinder
from types import ModuleType

REGISTRY = 'mmaction.registry'
# registry of mmaction -> modules of this package that register into it
LOCATIONS = {
    'DATASETS': ('hpnet_plugin.datasets.pooled', ),
    'METRICS': ('hpnet_plugin.evaluation.per_class', ),
    'MODELS': ('hpnet_plugin.models', ),
    'OPTIM_WRAPPER_CONSTRUCTORS': ('hpnet_plugin.models.optim', ),
    'RUNNERS': ('hpnet_plugin.apis.inputs', ),
    'TRANSFORMS': ('hpnet_plugin.datasets.transforms', ),
}


def add_locations(registries: ModuleType) -> None:
    """Let the registries find what this package registers.

    Args:
        registries (ModuleType): ``mmaction.registry``.
    """
    for name, modules in LOCATIONS.items():
        registry = getattr(registries, name)
        new = [module for module in modules
               if module not in registry._locations]
        if new:
            registry._locations.extend(new)
            # one that has imported its locations looks at them again
            registry._imported = False


def register() -> None:
    """Add the locations now, or once ``mmaction.registry`` is imported."""
    if REGISTRY in sys.modules:
        add_locations(sys.modules[REGISTRY])
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds ``mmaction.registry`` as Python does, and adds to it."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != REGISTRY:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    """A loader that adds the locations after the module has run."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        add_locations(module)
