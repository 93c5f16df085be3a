"""Accuracies of the rows of a study, and gains of one row over another.

The tested clips of all folds are the test set: each is tested by nets that
have not seen its group. A clip counts as right by the share of the seeds that
took it for what it is.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluation.bootstrap import clustered_gain
from ..evaluation.fusion import fused, join
from ..evaluation.scores import Scores
from .results import Result
from .study_file import WHOLE, Study, StudyRow

Pair = tuple[str, int]  # fold, seed
SPENT = ('train_seconds', 'train_cpu_seconds')


@dataclass(frozen=True, eq=False)
class Tested:
    """Clips, and how often they were taken for what they are.

    Attributes:
        names: N clips.
        labels: (N,) classes.
        right: (N,) share of the seeds, from 0 to 1.
        by_seed: Seed to accuracy in percent, of seeds that tested all folds.
    """
    names: list[str]
    labels: np.ndarray
    right: np.ndarray
    by_seed: dict[int, float]

    @property
    def accuracy(self) -> float:
        """In percent."""
        return 100 * float(self.right.mean())

    @property
    def mean_class_accuracy(self) -> float:
        """Mean over the classes that occur, in percent."""
        counts = np.bincount(self.labels)
        sums = np.bincount(self.labels, self.right)
        return 100 * float((sums[counts > 0] / counts[counts > 0]).mean())

    @property
    def error(self) -> float | None:
        """Standard error of the accuracy over seeds; None of one seed."""
        return standard_error(list(self.by_seed.values()))


def standard_error(values: Sequence[float]) -> float | None:
    """Of the mean of some values.

    Args:
        values: One a seed.

    Returns:
        None of fewer than two.
    """
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1) / len(values)**.5)


class Measures:
    """What is made of the results of a study.

    Args:
        study: The study.
        results: Of its runs, as many as are done.
        folds: Names of the folds that there are.
    """

    def __init__(self, study: Study, results: Sequence[Result],
                 folds: Sequence[str]) -> None:
        self.study, self.folds = study, list(folds)
        self.results = {result.key: result for result in results}
        self._scores: dict[tuple, Scores] = {}

    def pairs(self, row: StudyRow, percent: int = WHOLE) -> list[Pair]:
        """Folds and seeds that a row is done on.

        Args:
            row: Any row.
            percent: Of the training clips.

        Returns:
            Of a sum, those that all its parts are done on.
        """
        parts = self.study.trained(row)
        return [(fold, seed) for seed in self.study.seeds
                for fold in self.folds if all(
                    (part.name, fold, percent, seed) in self.results
                    for part in parts)]

    def scores(self, row: StudyRow, pair: Pair, percent: int = WHOLE
               ) -> Scores:
        """Scores of a row on a fold and a seed that it is done on.

        Args:
            row: Any row.
            pair: The fold and the seed.
            percent: Of the training clips.

        Returns:
            Of a sum, those of its parts, added.
        """
        if not row.sum:
            fold, seed = pair
            return self.results[row.name, fold, percent, seed].scores
        key = (row.name, pair, percent)
        if key not in self._scores:
            joined = join([self.scores(self.study[part], pair, percent)
                           for part in row.sum])
            self._scores[key] = fused(joined, [1] * len(row.sum), row.name)
        return self._scores[key]

    def tested(self, row: StudyRow, pairs: Sequence[Pair],
               percent: int = WHOLE) -> Tested:
        """How often each clip was right.

        Args:
            row: Any row.
            pairs: Folds and seeds that count; the row is done on them.
            percent: Of the training clips.

        Returns:
            Clips in the order of their names.
        """
        right: dict[str, list[bool]] = {}
        labels: dict[str, int] = {}
        by_seed: dict[int, list[np.ndarray]] = {}
        for pair in pairs:
            scores = self.scores(row, pair, percent)
            hits = scores.scores.argmax(1) == scores.known_labels
            by_seed.setdefault(pair[1], []).append(hits)
            for name, label, hit in zip(scores.names, scores.known_labels,
                                        hits):
                right.setdefault(name, []).append(bool(hit))
                labels[name] = int(label)
        names = sorted(right)
        return Tested(
            names, np.array([labels[name] for name in names], int),
            np.array([np.mean(right[name]) for name in names]),
            {seed: 100 * float(np.concatenate(hits).mean())
             for seed, hits in by_seed.items()
             if len(hits) == len(self.folds)})

    def gain(self, first: StudyRow, second: StudyRow, percent: int = WHOLE,
             by: str = 'clip') -> dict[str, Any] | None:
        """Gain in accuracy of one row over another.

        Args:
            first: The row that gains, or loses.
            second: The row that it is compared with.
            percent: Of the training clips.
            by: ``'clip'``: all variants and seeds of a take are drawn
                together; ``'group'``: all clips of a group.

        Returns:
            ``gain``, ``low``, ``high`` and ``p``, see
            :func:`~hpnet_plugin.evaluation.bootstrap.clustered_gain`,
            ``error``, its standard error over seeds or None, ``pairs`` that
            both are done on, ``of`` how many, ``clusters`` and ``clips``;
            None if there is no such pair.
        """
        done = set(self.pairs(second, percent))
        pairs = [pair for pair in self.pairs(first, percent) if pair in done]
        if not pairs:
            return None
        after, before = (self.tested(row, pairs, percent)
                         for row in (first, second))
        places = self._clusters(by)
        clusters = [places[name] for name in after.names]
        return dict(
            clustered_gain(after.right - before.right, clusters),
            error=standard_error([
                value - before.by_seed[seed]
                for seed, value in after.by_seed.items()]),
            pairs=len(pairs), of=len(self.folds) * len(self.study.seeds),
            clusters=len(set(clusters)), clips=len(clusters))

    def spent(self, row: StudyRow, key: str, percent: int = WHOLE
              ) -> float | None:
        """Mean of what the trainings of a row took.

        Args:
            row: Any row; of a sum, all its parts together.
            key: Of the runs' records, such as ``'train_seconds'``.
            percent: Of the training clips.

        Returns:
            None where a part has no record of it.
        """
        total = 0.
        for part in self.study.trained(row):
            values = [result.record[key] for result in self.results.values()
                      if result.row == part.name
                      and result.percent == percent
                      and result.record.get(key) is not None]
            if not values:
                return None
            total += float(np.mean(values))
        return total

    def clips(self, percent: int = WHOLE) -> float:
        """Training clips of a fold.

        Args:
            percent: Of all of them.

        Returns:
            Mean over the folds that are done; 0 if none is.
        """
        counts = {result.fold: len(result.train)
                  for result in self.results.values()
                  if result.percent == percent}
        return float(np.mean(list(counts.values()))) if counts else 0.

    def _clusters(self, by: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for result in self.results.values():
            found.update(result.takes if by == 'clip' else result.groups)
        return found
