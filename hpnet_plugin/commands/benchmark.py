"""Measure this package beside the plain way of doing the same, in one run.

    hpnet benchmark extract
    hpnet benchmark extract VIDEOS --pose NET.onnx --tap TENSOR
    hpnet benchmark launchers
    hpnet benchmark store
    hpnet benchmark loader
    hpnet benchmark tracking
    hpnet benchmark memory
    hpnet benchmark clip
    hpnet benchmark startup
    hpnet benchmark onnx
    hpnet benchmark networks
    hpnet benchmark scores
    hpnet benchmark training
    hpnet benchmark rgb
    hpnet benchmark predict
    hpnet benchmark predict MODEL --video VIDEO
    hpnet benchmark answer
    hpnet benchmark growth --figure growth.png
    hpnet benchmark ratios

Without further options each takes a minute or two and needs nothing but
this package: it draws its videos and runs the tiny pose net. It prints ratios
with the smallest and the largest of the repeats in brackets, and the machine
and the versions that were measured. Both sides of a ratio take turns, so that
a machine that becomes slower slows down both.

Exit status: 0 measured, 2 the usage is wrong or a file cannot be used, 1 the
numbers cannot be written (the disk is full) or a ratio fell ("ratios"), 130
stopped.
"""
from __future__ import annotations

import argparse
import importlib
import shlex
from functools import partial

from .command import Command, add_subcommands
from .options import output_file

MEASUREMENTS = {
    'extract': 'extraction beside the released design written plainly: frame '
    'by frame, batches of 1, two decodes, maps copied out, float32 files',
    'launchers': 'extraction on Ray beside processes of this computer',
    'store': 'the feature store beside a .npy file a clip and a JSON index',
    'loader': 'batches of an HP stream beside a .npy file a clip',
    'tracking': 'identities where people cross, beside ByteTrack',
    'memory': 'long videos, clips that fail, frames that are too large',
    'training': "HP-Net's training step: memory and time beside plain code",
    'onnx': 'exported nets in onnxruntime beside torch',
    'networks': 'CTR-GCN and SMCLM beside CTR-GCN in its published form',
    'clip': "X-CLIP's video tower beside the official form, and on a CPU in "
    'bfloat16 and int8',
    'startup': 'imports, --help and mim train beside import mmaction',
    'scores': 'score files: hpnet fuse and analyze beside numpy.load',
    'rgb': "HP-Net's images beside PyAV and torchvision",
    'predict': 'a long video through the inferencer: memory, speed, delay',
    'answer': 'from a stored clip to its scores, beside PoseC3D on the same '
    'folder',
    'growth': 'time and memory against frames, people, joints, clips, batch '
    'and length of the video, beside their lower bounds',
    'ratios': 'quick ratios of all parts beside those that were reached '
    '(status 1 if one fell)',
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add_subcommands(parser, 'measurement', {
        name: (about, partial(_add_options, name))
        for name, about in MEASUREMENTS.items()})


def _add_options(name: str, parser: argparse.ArgumentParser) -> None:
    module = importlib.import_module(f'hpnet_plugin.benchmarks.{name}')
    parser.description = module.__doc__
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    module.add_options(parser)
    parser.add_argument('--json', metavar='FILE', type=output_file,
                        help='also write all numbers to this file')
    parser.set_defaults(measure=module.run,
                        judge=getattr(module, 'judge', None))


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; the exit status, where a part has one."""
    from ..benchmarks.common import show
    about = shlex.join(['hpnet', 'benchmark', *args.words])
    tables = args.measure(args)
    show(tables, about, args.json)
    return args.judge(tables) if args.judge else 0


main = Command('benchmark', __doc__, run, add_options,
               refused=(ValueError, RuntimeError))
