"""Scores written as a dump like that of ``mim test … --dump``."""
from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ...files import write_whole
from ...storages import saved
from .named_scores import ScoreError, Scores


def write_scores(path: str | os.PathLike, scores: Scores) -> None:
    """Write scores as a dump.

    Args:
        path: A ``.pkl`` file; it appears whole or not at all.
        scores: With labels.

    Raises:
        ScoreError: If the file is called otherwise, or labels are missing.
        OSError: If the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != '.pkl':
        raise ScoreError(f'{path}: score dumps are .pkl files')
    labels = scores.known_labels
    rows = scores.scores.astype(np.float32)
    top = scores.scores.argmax(1)
    samples = [
        dict(frame_dir=name,
             num_classes=scores.num_classes,
             pred_label=_Tensor(top[i:i + 1]),
             gt_label=_Tensor(labels[i:i + 1]),
             pred_score=_Tensor(rows[i]))
        for i, name in enumerate(scores.names)
    ]
    write_whole(path, pickle.dumps(samples, protocol=2))


class _Tensor:
    """A row of numbers, pickled as a tensor with a storage of its own."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __reduce__(self) -> tuple[Any, ...]:
        from torch._utils import _rebuild_tensor_v2
        # pickle writes a tuple that it has met otherwise than a new one, and
        # torch's are new
        stride = tuple([1])  # noqa: C409
        return _rebuild_tensor_v2, (
            _Storage(self.array), 0, self.array.shape, stride, False,
            collections.OrderedDict())


class _Storage(_Tensor):
    """Is pickled as its storage."""

    def __reduce__(self) -> tuple[Any, ...]:
        from torch.storage import _load_from_bytes
        return _load_from_bytes, (saved(self.array), )
