"""Fuse the scores of several streams, joined by clip name.

FILE is one of

    x.pkl         dump of `mim test … --dump`; the authors' dict of clip name
                  to logits; pyskl's list of arrays (with --annotations)
    FOLDER        the authors' recogniser: 0_best_score.npy with
                  0_best_name.txt, and so on, one pair a rank
    x.npy         scores, with the clip names in x.txt
    x.json        clip name to scores
    x.pkl#NAME    one of the streams in a dump, FOLDER#NAME one in a folder
    '*.npy'       a quoted pattern: parts of one stream

The fused score is the weighted sum of the scores as they are stored. The
paper's five streams on Smarthome CS, whose clips are named after their class,

    hpnet fuse J.pkl:0.1 B.pkl:0.1 JM.pkl:0.1 BM.pkl:0.1 recogniser:11 \\
        --classes classes.txt

Logits and probabilities differ in scale: choose the weights accordingly, as
above, or give --prob.

Exit status: 0 done, 2 the usage is wrong or files do not belong together, 1
the results cannot be written (the disk is full).
"""
from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from hpnet_plugin.benchmark_files import FactsError
from hpnet_plugin.datasets.classes import read_classes
from hpnet_plugin.datasets.sources import SourceError
from hpnet_plugin.evaluation.fusion import assess, fused, read_streams
from hpnet_plugin.evaluation.scores import ScoreError, write_scores
from hpnet_plugin.evaluation.search import search_half, search_on
from hpnet_plugin.evaluation.tables import (
    accuracy_table,
    format_table,
    gain_table,
)
from hpnet_plugin.files import write_whole
from .command import Command
from .options import (
    add_classes,
    add_labels,
    add_prob,
    output_file,
    whole_number,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument(
        'files', nargs='+', metavar='FILE[:WEIGHT]',
        help='scores of one stream; ":number" at the end is its weight '
        '(default: 1)')
    add_labels(parser)
    add_classes(
        parser, '; they name the classes in what is written, and if a score '
        'file holds no labels, a clip whose name begins with a class name is '
        'of that class')
    parser.add_argument(
        '--annotations', metavar='FILE.pkl',
        help='annotation file of the tested clips, for score files without '
        'clip names or labels')
    parser.add_argument(
        '--split', metavar='NAME',
        help='split of --annotations that was tested')
    add_prob(parser)
    tune = parser.add_argument_group(
        'search of the weights', 'The weights given start the search.')
    tune.add_argument(
        '--tune', nargs='+', metavar='FILE',
        help='search on these scores of validation clips, one file for each '
        'stream, in the same order')
    tune.add_argument(
        '--tune-split', metavar='NAME',
        help='split of --annotations that holds the clips of --tune')
    tune.add_argument(
        '--tune-half', type=whole_number(0), metavar='SEED',
        help='search on half of the clips of each class, drawn with this '
        'seed, and report the other half only')
    tune.add_argument(
        '--tune-on-test', action='store_true',
        help='search on the reported clips themselves (of --tune if given); '
        'this overstates the accuracy of the fusion, and the output says so')
    tune.add_argument(
        '--tune-by', choices=['top1', 'mean_class_accuracy'], default='top1',
        help='metric that the search maximises (default: top1)')
    parser.add_argument(
        '--json', metavar='OUT', type=output_file,
        help='write the metrics, in percent, as JSON')
    parser.add_argument(
        '--out', metavar='OUT.pkl', type=output_file,
        help='write the fused scores to a file that this command can read '
        'again')


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    if args.tune_half is not None and (args.tune or args.tune_on_test):
        parser.error('--tune-half excludes --tune and --tune-on-test')
    if (args.split or args.tune_split) and not args.annotations:
        parser.error('--split and --tune-split need --annotations')


def run(args: argparse.Namespace) -> None:
    """Fuse, print, write."""
    classes = read_classes(args.classes) if args.classes else None
    source = dict(labels=args.labels, classes=classes, prob=args.prob,
                  annotations=args.annotations)
    joined, given = read_streams(args.files, split=args.split, **source)
    weights, tuned = given, None
    if args.tune_half is not None:
        joined, weights, tuned = search_half(
            joined, given, args.tune_half, args.tune_by)
    elif args.tune or args.tune_on_test:
        weights, tuned = search_on(
            joined, given, args.tune, args.tune_by, args.tune_on_test,
            split=args.tune_split, **source)
    result = assess(joined, weights, classes, given if tuned else None)
    if args.out:
        write_scores(args.out, fused(joined, weights))
    if args.json:
        record = dict(result, tuned=tuned)
        write_whole(args.json, json.dumps(record, indent=2).encode() + b'\n')
    show(result, tuned)


def show(result: Mapping[str, Any], tuned: Mapping[str, Any] | None) -> None:
    """Print the tables and what to know about them."""
    streams, given = result['streams'], result.get('given')
    print(format_table(accuracy_table(streams, result['fusion'], given)))
    print(f'\n{result["clips"]} clips, {result["classes"]} classes; in '
          'percent; mean class: over the classes that occur')
    if len(streams) > 1:
        print(f'\n{format_table(gain_table(streams, given))}\n\nin points, '
              'with the bootstrap interval over the clips, drawn class by '
              'class')
    if tuned:
        what = {
            'validation': f'{tuned["clips"]} validation clips',
            'half': f'{tuned["clips"]} clips, the half of each class drawn '
            f'by seed {tuned.get("seed")}; all numbers are of the other half',
            'test': f'{tuned["clips"]} TEST clips',
        }[tuned['on']]
        print(f'\nweights searched by {tuned["by"]} on {what}')
        if tuned['on'] == 'test':
            print('NOTE: the weights were chosen on the reported clips, so '
                  'the accuracy of the fusion and its gains are overstated')
    if len({stream['kind'] for stream in streams}) > 1:
        print('\nNOTE: logits and probabilities are added as they are '
              'stored; their weights have to make up for the difference in '
              'scale, or give --prob')


main = Command('fuse', __doc__, run, add_options, check,
               refused=(ScoreError, SourceError, FactsError))
