"""Train a model with mmaction2's own training script.

    hpnet train hp_j --data data/mine
    hpnet train pose_b --net mixformer --benchmark ntu60_xsub
    hpnet train hpnet --data data/mine --small --amp
    hpnet train hp_j_ctrgcn_ntu60_xsub --resume
    hpnet train mmaction::skeleton/posec3d/NAME.py --data data/mine

NAME is a stream (hp_j, hp_b, hp_jm, hp_bm: pooled features; pose_j …: 2D
pose; pose3d_j …; rgb_j …; simcc_j …), hpnet, xclip, posec3d or rgbpose; the
name of a config file of this package, or a path; or mmaction::PATH, a stock
config of mmaction2. DATA is a dataset folder of hpnet extract: class names,
people, channels and splits are its own. Without it the benchmark's folder is
taken.

Anything else of a config is set by --cfg-options, such as
train_cfg.max_epochs=20, train_dataloader.batch_size=16, tap=NAME.
Several GPUs: mim train mmaction2 CONFIG --gpus 4 --launcher pytorch.

Exit status: 0 trained, 2 wrong usage, or something is missing (which is said
before any work starts), 1 the training failed, 130 stopped.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

# options of mmaction2's script that are handed on as they are
FLAGS = {
    '--amp': 'mixed precision, on a GPU',
    '--no-validate': 'no validation during the training',
    '--auto-scale-lr': 'learning rate for the batch size, by the linear rule',
    '--diff-rank-seed': 'seeds of the processes differ',
    '--deterministic': 'deterministic kernels, which may be slower',
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('name', metavar='NAME')
    add_settings(parser)
    add = parser.add_argument_group('training').add_argument
    add('--work-dir', metavar='DIR',
        help='folder of checkpoints and logs (default: '
        'work_dirs/NAME_NET_DATA)')
    add('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
        help='go on from the newest checkpoint of the work dir, or from this')
    add('--seed', type=int, help='of chance')
    for flag, about in FLAGS.items():
        add(flag, action='store_true', help=about)
    add('--launcher', choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none', help='what started the processes (default none)')
    add_config_options(parser)
    return parser.parse_args(argv)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Options that say what is trained on what."""
    add = parser.add_argument_group('model and data').add_argument
    add('--data', metavar='FOLDER', help='dataset folder')
    add('--benchmark', metavar='NAME',
        help='ntu120 (default), ntu120_xset, ntu60_xsub, …, or a .json file '
        'of your own')
    add('--net', help='graph network of a stream: ctrgcn (default), '
        'mixformer, stgcn, stgcnpp, agcn')
    add('--small', action='store_true',
        help='nets of half the width, for small data and no GPU')


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """``--cfg-options``, as mmaction2's scripts have it."""
    parser.add_argument(
        '--cfg-options', nargs='+', action='extend', default=[],
        metavar='KEY=VALUE', help='set anything of the config')


def settings_of(args: argparse.Namespace) -> dict[str, str]:
    """The settings that the options ask for."""
    given = dict(data_root=args.data, benchmark=args.benchmark, net=args.net,
                 size='small' if args.small else None)
    return {name: value for name, value in given.items() if value}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    from .names import find_config
    from .scripts import run_script
    from .settled import REFUSALS, settle
    try:
        named = find_config(args.name)
        job = settle(named, settings_of(args), args.cfg_options,
                     ('train', 'val'))
    except REFUSALS as error:
        print(f'train: {error}', file=sys.stderr)
        return 2
    folder = args.work_dir or job.work_dir
    words = [job.write(folder, named.name), '--work-dir', folder]
    if args.resume:
        words += ['--resume', *[args.resume] * (args.resume != 'auto')]
    if args.seed is not None:
        words += ['--seed', str(args.seed)]
    words += [flag for flag in FLAGS
              if getattr(args, flag[2:].replace('-', '_'))]
    words += ['--launcher', args.launcher]
    return run_script('train', words)
