"""How long imports, --help and the start of a training take.

Each is a process of its own; what counts is its CPU time, user and system,
with one thread. The ratio stands beside ``import mmaction`` in the same
turn, or beside ``python -c pass`` for what needs no stock package. A training
runs until its first iteration is done, on a small dataset folder that is
written for it, by ``mim train`` and by ``hpnet train``; beside it stands what
the stock packages alone take to import what such a training needs.
"""
from __future__ import annotations

import argparse
import os
import os.path as osp
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from .common import Tables, add_repeat, ratio, spread

PASS, MMACTION = 'python -c pass', 'import mmaction'
STOCK = 'import what a training needs (stock)'
# modules -> what their import stands beside
IMPORTS = {
    'hpnet_plugin': PASS,
    'mmaction, hpnet_plugin': MMACTION,
    'hpnet_plugin.store': PASS,
    'hpnet_plugin.evaluation.fusion': PASS,
    'hpnet_plugin.recipes': PASS,
}
# what a first iteration cannot do without: compiled ops, models, optimisers
NEEDED = ('import mmengine.runner, mmaction.models, mmaction.datasets, '
          'torch._dynamo')
# ends a training right after its first iteration
HOOK = """
import os
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class EndAfterFirstIteration(Hook):
    def after_train_iter(self, runner, batch_idx, **kwargs):
        os._exit(0)
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark startup``."""
    add_repeat(parser)
    parser.add_argument('--no-train', action='store_true',
                        help='measure only imports and --help')


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    from ..cli import COMMANDS
    tables = {
        'Imports': measure(
            {f'import {names}': (_python(f'import {names}'), base)
             for names, base in IMPORTS.items()}, args.repeat),
        '--help': measure(
            {f'hpnet {name} --help': (_hpnet(name, '--help'), PASS)
             for name in sorted(COMMANDS)}, args.repeat),
    }
    if not args.no_train:
        tables['To the first iteration of a training'] = trainings(args.repeat)
    return tables


def measure(commands: dict[str, tuple[Sequence[str], str]],
            repeat: int,
            env: Mapping[str, str] = {}) -> list[dict]:
    """Rows of a table: seconds of each command, and their ratio.

    Args:
        commands: Name to the command and the name of what it stands
            beside.
        repeat: Turns.
        env: Environment variables to set.
    """
    bases = {PASS: _python('pass'), MMACTION: _python('import mmaction'),
             STOCK: _python(f'import hpnet_plugin; {NEEDED}')}
    used = {base for _, base in commands.values()}
    every: dict[str, Sequence[str]] = {
        name: bases[name] for name in bases if name in used}
    every.update((name, command) for name, (command, _) in commands.items())
    seconds = {name: [] for name in every}
    for _ in range(repeat):
        for name, command in every.items():
            seconds[name].append(cpu_seconds(command, env))
    rows = []
    for name in every:
        row = dict(what=name, cpu_seconds=spread(seconds[name]))
        if name in commands:
            base = commands[name][1]
            more = [a - b for a, b in zip(seconds[name], seconds[base])]
            row.update(beside=base, ratio=ratio(seconds[name], seconds[base]),
                       more_seconds=spread(more))
        rows.append(row)
    return rows


def cpu_seconds(command: Sequence[str], env: Mapping[str, str] = {}) -> float:
    """CPU time of a command and of what it starts, one thread each.

    Raises:
        RuntimeError: If it fails, with the end of what it said.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False, env=dict(os.environ, OMP_NUM_THREADS='1', **env))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f'{" ".join(command)} failed:\n'
                           + done.stdout[-2000:])
    return (after.ru_utime - before.ru_utime
            + after.ru_stime - before.ru_stime)


def trainings(repeat: int) -> list[dict]:
    """Rows of the trainings."""
    from ..apis.synthetic import write_synthetic
    from ..commands.names import find_config
    from ..commands.settled import settle
    with tempfile.TemporaryDirectory() as folder:
        config = settle(find_config('hp_j'), dict(
            benchmark='nw_ucla_synthetic', size='small')).config
        write_synthetic(config, osp.join(folder, 'data'))
        config.merge_from_dict(dict(
            custom_imports=dict(imports=['hpnet_plugin', 'end_early']),
            custom_hooks=[dict(type='EndAfterFirstIteration')]))
        path = osp.join(folder, 'run.py')
        config.dump(path)
        with open(osp.join(folder, 'end_early.py'), 'w') as file:
            file.write(HOOK)
        search = os.pathsep.join(
            [folder, *filter(None, [os.environ.get('PYTHONPATH')])])
        rest = 'train', path, '--work-dir', osp.join(folder, 'work')
        return measure({
            'mim train, to its first iteration':
            ([sys.executable, '-m', 'mim', rest[0], 'mmaction2', *rest[1:]],
             STOCK),
            'hpnet train, to its first iteration': (_hpnet(*rest), STOCK),
        }, repeat, dict(PYTHONPATH=search))


def _python(code: str) -> list[str]:
    return [sys.executable, '-c', code]


def _hpnet(*words: str) -> list[str]:
    return [sys.executable, '-m', 'hpnet_plugin.cli', *words]
