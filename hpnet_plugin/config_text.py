"""Configs as text: read by whoever names a file, formatted once.

The Runner prints the config, dumps it, and shows it to the visualizer and to
the checkpoint hook. Each time yapf formats the same text anew, which takes up
to two seconds for a config of HP-Net.
"""
from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .compat.hooks import after

if TYPE_CHECKING:
    from mmengine.config import Config

MODULE = 'mmengine.config.config'
KEPT = 8  # texts
OTHER_FORMATS = ('.yaml', '.yml', '.json')


class UnreadableConfigError(ValueError):
    """A file that is no config; the message names it, and what is wrong."""


def read_config(path: str | os.PathLike, imports: bool = False) -> Config:
    """Read a config file.

    Args:
        path: The file.
        imports: Whether the modules of its ``custom_imports`` are imported.

    Returns:
        The config.

    Raises:
        FileNotFoundError: If it, or a ``_base_`` of it, is not there.
        UnreadableConfigError: If it is no config.
    """
    from mmengine.config import Config
    refuse_other_formats(path)
    try:
        return Config.fromfile(str(path), import_custom_modules=imports)
    except FileNotFoundError:
        raise  # of a _base_; the message has its path
    except Exception as error:  # a config is a program
        raise UnreadableConfigError(
            f'{path} cannot be read as a config: {type(error).__name__}: '
            f'{error}') from None


def refuse_other_formats(path: str | os.PathLike) -> None:
    """Raise an error if a config, or a ``_base_`` of it, is no Python file.

    Args:
        path: The file.

    Raises:
        UnreadableConfigError: If it is YAML or JSON, which mmengine reads by
            loaders of their own and which nobody takes for a program; names
            the file.
    """
    todo, seen = [os.path.abspath(path)], set()
    while todo:
        file = todo.pop()
        seen.add(file)
        if file.lower().endswith(OTHER_FORMATS):
            of = '' if len(seen) == 1 else f'{path} has a _base_ that cannot '\
                'be read: '
            raise UnreadableConfigError(
                f'{of}{file if of else path} is no config of mmengine in '
                'Python: write it as a .py file. A config is a program, which '
                'YAML and JSON hide')
        found = (os.path.join(os.path.dirname(file), name)
                 for name in _bases(file) if '::' not in name)
        todo += [name for name in map(os.path.normpath, found)
                 if name not in seen]


def _bases(file: str) -> list[str]:
    """Texts in what a config assigns to ``_base_``."""
    try:
        with open(file, encoding='utf-8') as source:
            body = ast.parse(source.read()).body
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return []  # mmengine says what is wrong
    return [part.value for step in body if isinstance(step, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == '_base_'
                    for target in step.targets)
            for part in ast.walk(step.value)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)]


class UnbuildableConfigError(ValueError):
    """A config of which something cannot be built; the message says why."""


@contextmanager
def building(name: str) -> Iterator[None]:
    """What cannot be built of a config is said in a line.

    Args:
        name: Of the config, for the message.

    Raises:
        UnbuildableConfigError: Instead of whatever the registries, or the
            classes that the config names, raise.
    """
    try:
        yield
    except (OSError, ValueError):
        raise  # of a file, or words of our own
    except Exception as error:
        text = f'{type(error).__name__}: {error}'
        if isinstance(error, KeyError) and error.args:
            text = error.args[0]  # what Python would quote
        raise UnbuildableConfigError(f'{name} cannot be built: {text}'
                                     ) from error


def format_once() -> None:
    """Keep what mmengine's formatter returned, by what it was given."""
    after(MODULE, _wrap)


def _wrap() -> None:
    config = sys.modules[MODULE]
    formatter, known = config.FormatCode, {}
    if hasattr(formatter, 'known'):
        return

    def format_code(text: str, **options: Any) -> tuple[str, bool]:
        key = text, repr(sorted(options.items()))
        if key not in known:
            if len(known) == KEPT:
                known.clear()
            known[key] = formatter(text, **options)
        return known[key]

    vars(format_code).update(known=known)
    vars(config).update(FormatCode=format_code)
