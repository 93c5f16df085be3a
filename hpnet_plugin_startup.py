"""Watches for the first import of a stock package.

``hpnet_plugin_startup.pth``, which an installation places beside the
package, imports this at the start of every Python program. Once a program
imports one of the packages below, their gaps are filled
(:mod:`hpnet_plugin.compat`), so that a stock config, mim and other programs
that know nothing of this package work, too. A program that imports none of
them pays for this file alone (0.1 ms).
"""
from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself is more than all else here
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

STOCK = ('mim', 'mmaction', 'mmcv', 'mmdet', 'mmengine', 'mmpose')


class Watch:
    """A finder that is gone once it was needed."""

    @classmethod
    def find_spec(cls, name: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        if name in STOCK:
            sys.meta_path.remove(cls)
            from hpnet_plugin.compat import hooks
            # this search is past the finder that was just added
            return hooks.find_spec(name, path, target)
        return None


sys.meta_path.insert(0, Watch)
