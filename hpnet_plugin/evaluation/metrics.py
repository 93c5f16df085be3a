"""Classification metrics as pure functions of score and label arrays.

Everywhere ``scores`` is (N, K), higher is likelier, ``labels`` (N,) ints in
[0, K), and a returned accuracy is a fraction. Equal scores rank the lower
class first, as argmax does.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def is_probability(scores: np.ndarray, tolerance: float = 5e-3) -> bool:
    """Whether every row is non-negative and sums to one.

    Logits may be non-negative, but then their sums differ.

    Args:
        scores: (N, K).
        tolerance: How far a sum may be from one. The default covers softmax in
            half precision: bfloat16 rounds by up to 2^-9.

    Returns:
        True if all rows are probabilities.
    """
    return bool((scores >= 0).all()
                and (np.abs(scores.sum(1, dtype=np.float64) - 1)
                     <= tolerance).all())


def softmax(scores: np.ndarray) -> np.ndarray:
    """Probabilities of logits.

    Args:
        scores: (N, K).

    Returns:
        (N, K), each row with the sum 1.
    """
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def top_k_accuracy(scores: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of clips whose label is among the k highest scores.

    Args:
        scores: (N, K).
        labels: (N,).
        k: 1 or more; it may be above K.

    Returns:
        A fraction.
    """
    return float((_ranks(scores, labels) < k).mean())


def _ranks(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes rank before the label, (N,)."""
    own = scores[np.arange(len(labels)), labels][:, None]
    before = np.arange(scores.shape[1]) < labels[:, None]
    return np.count_nonzero(
        (scores > own) | ((scores == own) & before), axis=1)


def confusion_matrix(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How often clips of one class are taken for another.

    Args:
        scores: (N, K).
        labels: (N,).

    Returns:
        Counts, (K, K), row the label, column the highest score.
    """
    classes = scores.shape[1]
    cells = labels * classes + scores.argmax(1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def per_class_accuracy(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Accuracy of each class.

    Args:
        scores: (N, K).
        labels: (N,).

    Returns:
        Fractions (K,); NaN where no clip has that label.
    """
    matrix = confusion_matrix(scores, labels)
    counts = matrix.sum(1)
    return np.divide(matrix.diagonal(), counts, where=counts > 0,
                     out=np.full(len(counts), np.nan))


def mean_class_accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean of the accuracies of the classes that occur among the labels.

    mmaction2's function of this name also counts the classes that are only
    predicted, as zero, so that a stray prediction costs a whole class.

    Args:
        scores: (N, K).
        labels: (N,).

    Returns:
        A fraction.
    """
    return float(np.nanmean(per_class_accuracy(scores, labels)))


def class_metrics(scores: np.ndarray, labels: np.ndarray,
                  classes: Sequence[str] | None = None
                  ) -> list[dict[str, Any]]:
    """Accuracy of each class that occurs, in percent.

    Args:
        scores: (N, K).
        labels: (N,).
        classes: K names.

    Returns:
        ``label``, ``name`` (if there are names), ``clips`` and ``accuracy`` of
        each, in label order.
    """
    counts = np.bincount(labels, minlength=scores.shape[1])
    accuracy = per_class_accuracy(scores, labels)
    return [dict(label=int(i), **({} if classes is None
                                  else dict(name=classes[i])),
                 clips=int(counts[i]), accuracy=100 * float(accuracy[i]))
            for i in np.flatnonzero(counts)]


def names_or_numbers(classes: Sequence[str] | None, num_classes: int
                     ) -> list[str]:
    """Class names, or the class numbers where there are none.

    Args:
        classes: Names in label order.
        num_classes: K.

    Returns:
        K texts.

    Raises:
        ValueError: Another number of names than of classes.
    """
    if classes is None:
        return [str(i) for i in range(num_classes)]
    if len(classes) != num_classes:
        raise ValueError(f'{len(classes)} class names for scores of '
                         f'{num_classes} classes')
    return list(classes)


def summarize(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The three accuracies that tables show, in percent.

    Args:
        scores: (N, K).
        labels: (N,).

    Returns:
        ``top1``, ``top5`` and ``mean_class_accuracy``.
    """
    ranks = _ranks(scores, labels)
    return dict(
        top1=100 * float((ranks < 1).mean()),
        top5=100 * float((ranks < 5).mean()),
        mean_class_accuracy=100 * mean_class_accuracy(scores, labels))
