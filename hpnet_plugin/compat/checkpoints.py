"""mmengine 0.10.7 cannot load its own checkpoints under torch >= 2.6.

``torch.load`` then refuses every global that is not on its list
(``weights_only``), and a checkpoint of mmengine holds the log of its run.
What that holds (:mod:`hpnet_plugin.compat.checkpoint_contents`) is put on the
list, once mmengine's reader of checkpoints is imported.
"""
from __future__ import annotations

import inspect

from . import hooks

NAME = 'mmengine checkpoints under weights_only'
FIX = 'pip install "torch<2.6" (mmengine 0.10.7 has no fix)'

_READER = 'mmengine.runner.checkpoint'


def needed() -> bool:
    """Whether torch reads weights only and mmengine does not say otherwise."""
    import torch
    from mmengine.runner.checkpoint import load_from_local
    from mmengine.utils import digit_version
    return (digit_version(torch.__version__) >= digit_version('2.6')
            and 'weights_only' not in inspect.getsource(load_from_local))


def filled() -> bool:
    """Whether torch allows what such a checkpoint holds."""
    import torch
    from mmengine.logging import HistoryBuffer
    return HistoryBuffer in torch.serialization.get_safe_globals()


def apply() -> None:
    """Put the contents of such a checkpoint on torch's list."""
    hooks.after(_READER, _allow)


def _allow():
    if needed() and not filled():
        import torch

        from .checkpoint_contents import contents
        torch.serialization.add_safe_globals(contents())
