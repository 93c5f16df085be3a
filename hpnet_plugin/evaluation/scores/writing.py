"""Scores written as a dump like that of ``mim test … --dump``."""
from __future__ import annotations

import os
import pickle
from pathlib import Path

from ...files import write_whole
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
    import torch  # here: reading arrays needs none
    top, labels = scores.scores.argmax(1), scores.known_labels
    # Each tensor owns its storage: a row view would carry the whole array.
    samples = [
        dict(frame_dir=name,
             num_classes=scores.num_classes,
             pred_label=torch.tensor([int(top[i])]),
             gt_label=torch.tensor([int(labels[i])]),
             pred_score=torch.tensor(scores.scores[i], dtype=torch.float32))
        for i, name in enumerate(scores.names)
    ]
    write_whole(path, pickle.dumps(samples, protocol=2))
