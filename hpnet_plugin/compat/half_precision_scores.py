"""mmaction2's heads cannot train in bfloat16.

``BaseHead.loss_by_feat`` makes numpy arrays of the scores, for the accuracy
that is logged, and numpy has no bfloat16: ``AmpOptimWrapper`` with
``dtype='bfloat16'`` ends in a TypeError. The heads get float32 scores, in
which autocast computes their loss in any case.
"""
from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from typing import Any

from . import hooks

NAME = "training in bfloat16 with mmaction2's heads"
FIX = "float16 in its place: optim_wrapper.dtype='float16'"

_MODULE = 'mmaction.models.heads.base'


def needed() -> bool:
    """Whether mmaction2 makes numpy arrays of scores as they are."""
    spec = importlib.util.find_spec('mmaction')
    if spec is None or not spec.origin:
        return False
    # importing the heads would cost seconds
    source = Path(spec.origin).parent / 'models/heads/base.py'
    return source.is_file() and 'cls_scores.detach().cpu().numpy()' in \
        source.read_text(encoding='utf-8')


def filled() -> bool:
    """Whether the heads get float32 scores."""
    module = sys.modules.get(_MODULE)
    return module is not None and hasattr(
        module.BaseHead.loss_by_feat, '__wrapped__')


def apply() -> None:
    """Give the heads float32 scores."""
    hooks.after(_MODULE, _wrap)


def _wrap() -> None:
    head = sys.modules[_MODULE].BaseHead
    loss_by_feat = head.loss_by_feat
    if not needed() or hasattr(loss_by_feat, '__wrapped__'):
        return

    @functools.wraps(loss_by_feat)
    def in_float32(self: Any, cls_scores: Any, data_samples: Any) -> Any:
        return loss_by_feat(self, cls_scores.float(), data_samples)

    head.loss_by_feat = in_float32
