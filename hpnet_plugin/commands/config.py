"""Print the whole config that a training would use.

    hpnet config hp_j --data data/mine
    hpnet config hpnet_ntu120 --cfg-options train_cfg.max_epochs=10

NAME and the options are those of hpnet train.

Exit status: 0 printed, 2 there is no such config, or a setting is impossible.
"""
from __future__ import annotations

import argparse

from .command import Command
from .settled import REFUSALS
from .train import add_config_options, add_settings, settings_of


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument('name', metavar='NAME',
                        help='model or config, as for hpnet train')
    add_settings(parser)
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    """Print the config."""
    from .names import find_config
    from .settled import settle
    job = settle(find_config(args.name), settings_of(args), args.cfg_options)
    print(job.config.pretty_text, end='')


main = Command('config', __doc__, run, add_options, refused=REFUSALS)
