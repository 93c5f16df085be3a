"""Classification metrics as pure functions of score and label arrays.

Everywhere ``scores`` is (N, K), higher is likelier, ``labels`` (N,) ints in
[0, K), and a returned accuracy is a fraction. Equal scores rank the lower
class first, as argmax does.
"""
import numpy as np


def is_probability(scores, tolerance=5e-3):
    """Whether every row is non-negative and sums to one.

    Logits may be non-negative, but then their sums differ. The tolerance
    covers softmax in half precision: bfloat16 rounds by up to 2^-9.
    """
    return bool((scores >= 0).all()
                and (np.abs(scores.sum(1) - 1) <= tolerance).all())


def softmax(scores):
    """Row-wise softmax of (N, K) logits."""
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def top_k_accuracy(scores, labels, k):
    """Share of clips whose label is among the k highest scores."""
    own = scores[np.arange(len(labels)), labels][:, None]
    before = np.arange(scores.shape[1]) < labels[:, None]
    rank = ((scores > own) | ((scores == own) & before)).sum(1)
    return float((rank < k).mean())


def confusion_matrix(scores, labels):
    """Counts (K, K): row the label, column the highest score."""
    classes = scores.shape[1]
    cells = labels * classes + scores.argmax(1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def per_class_accuracy(scores, labels):
    """Accuracy of each class, (K,); NaN where no clip has that label."""
    matrix = confusion_matrix(scores, labels)
    counts = matrix.sum(1)
    return np.divide(matrix.diagonal(), counts, where=counts > 0,
                     out=np.full(len(counts), np.nan))


def mean_class_accuracy(scores, labels):
    """Mean of the accuracies of the classes that occur among the labels.

    mmaction2's function of this name also counts the classes that are only
    predicted, as zero, so that a stray prediction costs a whole class.
    """
    return float(np.nanmean(per_class_accuracy(scores, labels)))


def class_metrics(scores, labels, classes=None):
    """Accuracy of each class that occurs, in percent.

    Args:
        classes (list[str], optional): K names.

    Returns:
        list[dict]: ``label``, ``name`` (if there are names), ``clips`` and
        ``accuracy``, in label order.
    """
    counts = np.bincount(labels, minlength=scores.shape[1])
    accuracy = per_class_accuracy(scores, labels)
    return [dict(label=int(i), **({} if classes is None
                                  else dict(name=classes[i])),
                 clips=int(counts[i]), accuracy=100 * float(accuracy[i]))
            for i in np.flatnonzero(counts)]


def summarize(scores, labels):
    """Top-1, top-5 and mean class accuracy, in percent."""
    return dict(
        top1=100 * top_k_accuracy(scores, labels, 1),
        top5=100 * top_k_accuracy(scores, labels, 5),
        mean_class_accuracy=100 * mean_class_accuracy(scores, labels))
