"""Test a trained model with mmaction2's own script, and dump its scores.

    hpnet test work_dirs/hp_j_ctrgcn_mine --dump hp_j.pkl
    hpnet test hp_j_ctrgcn_ntu60_xsub best.pth
    hpnet test work_dirs/hp_j_ctrgcn_mine --data data/others --dump others.pkl

RUN is a work dir of hpnet train or mim train, whose config and newest
checkpoint are taken; or a config, as hpnet train takes it, and then a
checkpoint is needed. With --data another dataset folder is tested; if it has
no labels, its scores can only be dumped. hpnet fuse reads the dumps.

Exit status: 0 tested, 2 wrong usage, or something is missing (which is said
before any work starts), 1 the test failed, 130 stopped.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..apis.checkpoints import newest_checkpoint, newest_config
from .train import add_config_options, add_settings, settings_of


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('run', metavar='RUN')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', nargs='?')
    add_settings(parser)
    add = parser.add_argument_group('test').add_argument
    add('--dump', metavar='FILE.pkl', help='write the scores of all clips')
    add('--work-dir', metavar='DIR',
        help='folder of logs (default: RUN/test, or work_dirs/NAME…/test)')
    add('--launcher', choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none', help='what started the processes (default none)')
    add_config_options(parser)
    args = parser.parse_args(argv)
    if args.dump and not args.dump.endswith(('.pkl', '.pickle')):
        parser.error(f'--dump {args.dump}: score dumps are .pkl files')
    return args


def find_run(run: str, checkpoint: str | None) -> tuple[str, str]:
    """Config and checkpoint of a work dir, or of a config.

    Args:
        run (str): A work dir, or what :func:`names.find_config` takes.
        checkpoint (str, optional): In place of the newest.

    Returns:
        tuple[str, str]: What names the config, and the checkpoint's file.

    Raises:
        FileNotFoundError: If one of them is not there.
    """
    config = newest_config(run) if Path(run).is_dir() else run
    checkpoint = checkpoint or newest_checkpoint(run)
    if not Path(checkpoint).is_file():
        raise FileNotFoundError(f'{checkpoint}: no such checkpoint')
    return config, checkpoint


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    from .names import find_config
    from .scripts import run_script
    from .settled import REFUSALS, settle
    try:
        config, checkpoint = find_run(args.run, args.checkpoint)
        named = find_config(config)
        job = settle(named, settings_of(args), args.cfg_options,
                     ('test', ))
    except REFUSALS as error:
        print(f'test: {error}', file=sys.stderr)
        return 2
    folder = args.work_dir or str(
        Path(args.run if Path(args.run).is_dir() else job.work_dir, 'test'))
    words = [job.write(folder, named.name), checkpoint, '--work-dir', folder]
    if args.dump:
        words += ['--dump', args.dump]
    words += ['--launcher', args.launcher]
    return run_script('test', words)
