"""A table of the paper: its runs, and what they came to."""
from __future__ import annotations

import os.path as osp
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config

from ..datasets.benchmarks import compare_counts, published_clips
from ..evaluation.fusion import join, probabilities
from ..evaluation.metrics import per_class_accuracy, summarize
from ..evaluation.scores import ScoreError, Scores
from ..facts import benchmark_facts
from ..recipes.inputs import missing_inputs
from ..recipes.reading import innermost
from .estimates import Estimate, estimate_run
from .gpus import ONE, Hardware
from .paper_tables import Row, Table
from .runs import Run

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
        self._costs, self._published = {}, {}

    def run_of(self, row: Row, seed: int) -> Run:
        """Of a row that has a recipe."""
        config = osp.relpath(self.configs / f'{row.recipe}.py')
        return Run(config, seed, self.out / row.stem / f'seed{seed}',
                   (*row.arguments, *self.options), self.hardware,
                   SCORES.get(row.recipe, ()))

    def trained(self) -> list[Row]:
        """Rows that are trained for those that are wanted."""
        found, todo = {}, list(self.rows)
        while todo:
            row = todo.pop(0)
            if row.recipe and not row.cost:
                found[row.id] = row
            todo += [self.table[part] for part, _, _ in row.fuse]
            todo += [self.table[row.of]] if row.of else []
        return [row for row in self.table.rows if row.id in found]

    def runs(self) -> list[tuple[Row, Run]]:
        """In the order of the table, seed by seed."""
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
        found = []
        for seed in range(self.seeds):
            scores = self._scores(row, seed)
            if scores is not None:
                found.append((self._number(row, scores), len(scores.names)))
        return found

    def published_clips(self, row: Row) -> int | None:
        """Clips of the test split that a row's number is of, as
        published; None for costs, and where no number is published."""
        if row.cost or not (row.recipe or row.fuse or row.of):
            return None
        row = self._trained(row)
        if row.stem not in self._published:
            dataset = innermost(
                self.run_of(row, 0).load().test_dataloader.dataset)
            self._published[row.stem] = published_clips(
                dataset.get('data_root') or '', dataset.get('split'))
        return self._published[row.stem]

    def records(self, row: Row) -> list[dict]:
        """Of the runs of a row that has a recipe, done ones."""
        if not row.recipe or row.cost:
            return []
        runs = [self.run_of(row, seed) for seed in range(self.seeds)]
        return [dict(run.record(), config=f'{row.recipe}.py') for run in runs
                if run.done and (run.folder / 'run.json').is_file()]

    def estimate(self, row: Row) -> Estimate:
        """Of a run of a row that has a recipe."""
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
        parts = [self._scores(self.table[part], seed)
                 for part, _, _ in row.fuse]
        if any(part is None for part in parts):
            return None
        joined = join(parts)
        total = sum(
            weight * (probabilities(scores[None])[0] if as_probability
                      else scores)
            for scores, (_, weight, as_probability)
            in zip(joined.scores, row.fuse))
        return Scores(joined.names, total, joined.labels, row.id)

    def _number(self, row: Row, scores: Scores) -> float:
        if row.label is not None:
            label = row.label
            if isinstance(label, str):
                label = benchmark_facts(self.table.benchmark).classes.index(
                    label)
            return 100 * per_class_accuracy(scores.scores,
                                            scores.labels)[label]
        values, labels = scores.scores, scores.labels
        if row.clips:
            wanted = set(Path(self.table.folder / row.clips).read_text(
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
            cfg: Config = self.run_of(row, 0).load()
            self._costs[row.stem] = model_cost(cfg).total
        total = self._costs[row.stem]
        return total.params / 1e6 if row.cost == 'parameters' else \
            total.macs / 1e9


def measured_table(reproduction: Reproduction
                   ) -> tuple[list[list[str]], dict]:
    """A table with what was measured.

    Args:
        reproduction: The table.

    Where a row was tested on another number of clips than the published test
    split has, no difference to the paper's number is given.

    Returns:
        Rows of text, the first row the header, and the same as a dict:
        ``heading``, ``table``, ``benchmark``, ``metric``, ``reference``, which
        the published numbers are of, ``counts``, a sentence for each number of
        clips that was tested, and ``rows`` with ``id``, ``name``,
        ``published``, ``measured``, a number a seed, ``tested``, clips a seed,
        ``test_clips``, those of the published split (None where nobody knows),
        and ``runs``, what :meth:`Run.record` says of each.
    """
    table = reproduction.table
    same = table.reference == table.benchmark
    text = [['', 'paper' if same else f'paper, {table.reference}', 'measured',
             'difference' if same else '', '']]
    record = dict(
        heading=f'Table {table.number}: {table.title} ({table.benchmark})',
        table=table.number, benchmark=table.benchmark, metric=table.metric,
        reference=table.reference, counts=[], rows=[])
    for row in reproduction.rows:
        results = reproduction.measure(row)
        tested = [clips for _, clips in results if clips is not None]
        should = reproduction.published_clips(row) if tested else None
        found = [value for value, _ in results]
        text.append(_line(row, found, tested, should, same,
                          reproduction.seeds))
        record['counts'] += [compare_counts(n, should) for n in tested]
        record['rows'].append(dict(
            id=row.id, name=row.name, published=row.published,
            measured=[float(value) for value in found], tested=tested,
            test_clips=should, runs=reproduction.records(row)))
    record['counts'] = list(dict.fromkeys(record['counts']))
    return text, record


def _line(row: Row, found: list[float], tested: list[int],
          should: int | None, same: bool, seeds: int) -> list[str]:
    """A row as text."""
    other = should is not None and bool(tested) and {*tested} != {should}
    mean, digits = (np.mean(found), 2 if row.cost else 1) if found else \
        (None, 1)
    spread = f' ± {np.std(found, ddof=1):.1f}' if len(found) > 1 else ''
    state = []
    if len(found) < seeds and not row.cost:
        state.append('published only' if not (
            row.recipe or row.fuse or row.of) else 'not run' if not found
            else f'{len(found)} of {seeds} seeds')
    if other:
        clips = ' and '.join(f'{n:,}' for n in sorted({*tested}))
        state.append(f'{clips} of {should:,} clips')
    compared = mean is not None and row.published is not None and same \
        and not other
    return [
        row.name,
        '' if row.published is None else f'{row.published:.1f}',
        '' if mean is None else f'{mean:.{digits}f}{spread}',
        f'{mean - row.published:+.{digits}f}' if compared else '',
        ', '.join(state)]
