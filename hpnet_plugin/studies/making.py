"""Making the runs of a study, with the time that is left."""
from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..reproduction.execution import ReproductionError
from ..reproduction.records import read_record, update_record
from ..reproduction.warm import WarmProcess
from .jobs import Job

SECONDS = ('train_seconds', 'test_seconds')
COSTS = ('parameters', 'macs')


class Progress:
    """Makes runs one by one and says how it goes.

    Args:
        jobs: All runs of the study, done or not.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = list(jobs)
        self._costs: dict[str, dict[str, Any]] = {}
        self._live = sys.stdout.isatty()

    def make(self, job: Job) -> bool:
        """Make a run.

        Args:
            job: The run.

        Returns:
            Whether this process has made it; not, if another one is at it or
            was faster.

        Raises:
            ReproductionError: If it fails.
        """
        if job.run.done:
            return False
        number = 1 + sum(other.run.done for other in self.jobs)
        title = f'{number}/{len(self.jobs)} {job.title}'
        start = shown = time.time()

        def report(text: str) -> None:
            nonlocal shown
            if self._live:
                print(f'\r{title}: {text}\033[K', end='', flush=True)
            elif time.time() - shown > 60:
                shown = time.time()
                print(f'{title}: {text}', flush=True)

        if not job.run(report):
            return False
        self._note_cost(job)
        record = read_record(job.run.folder) or {}
        print('\r' * self._live + f'{title}: {record["top1"]:.1f} % of '
              f'{record["clips"]} clips ({time.time() - start:.0f} s)'
              f'{self.left()}' + '\033[K' * self._live, flush=True)
        return True

    def left(self) -> str:
        """How long the rest will take one process.

        Returns:
            Text to be added to a line; empty where nothing is left.
        """
        spent: dict[tuple[str, int], list[float]] = {}
        todo = []
        for job in self.jobs:
            kind = (job.row.name, job.percent)
            if not job.run.done:
                todo.append(kind)
                continue
            record = read_record(job.run.folder) or {}
            spent.setdefault(kind, []).append(
                sum(record.get(key, 0) for key in SECONDS))
        if not todo or not spent:
            return ''
        means = {kind: float(np.mean(found))
                 for kind, found in spent.items()}
        usual = float(np.mean([*means.values()]))
        seconds = sum(means.get(kind, usual) for kind in todo)
        return f'; {duration(seconds)} left for one process'

    def _note_cost(self, job: Job) -> None:
        """Record parameters and multiply-adds beside the run's numbers."""
        known = self._costs.get(job.row.name)
        record = read_record(job.run.folder) or {}
        if known:
            update_record(job.run.folder, known)
        elif all(key in record for key in COSTS):
            pass
        elif not job.run.warm:
            _record_cost(job)
        else:
            # torch's threads would not survive in copies that come later
            process = WarmProcess(partial(_record_cost, job), {})
            said = process.stdout.read()
            if process.wait():
                raise ReproductionError(
                    f'{job.title}: its parameters cannot be counted: '
                    + said.decode(errors='replace').strip())
        record = read_record(job.run.folder) or {}
        self._costs[job.row.name] = {key: record[key] for key in COSTS}


def _record_cost(job: Job) -> None:
    from ..apis.cost import model_cost
    total = model_cost(job.run.load()).total
    update_record(job.run.folder, dict(zip(COSTS, (total.params,
                                                   total.macs))))


def duration(seconds: float) -> str:
    """A time as people say it.

    Args:
        seconds: In s.

    Returns:
        Such as ``'2 h 5 min'`` or ``'40 s'``.
    """
    minutes = round(seconds / 60)
    if minutes < 1:
        return f'{seconds:.0f} s'
    hours, minutes = divmod(minutes, 60)
    return f'{hours} h {minutes} min' if hours else f'{minutes} min'
