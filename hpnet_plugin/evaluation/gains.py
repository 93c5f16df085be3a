"""What happens in each class: of one stream, and between two.

The first is behind the confusions and class tables, the second behind Table
V, Table XVI and Fig. 5 of the HP-Net paper. Accuracies are in percent; a
class without clips has none (None).
"""
import numpy as np

from .metrics import confusion_matrix, per_class_accuracy, summarize
from .tables import class_names


def class_records(matrix, classes=None):
    """A record for each class, in label order.

    Args:
        matrix (np.ndarray): (K, K) counts, row the label.
        classes (list[str], optional): K names.

    Returns:
        list[dict]: ``label``, ``class``, ``clips``, ``accuracy``, and the
        class it is ``most_taken_for`` with how often (``taken_for_clips``).
    """
    names = class_names(classes, len(matrix))
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


def compare(first, second, labels, classes=None, top=10):
    """What a second stream gains and loses in each class.

    Args:
        first (np.ndarray): (N, K) scores of the stream to start from.
        second (np.ndarray): (N, K) scores of the same clips.
        labels (np.ndarray): (N,) ints.
        classes (list[str], optional): K names.
        top (int): Length of the lists below, at most. Default: 10, as in
            Table XVI.

    Returns:
        dict: ``clips``; ``first`` and ``second`` (``top1``, ``top5``,
        ``mean_class_accuracy``); ``classes``, a record for each class that
        occurs (``label``, ``class``, ``clips``, ``first``, ``second``,
        ``gain``); and of these records ``gain`` and ``lose``, by how much,
        and ``accurate`` and ``confused``, by the accuracy of the first, at
        most half of the classes each. Equals stay in label order.
    """
    names = class_names(classes, first.shape[1])
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

    def ranked(key, sign):
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
