"""Names of this package in mmaction's registries, without importing it.

The registries import the modules that they name as their locations at the
first look-up. Those of this package are added to them as soon as
``mmaction.registry`` is there.
"""
from __future__ import annotations

import sys
from types import ModuleType

from .compat.hooks import after

REGISTRY = 'mmaction.registry'
# registry of mmaction -> modules of this package that register into it
LOCATIONS = {
    'DATASETS': ('hpnet_plugin.datasets.pooled', ),
    'DATA_SAMPLERS': ('hpnet_plugin.datasets.sampling', ),
    'HOOKS': ('hpnet_plugin.datasets.sampling', 'hpnet_plugin.models.front'),
    'METRICS': ('hpnet_plugin.evaluation.per_class', ),
    'MODELS': ('hpnet_plugin.models', ),
    'OPTIM_WRAPPER_CONSTRUCTORS': ('hpnet_plugin.models.optim', ),
    'RUNNERS': ('hpnet_plugin.runner', ),
    'TRANSFORMS': ('hpnet_plugin.datasets.transforms', ),
}


def add_locations(registries: ModuleType) -> None:
    """Let the registries find what this package registers.

    Args:
        registries: ``mmaction.registry``.
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
    after(REGISTRY, lambda: add_locations(sys.modules[REGISTRY]))
