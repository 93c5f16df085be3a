"""Compare methods on a small dataset: folds, seeds, paired comparisons.

    hpnet study configs/studies/small_data.yml --dry-run
    hpnet study configs/studies/small_data.yml
    hpnet study configs/studies/small_data.yml --no-run --by group
    hpnet study configs/studies/small_data.yml --held-back

The study file says which groups (people) are tested in which fold, which rows
are trained, with which seeds, on which fractions of the training clips, and
which rows are compared (docs/studies.md). Each row is trained on each fold and
seed, first all rows on one fold and seed, so that a study that is stopped has
balanced data. What is done is skipped, what was stopped goes on. Start the
command several times, and the processes share the work.

It prints the accuracy of each row over all tested clips, and the gain of one
row over another with its 95 % interval by paired bootstrap over recordings;
all looks and seeds of a recording are drawn together. Figures and raw
results are in --out: results.json, scores.npz, gains.png, learning_curve.png.
The dataset folder is not written to.

--held-back trains the rows that are "final: true" on all other groups and
tests them on what the study holds back. Each look at these numbers uses them
up: whoever chooses by them needs new ones. Each look is recorded.

Exit status: 0 all is measured, 3 something is missing or another process is
working on it, 2 the usage is wrong, 1 a run failed, 130 and 143 stopped by
Ctrl-C and SIGTERM.
"""
from __future__ import annotations

import argparse
import fnmatch
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets.annotations import AnnotationsError
from ..facts import FactsError
from ..files import write_whole
from ..places import configs_folder
from ..recipes import SettingError
from ..recipes.checks import ConfigError
from ..studies.study_file import StudyError
from .command import Command
from .options import output_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..studies.jobs import Job, Plan
    from ..studies.results import Result
    from ..studies.study_file import Study

OUT = 'work_dirs/studies'


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add = parser.add_argument
    add('study', metavar='STUDY.yml', help='the study file')
    add('--data', metavar='FOLDER',
        help='dataset folder, in place of data_root of the study')
    add('--out', metavar='DIR', type=output_folder,
        help=f'folder of the runs and results (default {OUT}/NAME)')
    add('--only', nargs='+', metavar='ROW',
        help='run and show these rows and what they are the sum of; * and ? '
        'match any characters')
    add('--by', choices=('clip', 'group'), default='clip',
        help='what the bootstrap draws: recordings with all their looks '
        '(default), or all clips of a group')
    add('--held-back', action='store_true',
        help='run and show the final rows on what is held back, and record '
        'that it was looked at')
    add('--dry-run', action='store_true',
        help='print the runs and their commands; write nothing')
    add('--no-run', action='store_true',
        help='print and draw what is done')


def dry_run(jobs: Sequence[Job]) -> None:
    """Print the runs, and how many there are."""
    for job in jobs:
        state = 'done' if job.run.done else 'stopped, goes on' if (
            job.run.folder / 'last_checkpoint').is_file() else 'not begun'
        print(f'# {job.title}: {state}; {len(job.fold.train)} clips train, '
              f'{len(job.fold.test)} test')
        print(shlex.join(['--cfg-options', *job.run.options]))
    done = sum(job.run.done for job in jobs)
    print(f'\n{len(jobs)} runs, {done} of them done')


def work(jobs: Sequence[Job]) -> tuple[int, list[str]]:
    """Make all runs; those that another process is at are looked at again.

    A row that fails is not tried again, and the others go on.

    Returns:
        How many are left, another process's or of rows that failed, and
        what each of these rows failed of.
    """
    from ..reproduction.execution import ReproductionError
    from ..studies.making import Progress
    progress, failed = Progress(jobs), dict[str, str]()
    print(f'{len(jobs)} runs, {sum(job.run.done for job in jobs)} of them '
          'done', flush=True)
    made = True
    while made:
        made = False
        for job in jobs:
            if job.run.done or job.row.name in failed:
                continue
            try:
                made |= progress.make(job)
            except ReproductionError as error:
                failed[job.row.name] = f'{job.title}: {error}'
                print(f'{job.title} failed; the other rows go on',
                      flush=True)
    return sum(not job.run.done for job in jobs), [*failed.values()]


def make_plan(study: Study, args: argparse.Namespace, out: Path) -> Plan:
    """The runs that are asked for."""
    from ..reproduction.warm import can_warm
    from ..studies.jobs import Plan
    only: Callable[[str], bool] | None = args.only and (lambda row: any(
        fnmatch.fnmatchcase(row, pattern) for pattern in args.only))
    plan = Plan(study, out, configs_folder(), only, args.held_back,
                warm=not args.no_run and can_warm())
    if not plan.rows:
        raise StudyError(
            f'no row of {study.path} is "final: true", so none is run on '
            'what is held back' if args.held_back and not args.only else
            f'no row of {study.path} is called {" or ".join(args.only)}'
            + ' and "final: true"' * args.held_back)
    return plan


def show(plan: Plan, results: Sequence[Result], by: str) -> bool:
    """Print and draw what is done; whether that is all."""
    from ..studies.measures import Measures
    from ..studies.report import make_report
    from ..visualization.studies import gains_figure, learning_figure
    from ..visualization.style import save_figure
    report = make_report(
        Measures(plan.study, results, plan.fold_names),
        [row.name for row in plan.rows], plan.percents, by)
    print(f'\n{report.text()}')
    figures = {}
    if any('gain' in gain for gain in report.gains):
        figures['gains'] = gains_figure(report.gains, report.title)
    if len(plan.percents) > 1 and results:
        figures['learning_curve'] = learning_figure(report.rows, report.title)
    for name, figure in figures.items():
        save_figure(str(plan.out / name), figure)
    write_whole(plan.out / 'report.json', (
        json.dumps(report.record(), indent=1) + '\n').encode())
    print(f'\nraw results: {plan.out}/results.json'
          + ''.join(f', {name}.png' for name in figures))
    return report.complete


def run(args: argparse.Namespace) -> int:
    """Run a study and show it; the exit status."""
    from mmengine.logging import MMLogger

    from ..evaluation.scores import ScoreError
    from ..reproduction.execution import ReproductionError
    from ..studies.study_file import read_study

    # what the toolbox says of datasets of noise, in the parameters' count
    MMLogger.get_current_instance().setLevel('WARNING')
    study = read_study(args.study, args.data)
    out = Path(args.out or Path(OUT) / study.path.stem)
    plan = make_plan(study, args, out / 'held_back' if args.held_back
                     else out)
    try:
        return make(plan, args)
    except (ReproductionError, ScoreError) as error:
        print(f'\nhpnet study: {error}', file=sys.stderr)
        return 1


def make(plan: Plan, args: argparse.Namespace) -> int:
    """Run, or say what would be run; the exit status."""
    from ..studies.jobs import refuse_missing, refuse_other_versions
    from ..studies.looks import look
    from ..studies.results import (
        gather,
        of_study,
        read_results,
        write_results,
    )
    known = read_results(plan.out)
    if args.held_back and not args.dry_run:
        print(look(plan.out, [row.name for row in plan.rows]))
    if args.no_run and known and not Path(plan.study.data_root).is_dir():
        show(plan, of_study(known, plan.study), args.by)
        return 0
    jobs = plan.jobs()
    if args.dry_run:
        dry_run(jobs)
        return 0
    plan.prepare(jobs)
    refuse_other_versions(jobs)
    left, failed = 0, []
    if not args.no_run:
        refuse_missing(jobs)
        left, failed = work(jobs)
    results = gather(jobs, known)
    if results:
        write_results(plan.out, plan.study, results)
    complete = show(plan, results, args.by)
    for text in failed:
        print(f'\nhpnet study: {text}', file=sys.stderr)
    if failed:
        return 1
    return 3 if left or not complete and not args.no_run else 0


main = Command('study', __doc__, run, add_options, signals=True,
               refused=(StudyError, SettingError, ConfigError, FactsError,
                        AnnotationsError),
               stopped='stopped; run the same command again to continue')
