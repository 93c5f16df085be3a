"""Configs as text: read by whoever names a file, formatted once.

The Runner prints the config, dumps it, and shows it to the visualizer and to
the checkpoint hook. Each time yapf formats the same text anew, which takes up
to two seconds for a config of HP-Net.
"""
from __future__ import annotations

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
    try:
        return Config.fromfile(str(path), import_custom_modules=imports)
    except FileNotFoundError:
        raise  # of a _base_; the message has its path
    except Exception as error:  # a config is a program
        raise UnreadableConfigError(
            f'{path} cannot be read as a config: {type(error).__name__}: '
            f'{error}') from None


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
