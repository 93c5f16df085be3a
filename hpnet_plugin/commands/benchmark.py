#!/usr/bin/env python3
"""Measure this package beside the plain way of doing the same, in one run.

    hpnet benchmark extract
    hpnet benchmark extract VIDEOS --pose NET.onnx --tap TENSOR
    hpnet benchmark store
    hpnet benchmark tracking
    hpnet benchmark memory
    hpnet benchmark startup
    hpnet benchmark onnx
    hpnet benchmark predict
    hpnet benchmark predict MODEL --video VIDEO

Without further options each takes a minute or two and needs nothing but
this package: it draws its videos and runs the tiny pose net. It prints ratios
with the smallest and the largest of the repeats in brackets, and the machine
and the versions that were measured. Both sides of a ratio take turns, so that
a machine that becomes slower slows down both.

Exit status: 0 measured, 2 the usage is wrong or a file cannot be used, 1 the
numbers cannot be written (the disk is full), 130 stopped.
"""
from __future__ import annotations

import argparse
import importlib
import shlex
import sys
from collections.abc import Sequence

from .options import command_parser, output_file
from .refusal import run_command

COMMANDS = {
    'extract': 'extraction beside the released design written plainly: frame '
    'by frame, batches of 1, two decodes, maps copied out, float32 files',
    'store': 'the feature store beside a .npy file a clip and a JSON index',
    'tracking': 'identities where people cross, beside ByteTrack',
    'memory': 'long videos, clips that fail, frames that are too large',
    'onnx': 'exported nets in onnxruntime beside torch',
    'startup': 'imports, --help and mim train beside import mmaction',
    'predict': 'a long video through the inferencer: memory, speed, delay',
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = command_parser(__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    for name, about in COMMANDS.items():
        module = importlib.import_module(f'hpnet_plugin.benchmarks.{name}')
        command = commands.add_parser(
            name, help=about, description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_options(command)
        command.add_argument('--json', metavar='FILE', type=output_file,
                             help='also write all numbers to this file')
        command.set_defaults(run=module.run)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    from hpnet_plugin.benchmarks.common import show
    words = sys.argv[1:] if argv is None else argv
    about = shlex.join(['hpnet', 'benchmark', *words])
    return run_command(
        'benchmark', lambda: show(args.run(args), about, args.json),
        ValueError, RuntimeError)


if __name__ == '__main__':
    sys.exit(main())
