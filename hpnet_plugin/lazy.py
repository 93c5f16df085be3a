"""Names of a package that are imported when they are first asked for.

Also what is said where a package that only some work needs is missing.
"""
from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def lazy_names(package: str, modules: dict[str, tuple[str, ...]]
               ) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Args:
        package: Name of the package.
        modules: Module, by its name relative to the
            package, to the names that the package has from it; none where
            the module itself is meant.

    Returns:
        To be assigned to ``__getattr__`` and ``__dir__``.
    """
    place = {name: module for module, names in modules.items()
             for name in names or (module, )}

    def load(name: str) -> Any:
        if name not in place:
            raise AttributeError(
                f'module {package!r} has no attribute {name!r}')
        module = import_module(f'.{place[name]}', package)
        return getattr(module, name) if modules[place[name]] else module

    return load, lambda: sorted(place)


def refuse_without(packages: tuple[str, ...], what: str, instead: str
                   ) -> None:
    """Raise an error if packages are not installed.

    Args:
        packages: Their names.
        what: What needs them.
        instead: What works without them.

    Raises:
        ValueError: Names the packages, what needs them, and what does not.
    """
    lacking = [name for name in packages if find_spec(name) is None]
    if lacking:
        raise ValueError(f'{what} needs {" and ".join(lacking)}, not '
                         f'installed here ("hpnet doctor" says how): '
                         f'{instead}')
