"""Plan a large extraction: machines, hours, bytes, cost, and what bounds it.

    hpnet plan --measure VIDEOS --save rates.json -- --pose hrnet-w48
    hpnet plan --rates rates.json --clips 1000000 --seconds 10 --price 0.5

All rates are measured: --measure extracts some of your videos on a machine of
the kind that will do the work, and what stands behind "--" are options of
hpnet extract. --save keeps the rates, so that plans can be made anywhere. The
plan is arithmetic; hpnet_plugin/extraction/planning.py has its equations.
Bandwidths and the price are yours to give; what is not given bounds nothing.

Exit status: 0 done, 2 the usage is wrong or a file cannot be used, 1 a file
cannot be written, 130 stopped.
"""
from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..datasets.clips import count
from .command import Command
from .options import number, output_file, positive, whole_number

if TYPE_CHECKING:
    from ..extraction.planning import Job, Rates, Row, Site

MACHINES = (1, 2, 4, 8, 16, 32, 64)
MB = 1e6


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    rates = parser.add_argument_group('rates')
    add = rates.add_mutually_exclusive_group(required=True).add_argument
    add('--measure', nargs='+', metavar='VIDEO',
        help='measure this machine with these videos, or folders of videos')
    add('--rates', metavar='FILE',
        help='what --measure saved, or hpnet benchmark extract --json')
    add = rates.add_argument
    add('options', nargs='*', metavar='-- OPTION',
        help='options of hpnet extract for --measure')
    add('--save', metavar='FILE', type=output_file,
        help='write the rates that were measured to this file')
    add('--cpu-time', action='store_true',
        help='count CPU time: for a busy machine without a GPU. One worker is '
        'measured, and the others taken to be as fast; waiting for a disk is '
        'not counted, so give --storage')
    add('--folder', metavar='DIR', help='where --measure writes, on the disk '
        'that will hold the features (default: that of temporary files)')
    add('--written', type=positive, default=1000, metavar='MB',
        help='what --measure writes to learn the rate of a writer (default '
        '1000)')
    add('--indexed', type=whole_number(), default=100_000, metavar='CLIPS',
        help='clips of the index that --measure makes (default 100000)')
    add = parser.add_argument_group('what is extracted').add_argument
    add('--clips', type=whole_number(), help='how many')
    add('--seconds', type=positive, default=10., help='of a clip (default '
        '10)')
    add('--fps', type=positive, default=30.,
        help='frames a second of the videos (default 30)')
    add('--people', type=number(0), default=1.,
        help='people stored in a clip, on average (default 1)')
    add('--max-frames', type=whole_number(0), default=300,
        help='frames kept of a clip, as for hpnet extract; 0 keeps all '
        '(default 300)')
    add('--channels', type=whole_number(), default=96,
        help='channels of all taps together (default 96)')
    _add_site(parser)


def _add_site(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('where').add_argument
    add('--machines', type=whole_number(), nargs='+', default=MACHINES,
        metavar='N', help='numbers of machines (default 1 2 4 … 64)')
    add('--hours', type=positive, help='also say how many machines are done '
        'in so many hours')
    add('--launcher', choices=('shard', 'ray'), default='shard',
        help='each machine writes its own shards (shard, as with --shard and '
        'by rank; the default), or the driver writes for all (ray)')
    add('--network', type=positive, metavar='MB/S',
        help="bandwidth of Ray's driver")
    add('--source', type=positive, metavar='MB/S', help='bandwidth at which '
        'all machines together can read videos')
    add('--storage', type=positive, metavar='MB/S', help='bandwidth at which '
        'all together can write features')
    add('--price', type=positive, help='of a machine and hour, in any '
        'currency')
    add('--figure', metavar='FILE.png', type=_picture,
        help='draw what bounds the rate against the machines')
    add('--json', metavar='OUT', type=output_file,
        help='also write the plan to this file')


def _picture(path: str) -> str:
    if not path.endswith('.png'):
        raise argparse.ArgumentTypeError(f'{path} does not end in .png')
    return output_file(path)


def check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    if args.options and not args.measure:
        parser.error(f'{args.options[0]}: options of hpnet extract go with '
                     '--measure')
    if args.rates and (args.save or args.cpu_time):
        parser.error('--save and --cpu-time go with --measure')
    if args.rates and not args.clips:
        parser.error('--clips is needed for a plan')


def run(args: argparse.Namespace) -> None:
    """Measure, plan, print, draw and write."""
    from ..extraction import planning
    job = planning.Job(args.clips or 1, args.seconds, args.fps, args.people,
                       args.max_frames, args.channels)
    network, source, storage = (
        value and value * MB
        for value in (args.network, args.source, args.storage))
    site = planning.Site(args.launcher == 'ray', network, source, storage,
                         args.price)
    rates = _measured(args, job) if args.measure else \
        planning.read_rates(args.rates)
    say_rates(rates)
    if not args.clips:
        return
    rows = [planning.plan(job, rates, site, n) for n in args.machines]
    say_sizes(planning.sizes(
        job, rates, 1 if site.single else max(args.machines)))
    say_rows(rows)
    say_moves(job, rates, site)
    if args.hours:
        say_hours(planning.machines_for(job, rates, site, args.hours),
                  args.hours)
    _write(args, job, rates, site, rows)


def _measured(args: argparse.Namespace, job: Job) -> Rates:
    from ..benchmarks.extraction_rates import measure
    from ..files import write_whole
    rates, about = measure(args.measure, args.options, job, args.folder,
                           int(args.written * MB), args.indexed,
                           args.cpu_time)
    if args.save:
        content = dict(rates=rates._asdict(), measured=about)
        write_whole(args.save, (json.dumps(content, indent=1) + '\n').encode())
    return rates


def say_rates(rates: Rates) -> None:
    """What was measured, and what was not."""
    from ..extraction.planning import unknown
    print(f'One machine, {rates.workers} workers: {rates.frames:,.1f} '
          'frames/s of video.')
    lacking = unknown(rates)
    if lacking:
        print(f'Not measured, so they bound nothing: {", ".join(lacking)}.')


def say_sizes(sizes: dict[str, float]) -> None:
    """Bytes, a row each."""
    from ..evaluation.tables import format_table
    print('\n' + format_table([['', 'GB'], *(
        [name, f'{value / 1e9:,.2f}'] for name, value in sizes.items())]))


def say_rows(rows: Sequence[Row]) -> None:
    """A row a number of machines."""
    from ..evaluation.tables import format_table
    priced = any(row.cost is not None for row in rows)
    table = [['machines', 'clips/s', 'hours', 'of these at the end',
              *['cost'] * priced, 'bound by']]
    for row in rows:
        table.append([
            str(row.machines), f'{row.rate:,.2f}', f'{row.hours:,.1f}',
            f'{row.finish:,.2f}',
            *[f'{row.cost:,.0f}' for _ in range(priced)], row.bottleneck])
    print('\n' + format_table(table))


def say_moves(job: Job, rates: Rates, site: Site) -> None:
    """Where the bottleneck moves."""
    from ..extraction.planning import moves, shares
    parts = shares(job, rates)
    if parts:
        print('\nTime of a worker: ' + ', '.join(
            f'{name} {100 * share:.0f} %' for name, share in parts.items())
            + '.')
    for name, machines in moves(job, rates, site).items():
        print(f'From {machines:,.1f} machines on, {name} bounds the rate.')


def say_hours(row: Row | None, hours: float) -> None:
    """The fewest machines for a time."""
    if row is None:
        print(f'No number of machines is done in {hours:g} hours.')
    else:
        print(f'{count(row.machines, "machine")} '
              f'{"is" if row.machines == 1 else "are"} done in '
              f'{row.hours:,.1f} hours.')


def _write(args: argparse.Namespace, job: Job, rates: Rates, site: Site,
           rows: Sequence[Row]) -> None:
    from ..extraction import planning
    from ..files import write_whole
    if args.figure:
        from ..visualization.planning import plan_figure
        from ..visualization.style import save_figure
        most = max(args.machines)
        numbers = sorted({round(most ** (i / 60)) for i in range(61)})
        save_figure(args.figure[:-4], plan_figure(
            numbers, [planning.bounds(job, rates, site, n) for n in numbers],
            [planning.plan(job, rates, site, n) for n in numbers]),
            kinds=['png'])
    if args.json:
        content = dict(
            job=job._asdict(), site=site._asdict(), rates=rates._asdict(),
            bytes=planning.sizes(job, rates, 1 if site.single else max(
                args.machines)),
            rows=[row._asdict() for row in rows],
            moves=planning.moves(job, rates, site))
        write_whole(args.json, (json.dumps(content, indent=1) + '\n').encode())


main = Command('plan', __doc__, run, add_options, check)
