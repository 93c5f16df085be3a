"""Options of the tools that are words of mmengine's."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def config_options(words: Sequence[str]) -> dict[str, Any]:
    """Values of ``--cfg-options``.

    Args:
        words: ``KEY=VALUE`` each, as ``mim train`` takes them.

    Returns:
        dict: Dotted key to value.

    Raises:
        ValueError: A word that is no ``KEY=VALUE``.
    """
    from mmengine.config import DictAction
    options = {}
    for word in words:
        key, sign, value = word.partition('=')
        if not sign:
            raise ValueError(f'--cfg-options {word}: expected KEY=VALUE')
        options[key] = DictAction._parse_iterable(value)
    return options
