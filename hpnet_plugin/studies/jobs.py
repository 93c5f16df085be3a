"""The trainings of a study, in the order in which they are made."""
from __future__ import annotations

import functools
import os.path as osp
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..recipes.inputs import missing_inputs, missing_text
from ..reproduction.records import read_record
from ..reproduction.runs import Run
from .folds import HELD_BACK, Fold, describe_clips, folds_of, held_back_fold
from .study_file import WHOLE, Study, StudyError, StudyRow
from .views import Source

# One checkpoint is kept; the last epoch's is tested.
SETTINGS = ('default_hooks.checkpoint.max_keep_ckpts=1', )


@dataclass(frozen=True)
class Job:
    """One training of a study.

    Attributes:
        row: What is trained.
        fold: With the clips that it has.
        percent: Of the fold's training clips.
        run: What makes it.
    """
    row: StudyRow
    fold: Fold
    percent: int
    run: Run

    @property
    def title(self) -> str:
        """The run, for people."""
        part = '' if self.percent == WHOLE else f', {self.percent} %'
        return (f'{self.row.name}, fold {self.fold.name}{part}, seed '
                f'{self.run.seed}')


class Plan:
    """The folds of a study and the runs that it needs.

    Args:
        study: The study.
        out: Folder of all that it makes.
        configs: The folder of configs; it has one of each recipe.
        only: Names of the rows that are wanted; all if not given.
        held_back: Whether what is held back is looked at, and nothing else.
        warm: Whether trainings run in copies of this process.

    Attributes:
        rows: Rows that are wanted.
        percents: Fractions of the training clips, ascending.
        fold_names: Of the folds.
    """

    def __init__(self, study: Study, out: str | Path, configs: str | Path,
                 only: Callable[[str], bool] | None = None,
                 held_back: bool = False, warm: bool = False) -> None:
        self.study, self.configs = study, Path(configs)
        self.warm = warm
        self.out, self.held_back = Path(out), held_back
        self.rows = [row for row in study.rows
                     if (only is None or only(row.name))
                     and (row.final or not held_back)]
        self.percents = (WHOLE, ) if held_back else study.fractions
        self.fold_names = [HELD_BACK] if held_back else [
            '+'.join(groups) for groups in study.folds]

    @functools.cached_property
    def source(self) -> Source:
        """The dataset folder; without one, nothing can be run."""
        return Source(self.study.data_root)

    @functools.cached_property
    def folds(self) -> list[Fold]:
        """Those of the study, or the one of what is held back."""
        clips = describe_clips(self.study, self.source.labels)
        return [held_back_fold(self.study, clips)] if self.held_back else \
            folds_of(self.study, clips)

    def trained(self) -> list[StudyRow]:
        """Rows that are trained for those that are wanted.

        Returns:
            In the order of the study.
        """
        wanted = {part.name for row in self.rows
                  for part in self.study.trained(row)}
        return [row for row in self.study.rows if row.name in wanted]

    def jobs(self) -> list[Job]:
        """The runs, so that whoever stops early has balanced data.

        Returns:
            All rows of one fold and seed, then the next fold, then the next
            seed; in the end the same with parts of the training clips, large
            ones first.

        Raises:
            StudyError: If the study does not fit its dataset.
            FileNotFoundError: If there is no dataset folder.
        """
        views = {(fold.name, percent): self.view_of(fold.part(percent),
                                                    percent)
                 for fold in self.folds for percent in self.percents}
        return [self._job(row, fold, percent, seed,
                          views[fold.name, percent])
                for curve in (False, True)
                for seed in self.study.seeds
                for fold in self.folds
                for percent in sorted(self.percents, reverse=True)
                if (percent < WHOLE) == curve
                for row in self.trained()]

    def view_of(self, part: Fold, percent: int) -> Path:
        """The dataset folder of a fold's part, which need not be there.

        Args:
            part: The clips.
            percent: Of the fold's training clips.

        Returns:
            Its path tells it from folds of other clips.
        """
        return self.out / 'folds' / (f'{_stem(part.name)}-{percent}-'
                                     f'{self.source.digest(part)}')

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Make the dataset folders of the runs.

        Args:
            jobs: The runs.

        Raises:
            StudyError: If the dataset folder would be written to.
            OSError: If they cannot be written.
        """
        for folder, fold in {self._view(job): job.fold
                             for job in jobs}.items():
            self.source.view(folder, fold)

    def _view(self, job: Job) -> Path:
        return self.view_of(job.fold, job.percent)

    def _job(self, row: StudyRow, fold: Fold, percent: int, seed: int,
             view: Path) -> Job:
        config = osp.relpath(self.configs / f'{row.recipe}.py')
        folder = self.out / 'runs' / row.stem / \
            f'{_stem(fold.name)}-{percent}' / f'seed{seed}'
        return Job(row, fold.part(percent), percent, Run(
            config, seed, folder, (*SETTINGS, *row.options,
                                   f'data_root={view}'), warm=self.warm))


def refuse_missing(jobs: Sequence[Job]) -> None:
    """Refuse rows that cannot run, before any of them does.

    Args:
        jobs: The runs; their dataset folders are there.

    Raises:
        StudyError: Names everything that a row needs and that is not there.
        SettingError: If a row has a setting that cannot be.
        ConfigError: If a key of a row is misspelt.
    """
    found: list[str] = []
    for job in {job.row.name: job for job in jobs}.values():
        found += [f'row {job.row.name!r}: {text}'
                  for text in missing_inputs(job.run.load())]
    if found:
        raise StudyError(missing_text(found))


def refuse_other_versions(jobs: Sequence[Job]) -> None:
    """Refuse folders that another version of a row has filled.

    Args:
        jobs: The runs; their dataset folders are there.

    Raises:
        ReproductionError: Names what differs.
    """
    known: dict[tuple[str, ...], Any] = {}
    for job in jobs:
        record = read_record(job.run.folder)
        found = None if record is None else record['decisive']
        # seeds decide nothing of a config: one is read for all of them
        if found is None or known.get(job.run.options) != found:
            job.run.check()
            known[job.run.options] = found


def _stem(name: str) -> str:
    return ''.join(c if c.isalnum() or c in '_+-' else '_' for c in name)
