#!/usr/bin/env python3
"""Measure this package beside the plain way of doing the same, in one run.

    hpnet benchmark extract
    hpnet benchmark extract VIDEOS --pose NET.onnx --tap TENSOR
    hpnet benchmark store
    hpnet benchmark tracking
    hpnet benchmark memory
    hpnet benchmark startup
    hpnet benchmark predict
    hpnet benchmark predict MODEL --video VIDEO

Without further options each takes a minute or two and needs nothing but
this package: it draws its videos and runs the tiny pose net. Printed are
ratios with the smallest and the largest of the repeats, in brackets, and the
machine and the versions that they were measured with. Both sides of a ratio
take turns, so that a machine that gets slower slows down both.
"""
import argparse
import importlib
import shlex
import sys

COMMANDS = {
    'extract': 'extraction beside the released design written plainly: frame '
    'by frame, batches of 1, two decodes, maps copied out, float32 files',
    'store': 'the feature store beside a .npy file a clip and a JSON index',
    'tracking': 'identities where people cross, beside ByteTrack',
    'memory': 'long videos, clips that fail, frames that are too large',
    'startup': 'imports, --help and mim train beside import mmaction',
    'predict': 'a long video through the inferencer: memory, speed, delay',
}


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    for name, about in COMMANDS.items():
        module = importlib.import_module(f'hpnet_plugin.benchmarks.{name}')
        command = commands.add_parser(
            name, help=about, description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_options(command)
        command.add_argument('--json', metavar='FILE',
                             help='write all numbers there, too')
        command.set_defaults(run=module.run)
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    from hpnet_plugin.benchmarks.common import show
    words = sys.argv[1:] if argv is None else argv
    about = shlex.join(['hpnet', 'benchmark', *words])
    try:
        show(args.run(args), about, args.json)
    except (ValueError, RuntimeError, OSError) as error:
        print(f'benchmark: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
