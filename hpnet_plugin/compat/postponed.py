"""Imports of the toolbox that wait until somebody needs them.

``import mmaction.models`` takes all of mmdet with it, for the heads of AVA's
detectors alone, ``import mmengine.optim`` transformers for one optimizer, and
``import mmaction.datasets`` scipy.stats for one function: half of the time in
which a command of this package starts. Everything is found under the same
names as before.
"""
from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from . import hooks

MODELS = 'mmaction.models'
# modules of mmaction that register into mmdet's registries, and which
DETECTION = {'mmaction.models.roi_heads': 'MODELS',
             'mmaction.models.task_modules': 'TASK_UTILS'}
REGISTRY = 'mmdet.registry'
LOCATION = 'hpnet_plugin.compat.detection'
# modules that import a package for a single function or class to be called
CALLERS = {
    'mmengine.optim.optimizer.builder': ('transformers', 'Adafactor'),
    'mmaction.datasets.transforms.pose_transforms': ('scipy.stats', 'mode')}
_waiting: dict[str, Callable[[], None]] = {}


def postpone() -> None:
    """Have the imports wait."""
    for name, (package, called) in CALLERS.items():
        hooks.around(name, _without(package, called))
    for name in DETECTION:
        hooks.around(name, _until_detection(name))
    hooks.after(MODELS, lambda: _find_late(sys.modules[MODELS], *DETECTION))


def run_waiting() -> None:
    """Import what has been waiting for mmdet."""
    while _waiting:
        _, run = _waiting.popitem()
        run()


def _until_detection(name: str) -> Callable[[Callable[[], None]], None]:
    """What runs a module of mmaction only when mmdet looks for models."""
    def around(module_runs: Callable[[], None]) -> None:
        if 'mmdet.models' in sys.modules or \
                importlib.util.find_spec('mmdet') is None:
            module_runs()
            return
        module = sys.modules[name]
        _find_late(module)

        def run() -> None:
            del module.__getattr__
            module_runs()

        _waiting[name] = run
        hooks.after(REGISTRY, lambda: _add_location(DETECTION[name]))

    return around


def _add_location(registry: str) -> None:
    """Let a registry of mmdet import what was waiting for it."""
    found = getattr(sys.modules[REGISTRY], registry)
    if LOCATION not in found._locations:
        found._locations.append(LOCATION)


def _find_late(module: ModuleType, *others: str) -> None:
    """Let a module import what waits when it is asked for a name.

    The name may then be its own, or that of one of the other modules.
    """
    def find(name: str) -> Any:
        if not name.startswith('__'):
            run_waiting()
            for place in (module, *(sys.modules[other] for other in others)):
                if name in vars(place):
                    return vars(place)[name]
        raise AttributeError(
            f'module {module.__name__!r} has no attribute {name!r}')

    vars(module)['__getattr__'] = find


def _without(package: str, name: str) -> Callable[[Callable[[], None]], None]:
    """What runs a module that needs a function of a package only later."""
    def around(module_runs: Callable[[], None]) -> None:
        if package in sys.modules or \
                importlib.util.find_spec(package) is None:
            module_runs()
            return

        def later(*args: Any, **kwargs: Any) -> Any:
            return getattr(import_module(package), name)(*args, **kwargs)

        stand_in = ModuleType(package)
        setattr(stand_in, name, later)
        sys.modules[package] = stand_in
        try:
            module_runs()
        finally:
            del sys.modules[package]

    return around
