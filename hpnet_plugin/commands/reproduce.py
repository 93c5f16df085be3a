#!/usr/bin/env python3
"""Reproduce tables of the paper: train, test, and show the numbers beside it.

    python tools/reproduce.py                      # which tables there are
    python tools/reproduce.py 3 --dry-run          # commands, hours, disk
    python tools/reproduce.py 3 9 --benchmark nw_ucla_small --seeds 3
    python tools/reproduce.py XVII --only 'hp*'

Runs what is missing, resumes what was stopped, skips what is done, and
prints each table with the paper's number, the number measured and their
difference. The number of tested clips stands below; if the published test
split has another number of clips, no difference is printed. Tables share
their runs, which are in --out, a folder a config and seed. Several processes
(one a GPU, by CUDA_VISIBLE_DEVICES) may work on the same tables: each takes
what no other is at.

Exit status: 0 all rows are measured, 3 some could not run (each says what is
missing and where to get it, before any work starts) or another process is at
them, 2 wrong usage, 1 a run failed, 130 stopped.
"""
import argparse
import fnmatch
import json
import signal
import sys
import time

from hpnet_plugin.places import configs_folder

CONFIGS = configs_folder()


def parse_args(argv=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('tables', nargs='*', metavar='TABLE', help='9, IX or table09; or all')
    add('--benchmark', help="default: each table's first")
    add('--only', nargs='+', metavar='ID',
        help='these rows and what they are made of; * and ? match any')
    add('--seeds', type=int, default=1, help='seeds 0 to N - 1 (default 1)')
    add('--out', default='work_dirs/reproduce',
        help='folder of the runs (default work_dirs/reproduce)')
    add('--gpus', type=int, default=1, help='of each training (default 1)')
    add('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
        help='of all trainings and tests, as mim takes them')
    add('--dry-run', action='store_true',
        help='only print the commands, and the GPU hours and disk expected')
    add('--no-run', action='store_true',
        help='only print the tables, from what is done')
    add('--json', metavar='OUT', help='also write the numbers')
    args = parser.parse_args(argv)
    if args.seeds < 1 or args.gpus < 1:
        parser.error('--seeds and --gpus must be at least 1')
    return args


def show_tables():
    """What can be reproduced."""
    from hpnet_plugin.evaluation.paper_tables import list_tables, read_table
    from hpnet_plugin.evaluation.tables import format_table
    rows = [['table', 'compares', 'benchmarks']]
    for number in list_tables(CONFIGS):
        table = read_table(CONFIGS, number)
        rows.append([f'{number}', table.title, ', '.join(table.benchmarks)])
    print(format_table(rows))


def dry_run(jobs):
    """Print commands and what they will take."""
    hours, disk, unknown, extracted = 0., 0, 0, {}
    for name, (reproduction, row, run) in jobs.items():
        state = 'done' if run.done else 'stopped, goes on' if (
            run.folder / 'last_checkpoint').is_file() else 'not begun'
        print(f'# {name}: {state}')
        for line in reproduction.missing(row):
            print(f'#   missing: {line}')
        if run.done:
            continue
        for command in run.commands():
            print(' '.join(command))
        some, size, first = reproduction.estimate(row)
        unknown += some is None
        hours, disk = hours + (some or 0), disk + size
        extracted.update(first)
        print(f'#   about {"? " if some is None else f"{some:.1f}"} GPU '
              f'hours, {size / 1e9:.2f} GB')
    from hpnet_plugin.apis.reproduction import RATES
    for (root, what), size in extracted.items():
        print(f'# to extract into {root}: {what}, about {size / 1e9:.0f} GB'
              + ' a person' * (what != 'crops'))
    print(f'\nin all about {hours:.1f} GPU hours (at '
          + ', '.join(f'{rate / 1e12:.0f} T for {kind} nets'
                      for kind, rate in RATES.items())
          + ', in multiply-adds a second) and '
          f'{disk / 1e9:.1f} GB of checkpoints'
          + (f'; {unknown} runs on data of unknown size are not counted'
             if unknown else ''))


def work(jobs):
    """Make all runs that can be made.

    Returns:
        int: How many are left: missing something, or another process's.
    """
    from hpnet_plugin.datasets.benchmarks import compare_counts
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
    for number, (name, (run, row, published_clips)) in enumerate(
            todo.items(), 1):
        title, start = f'{number}/{len(todo)} {name}', time.time()
        live, shown = sys.stdout.isatty(), [time.time()]

        def report(text, title=title, live=live, shown=shown):
            if live:
                print(f'\r{title}: {text}\033[K', end='', flush=True)
            elif time.time() - shown[0] > 60:
                shown[0] = time.time()
                print(f'{title}: {text}', flush=True)

        if run(report):
            with open(run.folder / 'run.json', encoding='utf-8') as file:
                record = json.load(file)
            print('\r' * live + f'{title}: top-1 {record["top1"]:.2f}, '
                  + compare_counts(record['clips'], published_clips(row))
                  + f' ({time.time() - start:.0f} s)' + '\033[K' * live,
                  flush=True)
        else:
            left += 1
            print(f'{title}: another process is at it', flush=True)
    return left


def main(argv=None):
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    # who is told to end stops the training that it started, too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from mmengine.logging import MMLogger

    import hpnet_plugin  # noqa: F401  fills the gaps of the stock packages
    from hpnet_plugin.apis.reproduction import (
        Reproduction,
        ReproductionError,
        measured_table,
    )
    from hpnet_plugin.evaluation.paper_tables import (
        TableError,
        list_tables,
        read_table,
    )
    from hpnet_plugin.evaluation.scores import ScoreError
    from hpnet_plugin.evaluation.tables import format_table
    from hpnet_plugin.files import write_whole
    # what the toolbox says of datasets of noise, in the estimates
    MMLogger.get_current_instance().setLevel('WARNING')
    if not args.tables:
        show_tables()
        return 0
    names = list_tables(CONFIGS) if args.tables == ['all'] else args.tables
    only = args.only and (lambda row: any(
        fnmatch.fnmatchcase(row, pattern) for pattern in args.only))
    try:
        reproductions = [
            Reproduction(read_table(CONFIGS, name, args.benchmark), CONFIGS,
                         args.out, args.seeds, only, args.cfg_options,
                         args.gpus) for name in names]
        # a run may serve several tables
        jobs = {f'{run.folder.parent.name}, seed {run.seed}':
                (reproduction, row, run) for reproduction in reproductions
                for row, run in reproduction.runs()}
        if args.dry_run:
            dry_run(jobs)
            return 0
        for _, _, run in jobs.values():
            run.check()
        left = 0 if args.no_run else work(jobs)
        content = []
        for reproduction in reproductions:
            table, record = measured_table(reproduction)
            content.append(record)
            print(f'\n{record["heading"]}\n\n{format_table(table)}')
            for sentence in record['counts']:
                print(f'\n{sentence[0].upper()}{sentence[1:]}.')
            if reproduction.table.note:
                print(f'\n{reproduction.table.note}')
    except (TableError, OSError) as error:
        print(f'reproduce: {error}', file=sys.stderr)
        return 2
    except (ReproductionError, ScoreError) as error:
        print(f'\nreproduce: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nstopped; the same command goes on', file=sys.stderr)
        return 130
    if args.json:
        write_whole(args.json, (json.dumps(content, indent=1) + '\n').encode())
    empty = any(not row['measured'] and (row['published'] is None)
                for record in content for row in record['rows'])
    return 3 if left or empty and not args.no_run else 0


if __name__ == '__main__':
    sys.exit(main())
