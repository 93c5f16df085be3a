"""Print the whole config that a training would use.

    hpnet config hp_j --data data/mine
    hpnet config hpnet_ntu120 --cfg-options train_cfg.max_epochs=10

NAME and the options are those of hpnet train.

Exit status: 0 printed, 2 there is no such config, or a setting is impossible.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence

from .options import command_parser
from .refusal import run_command
from .train import add_config_options, add_settings, settings_of


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = command_parser(__doc__)
    parser.add_argument('name', metavar='NAME',
                        help='model or config, as for hpnet train')
    add_settings(parser)
    add_config_options(parser)
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Print the config."""
    from .names import find_config
    from .settled import settle
    job = settle(find_config(args.name), settings_of(args), args.cfg_options)
    print(job.config.pretty_text, end='')


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    from .settled import REFUSALS
    return run_command('config', lambda: run(args), *REFUSALS)
