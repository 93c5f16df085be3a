"""Train a model with mmaction2's own training script.

    hpnet train hp_j --data data/mine
    hpnet train pose_b --net mixformer --benchmark ntu60_xsub
    hpnet train hpnet --data data/mine --small --amp
    hpnet train hp_j_ctrgcn_ntu60_xsub --resume
    hpnet train mmaction::skeleton/posec3d/NAME.py --data data/mine

NAME is a stream (hp_j, hp_b, hp_jm, hp_bm: pooled features; pose_j …: 2D
pose; pose3d_j …; rgb_j …; simcc_j …; FILE.py:KIND_j …, a kind of your own),
hpnet, xclip, posec3d or rgbpose; the name or the path of a config file of
this package; or mmaction::PATH, a stock config of mmaction2. The class names,
number of people, channels and splits are those of the dataset folder --data.
Without --data, the folder of the benchmark is used.

--cfg-options changes anything else of the config, such as
train_cfg.max_epochs=20, train_dataloader.batch_size=16, tap=NAME.

--gpus N trains with N processes of this machine, one on each GPU, or all on
the CPU where there is no GPU. They share the clips of an update, so that batch
size and learning rate stay those of the config. On several machines, start
"hpnet train NAME --launcher pytorch" by torchrun, or with --launcher slurm by
srun (docs/training_on_many_gpus.md).

Exit status: 0 trained, 2 the usage is wrong or something is missing (said
before the first step), 1 the training failed, 130 stopped.
"""
from __future__ import annotations

import argparse
import os

from .command import Command
from .options import output_folder, whole_number
from .settled import REFUSALS

# options of mmaction2's script that are handed on as they are
FLAGS = {
    '--amp': 'train in mixed precision, which needs a GPU',
    '--no-validate': 'train without validation',
    '--auto-scale-lr': 'scale the learning rate with the batch size, by the '
    'linear rule',
    '--diff-rank-seed': 'give each process a different seed',
    '--deterministic': 'use deterministic kernels, which may be slower',
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument('name', metavar='NAME')
    add_settings(parser)
    add = parser.add_argument_group('training').add_argument
    add('--work-dir', metavar='DIR', type=output_folder,
        help='folder of checkpoints and logs (default: '
        'work_dirs/NAME_NET_DATA)')
    add('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
        help='continue from this checkpoint, or without a value from the '
        'newest one of the work dir')
    add('--seed', type=int, help='random seed')
    for flag, about in FLAGS.items():
        add(flag, action='store_true', help=about)
    add_launcher(parser)
    add_config_options(parser)


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """``--gpus``, and ``--launcher``, as mmaction2's scripts have it."""
    add = parser.add_argument_group('several processes').add_argument
    add('--gpus', type=whole_number(), default=1, metavar='N',
        help='start N processes on this machine, one for each GPU; without '
        'GPUs, on the CPU (default 1)')
    add('--launcher', choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none', help='what has started this process among others '
        '(default none)')


def refuse_launcher(parser: argparse.ArgumentParser,
                    args: argparse.Namespace) -> None:
    """End the program where no launcher has started it."""
    if args.launcher == 'pytorch' and 'RANK' not in os.environ:
        parser.error(
            '--launcher pytorch: torchrun has not started this process (RANK '
            'is not set); for several GPUs of this machine give --gpus N '
            'alone')
    if args.gpus > 1 and args.launcher != 'none':
        parser.error(f'--gpus {args.gpus} starts the processes by itself, '
                     f'--launcher {args.launcher} says that something else '
                     'has started them: give one of the two')
    if args.gpus > 1:
        from torch.cuda import device_count
        if 0 < device_count() < args.gpus:
            parser.error(
                f'--gpus {args.gpus}: this machine has {device_count()}')


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Options that say what is trained on what."""
    add = parser.add_argument_group('model and data').add_argument
    add('--data', metavar='FOLDER',
        help='dataset folder that hpnet extract wrote, or its URL (s3://…)')
    add('--benchmark', metavar='NAME',
        help='benchmark whose folder, classes and splits are used: ntu120 '
        '(default), ntu120_xset, ntu60_xsub, … or a benchmark file of your '
        'own (.json)')
    add('--net', help='graph network of a stream or of HP-Net: ctrgcn '
        '(default), mixformer, stgcn, stgcnpp, agcn, or FILE.py:NAME, one of '
        'your own')
    add('--small', action='store_true',
        help='use networks of half the width, for small datasets and '
        'machines without a GPU')


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """``--cfg-options``, as mmaction2's scripts have it."""
    parser.add_argument(
        '--cfg-options', nargs='+', action='extend', default=[],
        metavar='KEY=VALUE', help='change any setting of the config')


def settings_of(args: argparse.Namespace) -> dict[str, str]:
    """The settings that the options ask for."""
    given = dict(data_root=args.data, benchmark=args.benchmark, net=args.net,
                 size='small' if args.small else None)
    return {name: value for name, value in given.items() if value}


def run(args: argparse.Namespace) -> int:
    """Write the config and run mmaction2's script on it; its exit status."""
    from ..recipes.processes import shared
    from .names import find_config
    from .scripts import run_script
    from .settled import settle
    named = find_config(args.name)
    job = settle(named, settings_of(args), args.cfg_options,
                 ('train', 'val'))
    if args.gpus > 1 and not args.auto_scale_lr:
        shared(job.config, args.gpus)  # or it is refused
    folder = args.work_dir or job.work_dir
    words = [job.write(folder, named.name), '--work-dir', folder]
    if args.resume:
        words += ['--resume', *[args.resume] * (args.resume != 'auto')]
    if args.seed is not None:
        words += ['--seed', str(args.seed)]
    words += [flag for flag in FLAGS
              if getattr(args, flag[2:].replace('-', '_'))]
    return run_script('train', words, args.launcher, args.gpus)


main = Command('train', __doc__, run, add_options, refuse_launcher,
               refused=REFUSALS, folders=('data', ))
