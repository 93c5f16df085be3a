"""Test a trained model with mmaction2's own script, and dump its scores.

    hpnet test work_dirs/hp_j_ctrgcn_mine --dump hp_j.pkl
    hpnet test hp_j_ctrgcn_ntu60_xsub best.pth
    hpnet test work_dirs/hp_j_ctrgcn_mine --data data/others --dump others.pkl

RUN is a work dir of hpnet train or mim train, whose config and newest
checkpoint are used; or a config, as for hpnet train, which needs a
CHECKPOINT. --data tests on another dataset folder; if that has no labels,
--dump can still write its scores. hpnet fuse reads the dumps.

Exit status: 0 tested, 2 the usage is wrong or something is missing (said
before the test), 1 the test failed, 130 stopped.
"""
from __future__ import annotations

import argparse
from pathlib import Path

from ..apis.checkpoints import newest_checkpoint, newest_config
from .command import Command
from .options import output_file, output_folder
from .settled import REFUSALS
from .train import (
    add_config_options,
    add_launcher,
    add_settings,
    refuse_launcher,
    settings_of,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument('run', metavar='RUN',
                        help='work dir of a training, or a config')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', nargs='?',
                        help='checkpoint to test (default: the newest one of '
                        'the work dir)')
    add_settings(parser)
    add = parser.add_argument_group('test').add_argument
    add('--dump', metavar='FILE.pkl', type=output_file,
        help='write the scores of all clips to this file')
    add('--work-dir', metavar='DIR', type=output_folder,
        help='folder of logs (default: RUN/test, or work_dirs/NAME…/test)')
    add_launcher(parser)
    add_config_options(parser)


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    refuse_launcher(parser, args)
    if args.dump and not args.dump.endswith(('.pkl', '.pickle')):
        parser.error(f'--dump {args.dump}: score dumps are .pkl files')


def find_run(run: str, checkpoint: str | None) -> tuple[str, str]:
    """Config and checkpoint of a work dir, or of a config.

    Args:
        run: A work dir, or what :func:`names.find_config` takes.
        checkpoint: In place of the newest.

    Returns:
        What names the config, and the checkpoint's file.

    Raises:
        FileNotFoundError: If one of them is not there.
    """
    config = newest_config(run) if Path(run).is_dir() else run
    checkpoint = checkpoint or newest_checkpoint(run)
    if not Path(checkpoint).is_file():
        raise FileNotFoundError(f'{checkpoint}: no such checkpoint')
    return config, checkpoint


def run(args: argparse.Namespace) -> int:
    """Write the config and run mmaction2's script on it; its exit status."""
    from ..config_text import read_config
    from ..recipes import model_settings
    from .names import find_config
    from .scripts import run_script
    from .settled import settle
    config, checkpoint = find_run(args.run, args.checkpoint)
    named = find_config(config)
    given = settings_of(args)
    if 'data_root' in given or 'benchmark' in given:
        # other data are shown to the same model
        given = {**model_settings(read_config(named.path)), **given}
    job = settle(named, given, args.cfg_options, ('test', ))
    folder = args.work_dir or str(
        Path(args.run if Path(args.run).is_dir() else job.work_dir, 'test'))
    words = [job.write(folder, named.name), checkpoint, '--work-dir', folder]
    if args.dump:
        words += ['--dump', args.dump]
    return run_script('test', words, args.launcher, args.gpus)


main = Command('test', __doc__, run, add_options, check, refused=REFUSALS,
               folders=('data', ))
