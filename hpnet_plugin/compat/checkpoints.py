"""mmengine 0.10.7 cannot load its own checkpoints under torch >= 2.6.

``torch.load`` then refuses every global that is not on its list
(``weights_only``), and a checkpoint of mmengine holds the log of its run.
What that holds (:mod:`hpnet_plugin.compat.checkpoint_contents`) is put on the
list once a reader of checkpoints is imported. What mmengine downloads is
read in the same way; it would read that with all that a pickle can run.
"""
from __future__ import annotations

import functools
import inspect
import re
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from . import hooks

NAME = 'mmengine checkpoints under weights_only'
FIX = 'pip install "torch<2.6" (mmengine 0.10.7 has no fix)'

# mmcv, too: nets of mmpose and mmdet are loaded without mmengine's reader
_READERS = ('mmengine.runner.checkpoint', 'mmcv')


def needed() -> bool:
    """Whether torch reads weights only and mmengine does not say otherwise."""
    spec = find_spec('mmengine')
    if spec is None or not spec.origin or find_spec('torch') is None:
        return False
    reader = Path(spec.origin).parent / 'runner/checkpoint.py'
    version = re.findall(r'\d+', metadata.version('torch'))
    return (tuple(map(int, version[:2])) >= (2, 6)
            and 'weights_only' not in reader.read_text(encoding='utf-8'))


def filled() -> bool:
    """Whether torch allows what such a checkpoint holds."""
    import torch
    from mmengine.logging import HistoryBuffer
    return HistoryBuffer in torch.serialization.get_safe_globals()


def apply() -> None:
    """Put the contents of such a checkpoint on torch's list."""
    for reader in _READERS:
        hooks.after(reader, _allow)


def _allow() -> None:
    if needed() and not filled():
        import torch

        from .checkpoint_contents import contents
        torch.serialization.add_safe_globals(contents())
    _read_downloads_so()


def _read_downloads_so() -> None:
    """mmengine's reader of addresses asks torch.hub, which runs code."""
    reader = sys.modules.get('mmengine.runner.checkpoint')
    load = getattr(reader, 'load_url', None)
    if load is None or isinstance(load, functools.partial) or \
            'weights_only' not in inspect.signature(load).parameters:
        return
    vars(reader)['load_url'] = functools.partial(load, weights_only=True)
