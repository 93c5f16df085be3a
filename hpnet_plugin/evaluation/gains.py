"""What happens in each class: of one stream, and between two.

The first is behind the confusions and class tables, the second behind Table
V, Table XVI and Fig. 5 of the HP-Net paper. Accuracies are in percent; a
class without clips has none (None).
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .metrics import (
    confusion_matrix,
    names_or_numbers,
    per_class_accuracy,
    summarize,
)


def class_records(matrix: np.ndarray, classes: Sequence[str] | None = None
                  ) -> list[dict[str, Any]]:
    """A record for each class, in label order.

    Args:
        matrix: (K, K) counts, row the label.
        classes: K names.

    Returns:
        ``label``, ``class``, ``clips``, ``accuracy``, and the class it is
        ``most_taken_for`` with how often (``taken_for_clips``).
    """
    names = names_or_numbers(classes, len(matrix))
    counts, hits = matrix.sum(1), matrix.diagonal()
    wrong = matrix - np.diag(hits)
    records = []
    for i, name in enumerate(names):
        other = int(wrong[i].argmax())
        records.append({
            'label': i,
            'class': name,
            'clips': int(counts[i]),
            'accuracy': 100 * hits[i] / counts[i] if counts[i] else None,
            'most_taken_for': names[other] if wrong[i, other] else None,
            'taken_for_clips': int(wrong[i, other]),
        })
    return records


def compare(first: np.ndarray, second: np.ndarray, labels: np.ndarray,
            classes: Sequence[str] | None = None, top: int = 10
            ) -> dict[str, Any]:
    """What a second stream gains and loses in each class.

    Args:
        first: (N, K) scores of the stream to start from.
        second: (N, K) scores of the same clips.
        labels: (N,) ints.
        classes: K names.
        top: Length of the lists below, at most; 10 as in Table XVI.

    Returns:
        ``clips``; ``first`` and ``second`` (``top1``, ``top5``,
        ``mean_class_accuracy``); ``classes``, a record for each class that
        occurs (``label``, ``class``, ``clips``, ``first``, ``second``,
        ``gain``); and of these records ``gain`` and ``lose``, by how much, and
        ``accurate`` and ``confused``, by the accuracy of the first, at most
        half of the classes each. Equals stay in label order.
    """
    names = names_or_numbers(classes, first.shape[1])
    counts = confusion_matrix(first, labels).sum(1)
    before = 100 * per_class_accuracy(first, labels)
    after = 100 * per_class_accuracy(second, labels)
    records = [{
        'label': int(i),
        'class': names[i],
        'clips': int(counts[i]),
        'first': float(before[i]),
        'second': float(after[i]),
        'gain': float(after[i] - before[i]),
    } for i in np.flatnonzero(counts)]

    def ranked(key: str, sign: int) -> list[dict[str, Any]]:
        return sorted(records, key=lambda record: sign * record[key])

    # of few classes, each stands in one of the two lists
    half = -(-len(records) // 2)
    accurate = ranked('first', -1)[:min(top, half)]
    confused = [record for record in ranked('first', 1)
                if record not in accurate][:min(top, len(records) - half)]
    return dict(
        clips=len(labels),
        first=summarize(first, labels),
        second=summarize(second, labels),
        classes=records,
        gain=[r for r in ranked('gain', -1) if r['gain'] > 0][:top],
        lose=[r for r in ranked('gain', 1) if r['gain'] < 0][:top],
        accurate=accurate,
        confused=confused)
