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

--learn learns more than weights on the validation clips of --tune or
--tune-half: a linear layer over the streams, drawn towards the given weights,
so that few clips change little. --save keeps it, --learnt FILE applies it to
other scores of the same streams:

    hpnet fuse hp_j.pkl pose_j.pkl --learn --save layer.json \\
        --tune hp_j_val.pkl pose_j_val.pkl
    hpnet fuse hp_j_new.pkl pose_j_new.pkl --learnt layer.json

hpnet predict, save and export take the same file by --learnt.

Exit status: 0 done, 2 the usage is wrong or files do not belong together, 1
the results cannot be written (the disk is full).
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from hpnet_plugin.benchmark_files import FactsError
from hpnet_plugin.datasets.classes import read_classes
from hpnet_plugin.datasets.sources import SourceError
from hpnet_plugin.evaluation.fusion import (
    Joined,
    assess,
    fused,
    read_streams,
)
from hpnet_plugin.evaluation.scores import ScoreError, Scores, write_scores
from hpnet_plugin.evaluation.search import held_clips, held_half, search
from hpnet_plugin.evaluation.stacking import (
    MEANINGS,
    Stack,
    assess_stack,
    learn,
    read_stack,
    refuse_other_streams,
    weights_of,
    write_stack,
)
from hpnet_plugin.evaluation.tables import (
    accuracy_table,
    format_table,
    gain_table,
    stack_gain_table,
    stack_table,
    tried_table,
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
        '--groups', metavar='PATTERN',
        help='regular expression that finds the group of a clip in its name, '
        "such as its subject: '_(p[0-9]+)_'; the clips of a group stay "
        'together in --tune-half and in the cross-validation of --learn')
    tune.add_argument(
        '--tune-on-test', action='store_true',
        help='search on the reported clips themselves (of --tune if given); '
        'this overstates the accuracy of the fusion, and the output says so')
    tune.add_argument(
        '--tune-by', choices=['top1', 'mean_class_accuracy'], default='top1',
        help='metric that the search maximises (default: top1)')
    _add_learning(parser)
    parser.add_argument(
        '--json', metavar='OUT', type=output_file,
        help='write the metrics, in percent, as JSON')
    parser.add_argument(
        '--out', metavar='OUT.pkl', type=output_file,
        help='write the fused scores to a file that this command can read '
        'again; those of the layer with --learn and --learnt')


def _add_learning(parser: argparse.ArgumentParser) -> None:
    """Options of what is learnt over the streams."""
    layer = parser.add_argument_group(
        'a layer learnt over the streams', 'On the validation clips that '
        '--tune, --tune-half or --tune-on-test names. Its kind and the '
        'strength of its L2 are chosen there by cross-validation.')
    layer.add_argument(
        '--learn', action='store_true',
        help='learn a layer as well, and report it beside streams, fixed '
        'and searched weights; with --tune-by mean_class_accuracy each class '
        'counts alike')
    layer.add_argument(
        '--save', metavar='FILE.json', type=output_file,
        help='write what was learnt')
    layer.add_argument(
        '--learnt', metavar='FILE.json',
        help='apply what --save wrote to the same streams of other clips')


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    if args.tune_half is not None and (args.tune or args.tune_on_test):
        parser.error('--tune-half excludes --tune and --tune-on-test')
    if (args.split or args.tune_split) and not args.annotations:
        parser.error('--split and --tune-split need --annotations')
    if args.learnt and (args.learn or args.tune or
                        args.tune_half is not None):
        parser.error('--learnt applies what was learnt: leave --learn, '
                     '--tune and --tune-half out')
    if args.learn and not (args.tune or args.tune_half is not None or
                           args.tune_on_test):
        parser.error('--learn needs validation clips: --tune FILE, one for '
                     'each stream, or --tune-half SEED')
    if args.save and not args.learn:
        parser.error('--save needs --learn')
    if args.groups is not None and args.tune_half is None and \
            not args.learn:
        parser.error('--groups is for --tune-half and --learn')


def run(args: argparse.Namespace) -> None:
    """Fuse, print, write."""
    classes = read_classes(args.classes) if args.classes else None
    source = dict(labels=args.labels, classes=classes, prob=args.prob,
                  annotations=args.annotations)
    joined, given = read_streams(args.files, split=args.split, **source)
    held, tuned, stack = None, None, None
    if args.tune_half is not None:
        held, joined, tuned = held_half(joined, args.tune_half, args.groups)
    elif not args.learnt and (args.tune or args.tune_on_test):
        held, tuned = held_clips(joined, args.tune, args.tune_on_test,
                                 split=args.tune_split, **source)
    weights = given
    if held and tuned:
        weights, tuned = search(held, given, args.tune_by), dict(
            tuned, by=args.tune_by)
        if args.learn:
            stack = learn(held, given, weights, args.tune_by, args.groups)
    elif args.learnt:
        stack = _read_learnt(args, joined, given)
        given = weights = stack.weights
    _report(args, joined, classes, weights, given, tuned, stack)


def _read_learnt(args: argparse.Namespace, joined: Joined,
                 given: list[float]) -> Stack:
    """What was learnt, if it is for these streams."""
    stack = read_stack(args.learnt)
    weights_of(stack, given, args.learnt)
    if refuse_other_streams(stack, joined, args.learnt, args.tune_on_test):
        print('hpnet fuse: NOTE: the layer was learnt on some of the '
              'reported clips, so that its accuracy and its gains are '
              'overstated', file=sys.stderr)
    return stack


def _report(args: argparse.Namespace, joined: Joined,
            classes: list[str] | None, weights: list[float],
            given: list[float], tuned: dict[str, Any] | None,
            stack: Stack | None) -> None:
    """Assess, write, print."""
    result = assess(joined, weights, classes, given if tuned else None)
    if stack is not None:
        result['learnt'] = dict(assess_stack(stack, joined), **stack.record)
    if args.save and stack is not None:
        write_stack(args.save, stack)
    if args.out:
        write_scores(args.out, fused(joined, weights) if stack is None else
                     Scores(joined.names, stack.layer(joined.scores),
                            joined.labels, 'fusion'))
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
            'half': f'{tuned["clips"]} clips, the half '
            f'{"by groups" if "groups" in tuned else "of each class"} drawn '
            f'by seed {tuned.get("seed")}; all numbers are of the other half',
            'test': f'{tuned["clips"]} TEST clips',
        }[tuned['on']]
        print(f'\nweights searched by {tuned["by"]} on {what}')
        if tuned['on'] == 'test':
            print('NOTE: the weights were chosen on the reported clips, so '
                  'the accuracy of the fusion and its gains are overstated'
                  + ', as are those of the layer' * ('learnt' in result))
    if 'learnt' in result:
        show_learnt(result['learnt'])
    elif len({stream['kind'] for stream in streams}) > 1:
        print('\nNOTE: logits and probabilities are added as they are '
              'stored; their weights have to make up for the difference in '
              'scale, or give --prob')


def show_learnt(learnt: Mapping[str, Any]) -> None:
    """Print what was learnt, and what it is worth."""
    print(f'\n{format_table(stack_table(learnt["rows"]))}\n\nNLL in nats, '
          'the rest in percent; probabilities with a temperature fitted on '
          f'the validation clips\n\n'
          f'{format_table(stack_gain_table(learnt["gains"]))}')
    groups = '' if learnt['groups'] is None else \
        f' of {learnt["groups"]} groups of clips'
    print(f'\nlearnt: {MEANINGS[learnt["kind"]]}; {learnt["parameters"]:,} '
          f'numbers, chosen by cross-validation in {learnt["folds"]} parts'
          f'{groups}\n\n{format_table(tried_table(learnt["tried"]))}')


main = Command('fuse', __doc__, run, add_options, check,
               refused=(ScoreError, SourceError, FactsError))
