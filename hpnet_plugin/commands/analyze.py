"""Analyses of the paper, as numbers (CSV, JSON) and figures (PNG, SVG).

    hpnet analyze classes DUMP --classes data/mine/classes.txt --out FOLDER
    hpnet analyze gains FIRST SECOND --out FOLDER
    hpnet analyze fisher data/mine --out FOLDER
    hpnet analyze tsne CONFIG CHECKPOINT [CONFIG CHECKPOINT …] --out FOLDER
    hpnet analyze timeline --pred RESULT.json --truth TRUTH.json

classes: what happens in each class, and the confusion matrix. gains: classes
that gain and lose most from one stream to another (Table V, Fig. 5), and what
becomes of the most accurate and most confused classes (Table XVI). fisher:
how well each tap tells classes apart (Fig. 7). tsne: features of trained
models as points in the plane, with numbers that say how separate the classes
are (Fig. 6). timeline: what hpnet predict --json says of a video beside what
is done in it and when; frame-wise accuracy and segment F1. DUMP, FIRST and
SECOND are whatever hpnet fuse takes, and what it writes by --out.

Exit status 0, or 2 where the usage is wrong or a file cannot be used.
"""
import argparse
import sys
from pathlib import Path


def parse_args(argv=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar='ANALYSIS')

    def command(name, about, writes=True):
        sub = commands.add_parser(name, help=about, description=about)
        sub.set_defaults(analysis=name)
        sub.add_argument('--out', required=writes, type=Path,
                         metavar='FOLDER')
        return sub

    def add_classes(parser):
        parser.add_argument('--classes', metavar='FILE',
                            help='class names in label order, one a line')

    def add_labels(parser):
        add_classes(parser)
        parser.add_argument('--labels', metavar='FILE',
                            help='"clip label" a line, for scores that hold '
                            'no labels')

    sub = command('classes', 'what happens in each class')
    sub.add_argument('dump', metavar='DUMP')
    add_labels(sub)

    sub = command('gains', 'from one stream to another')
    # two arguments: one of nargs=2 with two metavars breaks argparse's help
    sub.add_argument('first', metavar='FIRST')
    sub.add_argument('second', metavar='SECOND')
    add_labels(sub)
    sub.add_argument('--names', nargs=2, metavar=('FIRST', 'SECOND'),
                     help='what to call the two (default: their files)')
    sub.add_argument('--top', type=_positive, default=10, metavar='N',
                     help='classes in each list (default: 10)')

    sub = command('fisher', 'how well taps tell classes apart')
    sub.add_argument('folders', nargs='+', metavar='DATASET_FOLDER')
    sub.add_argument('--tap', action='append', metavar='TAP',
                     help='repeat for several (default: all)')
    sub.add_argument('--split', help='clips of one split (default: all)')

    sub = command('tsne', 'features of trained models')
    sub.add_argument('models', nargs='+', metavar='CONFIG CHECKPOINT')
    add_classes(sub)
    sub.add_argument('--names', nargs='+', metavar='NAME',
                     help='what to call the models (default: their configs)')
    sub.add_argument('--split',
                     help="clips of this split (default: the config's)")
    sub.add_argument('--classes-limit', type=_positive, metavar='N',
                     help='the N classes with most clips (default: all)')
    sub.add_argument('--per-class', type=_positive, metavar='N',
                     help='draw at most N clips of each class')
    sub.add_argument('--seed', type=int, default=0)
    sub.add_argument('--perplexity', type=float, default=30)
    sub.add_argument('--device', default='cpu')
    sub.add_argument('--cfg-options', nargs='+', default=[],
                     metavar='KEY=VALUE',
                     help='options of all configs, as of mim test')

    sub = command('timeline', 'predicted timelines and true segments',
                  writes=False)
    sub.add_argument('--pred', nargs='+', required=True, metavar='RESULT',
                     help='what hpnet predict --json wrote')
    sub.add_argument('--truth', nargs='+', required=True, metavar='TRUTH',
                     help='of the same videos, in the same order: JSON, '
                     '[{"start": s, "end": s, "label": name}, …]')

    args = parser.parse_args(argv)
    if args.analysis == 'timeline' and len(args.pred) != len(args.truth):
        parser.error(f'{len(args.pred)} results --pred and '
                     f'{len(args.truth)} files --truth: one each a video')
    if args.analysis == 'tsne':
        if len(args.models) % 2:
            parser.error('tsne takes pairs: CONFIG CHECKPOINT')
        if args.names and 2 * len(args.names) != len(args.models):
            parser.error(f'{len(args.names)} --names for '
                         f'{len(args.models) // 2} models')
    return args


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not at least 1')
    return value


def main(argv=None):
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    from hpnet_plugin.commands import analyses
    try:
        getattr(analyses, f'run_{args.analysis}')(args)
    except (OSError, ValueError, KeyError) as error:
        # A KeyError's text is its argument, in quotes.
        message = error.args[0] if isinstance(error, KeyError) else error
        print(f'analyze: {message}', file=sys.stderr)
        return 2
    if args.out:
        print(f'wrote {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
