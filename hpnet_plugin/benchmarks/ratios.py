"""Are the ratios still what they once were? One that fell ends with status 1.

Each part of "hpnet benchmark" whose ratios can be measured within seconds
measures them here, in a process of its own with one thread. They are compared
with the ratios that the package reached, which are in reached.json beside
this file. A ratio is the CPU time (or the memory) of a plain implementation
divided by ours, so that more is better, and hardly depends on other programs.
One that is below 80 % of what was reached is measured up to twice more, and
the best counts.
"""
from __future__ import annotations

import argparse
import importlib
import json
import os.path as osp
import pkgutil
import statistics
import sys
import time
from collections.abc import Callable, Collection, Mapping

from .common import Tables, apart

REACHED = osp.join(osp.dirname(__file__), 'reached.json')
LEAST = .8  # of what was reached
TURNS = 3  # at most, and of each ratio that is written
FELL, KEPT = 'fell', 'kept'
Quick = Mapping[str, Callable[[], float]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark ratios``."""
    parser.add_argument('parts', nargs='*', metavar='PART',
                        help='measure only the ratios of these parts')
    parser.add_argument('--update', action='store_true',
                        help='write what is measured now to reached.json, '
                        f'the median of {TURNS} turns; the machine should '
                        'have nothing else to do')


def run(args: argparse.Namespace) -> Tables:
    """Measure; the table to show."""
    parts = chosen(quick_parts(), args.parts)
    reached = read()
    if args.update:
        return _update(parts, reached, whole=not args.parts)
    compare_names(parts, reached, whole=not args.parts)
    _import_once()
    rows = []
    for part, quick in parts.items():
        found = {name: [value] for name, value in
                 _measure(part, quick, quick).items()}
        for _ in range(TURNS - 1):
            short = [name for name, values in found.items()
                     if max(values) < LEAST * reached[name]]
            again = _measure(part, quick, short) if short else {}
            for name, value in again.items():
                found[name].append(value)
        rows += [_row(part, name, reached[name], max(values))
                 for name, values in found.items()]
    return {'Times as fast as the plain side (of memory: times less)': rows}


def judge(tables: Tables) -> int:
    """The exit status: 1 if a ratio fell."""
    return int(any(row.get('verdict') == FELL
                   for rows in tables.values() for row in rows))


def quick_parts() -> dict[str, Quick]:
    """The parts that measure ratios within seconds, and their ratios.

    Raises:
        ValueError: If two parts have a ratio of the same name.
    """
    package = importlib.import_module(__package__ or '')
    parts, owners = {}, {}
    for module in pkgutil.iter_modules(package.__path__):
        quick = getattr(importlib.import_module(
            f'{package.__name__}.{module.name}'), 'QUICK', None)
        if not quick:
            continue
        parts[module.name] = quick
        for name in quick:
            if owners.setdefault(name, module.name) != module.name:
                raise ValueError(f'{owners[name]} and {module.name} both '
                                 f'have a ratio {name!r}')
    return parts


def chosen(parts: Mapping[str, Quick], names: Collection[str]
           ) -> dict[str, Quick]:
    """Those parts that were asked for; all if none was.

    Raises:
        ValueError: If there is no part of such a name.
    """
    unknown = [name for name in names if name not in parts]
    if unknown:
        raise ValueError(f'no quick ratios of {", ".join(unknown)}; parts '
                         f'that have them: {", ".join(parts)}')
    return {name: parts[name] for name in names or parts}


def read() -> dict[str, float]:
    """What was reached, by name."""
    with open(REACHED, encoding='utf-8') as file:
        return json.load(file)


def compare_names(parts: Mapping[str, Quick], reached: Collection[str],
                  whole: bool = True) -> None:
    """What is measured has been reached, and the other way round.

    Args:
        parts: Parts and their ratios.
        reached: Names in reached.json.
        whole: Whether these are all parts.

    Raises:
        ValueError: If it is not so.
    """
    measured = {name for quick in parts.values() for name in quick}
    new = sorted(measured.difference(reached))
    lost = sorted(set(reached) - measured) if whole else []
    faults = [f'{text}: {", ".join(names)}' for text, names in (
        ('not in reached.json', new), ('measured by no part', lost)) if names]
    if faults:
        raise ValueError('; '.join(faults) + ' ("hpnet benchmark ratios '
                         '--update" writes reached.json anew)')


def _update(parts: Mapping[str, Quick], reached: dict[str, float],
            whole: bool) -> Tables:
    """Measure some turns, and write their medians."""
    from ..files import write_whole
    _import_once()
    rows, now = [], {}
    for part, quick in parts.items():
        turns = [_measure(part, quick, quick) for _ in range(TURNS)]
        for name in quick:
            now[name] = round(statistics.median(
                turn[name] for turn in turns), 2)
            rows.append(_row(part, name, reached.get(name), now[name]))
    kept = now if whole else reached | now
    write_whole(REACHED, (json.dumps(dict(sorted(kept.items())), indent=1)
                          + '\n').encode())
    return {'Written to reached.json': rows}


def _row(part: str, name: str, reached: float | None, now: float) -> dict:
    if reached is None:
        return dict(name=name, part=part, reached='', now=round(now, 2),
                    share='', verdict='new')
    return dict(name=name, part=part, reached=reached, now=round(now, 2),
                share=f'{now / reached:.0%}',
                verdict=FELL if now < LEAST * reached else KEPT)


def _measure(part: str, quick: Quick, names: Collection[str]
             ) -> dict[str, float]:
    """Ratios of a part, in a process of its own."""
    def work() -> dict[str, tuple[float, float]]:
        import torch
        torch.set_num_threads(1)
        found = {}
        for name in names:
            start = time.process_time()
            value = float(quick[name]())
            found[name] = value, time.process_time() - start
        return found

    found = apart(work)
    for name, (value, seconds) in found.items():
        print(f'  {part}, {name}: {value:.2f} ({seconds:.1f} s)',
              file=sys.stderr, flush=True)
    return {name: value for name, (value, _) in found.items()}


def _import_once() -> None:
    """What most parts import, before the processes part."""
    import mmaction.models  # noqa: F401
    import torch
    torch.set_num_threads(1)
