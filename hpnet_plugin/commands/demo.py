"""The whole main job on a small data set that the package draws itself.

Draws clips of moving people, extracts pooled features with the tiny pose net
of the package, trains a heatmap pooled stream, a 2D-pose stream, a small
HP-Net and (for one epoch) PoseC3D by mim, tests and fuses them, and writes a
page of the results to work_dirs/demo/report.html. Every step is a command
that can be typed by hand, and is printed. Steps that are done are skipped
when it runs again;
remove work_dirs/demo to begin anew.
"""
import argparse
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

WORK = Path('work_dirs/demo')
CONFIGS = {
    'hpnet': 'hpnet_demo.py',
    'hpj': 'hpj_ctrgcn_demo.py',
    'pose_j': 'pose_j_ctrgcn_demo.py',
    'posec3d': 'posec3d_demo.py',
}
STREAMS = ('hpnet', 'hpj', 'pose_j')  # what is fused
TAP = 'backbone.stage4.0.branches.1'


class Step(NamedTuple):
    """A command and the file or folder that it leaves behind."""
    name: str
    command: list
    out: Path


class StepError(RuntimeError):
    """A command failed; the message ends its log."""


def path_of(*parts):
    """A file of the project, as seen from the current folder."""
    return os.path.relpath(Path(__file__).resolve().parents[1].joinpath(
        *parts))


def train_and_test(stream):
    """The two commands of one stream."""
    config = path_of('configs', 'demo', CONFIGS[stream])
    folder, dump = WORK / stream, WORK / f'{stream}.pkl'
    return [
        Step(f'train_{stream}',
             ['mim', 'train', 'mmaction2', config, '--work-dir', folder,
              '--resume'], folder / 'last_checkpoint'),
        # mmengine writes the name of its newest checkpoint into this file
        Step(f'test_{stream}',
             ['mim', 'test', 'mmaction2', config, '--checkpoint',
              folder / 'last_checkpoint', '--dump', dump, '--work-dir',
              folder / 'test'], dump)
    ]


def first_steps():
    """From nothing to a dataset folder."""
    import hpnet_plugin
    weights = Path(hpnet_plugin.__file__).parent / 'demo' / 'tiny_pose.pth'
    people, data = WORK / 'people', WORK / 'data'
    return [
        Step('videos',
             ['python', path_of('tools', 'make_demo_videos.py'), people],
             people),
        Step('extract',
             ['python', path_of('tools', 'extract.py'), people / 'videos',
              '--labels', people / 'labels.txt',
              '--classes', people / 'classes.txt',
              '--splits', people / 'splits.json',
              '--pose', path_of('configs', 'pose', 'tiny_hrnet.py'),
              '--checkpoint', os.path.relpath(weights), '--tap', TAP,
              '--detector', f'boxes:{people / "boxes.json"}',
              '--max-people', '1', '--crops', '--crop-size', '64',
              '--out', data],
             data / 'annotations.pkl')
    ]


def last_steps():
    """From scores to the page."""
    # one epoch of PoseC3D is a sign of life and no partner for a fusion
    scores = [WORK / f'{stream}.pkl' for stream in STREAMS]
    return [
        Step('fuse',
             ['python', path_of('tools', 'fuse.py'), *scores,
              f'{WORK / "posec3d.pkl"}:0', '--json', WORK / 'fusion.json'],
             WORK / 'fusion.json'),
        Step('report',
             ['python', path_of('tools', 'report.py'), '--title',
              'Demo: the thing in the hand', '--work-dirs',
              *(WORK / stream for stream in STREAMS),
              '--scores', *scores, '--data', WORK / 'data', '--videos',
              WORK / 'people' / 'videos', '--clips', 'cup_001', 'phone_001',
              'box_000', 'bag_000', '--out', WORK / 'report.html'],
             WORK / 'report.html')
    ]


_PRINT = threading.Lock()


def say(text):
    with _PRINT:
        print(text, flush=True)


def run(step, threads):
    """Run one step unless it is done; its output goes to a log."""
    log = WORK / 'logs' / f'{step.name}.log'
    if log.exists() and step.out.exists():
        say(f'{step.name}: done before, see {log}')
        return
    command = []
    for word in step.command:
        if Path(word).name == 'last_checkpoint':
            word = Path(word).read_text(encoding='utf-8')
        command.append(str(word))
    say(f'$ {" ".join(command)}')
    real = {'python': [sys.executable], 'mim': [sys.executable, '-m', 'mim']}
    begin = time.time()
    part = log.with_suffix('.part')
    with part.open('w', encoding='utf-8') as file:
        status = subprocess.run(
            real[command[0]] + command[1:], stdout=file,
            stderr=subprocess.STDOUT, check=False,
            env=dict(os.environ, OMP_NUM_THREADS=str(threads))).returncode
    if status:
        tail = part.read_text(encoding='utf-8').splitlines()[-25:]
        raise StepError('\n'.join(
            [*tail, f'{step.name} failed with exit status {status}; '
             f'all it said is in {part}; run the demo again to go on']))
    part.replace(log)
    say(f'  {step.name}: {time.time() - begin:.0f} s')


def run_all(steps, threads):
    for step in steps:
        run(step, threads)


def print_results():
    """The table of the fusion, and what the streams say of the pairs."""
    from hpnet_plugin.demo.pairs import pair_accuracy
    from hpnet_plugin.demo.people import CLASSES, PAIRS
    from hpnet_plugin.evaluation.scores import read_scores
    from hpnet_plugin.evaluation.tables import format_table
    print((WORK / 'logs' / 'fuse.log').read_text(encoding='utf-8'))
    rows = [['stream', *(' or '.join(CLASSES[i] for i in pair)
                         for pair in PAIRS)]]
    for stream in STREAMS:
        scores = read_scores(str(WORK / f'{stream}.pkl'))
        rows.append([stream, *(f'{value:.1f}' for value in pair_accuracy(
            scores.scores, scores.labels))])
    print(format_table(rows))
    print('\nIn a pair only the thing held differs: joints can but guess '
          '(50 percent).')


def main():
    argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    (WORK / 'logs').mkdir(parents=True, exist_ok=True)
    cores = len(os.sched_getaffinity(0))
    begin = time.time()
    try:
        run_all(first_steps(), cores)
        # two trainings at a time use two cores better than one does
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(run_all, train_and_test(stream),
                                     max(1, cores // 2))
                         for stream in CONFIGS]:
                done.result()
        run_all(last_steps(), cores)
    except StepError as error:
        print(error, file=sys.stderr)
        return 1
    print()
    print_results()
    print(f'\n{time.time() - begin:.0f} s; the page is '
          f'{(WORK / "report.html").resolve()}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
