"""Configs as text: read by whoever names a file, formatted once.

The Runner prints the config, dumps it, and shows it to the visualizer and to
the checkpoint hook. Each time yapf formats the same text anew, which takes up
to two seconds for a config of HP-Net.
"""
from __future__ import annotations

import os
import sys
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


def format_once() -> None:
    """Keep what mmengine's formatter returned, by what it was given."""
    after(MODULE, _wrap)


def _wrap():
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

    format_code.known = known
    config.FormatCode = format_code
