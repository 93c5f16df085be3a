"""What all benchmarks share: turns, ratios, the machine, tables."""
from __future__ import annotations

import argparse
import contextlib
import gc
import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

# Title of a table to its rows; a row is name of a column to value. A value
# with a spread is what spread() gives.
Tables = dict[str, list[dict[str, Any]]]


def add_repeat(parser: argparse.ArgumentParser, default: int = 3) -> None:
    """The option of all benchmarks that measure times."""
    parser.add_argument('--repeat', type=positive, default=default,
                        help=f'turns of each side (default {default})')


def positive(text: str) -> int:
    """A number from 1 on of a command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text} is not positive')
    return number


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    from ..versions import EXTRACTION, versions
    model = platform.processor()
    with contextlib.suppress(OSError), open('/proc/cpuinfo') as file:
        model = next((line.split(':')[1].strip() for line in file
                      if line.startswith('model name')), model)
    return dict(cpu=model, cores=len(os.sched_getaffinity(0)),
                load=round(os.getloadavg()[0], 2),
                python=platform.python_version(),
                versions=versions(EXTRACTION))


def take_turns(runs: dict[str, Callable[[str], Any]], repeat: int,
               say: Callable[[Any], str] = str) -> dict[str, list]:
    """Let each of several do its work, one after the other, several times.

    A machine that gets slower meanwhile slows down all of them. Each is
    called in a process of its own with an empty folder.

    Args:
        runs: Name to what is run.
        repeat: Turns of each.
        say: What is shown of a result on the way.

    Returns:
        Name to the results of its turns.
    """
    results = {name: [] for name in runs}
    for turn in range(repeat):
        for name, run in runs.items():
            with tempfile.TemporaryDirectory() as folder:
                results[name].append(apart(run, folder))
            print(f'  turn {turn + 1}, {name}: {say(results[name][-1])}',
                  file=sys.stderr, flush=True)
    return results


def apart(function: Callable, *args: Any) -> Any:
    """Call a function in a process of its own; what it returns.

    Raises:
        RuntimeError: If it ended without a result; it said why.
    """
    context = multiprocessing.get_context('fork')
    ours, theirs = context.Pipe()

    def work() -> None:
        # what the other process left to clear up may wait for its threads
        gc.freeze()
        theirs.send(function(*args))

    process = context.Process(target=work)
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        raise RuntimeError('a run failed, see above') from None
    finally:
        process.join()
    return found


def cpu_times(sides: dict[str, Callable[[], Any]], repeat: int,
              warm: bool = True) -> dict[str, list[float]]:
    """Let each of several do its work in this process, in turns.

    Args:
        sides: Name to what is run.
        repeat: Turns of each.
        warm: Whether each runs once before, uncounted.

    Returns:
        Name to the CPU milliseconds of its turns, of all threads of this
        process.
    """
    for side in sides.values() if warm else ():
        side()  # memory is taken and kernels are chosen at the first
    times = {name: [] for name in sides}
    for _ in range(repeat):
        for name, side in sides.items():
            start = time.process_time()
            side()
            times[name].append(1000 * (time.process_time() - start))
    return times


def ratio(base: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    """How many times the base of each turn is the other of that turn."""
    return spread([a / b for a, b in zip(base, other)])


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return dict(median=_rounded(statistics.median(values)),
                low=_rounded(min(values)), high=_rounded(max(values)))


def show(tables: Tables, about: str, path: str | None = None) -> None:
    """Print tables with the machine, and write them if that is asked for.

    Args:
        tables: What was measured.
        about: The command.
        path: A JSON file: ``command``, ``machine`` and
            ``tables``.
    """
    from ..evaluation.tables import format_table
    from ..files import write_whole
    where = machine()
    for title, rows in tables.items():
        keys = list(dict.fromkeys(key for row in rows for key in row))
        lines = [[key.replace('_', ' ') for key in keys]]
        lines += [[_cell(row.get(key, '')) for key in keys] for row in rows]
        print(f'{title}\n\n{format_table(lines)}\n')
    print(f'{where["cpu"]}, {where["cores"]} cores, load {where["load"]}, '
          f'Python {where["python"]}, '
          + ', '.join(f'{k} {v}' for k, v in where['versions'].items()))
    print(f'command: {about}')
    if path:
        content = dict(command=about, machine=where, tables=tables)
        write_whole(path, (json.dumps(content, indent=1) + '\n').encode())


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return f'{value["median"]} [{value["low"]}, {value["high"]}]'
    return str(value)


def _rounded(value: Any) -> Any:
    """Two digits behind the point; of small values three that count."""
    return round(value, 2) if abs(value) >= 1 else float(f'{value:.3g}')
