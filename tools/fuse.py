"""Fuse the scores of several streams, joined by clip name.

FILE is the dump of `mim test … --dump x.pkl`, a released score file (.pkl of
clip name to scores, or .npy with its names in a .txt), a .json of clip name
to scores, or a quoted pattern whose files are parts of one stream. The fused
score is the weighted sum of the scores as they are stored. The paper's five
streams on Smarthome CS, for instance, are

    fuse.py J.pkl:0.1 B.pkl:0.1 JM.pkl:0.1 BM.pkl:0.1 '*_best_score.npy:11' \\
        --labels labels.txt

Scores of other kinds (logits and probabilities) differ in scale: weigh them
accordingly, as above, or give --prob. Exit status 0, or 2 where the usage is
wrong or files do not belong together.
"""
import argparse
import json
import sys

from hpnet_plugin.datasets.sources import SourceError, read_classes
from hpnet_plugin.evaluation.fusion import assess, fused, read_streams, tune_on
from hpnet_plugin.evaluation.scores import ScoreError, write_scores
from hpnet_plugin.evaluation.tables import accuracy_table, format_table
from hpnet_plugin.files import write_whole


def parse_args(argv=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'files', nargs='+', metavar='FILE[:WEIGHT]',
        help='scores of one stream; the last ":number" is its weight, 1 if '
        'there is none')
    parser.add_argument(
        '--labels', metavar='FILE',
        help='"clip label" a line, for files that hold no labels')
    parser.add_argument(
        '--classes', metavar='FILE',
        help='class names in label order, one a line, if the labels are '
        'names')
    parser.add_argument(
        '--prob', action='store_true',
        help='turn logits into probabilities first; streams that are '
        'probabilities stay as they are')
    parser.add_argument(
        '--tune', nargs='+', metavar='FILE',
        help='search the weights on these scores of validation clips, one '
        'file a stream in the same order; weights given start the search')
    parser.add_argument(
        '--tune-by', choices=['top1', 'mean_class_accuracy'], default='top1',
        help='what the search raises (default: top1)')
    parser.add_argument(
        '--tune-on-test', action='store_true',
        help='let --tune see the clips that are reported, which flatters '
        'the fusion; recorded in what is printed and written')
    parser.add_argument(
        '--json', metavar='OUT',
        help='write the metrics, in percent, as JSON')
    parser.add_argument(
        '--out', metavar='OUT.pkl',
        help='write the fused scores as a dump that this tool reads again')
    return parser.parse_args(argv)


def run(args):
    """Fuse, print, write."""
    classes = read_classes(args.classes) if args.classes else None
    source = dict(labels=args.labels, classes=classes, prob=args.prob)
    joined, weights = read_streams(args.files, **source)
    tuned = None
    if args.tune:
        weights, tuned = tune_on(joined, weights, args.tune, **source,
                                 metric=args.tune_by,
                                 allow_test=args.tune_on_test)
    result = assess(joined, weights)
    if args.out:
        write_scores(args.out, fused(joined, weights))
    if args.json:
        record = dict(result, tuned=tuned)
        write_whole(args.json, json.dumps(record, indent=2).encode() + b'\n')
    print(format_table(accuracy_table(result['streams'], result['fusion'])))
    print(f'\n{result["clips"]} clips, {result["classes"]} classes; in '
          'percent; mean class: over the classes that occur')
    if tuned:
        print(f'weights searched on {tuned["clips"]} {tuned["on"]} clips by '
              f'{tuned["by"]}')
        if tuned['on'] == 'test':
            print('NOTE: the weights were chosen on reported clips, so the '
                  'fusion is flattered')
    kinds = {stream['kind'] for stream in result['streams']}
    if len(kinds) > 1:
        print('note: logits and probabilities are added as they are stored; '
              'their weights carry the scale (--prob brings all to one)')


def main(argv=None):
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    try:
        run(args)
    except (ScoreError, SourceError, OSError) as error:
        print(f'fuse: {error}', file=sys.stderr)
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
