"""Names of Python files of a user's own: ``'mynets.py:jointnet'``.

Settings and options take such a name wherever the package has names of its
own: graph networks, kinds of streams, detectors. The file is imported, so
that it runs, only where a user names it: on the command line or in a config.
"""
from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from .benchmark_files import closest

_FORM = re.compile(r'(.+\.py):([A-Za-z_]\w*)')


class OwnFileError(ValueError):
    """A file or a name of the user's own that cannot be used."""


def is_own_name(text: object) -> bool:
    """Whether a text has the form ``FILE.py:NAME``.

    Args:
        text: Any value.

    Returns:
        True if it has; no file is looked at.
    """
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def short_name(text: str) -> str:
    """What folders of results are called after a name.

    Args:
        text: The value of a setting.

    Returns:
        ``NAME`` of ``FILE.py:NAME``; any other text as it is.
    """
    return text.rpartition(':')[2] if is_own_name(text) else text


def own_name(text: str) -> Callable[..., Any]:
    """The function or class that a name in a user's own file stands for.

    Args:
        text: ``FILE.py:NAME``; a relative path begins in the folder in which
            the program was started.

    Returns:
        The function or class.

    Raises:
        OwnFileError: If the text has another form, the file is not there or
            cannot be imported, or has no such function or class.
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise OwnFileError(f'{text!r}: expected FILE.py:NAME')
    module = import_own_file(found[1])
    if not hasattr(module, found[2]):
        names = [name for name in vars(module) if not name.startswith('_')]
        raise OwnFileError(f'{found[1]} has no name {found[2]!r}'
                           + closest(found[2], names))
    value = getattr(module, found[2])
    if not callable(value):
        raise OwnFileError(f'{text} is a {type(value).__name__}; expected a '
                           'function or a class')
    return value


def import_own_file(file: str) -> ModuleType:
    """Import a file under its own name, once in a process.

    Its folder is put at the end of ``sys.path``, so that the file may import
    its neighbours, and processes of a data loader find it, too.

    Args:
        file: The path of a Python file.

    Returns:
        The module.

    Raises:
        OwnFileError: If the file is not there, has the name of another
            module, or cannot be imported.
    """
    path = Path(file).resolve()
    if path.suffix != '.py' or not path.is_file():
        raise OwnFileError(f'{file}: no such Python file')
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    try:
        module = import_module(path.stem)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(
            error.__traceback__) if Path(frame.filename) == path]
        where = f'{file}, line {lines[-1]}' if lines else file
        raise OwnFileError(f'{where}: {type(error).__name__}: {error}'
                           ) from error
    if Path(getattr(module, '__file__', None) or '').resolve() != path:
        raise OwnFileError(
            f'{file} cannot be imported, because another module is called '
            f'{path.stem!r}: rename the file')
    return module
