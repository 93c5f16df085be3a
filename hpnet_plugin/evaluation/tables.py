"""Metrics as tables: lists of rows of text, the first row the header."""
import numpy as np


def class_names(classes, num_classes):
    """Class names, or the class numbers where there are none.

    Raises:
        ValueError: Another number of names than of classes.
    """
    if classes is None:
        return [str(i) for i in range(num_classes)]
    if len(classes) != num_classes:
        raise ValueError(f'{len(classes)} class names for scores of '
                         f'{num_classes} classes')
    return list(classes)


def class_table(matrix, classes=None):
    """A row for each class that occurs, worst accuracy first.

    Args:
        matrix (np.ndarray): (K, K) counts, row the label.
        classes (list[str], optional): K names.

    Returns:
        list[list[str]]: Class, clips, accuracy in percent, the class it is
        taken for most often and in how many clips.
    """
    names = class_names(classes, len(matrix))
    counts, hits = matrix.sum(1), matrix.diagonal()
    wrong = matrix - np.diag(hits)
    occur = [i for i in range(len(matrix)) if counts[i]]
    occur.sort(key=lambda i: (hits[i] / counts[i], i))
    rows = [['class', 'clips', 'accuracy', 'most taken for']]
    for i in occur:
        other = wrong[i].argmax()
        taken = f'{names[other]} ({wrong[i, other]})' if wrong[i].any() else ''
        rows.append([names[i], str(counts[i]),
                     f'{100 * hits[i] / counts[i]:.1f}', taken])
    return rows


def confusion_table(matrix, classes=None, limit=15):
    """The most frequent confusions.

    Args:
        matrix (np.ndarray): (K, K) counts, row the label.
        classes (list[str], optional): K names.
        limit (int): At most so many rows.

    Returns:
        list[list[str]]: Class, what it is taken for, in how many clips, and
        the share of the class in percent.
    """
    names = class_names(classes, len(matrix))
    wrong = matrix - np.diag(matrix.diagonal())
    rows = [['class', 'taken for', 'clips', 'share of the class']]
    for cell in np.argsort(-wrong, axis=None, kind='stable')[:limit]:
        i, j = divmod(int(cell), len(matrix))
        if wrong[i, j]:
            rows.append([names[i], names[j], str(wrong[i, j]),
                         f'{100 * wrong[i, j] / matrix[i].sum():.1f}'])
    return rows


def accuracy_table(streams, fusion, given=None):
    """Metrics of streams and of their fusion.

    Args:
        streams (list[dict]): ``file``, ``weight``, ``kind``, ``top1``,
            ``top5`` and ``mean_class_accuracy`` in percent.
        fusion (dict): ``top1``, ``top5``, ``mean_class_accuracy``.
        given (dict, optional): The same of the fusion with the weights from
            which a search started.

    Returns:
        list[list[str]]: A row a stream, and the fusion last.
    """
    rows = [['stream', 'top-1', 'top-5', 'mean class', 'weight', 'scores']]
    for s in streams:
        rows.append([s['file'], *_percents(s), f'{s["weight"]:g}', s['kind']])
    if given is not None:
        rows.append(['fusion, weights as given', *_percents(given), '', ''])
    rows.append(['fusion', *_percents(fusion), '', ''])
    return rows


def gain_table(streams, given=None):
    """What the fusion gains over each stream, with 95 % intervals.

    Args:
        streams (list[dict]): ``file`` and ``fusion_gain``, see
            :func:`hpnet_plugin.evaluation.fusion.assess`.
        given (dict, optional): ``fusion_gain`` over the fusion with the
            weights from which a search started.

    Returns:
        list[list[str]]: A row a stream, in percentage points.
    """
    rows = [['gain of the fusion over', 'top-1', '95 %', 'mean class',
             '95 %']]
    if given is not None:
        streams = [*streams, dict(given, file='fusion, weights as given')]
    for stream in streams:
        row = [stream['file']]
        for key in ('top1', 'mean_class_accuracy'):
            gain = stream['fusion_gain'][key]
            row += [f'{gain["gain"]:+.2f}',
                    f'[{gain["low"]:+.2f}, {gain["high"]:+.2f}]']
        rows.append(row)
    return rows


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """A table as aligned text; columns of numbers are aligned at the right.

    Args:
        rows: Of text, the first row the header.

    Returns:
        Lines without a line break at the end.
    """
    from tabulate import tabulate
    header, *body = rows
    return tabulate(body, header, disable_numparse=True, colalign=[
        'right' if is_numeric(column[1:]) else 'left'
        for column in zip(*rows)])


def is_numeric(cells):
    """Whether cells are numbers or empty, and not all empty."""
    def number(cell):
        try:
            float(cell)
        except ValueError:
            return False
        return True
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(map(number, filled))


def _percents(metrics):
    return [f'{metrics[key]:.2f}'
            for key in ('top1', 'top5', 'mean_class_accuracy')]
