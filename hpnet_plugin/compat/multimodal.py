"""mmaction2's VindLU cannot be imported beside a recent transformers.

It asks transformers for names that are gone from version 5, and with it
fails ``import mmaction.models``. mmaction2 has placeholders for the case that
transformers is not installed, which say what to install when they are built:
they are taken.
"""
from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from . import hooks

NAME = 'mmaction2 beside transformers 5'
FIX = 'pip install "transformers<5", which VindLU needs'

_LOST = 'apply_chunking_to_forward'
_MODULE = 'mmaction.utils.dependency'


def needed() -> bool:
    """Whether transformers is installed and lacks what VindLU imports."""
    spec = importlib.util.find_spec('transformers')
    if spec is None or not spec.origin:
        return False
    # importing it would cost seconds
    source = Path(spec.origin).parent / 'modeling_utils.py'
    return source.is_file() and \
        _LOST not in source.read_text(encoding='utf-8')


def filled() -> bool:
    """Whether mmaction2 takes its placeholders."""
    module = sys.modules.get(_MODULE)
    return module is not None and not module.WITH_MULTIMODAL


def apply() -> None:
    """Let mmaction2 take its placeholders."""
    hooks.after(_MODULE, _take)


def _take() -> None:
    if needed():
        vars(sys.modules[_MODULE]).update(WITH_MULTIMODAL=False)
