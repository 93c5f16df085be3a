"""Analyses of the paper, as numbers (CSV, JSON) and figures (PNG, SVG).

    hpnet analyze classes DUMP --classes data/mine/classes.txt --out FOLDER
    hpnet analyze gains FIRST SECOND --out FOLDER
    hpnet analyze fisher data/mine --out FOLDER
    hpnet analyze tsne CONFIG CHECKPOINT [CONFIG CHECKPOINT …] --out FOLDER
    hpnet analyze timeline --pred RESULT.json --truth TRUTH.json

classes: accuracy of each class and the confusion matrix. gains: the classes
that gain and lose most from one stream to another (Table V, Fig. 5), and how
the most accurate and the most confused classes change (Table XVI). fisher:
how well each tap tells classes apart (Fig. 7). tsne: features of trained
models as points in the plane, with measures of how well the classes are
separated (Fig. 6). timeline: compares what hpnet predict --json wrote for a
video with the true actions and their times: frame-wise accuracy and segment
F1. DUMP, FIRST and SECOND are score files of any kind that hpnet fuse reads,
also the one that it writes with --out.

Exit status: 0 done, 2 the usage is wrong or a file cannot be used, 1 the
results cannot be written (the disk is full).
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .options import (
    add_classes,
    add_labels,
    command_parser,
    output_folder,
    positive,
    whole_number,
)
from .refusal import run_command


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = command_parser(__doc__)
    commands = parser.add_subparsers(required=True, metavar='ANALYSIS')

    def command(name, about, writes=True):
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(analysis=name)
        sub.add_argument(
            '--out', required=writes, metavar='FOLDER',
            type=lambda text: Path(output_folder(text)),
            help='folder of the tables (CSV, JSON) and figures (PNG, SVG)')
        return sub

    sub = command('classes', 'accuracy and confusions of each class')
    sub.add_argument('dump', metavar='DUMP', help='scores of one stream')
    add_classes(sub)
    add_labels(sub)

    sub = command('gains', 'what a second stream gains and loses')
    # two arguments: one of nargs=2 with two metavars breaks argparse's help
    sub.add_argument('first', metavar='FIRST',
                     help='scores of the stream to compare with')
    sub.add_argument('second', metavar='SECOND',
                     help='scores of the other stream, on the same clips')
    add_classes(sub)
    add_labels(sub)
    sub.add_argument('--names', nargs=2, metavar=('FIRST', 'SECOND'),
                     help='names of the two streams (default: their file '
                     'names)')
    sub.add_argument('--top', type=whole_number(), default=10, metavar='N',
                     help='classes in each list, at most (default: 10)')

    sub = command('fisher', 'how well taps tell classes apart')
    sub.add_argument('folders', nargs='+', metavar='DATASET_FOLDER',
                     help='dataset folder that hpnet extract wrote')
    sub.add_argument('--tap', action='append', metavar='TAP',
                     help='tap to look at; repeat it for several (default: '
                     'all taps)')
    sub.add_argument('--split',
                     help='use the clips of one split (default: all clips)')

    sub = command('tsne', 'features of trained models')
    sub.add_argument('models', nargs='+', metavar='CONFIG CHECKPOINT')
    add_classes(sub)
    sub.add_argument('--names', nargs='+', metavar='NAME',
                     help='names of the models (default: their config '
                     'files)')
    sub.add_argument('--split',
                     help="use the clips of this split (default: the "
                     "config's test split)")
    sub.add_argument('--classes-limit', type=whole_number(), metavar='N',
                     help='keep the N classes with the most clips (default: '
                     'all)')
    sub.add_argument('--per-class', type=whole_number(), metavar='N',
                     help='draw at most N clips of each class')
    sub.add_argument('--seed', type=whole_number(0), default=0,
                     help='seed of the draw and of t-SNE (default: 0)')
    sub.add_argument('--perplexity', type=positive, default=30,
                     help='perplexity of t-SNE, about the number of '
                     'neighbours of a clip (default: 30)')
    sub.add_argument('--device', default='cpu',
                     help='where the models run: cpu (default), cuda, cuda:1')
    sub.add_argument('--cfg-options', nargs='+', default=[],
                     metavar='KEY=VALUE',
                     help='change these settings of all configs, as in mim '
                     'test')

    sub = command('timeline', 'predicted timelines and true segments',
                  writes=False)
    sub.add_argument('--pred', nargs='+', required=True, metavar='RESULT',
                     help='JSON file that hpnet predict --json wrote')
    sub.add_argument('--truth', nargs='+', required=True, metavar='TRUTH',
                     help='true actions of the same videos, in the same '
                     'order: JSON, [{"start": s, "end": s, "label": name}, …]')

    args = parser.parse_args(argv)
    if args.analysis == 'timeline' and len(args.pred) != len(args.truth):
        parser.error(f'--pred names {len(args.pred)} files and --truth '
                     f'{len(args.truth)}: give one of each for every video')
    if args.analysis == 'tsne':
        if len(args.models) % 2:
            parser.error('tsne takes pairs: CONFIG CHECKPOINT')
        if args.names and 2 * len(args.names) != len(args.models):
            parser.error(f'{len(args.names)} --names for '
                         f'{len(args.models) // 2} models')
    return args


def run(args: argparse.Namespace) -> None:
    """Do the analysis that was asked for."""
    from . import analyses
    getattr(analyses, f'run_{args.analysis}')(args)
    if args.out:
        print(f'wrote {args.out}')


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    return run_command('analyze', lambda: run(args), ValueError, KeyError)


if __name__ == '__main__':
    sys.exit(main())
