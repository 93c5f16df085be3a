"""Metrics as tables: lists of rows of text, the first row the header."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .gains import class_records
from .metrics import names_or_numbers


def class_table(matrix: np.ndarray, classes: Sequence[str] | None = None
                ) -> list[list[str]]:
    """A row for each class that occurs, worst accuracy first.

    Args:
        matrix: (K, K) counts, row the label.
        classes: K names.

    Returns:
        Class, clips, accuracy in percent, the class it is taken for most often
        and in how many clips.
    """
    found = [r for r in class_records(matrix, classes) if r['clips']]
    return [['class', 'clips', 'accuracy', 'most taken for'], *(
        [r['class'], str(r['clips']), f'{r["accuracy"]:.1f}',
         f'{r["most_taken_for"]} ({r["taken_for_clips"]})'
         if r['taken_for_clips'] else '']
        for r in sorted(found, key=lambda record: record['accuracy']))]


def confusion_table(matrix: np.ndarray, classes: Sequence[str] | None = None,
                    limit: int = 15) -> list[list[str]]:
    """The most frequent confusions.

    Args:
        matrix: (K, K) counts, row the label.
        classes: K names.
        limit: Most rows, without the header.

    Returns:
        Class, what it is taken for, in how many clips, and the share of the
        class in percent.
    """
    names = names_or_numbers(classes, len(matrix))
    wrong = matrix - np.diag(matrix.diagonal())
    rows = [['class', 'taken for', 'clips', 'share of the class']]
    for cell in np.argsort(-wrong, axis=None, kind='stable')[:limit]:
        i, j = divmod(int(cell), len(matrix))
        if wrong[i, j]:
            rows.append([names[i], names[j], str(wrong[i, j]),
                         f'{100 * wrong[i, j] / matrix[i].sum():.1f}'])
    return rows


def accuracy_table(streams: Sequence[Mapping[str, Any]],
                   fusion: Mapping[str, Any],
                   given: Mapping[str, Any] | None = None) -> list[list[str]]:
    """Metrics of streams and of their fusion.

    Args:
        streams: ``file``, ``weight``, ``kind``, ``top1``, ``top5`` and
            ``mean_class_accuracy`` in percent.
        fusion: ``top1``, ``top5``, ``mean_class_accuracy``.
        given: The same of the fusion with the weights from which a search
            started.

    Returns:
        A row a stream, and the fusion last.
    """
    rows = [['stream', 'top-1', 'top-5', 'mean class', 'weight', 'scores']]
    for s in streams:
        rows.append([s['file'], *_percents(s), f'{s["weight"]:g}', s['kind']])
    if given is not None:
        rows.append(['fusion, weights as given', *_percents(given), '', ''])
    rows.append(['fusion', *_percents(fusion), '', ''])
    return rows


def gain_table(streams: Sequence[Mapping[str, Any]],
               given: Mapping[str, Any] | None = None) -> list[list[str]]:
    """What the fusion gains over each stream, with 95 % intervals.

    Args:
        streams: ``file`` and ``fusion_gain``, see
            :func:`hpnet_plugin.evaluation.fusion.assess`.
        given: ``fusion_gain`` over the fusion with the weights from which a
            search started.

    Returns:
        A row a stream, in percentage points.
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


def stack_table(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Streams, weights and what was learnt over the streams.

    Args:
        rows: Those of :func:`hpnet_plugin.evaluation.stacking.assess_stack`.

    Returns:
        A row each: accuracies and ECE in percent, NLL in nats.
    """
    return [['fusion', 'top-1', 'top-5', 'mean class', 'NLL', 'ECE'], *(
        [row['what'], *_percents(row), f'{row["nll"]:.4f}',
         f'{row["ece"]:.2f}'] for row in rows)]


def stack_gain_table(gains: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """What was learnt gains over streams and weights.

    Args:
        gains: Those of :func:`hpnet_plugin.evaluation.stacking.assess_stack`.

    Returns:
        A row each, in percentage points, with 95 % intervals.
    """
    rows = gain_table([dict(
        file=gain['over'] + ' (best on validation)' * gain['best'],
        fusion_gain=gain) for gain in gains])
    rows[0][0] = 'gain of the learnt layer over'
    return rows


def tried_table(tried: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Kinds of layers, and their loss on clips that were left out.

    Args:
        tried: Of the record of a
            :class:`hpnet_plugin.evaluation.stacking.Stack`.

    Returns:
        A row a kind, at its best strength of L2.
    """
    return [['layer', 'L2', 'loss', 'above the least', 'standard error'], *(
        [row['kind'],
         '' if row['strength'] is None else f'{row["strength"]:.3g}',
         f'{row["loss"]:.4f}', f'{row["above"]:.4f}', f'{row["error"]:.4f}']
        for row in tried)]


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """A table as aligned text; columns of numbers are aligned at the right.

    Columns in which nothing stands are left out.

    Args:
        rows: Of text, the first row the header.

    Returns:
        Lines without a line break at the end.
    """
    from tabulate import tabulate
    columns = [column for column in zip(*rows) if any(column)]
    header, *body = zip(*columns)
    return tabulate(body, header, disable_numparse=True, colalign=[
        'right' if is_numeric(column[1:]) else 'left' for column in columns])


def is_numeric(cells: Sequence[str]) -> bool:
    """Whether a column is one of numbers.

    Args:
        cells: Without the header.

    Returns:
        True if cells are numbers or empty, and not all empty.
    """
    def number(cell: str) -> bool:
        try:
            float(cell)
        except ValueError:
            return False
        return True
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(map(number, filled))


def _percents(metrics: Mapping[str, Any]) -> list[str]:
    return [f'{metrics[key]:.2f}'
            for key in ('top1', 'top5', 'mean_class_accuracy')]
