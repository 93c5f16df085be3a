"""Names of a package that are imported when they are first asked for."""
from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: dict[str, tuple[str, ...]]
               ) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Args:
        package (str): Name of the package.
        modules (dict[str, tuple[str]]): Module, by its name relative to the
            package, to the names that the package has from it; none where
            the module itself is meant.

    Returns:
        tuple[Callable]: To be assigned to ``__getattr__`` and ``__dir__``.
    """
    place = {name: module for module, names in modules.items()
             for name in names or (module, )}

    def load(name):
        if name not in place:
            raise AttributeError(
                f'module {package!r} has no attribute {name!r}')
        module = import_module(f'.{place[name]}', package)
        return getattr(module, name) if modules[place[name]] else module

    return load, lambda: sorted(place)
