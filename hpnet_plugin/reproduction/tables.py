"""A table of the paper: its runs, and what they came to."""
from __future__ import annotations

import os.path as osp
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.benchmarks import published_clips
from ..evaluation.fusion import fused, join, probabilities
from ..evaluation.metrics import per_class_accuracy, summarize
from ..evaluation.scores import ScoreError, Scores
from ..facts import benchmark_facts
from ..recipes.inputs import missing_inputs
from ..recipes.reading import innermost
from .estimates import Estimate, estimate_run
from .gpus import ONE, Hardware
from .paper_tables import Row, Table
from .runs import Run

if TYPE_CHECKING:
    from ..apis.cost import Part

# of models that dump several scores a clip, those that are added
SCORES = dict(rgbpose=('rgb', 'pose'))


class Reproduction:
    """A table of the paper, made on this machine.

    Args:
        table: Of :func:`~hpnet_plugin.reproduction.paper_tables .read_table`.
        configs: The folder of configs; it has one of each recipe.
        out: Folder of all runs; tables share them.
        seeds: Seeds a row.
        only: Of the ids, those that are wanted.
        options: ``--cfg-options`` of every run.
        hardware: Of every run.
    """

    def __init__(self, table: Table, configs: str | Path, out: str | Path,
                 seeds: int = 1, only: Callable[[str], bool] | None = None,
                 options: Sequence[str] = (),
                 hardware: Hardware = ONE) -> None:
        self.table, self.configs, self.out = table, Path(configs), Path(out)
        self.seeds, self.options = seeds, tuple(options)
        self.hardware = hardware
        self.rows = [row for row in table.rows if only is None or only(row.id)]
        self._costs: dict[str, Part] = {}
        self._published: dict[str, int | None] = {}

    def run_of(self, row: Row, seed: int) -> Run:
        """The run of a row that has a recipe.

        Args:
            row: The row.
            seed: Of the training.

        Returns:
            It may be made already.
        """
        config = osp.relpath(self.configs / f'{row.recipe}.py')
        return Run(config, seed, self.out / row.stem / f'seed{seed}',
                   (*row.arguments, *self.options), self.hardware,
                   SCORES.get(row.recipe or '', ()))

    def trained(self) -> list[Row]:
        """Rows that are trained for those that are wanted.

        Returns:
            In the order of the table.
        """
        found, todo = set(), list(self.rows)
        while todo:
            row = todo.pop(0)
            if row.recipe and not row.cost:
                found.add(row.id)
            todo += [self.table[part] for part, _, _ in row.fuse]
            todo += [self.table[row.of]] if row.of else []
        return [row for row in self.table.rows if row.id in found]

    def runs(self) -> list[tuple[Row, Run]]:
        """The runs of the rows that are trained.

        Returns:
            Rows with their runs, in the order of the table, seed by seed.
        """
        return [(row, self.run_of(row, seed)) for seed in range(self.seeds)
                for row in self.trained()]

    def missing(self, row: Row) -> list[str]:
        """What a row needs that is not there, and where to get it.

        Args:
            row: Any row.

        Returns:
            A sentence each.
        """
        if row.clips and not (self.table.folder / row.clips).is_file():
            return [f'{self.table.folder / row.clips}: no such list, a clip '
                    'a line; the paper does not say which clips it took']
        if not row.recipe or row.cost or all(
                self.run_of(row, seed).done for seed in range(self.seeds)):
            return []
        return missing_inputs(self.run_of(row, 0).load())

    def measure(self, row: Row) -> list[tuple[float, int | None]]:
        """What a row came to.

        Args:
            row: Any row.

        Returns:
            A number a seed, of those that are done, in percent, but for costs;
            and how many clips were tested for it, None for costs.
        """
        if row.cost:
            return [(self._cost(row), None)]
        found: list[tuple[float, int | None]] = []
        for seed in range(self.seeds):
            scores = self._scores(row, seed)
            if scores is not None:
                found.append((self._number(row, scores), len(scores.names)))
        return found

    def published_clips(self, row: Row) -> int | None:
        """Clips of the test split that a row's number is of.

        Args:
            row: Any row.

        Returns:
            As published; None for costs, and where no number is published.
        """
        if row.cost or not (row.recipe or row.fuse or row.of):
            return None
        row = self._trained(row)
        if row.stem not in self._published:
            dataset = innermost(
                self.run_of(row, 0).load().test_dataloader.dataset)
            self._published[row.stem] = published_clips(
                dataset.get('data_root') or '', dataset.get('split'))
        return self._published[row.stem]

    def records(self, row: Row) -> list[dict[str, Any]]:
        """What is recorded of the runs of a row.

        Args:
            row: Any row.

        Returns:
            :meth:`.runs.Run.record` of each that is done; none of a row that
            has no recipe.
        """
        if not row.recipe or row.cost:
            return []
        runs = [self.run_of(row, seed) for seed in range(self.seeds)]
        return [dict(run.record(), config=f'{row.recipe}.py') for run in runs
                if run.done and (run.folder / 'run.json').is_file()]

    def estimate(self, row: Row) -> Estimate:
        """What a run of a row that has a recipe will take.

        Args:
            row: The row.

        Returns:
            Of one seed.
        """
        return estimate_run(self.run_of(row, 0).load(),
                            self.hardware.precision)

    def _scores(self, row: Row, seed: int) -> Scores | None:
        """Scores of a row, or None if they are not there yet."""
        if row.of:
            return self._scores(self.table[row.of], seed)
        if row.recipe:
            run = self.run_of(row, seed)
            return run.read() if run.done else None
        if not row.fuse:
            return None
        names, weights, softmax = zip(*row.fuse)
        parts = [self._scores(self.table[name], seed) for name in names]
        there = [part for part in parts if part is not None]
        if len(there) < len(parts):
            return None
        joined = join(there)
        return fused(replace(joined, scores=probabilities(
            joined.scores, softmax)), weights, row.id)

    def _number(self, row: Row, scores: Scores) -> float:
        """The number of a row, in percent."""
        values, labels = scores.scores, scores.known_labels
        if row.label is not None:
            label = row.label
            if isinstance(label, str):
                names = benchmark_facts(self.table.benchmark).classes or ()
                label = names.index(label)
            return 100 * per_class_accuracy(values, labels)[label]
        if row.clips:
            wanted = set((self.table.folder / row.clips).read_text(
                encoding='utf-8').split())
            kept = np.array([name in wanted for name in scores.names])
            if not kept.any():
                raise ScoreError(f'{row.clips} names none of the clips of '
                                 f'{scores.source}')
            values, labels = values[kept], labels[kept]
        return summarize(values, labels)[self.table.metric]

    def _trained(self, row: Row) -> Row:
        """The row with a recipe that another is made of; the last of several.
        """
        while not row.recipe:
            row = self.table[row.of or row.fuse[-1][0]]
        return row

    def _cost(self, row: Row) -> float:
        from ..apis.cost import model_cost
        if row.stem not in self._costs:
            self._costs[row.stem] = model_cost(
                self.run_of(row, 0).load()).total
        total = self._costs[row.stem]
        return total.params / 1e6 if row.cost == 'parameters' else \
            total.macs / 1e9
