"""setuptools 82 dropped ``pkg_resources``, which mim and mmengine import.

mim asks it for versions and places of packages, and mmengine does where a
config is named ``mmaction::...``. :mod:`hpnet_plugin.compat.distributions`
answers both from ``importlib.metadata``. Other programs do not find it: they
have answers of their own for a Python without pkg_resources.
"""
from __future__ import annotations

import sys
from importlib import import_module

from . import hooks

NAME = 'pkg_resources, for mim and mmengine'
FIX = 'pip install "setuptools<82"'

_SERVED = f'{__package__}.distributions'
_ASK = ('mim', 'mmengine')


def needed() -> bool:
    """Whether there is no pkg_resources."""
    return hooks.lacks('pkg_resources')


def filled() -> bool:
    """Whether it is served by this package."""
    module = sys.modules.get('pkg_resources')
    return getattr(module, '__name__', '') == _SERVED


def apply() -> None:
    """Serve the part of it that mim and mmengine use."""
    hooks.serve('pkg_resources', lambda: import_module(_SERVED),
                when=lambda: any(name in sys.modules for name in _ASK))
