"""Streams and their fusion, as sections."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...evaluation.fusion import Joined, assess, fuse
from ...evaluation.metrics import confusion_matrix, per_class_accuracy
from ...evaluation.tables import (
    accuracy_table,
    class_table,
    confusion_table,
    gain_table,
)
from ..classes import comparison_figure, confusion_figure
from ..report import Picture, Section
from .names import short_names


def scores_sections(joined: Joined, weights: Sequence[float],
                    classes: Sequence[str] | None = None) -> list[Section]:
    """Streams, their fusion, and what happens in each class.

    Args:
        joined: The streams, see
            :func:`hpnet_plugin.evaluation.fusion.read_streams`.
        weights: One a stream.
        classes: Class names in label order.

    Returns:
        Accuracies, gains of the fusion, confusions, classes, comparisons.
    """
    result = assess(joined, weights)
    fusion = fuse(joined.scores, weights)
    matrix = confusion_matrix(fusion, joined.labels)
    several = len(weights) > 1
    what = 'the fusion' if several else 'the stream'
    streams = [dict(stream, file=name) for stream, name in
               zip(result['streams'], short_names(joined.sources))]
    gains = [Section(
        'Gain of the fusion', 'In points, with the 95 % bootstrap interval '
        'over the clips, drawn class by class. The weights are taken as '
        'given: if they were chosen on these clips, the fusion and its gains '
        'are overstated.', gain_table(streams))] if several else []
    return [
        Section('Accuracy', f'{result["clips"]} clips, {result["classes"]} '
                'classes; in percent. Mean class: over the classes that '
                'occur.', accuracy_table(streams, result['fusion'])),
        *gains,
        Section('Confusions', f'Of {what}; each row in percent of its class.',
                confusion_table(matrix, classes, 10),
                Picture(confusion_figure(matrix, classes),
                        large=len(matrix) > 40)),
        Section('Classes', f'Of {what}, worst class first.',
                class_table(matrix, classes)),
        *(_comparisons(joined, streams, fusion, classes) if several else ())]


def _comparisons(joined: Joined, streams: Sequence[Mapping[str, Any]],
                 fusion: np.ndarray, classes: Sequence[str] | None
                 ) -> list[Section]:
    """The first two streams, and the best one beside the fusion."""
    names = [stream['file'] for stream in streams]
    best = max(range(len(names)), key=lambda i: streams[i]['top1'])
    accuracies = [per_class_accuracy(scores, joined.labels)
                  for scores in (*joined.scores, fusion)]
    return [
        Section(f'{names[0]} and {names[1]}', figure=comparison_figure(
            accuracies[0], accuracies[1], (names[0], names[1]), classes)),
        Section(f'{names[best]} and the fusion', 'The stream with the '
                'highest top-1, chosen on these TEST clips, beside the '
                'fusion.', figure=comparison_figure(
                    accuracies[best], accuracies[-1],
                    (names[best], 'fusion'), classes))]
