"""Metrics of a test: accuracy, and accuracy a class, of labelled clips."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmaction.evaluation import AccMetric
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ..datasets.classes import read_classes
from .metrics import confusion_matrix, mean_class_accuracy
from .tables import class_table, format_table


@METRICS.register_module()
class LabelledAccMetric(AccMetric):
    """mmaction2's AccMetric, of the clips that have a label.

    AccMetric counts a prediction of a clip without label (-1) as wrong.
    PerClassAccuracy says how many there are.
    """

    def compute_metrics(self, results: list[dict[str, Any]]
                        ) -> dict[str, Any]:
        """See AccMetric; empty if no clip has a label."""
        kept = [result for result in results if np.min(result['label']) >= 0]
        return super().compute_metrics(kept) if kept else {}


@METRICS.register_module()
class PerClassAccuracy(BaseMetric):
    """Mean accuracy of the classes that occur, and a table of all classes.

    AccMetric's ``mean1`` also counts classes that are only predicted, as
    zero, and says nothing of single classes. The table goes to the log,
    worst class first.

    Args:
        classes: File of the class names in label order, one a line. Classes go
            by number if not given.
        table: Whether to log the table; too much at every validation.
        collect_device: Where results of several processes are collected.
        prefix: Prefix of the metric's name. 'acc' if not given, which gives
            ``acc/mean_class``, a fraction.
    """
    default_prefix = 'acc'

    def __init__(self,
                 classes: str | None = None,
                 table: bool = True,
                 collect_device: str = 'cpu',
                 prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.classes = None if classes is None else read_classes(classes)
        self.table = table

    def process(self, data_batch: Any,
                data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep score (K,) and label of each sample.

        Args:
            data_batch: Not used.
            data_samples: With ``pred_score`` (K,) and ``gt_label`` (1,).
        """
        for sample in data_samples:
            self.results.append((sample['pred_score'].cpu().numpy(),
                                 int(sample['gt_label'])))

    def compute_metrics(self, results: list[tuple[np.ndarray, int]]
                        ) -> dict[str, float]:
        """Log the table and return the mean.

        Args:
            results: What :meth:`process` kept.

        Returns:
            ``mean_class``; empty if no clip has a label.

        Raises:
            ValueError: Another number of class names than of scores.
        """
        kept = [(score, label) for score, label in results if label >= 0]
        if not kept:
            print_log(
                f'None of the {len(results)} clips has a label: there is no '
                'accuracy. Their predictions are kept by --dump FILE.pkl',
                logger='current')
            return {}
        if len(kept) < len(results):
            missing = len(results) - len(kept)
            print_log(f'{missing} of {len(results)} clips '
                      + ('has no label: it does' if missing == 1 else
                         'have no label: they do') + ' not count',
                      logger='current')
        results = kept
        scores = np.stack([score for score, _ in results])
        labels = np.array([label for _, label in results])
        if self.table:
            rows = class_table(confusion_matrix(scores, labels), self.classes)
            print_log(f'Accuracy a class, worst first\n{format_table(rows)}',
                      logger='current')
        return dict(mean_class=mean_class_accuracy(scores, labels))
