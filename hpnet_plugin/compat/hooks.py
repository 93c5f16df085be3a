"""Do something when a module of others is imported, not before.

The standard library alone is imported here and nothing of the stock
packages, so that a Python program that never uses them pays nothing.
"""
from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Around = Callable[[Callable[[], None]], None]
Make = Callable[[], ModuleType]


def serve(name: str, make: Make, when: Callable[[], bool] | None = None
          ) -> None:
    """Stand in for a module that nobody else provides.

    Args:
        name: The missing module, ``'mmcv._ext'``.
        make: Returns the module to be imported in its place.
        when: Asked at the import; False leaves the
            module missing.
    """
    _last().made[name] = make, when


def lacks(name: str) -> bool:
    """Whether nobody but this package provides a module.

    Args:
        name: The module; the package that it is in is imported.
    """
    parent = name.rpartition('.')[0]
    if parent and parent not in sys.modules:
        if lacks(parent):
            return True
        import_module(parent)
    path = sys.modules[parent].__path__ if parent else None
    return _found_by_others(name, path, None) is None


def around(name: str, run: Around) -> None:
    """Have a function run a module, so that it can act before and after.

    Args:
        name: The module. One that is imported already is left alone.
        run: Called with the function that runs the module.
    """
    if name not in sys.modules:
        _first().around.setdefault(name, []).append(run)


def after(name: str, run: Callable[[], None]) -> None:
    """Call a function once a module is imported; now, if it is already.

    Args:
        name: The module.
        run: Takes no arguments.
    """
    if name in sys.modules:
        run()
        return

    def execute(module_runs: Callable[[], None]) -> None:
        module_runs()
        run()

    around(name, execute)


def find_spec(name: str, path: Sequence[str] | None = None,
              target: ModuleType | None = None) -> ModuleSpec | None:
    """Find a module of :func:`around` or :func:`after`; None for others.

    For a search that began before the first of them was called.
    """
    return _first().find_spec(name, path, target)


class _First(MetaPathFinder):
    """Asked before all others; lends its loader to modules of `around`."""

    def __init__(self) -> None:
        self.around: dict[str, list[Around]] = {}

    def find_spec(self, fullname: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        runs = self.around.get(fullname)
        if not runs:
            return None
        spec = _found_by_others(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Around(spec.loader, runs)
        return spec


class _Last(MetaPathFinder):
    """Asked after all others, so only for what is missing."""

    def __init__(self) -> None:
        self.made: dict[str, tuple[Make, Callable[[], bool] | None]] = {}

    def find_spec(self, fullname: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname not in self.made:
            return None
        make, when = self.made[fullname]
        if when is not None and not when():
            return None
        return ModuleSpec(fullname, _Made(make))


class _Made(Loader):
    """Puts another module in the place of the one that is imported."""

    def __init__(self, make: Make) -> None:
        self.make = make

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = self.make()


class _Around(Loader):
    """Runs a module by the functions that asked for it, the last outermost."""

    def __init__(self, loader: Loader, runs: list[Around]) -> None:
        self.loader = loader
        self.runs = runs

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.loader
        if module.__spec__:
            module.__spec__.loader = self.loader

        def execute() -> None:
            self.loader.exec_module(module)

        for run in self.runs:
            execute = _bind(run, execute)
        execute()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


def _bind(run: Around, execute: Callable[[], None]) -> Callable[[], None]:
    return lambda: run(execute)


def _found_by_others(fullname: str, path: Sequence[str] | None,
                     target: ModuleType | None) -> ModuleSpec | None:
    for finder in list(sys.meta_path):
        if isinstance(finder, (_First, _Last)):
            continue
        find = getattr(finder, 'find_spec', None)
        spec = find(fullname, path, target) if find else None
        if spec is not None:
            return spec
    return None


def _first() -> _First:
    for finder in sys.meta_path:
        if isinstance(finder, _First):
            return finder
    first = _First()
    sys.meta_path.insert(0, first)
    return first


def _last() -> _Last:
    for finder in sys.meta_path:
        if isinstance(finder, _Last):
            return finder
    last = _Last()
    sys.meta_path.append(last)
    return last
