"""Write a report of trainings, scores and features as one HTML page.

Every part is optional: curves of work folders, accuracies and confusions of
score files and of their fusion, facts and pictures of a dataset folder.

    hpnet report --out report.html --work-dirs work_dirs/hp_j work_dirs/hp_b \\
        --scores hp_j.pkl hp_b.pkl:0.5 --classes data/mine/classes.txt \\
        --data data/mine --videos videos

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
    parser.add_argument('--out', required=True, metavar='PAGE.html')
    parser.add_argument('--title', default='HP-Net report')
    parser.add_argument(
        '--work-dirs', nargs='+', default=[], metavar='DIR',
        help='work folders of mim train: curves and best epochs, and what '
        'hpnet calibrate found')
    parser.add_argument(
        '--scores', nargs='+', default=[], metavar='FILE[:WEIGHT]',
        help='scores of streams, as hpnet fuse takes them')
    parser.add_argument(
        '--labels', metavar='FILE',
        help='"clip label" a line, for scores that hold no labels')
    parser.add_argument(
        '--prob', action='store_true',
        help='turn logits into probabilities before they are fused')
    parser.add_argument(
        '--classes', metavar='FILE',
        help='class names in label order, one a line; of the dataset folder '
        'if not given')
    parser.add_argument(
        '--data', metavar='DIR',
        help='dataset folder that hpnet extract wrote')
    parser.add_argument(
        '--videos', metavar='DIR',
        help='folder of its videos, to show joints on frames')
    parser.add_argument(
        '--clips', nargs='+', metavar='NAME',
        help='clips of the dataset to show (default: three of them)')
    parser.add_argument(
        '--tap', help='features to show, where the dataset has several')
    args = parser.parse_args(argv)
    if not (args.work_dirs or args.scores or args.data):
        parser.error('nothing to report: give --work-dirs, --scores or '
                     '--data')
    return args


def sections(args):
    """The sections that the arguments ask for."""
    from hpnet_plugin.datasets.sources import read_classes
    from hpnet_plugin.evaluation.fusion import read_streams
    from hpnet_plugin.store import FeatureStore
    from hpnet_plugin.visualization.calibration import calibration_sections
    from hpnet_plugin.visualization.sections import (
        clip_section,
        dataset_section,
        scores_sections,
        training_section,
    )
    classes = args.classes
    if classes is None and args.data:
        found = Path(args.data) / 'classes.txt'
        classes = found if found.is_file() else None
    if classes is not None:
        classes = read_classes(classes)
    parts = []
    if args.scores:
        streams = read_streams(args.scores, args.labels, classes, args.prob)
        parts += scores_sections(*streams, classes)
    if args.work_dirs:
        parts.append(training_section(args.work_dirs))
        parts += calibration_sections(args.work_dirs)
    if args.data:
        parts.append(dataset_section(args.data))
        store = FeatureStore(Path(args.data) / 'features')
        names = args.clips or store.names[::-(-len(store) // 3)][:3]
        parts += [clip_section(store, name, args.videos, args.tap)
                  for name in names]
    return parts


def main(argv=None):
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    from hpnet_plugin.visualization.report import write_report
    try:
        write_report(args.out, sections(args), args.title)
    except (OSError, ValueError, KeyError) as error:
        # A KeyError's text is its argument, in quotes.
        message = error.args[0] if isinstance(error, KeyError) else error
        print(f'report: {message}', file=sys.stderr)
        return 2
    print(f'wrote {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
