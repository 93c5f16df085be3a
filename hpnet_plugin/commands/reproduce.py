"""Reproduce tables of the paper: train, test, and show the numbers beside it.

    hpnet reproduce                        # which tables there are
    hpnet reproduce 3 --dry-run            # commands, hours, disk
    hpnet reproduce 3 9 --benchmark nw_ucla_synthetic --seeds 3
    hpnet reproduce XVII --only 'hp*'
    hpnet reproduce all --dry-run          # every table, every benchmark

It runs what is missing, resumes what was stopped, skips what is done, and
prints each table with the paper's number, the measured number and their
difference. The number of tested clips is printed below; if the published test
split has another number of clips, no difference is printed. Tables share
their runs, which are stored in --out, one folder for each training and seed.
Several processes (one for each GPU, by CUDA_VISIBLE_DEVICES) may work on the
same tables: each takes a run that no other process is working on.

--gpus N divides the clips of an update among N GPUs, so that any number of
GPUs trains the same recipe; an N that cannot divide them is refused. --amp
and --tf32 change the precision of the training; results of different
precisions or numbers of GPUs are not mixed in one folder.

Exit status: 0 all rows are measured, 3 some could not run (what is missing,
and where to get it, is said before any run starts) or another process is
working on them, 2 the usage is wrong, 1 a run failed, 130 and 143 stopped by
Ctrl-C and SIGTERM.
"""
from __future__ import annotations

import argparse
import fnmatch
import json
import shlex
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..benchmark_files import benchmark_key
from ..places import configs_folder
from ..recipes import SettingError
from ..recipes.checks import ConfigError
from ..reproduction.paper_tables import TableError
from .command import Command
from .options import output_file, output_folder, whole_number

if TYPE_CHECKING:
    from ..reproduction.estimates import Estimate
    from ..reproduction.paper_tables import Row
    from ..reproduction.runs import Run
    from ..reproduction.tables import Reproduction
    Jobs = dict[str, tuple[Reproduction, Row, Run]]

ALL = ['all']


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add = parser.add_argument
    add('tables', nargs='*', metavar='TABLE',
        help='9, IX or table09; or all; without any, the tables are listed')
    add('--benchmark', metavar='NAME', type=benchmark_key,
        help='benchmark to run (default: the first one of each table; with '
        'all, every one)')
    add('--only', nargs='+', metavar='ID',
        help='run these rows and the rows they are made of; * and ? match any '
        'characters')
    add('--seeds', type=whole_number(), default=1, metavar='N',
        help='train with the seeds 0 to N - 1 (default 1)')
    add('--out', default='work_dirs/reproduce', metavar='DIR',
        type=output_folder,
        help='folder of the runs (default work_dirs/reproduce)')
    add('--gpus', type=whole_number(), default=1, metavar='N',
        help='GPUs of each training (default 1)')
    add('--amp', action='store_true',
        help='train in mixed precision, float16')
    add('--tf32', action='store_true',
        help='train with TF32 in matrix products (float32 otherwise; '
        'convolutions have TF32 in any case where the GPU has it)')
    add('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
        help='change these settings of all configs, as in mim train')
    add('--dry-run', action='store_true',
        help='only print the commands, and the GPU hours and disk expected')
    add('--no-run', action='store_true',
        help='only print the tables, from what is done')
    add('--json', metavar='OUT', type=output_file,
        help='also write the numbers to this file')


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    for word in args.cfg_options:
        if '=' not in word:
            parser.error(f'--cfg-options {word}: expected KEY=VALUE')


def show_tables() -> None:
    """What can be reproduced."""
    from ..evaluation.tables import format_table
    from ..reproduction.paper_tables import list_tables, read_table
    configs = configs_folder()
    rows = [['table', 'compares', 'benchmarks']]
    for number in list_tables(configs):
        table = read_table(configs, number)
        rows.append([f'{number}', table.title, ', '.join(table.benchmarks)])
    print(format_table(rows))


def chosen_tables(args: argparse.Namespace) -> list[Reproduction]:
    """The tables that are wanted, each for each benchmark that is."""
    from ..reproduction.gpus import Hardware
    from ..reproduction.paper_tables import list_tables, read_table
    from ..reproduction.tables import Reproduction
    configs = configs_folder()
    only = args.only and (lambda row: any(
        fnmatch.fnmatchcase(row, pattern) for pattern in args.only))
    wanted = [(name, args.benchmark) for name in args.tables]
    if args.tables == ALL:
        wanted = [(number, benchmark) for number in list_tables(configs)
                  for benchmark in read_table(configs, number).benchmarks
                  if args.benchmark in (None, benchmark)]
    return [Reproduction(
        read_table(configs, name, benchmark), configs, args.out, args.seeds,
        only, args.cfg_options, Hardware(args.gpus, args.amp, args.tf32))
        for name, benchmark in wanted]


def dry_run(jobs: Jobs) -> None:
    """Print commands and what they will take."""
    estimates: list[Estimate] = []
    for name, (reproduction, row, run) in jobs.items():
        state = 'done' if run.done else 'stopped, goes on' if (
            run.folder / 'last_checkpoint').is_file() else 'not begun'
        print(f'# {name}: {state}')
        for line in reproduction.missing(row):
            print(f'#   missing: {line}')
        if run.done:
            continue
        environment = ''.join(f'{key}={value} ' for key, value in
                              run.hardware.environment.items())
        for command in run.commands():
            print(environment + shlex.join(command))
            environment = ''
        estimate = reproduction.estimate(row)
        estimates.append(estimate)
        hours = '?' if estimate.hours is None else f'{estimate.hours:.1f}'
        print(f'#   about {hours} GPU hours, {estimate.disk / 1e9:.2f} GB')
    if estimates:
        print_extraction(estimates)
        print_sum(estimates, run.hardware.precision)


def print_extraction(estimates: list[Estimate]) -> None:
    """What has to be extracted before, once a folder."""
    from ..reproduction.estimates import POSE_MACS
    extracted, hours = {}, {}
    for estimate in estimates:
        extracted.update(estimate.extracted)
        for root, spent in estimate.extraction.items():
            hours[root] = max(hours.get(root) or 0, spent or 0) or None
    for (root, what), size in extracted.items():
        print(f'# to extract into {root}: {what}, about {size / 1e9:.0f} GB'
              + ' a person' * (what != 'crops'))
    for root, spent in hours.items():
        known = f'about {spent:.0f} GPU hours a person' if spent else \
            'unknown GPU hours'
        print(f'# to extract into {root}: {known}, once for all features '
              f'(HRNet-W48, {POSE_MACS / 1e9:.1f} G multiply-adds a person '
              f'and frame, float32; decoding and detection come on top)')


def print_sum(estimates: list[Estimate], precision: str) -> None:
    """All trainings together, and what the numbers assume."""
    from ..reproduction.estimates import RATES
    hours = sum(estimate.hours or 0 for estimate in estimates)
    unknown = sum(estimate.hours is None for estimate in estimates)
    rates = ', '.join(f'{rate[precision] / 1e12:.0f} T for {kind} nets'
                      for kind, rate in RATES.items())
    print(f'\nin all about {hours:.1f} GPU hours to train and test (one A100 '
          f'in {precision}, assumed to reach, in multiply-adds a second, '
          f'{rates}) and {sum(e.disk for e in estimates) / 1e9:.1f} GB of '
          'checkpoints' + (f'; {unknown} runs on data of unknown size are '
                           'not counted' if unknown else ''))


def work(jobs: Jobs) -> int:
    """Make all runs that can be made.

    Returns:
        How many are left: missing something, or another process's.
    """
    todo, left = {}, 0
    for name, (reproduction, row, run) in jobs.items():
        if run.done:
            continue
        missing = reproduction.missing(row)
        if missing:
            left += 1
            print(f'{name} cannot run:')
            for line in missing:
                print(f'- {line}')
        else:
            todo[name] = run, row, reproduction.published_clips
    for number, (name, job) in enumerate(todo.items(), 1):
        left += not make(f'{number}/{len(todo)} {name}', *job)
    return left


def make(title: str, run: Run, row: Row,
         published_clips: Callable[[Row], int | None]) -> bool:
    """Make a run, and say how it goes; whether it was this process."""
    from ..datasets.benchmarks import compare_counts
    start = shown = time.time()
    live = sys.stdout.isatty()

    def report(text: str) -> None:
        nonlocal shown
        if live:
            print(f'\r{title}: {text}\033[K', end='', flush=True)
        elif time.time() - shown > 60:
            shown = time.time()
            print(f'{title}: {text}', flush=True)

    if not run(report):
        print(f'{title}: another process is at it', flush=True)
        return False
    with open(run.folder / 'run.json', encoding='utf-8') as file:
        record = json.load(file)
    print('\r' * live + f'{title}: top-1 {record["top1"]:.2f}, '
          + compare_counts(record['clips'], published_clips(row))
          + f' ({time.time() - start:.0f} s)' + '\033[K' * live, flush=True)
    return True


def show_results(reproductions: list[Reproduction]) -> list[dict]:
    """Print the tables; return them as data."""
    from ..evaluation.tables import format_table
    from ..reproduction.measured import measured_table
    content = []
    for reproduction in reproductions:
        table, record = measured_table(reproduction)
        content.append(record)
        print(f'\n{record["heading"]}\n\n{format_table(table)}')
        for sentence in record['counts']:
            print(f'\n{sentence[0].upper()}{sentence[1:]}.')
        if reproduction.table.note:
            print(f'\n{reproduction.table.note}')
    return content


def run(args: argparse.Namespace) -> int:
    """List the tables or reproduce some; the exit status."""
    if not args.tables:
        show_tables()
        return 0
    from mmengine.logging import MMLogger

    from ..evaluation.scores import ScoreError
    from ..reproduction.execution import ReproductionError

    # what the toolbox says of datasets of noise, in the estimates
    MMLogger.get_current_instance().setLevel('WARNING')
    try:
        return reproduce(args)
    except (ReproductionError, ScoreError) as error:
        print(f'\nhpnet reproduce: {error}', file=sys.stderr)
        return 1


def reproduce(args: argparse.Namespace) -> int:
    """Run, or say what would be run; the exit status."""
    from ..files import write_whole
    reproductions = chosen_tables(args)
    # a run may serve several tables
    jobs = {f'{run.folder.parent.name}, seed {run.seed}':
            (reproduction, row, run) for reproduction in reproductions
            for row, run in reproduction.runs()}
    if args.only and not jobs and not args.no_run:
        print(f'no row of these tables is called {" or ".join(args.only)}',
              file=sys.stderr)
        return 2
    if args.dry_run:
        dry_run(jobs)
        return 0
    for _, _, run in jobs.values():
        run.check()
    left = 0 if args.no_run else work(jobs)
    content = show_results(reproductions)
    if args.json:
        write_whole(args.json, (json.dumps(content, indent=1) + '\n').encode())
    empty = any(not row['measured'] and row['published'] is None
                for record in content for row in record['rows'])
    return 3 if left or empty and not args.no_run else 0


main = Command('reproduce', __doc__, run, add_options, check, signals=True,
               refused=(TableError, SettingError, ConfigError),
               stopped='stopped; run the same command again to continue')
