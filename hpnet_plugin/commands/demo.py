"""Run everything on a small synthetic dataset.

Draws clips of moving people, extracts pooled features with the tiny pose net
of the package, trains a stream of pooled features, a stream of 2D pose, a
small HP-Net and (for one epoch) PoseC3D, tests and fuses them, and writes a
page of the results to work_dirs/demo/report.html. Every step is a command
that can also be typed, and is printed. If the demo runs again, finished steps
are skipped; remove work_dirs/demo to start again.
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from .command import Command

WORK = Path('work_dirs/demo')
DATA, PEOPLE = WORK / 'data', WORK / 'people'
SHORT = 'frames=16'
# what a model is called here -> what is trained, and its options
RUNS = {
    'hpnet': ('hpnet', '--small', '--cfg-options', SHORT),
    'hp_j': ('small/hp_j', '--cfg-options', SHORT),
    'pose_j': ('pose_j', '--small', '--cfg-options', SHORT),
    'posec3d': ('posec3d', '--small', '--cfg-options', 'epochs=1'),
}
STREAMS = ('hpnet', 'hp_j', 'pose_j')  # what is fused


class Step(NamedTuple):
    """A command and the file or folder that it leaves behind."""
    name: str
    command: list
    out: Path


class StepError(RuntimeError):
    """A command failed; the end of its log was printed."""


def train_and_test(name: str) -> list[Step]:
    """The two commands of one model."""
    folder, dump = WORK / name, WORK / f'{name}.pkl'
    config, *options = RUNS[name]
    return [
        Step(f'train_{name}',
             ['hpnet', 'train', config, '--data', DATA, *options,
              '--work-dir', folder, '--seed', '0', '--resume'],
             folder / 'last_checkpoint'),
        Step(f'test_{name}', ['hpnet', 'test', folder, '--dump', dump], dump)
    ]


def first_steps() -> list[Step]:
    """From nothing to a dataset folder."""
    return [
        Step('videos', ['python', '-m', 'hpnet_plugin.demo', PEOPLE], PEOPLE),
        Step('extract',
             ['hpnet', 'extract', PEOPLE / 'videos',
              '--labels', PEOPLE / 'labels.txt',
              '--classes', PEOPLE / 'classes.txt',
              '--splits', PEOPLE / 'splits.json', '--pose', 'tiny',
              '--detector', f'boxes:{PEOPLE / "boxes.json"}',
              '--people', '1', '--crops', '--crop-size', '96',
              '--out', DATA],
             DATA / 'annotations.pkl')
    ]


def last_steps() -> list[Step]:
    """From scores to the page."""
    # one epoch of PoseC3D is a sign of life and no partner for a fusion
    scores = [WORK / f'{stream}.pkl' for stream in STREAMS]
    return [
        Step('fuse',
             ['hpnet', 'fuse', *scores, f'{WORK / "posec3d.pkl"}:0',
              '--json', WORK / 'fusion.json'],
             WORK / 'fusion.json'),
        Step('report',
             ['hpnet', 'report', '--title', 'Demo: the held object',
              '--work-dirs', *(WORK / stream for stream in STREAMS),
              '--scores', *scores, '--data', DATA, '--videos',
              PEOPLE / 'videos', '--clips', 'cup_001', 'phone_001',
              'box_000', 'bag_000', '--out', WORK / 'report.html'],
             WORK / 'report.html')
    ]


_PRINT = threading.Lock()


def say(text: str) -> None:
    """Print a line, whole."""
    with _PRINT:
        print(text, flush=True)


def run_step(step: Step, threads: int) -> None:
    """Run one step unless it is done; its output goes to a log."""
    log = WORK / 'logs' / f'{step.name}.log'
    if log.exists() and step.out.exists():
        say(f'{step.name}: done before, see {log}')
        return
    command = [str(word) for word in step.command]
    say(f'$ {" ".join(command)}')
    real = {'python': [sys.executable],
            'hpnet': [sys.executable, '-m', 'hpnet_plugin.cli']}
    begin = time.time()
    part = log.with_suffix('.part')
    with part.open('w', encoding='utf-8') as file:
        status = subprocess.run(
            real[command[0]] + command[1:], stdout=file,
            stderr=subprocess.STDOUT, check=False,
            env=dict(os.environ, OMP_NUM_THREADS=str(threads))).returncode
    if status:
        tail = part.read_text(encoding='utf-8').splitlines()[-25:]
        print('\n'.join(tail), file=sys.stderr)
        raise StepError(f'{step.name} failed with exit status {status}; all '
                        f'it said is in {part}; run the demo again to go on')
    part.replace(log)
    say(f'  {step.name}: {time.time() - begin:.0f} s')


def run_all(steps: Sequence[Step], threads: int) -> None:
    """Run steps, one after the other."""
    for step in steps:
        run_step(step, threads)


def print_results() -> None:
    """The table of the fusion, and what the streams say of the pairs."""
    from hpnet_plugin.demo.actors import CLASSES, PAIRS
    from hpnet_plugin.demo.pairs import pair_accuracy
    from hpnet_plugin.evaluation.scores import read_scores
    from hpnet_plugin.evaluation.tables import format_table
    print((WORK / 'logs' / 'fuse.log').read_text(encoding='utf-8'))
    rows = [['stream', *(' or '.join(CLASSES[i] for i in pair)
                         for pair in PAIRS)]]
    for stream in STREAMS:
        scores = read_scores(str(WORK / f'{stream}.pkl'))
        if scores.labels is not None:
            found = pair_accuracy(scores.scores, scores.labels)
            rows.append([stream, *(f'{value:.1f}' for value in found)])
    print(format_table(rows))
    print('\nIn a pair only the held object differs: joints alone can only '
          'guess (50 percent).')


def run(args: argparse.Namespace) -> None:
    """Run all steps and print the results."""
    (WORK / 'logs').mkdir(parents=True, exist_ok=True)
    cores = len(os.sched_getaffinity(0))
    begin = time.time()
    run_all(first_steps(), cores)
    # two trainings at a time use two cores better than one does
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(run_all, train_and_test(stream),
                                 max(1, cores // 2))
                     for stream in RUNS]:
            done.result()
    run_all(last_steps(), cores)
    print()
    print_results()
    print(f'\n{time.time() - begin:.0f} s; the page is '
          f'{(WORK / "report.html").resolve()}')


main = Command('demo', __doc__, run, failed=(StepError, ))
