"""Write a report of trainings, scores and features as one HTML page.

Every part is optional: training curves of work folders, accuracies and
confusions of score files and of their fusion, facts and example clips of a
dataset folder.

    hpnet report --out report.html --work-dirs work_dirs/hp_j work_dirs/hp_b \\
        --scores hp_j.pkl hp_b.pkl:0.5 --classes data/mine/classes.txt \\
        --data data/mine --videos videos --clips NAME NAME

With --clips and --work-dirs the page also shows what moved the scores of
these clips, in each of the trained models; see hpnet visualize.

Exit status: 0 done, 2 the usage is wrong or a file cannot be used, 1 the page
cannot be written (the disk is full).
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .command import Command
from .options import (
    add_classes,
    add_labels,
    add_prob,
    output_file,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument('--out', required=True, metavar='PAGE.html',
                        type=output_file, help='the page to write')
    parser.add_argument('--title', default='HP-Net report',
                        help='title of the page')
    parser.add_argument(
        '--work-dirs', nargs='+', default=[], metavar='DIR',
        help='work folders of trainings: curves, best epochs and what hpnet '
        'calibrate found')
    parser.add_argument(
        '--scores', nargs='+', default=[], metavar='FILE[:WEIGHT]',
        help='scores of streams, as hpnet fuse takes them')
    add_labels(parser)
    add_prob(parser)
    add_classes(parser, ' (default: those of the dataset folder)')
    parser.add_argument(
        '--data', metavar='DIR',
        help='dataset folder that hpnet extract wrote')
    parser.add_argument(
        '--videos', metavar='DIR',
        help='folder of its videos, to show joints on frames')
    parser.add_argument(
        '--clips', nargs='+', metavar='NAME',
        help='clips of the dataset to show (default: three of them), and '
        'whose scores to explain')
    parser.add_argument(
        '--tap', help='features to show, where the dataset has several')
    parser.add_argument(
        '--pose', nargs='+', metavar=('NET', 'TAP'),
        help='show the feature maps of this pose net over the people of '
        '--videos, as hpnet visualize maps')


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    if args.pose and not (args.data and args.videos):
        parser.error('--pose shows people of --data in --videos: give both')
    if not (args.work_dirs or args.scores or args.data):
        parser.error('nothing to report: give --work-dirs, --scores or '
                     '--data')


def sections(args: argparse.Namespace) -> list[Any]:
    """The sections that the arguments ask for."""
    from hpnet_plugin.datasets.classes import read_classes
    from hpnet_plugin.evaluation.fusion import read_streams
    from hpnet_plugin.store import FeatureStore
    from hpnet_plugin.visualization.sections import (
        calibration_sections,
        clip_section,
        dataset_section,
        scores_sections,
        training_section,
    )
    classes = args.classes
    if classes is None and args.data:
        found = Path(args.data) / 'classes.txt'
        classes = str(found) if found.is_file() else None
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
        extractor = None
        if args.pose:
            from .visualize import build_extractors
            extractor, = build_extractors([args.pose], None).values()
        parts += [clip_section(store, name, args.videos, args.tap,
                               extractor=extractor) for name in names]
    if args.work_dirs and args.clips:
        parts += explanations(args, classes)
    return parts


def explanations(args: argparse.Namespace,
                 classes: Sequence[str] | None = None) -> list[Any]:
    """A section a clip: what moved its score in each trained model."""
    from hpnet_plugin.apis.checkpoints import CheckpointError
    from hpnet_plugin.apis.explain import UnexplainedError
    from hpnet_plugin.apis.trained import TrainedError
    from hpnet_plugin.visualization.sections import (
        explanation_section,
        short_names,
    )
    from .visualize import open_run
    found: dict[str, list[tuple]] = {clip: [] for clip in args.clips}
    for name, run in zip(short_names(args.work_dirs), args.work_dirs):
        try:
            names, parts, duration = open_run(run, args.data, args.clips)
            for part in parts:
                found[part.clip].append((name, part, classes or names,
                                         duration(part.clip)))
        except (OSError, CheckpointError, TrainedError,
                UnexplainedError) as error:
            # a work dir need not hold more than logs
            for clip in found:
                found[clip].append((name, f'not explained: {error}', None, 0))
    return [explanation_section(clip, parts)
            for clip, parts in found.items()]


def run(args: argparse.Namespace) -> None:
    """Write the page."""
    from ..visualization.report import write_report
    write_report(args.out, sections(args), args.title)
    print(f'wrote {args.out}')


main = Command('report', __doc__, run, add_options, check,
               refused=(ValueError, KeyError), folders=('data', ))
