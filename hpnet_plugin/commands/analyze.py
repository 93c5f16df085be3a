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
from pathlib import Path

from .command import Command, add_subcommands
from .options import (
    add_classes,
    add_labels,
    output_folder,
    positive,
    whole_number,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add_subcommands(parser, 'analysis', {
        'classes': ('accuracy and confusions of each class', _add_classes),
        'gains': ('what a second stream gains and loses', _add_gains),
        'fisher': ('how well taps tell classes apart', _add_fisher),
        'tsne': ('features of trained models', _add_tsne),
        'timeline': ('predicted timelines and true segments', _add_timeline),
    })


def _add_out(parser: argparse.ArgumentParser, required: bool = True) -> None:
    parser.add_argument(
        '--out', required=required, metavar='FOLDER',
        type=lambda text: Path(output_folder(text)),
        help='folder of the tables (CSV, JSON) and figures (PNG, SVG)')


def _add_classes(parser: argparse.ArgumentParser) -> None:
    _add_out(parser)
    parser.add_argument('dump', metavar='DUMP', help='scores of one stream')
    add_classes(parser)
    add_labels(parser)


def _add_gains(parser: argparse.ArgumentParser) -> None:
    _add_out(parser)
    add = parser.add_argument
    # two arguments: one of nargs=2 with two metavars breaks argparse's help
    add('first', metavar='FIRST', help='scores of the stream to compare with')
    add('second', metavar='SECOND',
        help='scores of the other stream, on the same clips')
    add_classes(parser)
    add_labels(parser)
    add('--names', nargs=2, metavar=('FIRST', 'SECOND'),
        help='names of the two streams (default: their file names)')
    add('--top', type=whole_number(), default=10, metavar='N',
        help='classes in each list, at most (default: 10)')


def _add_fisher(parser: argparse.ArgumentParser) -> None:
    _add_out(parser)
    add = parser.add_argument
    add('folders', nargs='+', metavar='DATASET_FOLDER',
        help='dataset folder that hpnet extract wrote')
    add('--tap', action='append', metavar='TAP',
        help='tap to look at; repeat it for several (default: all taps)')
    add('--split', help='use the clips of one split (default: all clips)')


def _add_tsne(parser: argparse.ArgumentParser) -> None:
    _add_out(parser)
    add = parser.add_argument
    add('models', nargs='+', metavar='CONFIG CHECKPOINT')
    add_classes(parser)
    add('--names', nargs='+', metavar='NAME',
        help='names of the models (default: their config files)')
    add('--split',
        help="use the clips of this split (default: the config's test split)")
    add('--classes-limit', type=whole_number(), metavar='N',
        help='keep the N classes with the most clips (default: all)')
    add('--per-class', type=whole_number(), metavar='N',
        help='draw at most N clips of each class')
    add('--seed', type=whole_number(0), default=0,
        help='seed of the draw and of t-SNE (default: 0)')
    add('--perplexity', type=positive, default=30,
        help='perplexity of t-SNE, about the number of neighbours of a clip '
        '(default: 30)')
    add('--device', default='cpu',
        help='where the models run: cpu (default), cuda, cuda:1')
    add('--cfg-options', nargs='+', default=[], metavar='KEY=VALUE',
        help='change these settings of all configs, as in mim test')


def _add_timeline(parser: argparse.ArgumentParser) -> None:
    _add_out(parser, required=False)
    add = parser.add_argument
    add('--pred', nargs='+', required=True, metavar='RESULT',
        help='JSON file that hpnet predict --json wrote')
    add('--truth', nargs='+', required=True, metavar='TRUTH',
        help='true actions of the same videos, in the same order: JSON, '
        '[{"start": s, "end": s, "label": name}, …]')


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    if args.analysis == 'timeline' and len(args.pred) != len(args.truth):
        parser.error(f'--pred names {len(args.pred)} files and --truth '
                     f'{len(args.truth)}: give one of each for every video')
    if args.analysis == 'tsne':
        if len(args.models) % 2:
            parser.error('tsne takes pairs: CONFIG CHECKPOINT')
        if args.names and 2 * len(args.names) != len(args.models):
            parser.error(f'{len(args.names)} --names for '
                         f'{len(args.models) // 2} models')


def run(args: argparse.Namespace) -> None:
    """Do the analysis that was asked for."""
    from . import analyses
    getattr(analyses, f'run_{args.analysis}')(args)
    if args.out:
        print(f'wrote {args.out}')


main = Command('analyze', __doc__, run, add_options, check,
               refused=(ValueError, KeyError), folders=('folders', ))
