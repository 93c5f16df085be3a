"""Look into pose nets and trained models: figures (PNG, SVG) and numbers.

    hpnet visualize maps a.mp4 b.mp4 --pose simplepose.onnx H1 H2 H3 --out OUT
    hpnet visualize detector a.mp4 b.mp4 --detector rtmdet-m --out OUT
    hpnet visualize scores work_dirs/hp_j work_dirs/hpnet --clips NAME … \\
        --out OUT

maps: joints, feature maps, the joints' heatmaps and pooled features of
people, in a column each: of one video at some moments, for one or several
pose nets (Fig. 3 of the paper), or of several videos (Fig. 4). detector: what
the RGB branch sees with and without a human detector (Fig. 8). scores: what
moved the score of a clip. Of a stream, and of each stream in HP-Net, it is
what each joint at each time gives to the logit; of HP-Net also which class
names were refined most, and which joint did it. All numbers are written as
JSON beside the figures.

Exit status: 0 done, 2 the usage is wrong or a file cannot be used, 1 a file
cannot be written (the disk is full).
"""
from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import Command, add_subcommands
from .options import output_folder, whole_number

if TYPE_CHECKING:
    from ..apis.explain import Explanation
    from ..apis.feature_maps import Person
    from ..estimation.extractor import PooledExtractor


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add_subcommands(parser, 'figure', {
        'maps': ('what pose nets see of people', _add_maps),
        'detector': ('frames with and without a human detector',
                     _add_detector),
        'scores': ('what moved the scores of clips', _add_scores),
    })


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--out', required=True, metavar='FOLDER',
        type=lambda text: Path(output_folder(text)),
        help='folder of figures and numbers')


def _add_videos(parser: argparse.ArgumentParser, moments: str) -> None:
    _add_out(parser)
    add = parser.add_argument
    add('videos', nargs='+', metavar='VIDEO')
    add('--detector', metavar='SPEC',
        help='as of hpnet extract (default: the best that is here)')
    add('--det-checkpoint', metavar='FILE', help='weights of an mmdet config')
    add('--max-people', type=whole_number(), default=1, metavar='N',
        help='people shown (default 1)')
    add('--moments', type=whole_number(), metavar='N',
        help=f'moments of each video (default {moments})')


def _add_maps(parser: argparse.ArgumentParser) -> None:
    _add_videos(parser, '4 of one, 1 of several')
    add = parser.add_argument
    add('--pose', nargs='+', action='append', required=True,
        metavar=('NET', 'TAP'),
        help='a pose net as of hpnet extract, and the feature maps to show '
        '(default: its usual one); repeat it for several nets')
    add('--checkpoint', metavar='FILE',
        help='weights of the one pose net, an mmpose config')


def _add_detector(parser: argparse.ArgumentParser) -> None:
    _add_videos(parser, '1')


def _add_scores(parser: argparse.ArgumentParser) -> None:
    _add_out(parser)
    add = parser.add_argument
    add('runs', nargs='+', metavar='RUN',
        help='work dirs of trainings, checkpoints, or folders of hpnet save')
    add('--clips', nargs='+', required=True, metavar='NAME')
    add('--data', metavar='FOLDER',
        help='another dataset folder than the one tested')
    add('--class', dest='label', metavar='NAME',
        help='the class whose score is explained (default: the one that the '
        'model predicts)')


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    if getattr(args, 'checkpoint', None) and len(args.pose) > 1:
        parser.error('--checkpoint is for one pose net; name the weights of '
                     'several by load_from of their configs')


def run(args: argparse.Namespace) -> None:
    """Draw the figure that was asked for."""
    draw = dict(maps=run_maps, detector=run_detector, scores=run_scores)
    draw[args.figure](args)
    print(f'wrote {args.out}')


def run_maps(args: argparse.Namespace) -> None:
    """Maps and pooled features of people in videos."""
    from ..apis.feature_maps import look, titles, usual_feature
    from ..visualization.maps import limits, maps_figure
    from ..visualization.style import save_figure
    extractors = build_extractors(args.pose, args.checkpoint)
    people = find_all(args, next(iter(extractors.values())))
    nets = {name: look(extractor, people)
            for name, extractor in extractors.items()}
    pooled = usual_feature(list(extractors.values())[-1])
    save_figure(args.out / 'maps', maps_figure(titles(people), nets, pooled))
    write_json(args.out / 'maps.json', dict(
        definition='energy: L2 norm over the channels of a cell; low and '
        'high: 2nd and 98th percentile over all people',
        people=[person_record(person) for person in people],
        nets={name: dict(
            taps=extractors[name].net.taps,
            energy={tap: dict(
                cells=list(seen[0].maps[tap].shape),
                **dict(zip(('low', 'high'),
                           limits([s.maps[tap] for s in seen]))),
                mean=[float(s.maps[tap].mean()) for s in seen])
                for tap in seen[0].maps},
            joints=[s.joints.round(2).tolist() for s in seen],
            scores=[s.scores.round(4).tolist() for s in seen])
            for name, seen in nets.items()}))


def run_detector(args: argparse.Namespace) -> None:
    """What the RGB branch sees with and without a detector."""
    from ..apis.feature_maps import rgb_inputs, titles
    from ..estimation.zoo import POSES, best_installed
    from ..visualization.maps import detector_figure
    from ..visualization.style import save_figure
    # it confirms second people, where the detector is often wrong
    net = best_installed(POSES, 'tiny')
    people = find_all(args, build_extractors([[net]], None)[net])
    images, shares = rgb_inputs(people)
    save_figure(args.out / 'detector',
                detector_figure(
                    titles(people), people, [(a, b) for a, b in images],
                    [(a, b) for a, b in shares]))
    write_json(args.out / 'detector.json', dict(
        definition="share: part of the image that the person's box covers",
        people=[dict(person_record(person), share_without=share[0],
                     share_with=share[1])
                for person, share in zip(people, shares)]))


def person_record(person: Person) -> dict[str, Any]:
    """Who is shown."""
    return dict(source=person.source, time=person.time, person=person.number,
                box=person.box.tolist())


def run_scores(args: argparse.Namespace) -> None:
    """What moved the scores of clips."""
    from ..visualization.explain import (
        explanation_figures,
        explanation_record,
    )
    from ..visualization.sections import short_names
    from ..visualization.style import save_figure
    found: dict[str, dict[str, Any]] = {clip: {} for clip in args.clips}
    for name, run in zip(short_names(args.runs), args.runs):
        classes, explanations, duration = open_run(run, args.data,
                                                   args.clips)
        label = class_number(args.label, classes)
        for explanation in explanations:
            clip = explanation.clip
            for key, figure in explanation_figures(
                    name, explanation, classes, label,
                    duration(clip)).items():
                stem = f'{clip}_{name}_{key}'.replace('/', '-')
                save_figure(args.out / stem, figure)
            found[clip][name] = explanation_record(
                explanation, classes, label, duration(clip))
    write_json(args.out / 'scores.json', dict(clips=found))


def build_extractors(nets: Sequence[Sequence[str]], checkpoint: str | None
                     ) -> dict[str, PooledExtractor]:
    """Pose nets with their pooling, by the name shown.

    Args:
        nets: Of each net its name or file, and its taps; without taps the
            usual ones.
        checkpoint: Weights of the first net.

    Raises:
        ValueError: If a net has no usual tap, or one of them twice.
    """
    import warnings

    from ..estimation import zoo
    from ..estimation.extractor import build_extractor
    warnings.filterwarnings('ignore', 'The metainfo config file')
    found = {}
    for spec, *taps in nets:
        pose = zoo.choose_pose(spec, checkpoint)
        if not (taps or pose.taps):
            raise ValueError(
                f'{pose.name} has no usual feature map: name some behind it; '
                f'hpnet taps {pose.name} lists them')
        name = Path(pose.name).stem
        if name in found:
            raise ValueError(f'two pose nets are called {name}: give one of '
                             'them once, with all taps, or rename a file')
        found[name] = build_extractor(pose.file, pose.checkpoint,
                                      taps or pose.taps)
    return found


def find_all(args: argparse.Namespace, extractor: PooledExtractor
             ) -> list[Person]:
    """People of all videos of the command line."""
    from ..apis.feature_maps import find_people
    from ..estimation import zoo
    from ..estimation.detectors import build_detector
    choice = zoo.choose_detector(args.detector, args.det_checkpoint)
    source = build_detector(choice.file, choice.checkpoint)
    several = len(args.videos) > 1 or args.figure == 'detector'
    return [person for video in args.videos for person in find_people(
        video, source, extractor, args.moments or (1 if several else 4),
        args.max_people)]


def open_run(run: str, data: str | None, clips: Sequence[str]
             ) -> tuple[Sequence[str], Iterator[Explanation],
                        Callable[[str], float]]:
    """A trained model and what it says of clips.

    Args:
        run: See :func:`hpnet_plugin.apis.trained.load_trained`.
        data: Another dataset folder than the one it tested.
        clips: Names of clips.

    Returns:
        Class names; the explanations; and a function of a clip to its length
        in s, 0 where it is not known.

    Raises:
        OSError: If something is not there.
        ValueError: If it is no trained model, or a fusion of several.
    """
    from ..apis.explain import explain
    from ..apis.trained import load_trained
    from ..recipes.reading import innermost
    trained = load_trained(run)
    dataset = dict(innermost(
        trained.description.config['test_dataloader']['dataset']))
    if data is not None:
        dataset.update(data_root=data, ann_file='annotations.pkl')
    root = dataset.get('data_root') or str(Path(dataset['ann_file']).parent)
    return (trained.description.classes,
            explain(trained.build(), dataset, clips), duration_of(root))


def duration_of(root: str) -> Callable[[str], float]:
    """Function of a clip to its length in s, 0 where it is not known."""
    from ..store import FeatureStore, StoreError
    try:
        store = FeatureStore(Path(root) / 'features')
    except (StoreError, OSError):
        return lambda clip: 0.

    def duration(clip: str) -> float:
        info = store.info(clip) if clip in store else {}
        fps = info.get('fps', 0)
        return info['num_frames'] / fps if fps else 0.

    return duration


def class_number(name: str | None, classes: Sequence[str]) -> int | None:
    """The class of a name; None where none is named."""
    if name is None:
        return None
    if name not in classes:
        raise ValueError(f'no class {name!r}; there are '
                         f'{", ".join(classes)}')
    return classes.index(name)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write numbers, whole or not at all."""
    from ..files import write_whole
    write_whole(path, json.dumps(record, indent=1).encode() + b'\n')


main = Command('visualize', __doc__, run, add_options, check,
               refused=(ValueError, KeyError), folders=('data', ))
