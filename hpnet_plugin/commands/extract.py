"""Extract heatmap pooled features: from videos to a dataset folder.

    hpnet extract VIDEOS --out data/mine
    hpnet extract s3://bucket/videos --out s3://bucket/data/mine

Each video is read once: people are detected and tracked, their poses are
estimated, the feature maps are pooled at the joints, and the results are
written. Without further options the best pose net and detector whose weights
are on this machine are used, and their names are printed. If a clip cannot be
extracted, it is reported with the reason and the run continues. Run the same
command again to resume.

--detector boxes:FILE reads bounding boxes from a JSON file

    {"CLIP": [[[x1, y1, x2, y2, score], ...], ...], ...}

with a list for each clip, in it a list for each frame of the video, and in it
a box for each person, in pixels; the score may be left out. FILE may also be
a folder with one such list for each clip, CLIP_boxes.json or CLIP.json.

Exit status: 0 all clips are stored, 3 some clips failed (each is reported
with the reason), 2 the usage is wrong, 1 anything else (such as a full disk),
130 and 143 stopped by Ctrl-C and SIGTERM.
"""
from __future__ import annotations

import argparse
import contextlib
import os.path as osp
import time
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..datasets.clips import count
from .command import Command
from .extract_options import add_options, check
from .extract_places import display_of, workers_of
from .extract_upload import open_upload, shown_place

if TYPE_CHECKING:
    from ..datasets.imports import GivenJoints
    from ..datasets.sources import SourceClip
    from ..estimation.extractor import PooledExtractor
    from ..estimation.zoo import Choice
    from ..extraction.clips import Settings
    from ..extraction.run import Estimate
    from ..extraction.tally import Tally
    from ..extraction.watch import Watch
    from ..facts import Facts

SHOWN = 20  # failed or skipped files that are listed in full


def run(args: argparse.Namespace) -> int:
    """Extract as the options say; the exit status."""
    if args.list_models:
        return list_models()
    from ..extraction.tally import Tally
    part, parts = args.part
    tally = Tally(f'{part} of {parts}' if parts > 1 else '')
    with contextlib.ExitStack() as stack:
        watches: list[Watch] = []
        if args.metrics:
            from ..extraction.metrics import published
            watches = stack.enter_context(published(
                args.metrics, tally, lambda text: print(text, flush=True)))
        return extract(args, tally, watches)


def extract(args: argparse.Namespace, tally: Tally, watches: list[Watch]
            ) -> int:
    """Extract, and tell how it goes; the exit status."""
    from ..datasets.names import write_names
    from ..extraction.crops import crop_settings
    from ..extraction.dataset import write_dataset
    from ..extraction.launchers import RAY, ray_launcher
    from ..extraction.run import Extraction

    upload = open_upload(args)
    source = read_source(args)
    settings = settings_of(args)
    recorder = settings.recorder(args.out)
    if recorder:  # refuses options that cannot be
        recorder.prepare()
    devices, workers = workers_of(args)
    part, parts = args.part
    build, names = builder(args, source.joints)
    extraction = Extraction(
        build, settings, devices, workers, args.timeout,
        ray_launcher(args.address, args.gpus_per_worker or 0.,
                     demand=args.workers is not None)
        if args.launcher == RAY else None)
    start = time.time()

    def begin(estimate: Estimate) -> None:
        write_names(args.out, source.clips, args.source)
        say_estimate(estimate, args)

    failures = extraction(
        source.clips[part - 1::parts], args.out,
        prefix=f'{part}of{parts}-' if parts > 1 else '',
        retry=args.retry,
        progress=display_of(args, tally),
        on_start=begin,
        watches=watches,
        tally=tally,
        upload=upload)
    record: dict[str, Any] = dict(extraction.record or {},
                                  crops=crop_settings(args.out))
    # the store itself does without: it can be resumed by a file as well
    for key, name in names.items():
        record[key] = dict(record[key], zoo=name)

    def write() -> dict[str, Any]:
        return write_dataset(
            args.out, source.clips, source.labels,
            None if source.classes is None else list(source.classes),
            source.splits, failures, record, source.rule, source.facts)

    content = upload.finish(write) if upload else write()
    return say_result(args, content, failures, time.time() - start)


def list_models() -> int:
    """Print the names of pose nets and detectors, the best first."""
    from ..estimation import zoo
    for title, option, models in (('Pose nets', 'pose', zoo.POSES),
                                  ('Detectors', 'detector', zoo.DETECTORS)):
        print(f'{title} (--{option} NAME):')
        for name, model in models.items():
            here = 'weights are here' if zoo.find_weights(model) else \
                'weights are not here'
            print(f'  {name} ({here})\n    {model.note}')
    print('  hog (needs no weights), frame, boxes:FILE')
    return 0


class Source(NamedTuple):
    """What a source says.

    Attributes:
        clips (list[SourceClip]): The videos.
        labels (dict[str, int]): Clip name to class, empty if not known.
        classes (list[str], optional): Class names in label order.
        splits (dict[str, list[str]]): Split to clip names.
        rule (dict): How they came about.
        facts (Facts, optional): Of a folder of hpnet prepare.
        joints (GivenJoints, optional): Poses that are there already.
    """
    clips: list[SourceClip]
    labels: dict[str, int]
    classes: Sequence[str] | None
    splits: dict[str, list[str]]
    rule: dict[str, Any]
    facts: Facts | None
    joints: GivenJoints | None


def read_source(args: argparse.Namespace) -> Source:
    """Source: Clips, labels, splits; says how clips are divided."""
    from ..datasets import imports, names, sources
    from ..datasets.classes import read_classes
    from ..datasets.labelling import assign_labels, read_labels
    from ..datasets.split_lists import read_splits
    from ..datasets.splitting import divide_folder
    lists = args.source
    facts, rule = use_lists(args)
    if args.people is None:
        args.people = facts.people if facts and facts.benchmark else 2
    known = {**(names.read_names(lists) if facts else {}),
             **names.read_names(args.out)}
    clips, skipped = sources.list_clips(args.source, known)
    print(sources.describe_skipped(skipped), end='', flush=True)
    classes = read_classes(args.classes) if args.classes else None
    splits = read_splits(args.splits, clips) if args.splits else {}
    table = read_labels(args.labels) if args.labels else None
    joints = None
    if args.joints:
        joints = imports.GivenJoints.read(args.joints)
        clips = with_joints(clips, joints, args.joints)
        table = table or joints.labels(clips)
        splits = splits or joints.splits(clips)
    labels, classes = assign_labels(clips, table, classes)
    rule = rule or dict(by='given')
    rule = {**rule, 'from': osp.basename(args.splits or args.joints or '')}
    if splits and args.seed is not None:
        raise ValueError('--seed is for clips without splits; these have '
                         f'splits, from {rule["from"]}')
    if not splits:
        divided = divide_folder(args.out, [clip.name for clip in clips],
                                labels, args.seed)
        print(divided.text, flush=True)
        splits, rule = divided.splits, divided.rule
    return Source(clips, labels, classes, splits, rule, facts, joints)


def use_lists(args: argparse.Namespace
              ) -> tuple[Facts | None, dict[str, Any] | None]:
    """Take what is not on the command line from hpnet prepare's folder.

    Returns:
        The facts that stand there, and how
        its splits came about; None of another source.
    """
    from ..facts import read_facts, read_record
    listed = osp.join(args.source, 'clips.txt')
    record = read_record(args.source)
    if not record or not osp.isfile(listed):
        return None, None
    facts = read_facts(args.source)
    rule = None if args.splits else record.get('split_rule')
    for option, file in (('labels', 'labels.txt'), ('classes', 'classes.txt'),
                         ('splits', 'splits.json')):
        path = osp.join(args.source, file)
        if getattr(args, option) is None and osp.isfile(path):
            setattr(args, option, path)
    args.source = listed
    return facts, rule


def with_joints(clips: list[SourceClip], joints: GivenJoints, path: str
                ) -> list[SourceClip]:
    """The clips that have joints; says which have none."""
    from ..datasets.sources import printable
    lacking = [clip.name for clip in clips if clip.name not in joints]
    if lacking:
        print(f'{len(lacking)} of {count(len(clips), "clip")} are left out, '
              f'because {path} has no joints for them: '
              f'{", ".join(map(printable, lacking[:3]))}', flush=True)
    return [clip for clip in clips if clip.name in joints]


def settings_of(args: argparse.Namespace) -> Settings:
    """What the features depend on beside net and people."""
    from ..estimation.video import Limits
    from ..extraction.clips import Settings
    limits = Limits()
    if args.max_pixels:
        limits = limits._replace(pixels=int(args.max_pixels * 1e6))
    if args.max_length:
        limits = limits._replace(frames=args.max_length)
    return Settings(
        num_people=args.people,
        max_frames=None if args.length else args.max_frames or None,
        length=args.length,
        persons=args.persons,
        nobody=args.nobody,
        damaged=args.damaged,
        limits=limits,
        batch=args.batch or (8 if args.device == 'cpu' else 32),
        budget=args.memory << 20,
        crops=dict(size=args.crop_size, margin=args.crop_margin,
                   fit=args.crop_fit) if args.crops else None)


def builder(args: argparse.Namespace, joints: GivenJoints | None
            ) -> tuple[Callable[[str], tuple], dict[str, str]]:
    """What builds source of people and extractor, on a device.

    Returns:
        It, and the names of ``'pose'`` and
        ``'detector'`` where they were chosen by one, or by default.
    """
    from ..estimation import zoo
    from ..estimation.detectors import build_detector
    from ..estimation.extractor import build_extractor
    from ..estimation.image_nets import check_image_nets
    from ..estimation.tap_names import parse_tap
    pose = zoo.choose_pose(args.pose, args.checkpoint)
    say_choice('pose net', pose)
    taps = args.tap or pose.taps
    if not taps and not osp.isfile(pose.file):
        raise FileNotFoundError(f'{pose.name}: no such pose net; give a name '
                                'that --list-models lists, or a file that is '
                                'there (.py, .onnx)')
    if not taps:
        raise ValueError(f'{pose.name} has no default tap: choose one with '
                         f'--tap; hpnet taps {pose.name} lists them')
    detector = None
    if not joints:
        detector = zoo.choose_detector(args.detector, args.det_checkpoint)
        say_choice('detector', detector)
    check_image_nets(map(parse_tap, taps))
    if pose.file.endswith('.py'):
        # once, here: what is imported before the processes are forked costs
        # them nothing
        import mmpose.apis  # noqa: F401
        warnings.filterwarnings('ignore', 'The metainfo config file')

    def build(device: str) -> tuple[Any, PooledExtractor]:
        source = build_detector(
            detector.file, detector.checkpoint, device,
            every=args.detect_every) if detector else joints
        return source, build_extractor(
            pose.file, pose.checkpoint, taps, device, args.norm,
            args.region, args.grid, args.aspect, args.backend,
            args.precision, args.threads)

    names = {}
    if pose.name in zoo.POSES and not args.checkpoint:
        names['pose'] = pose.name
    if detector and not args.det_checkpoint and \
            detector.name in (*zoo.DETECTORS, 'hog', 'frame'):
        names['detector'] = detector.name
    return build, names


def say_choice(what: str, choice: Choice) -> None:
    """Which net was taken."""
    print(f'{what}: {choice.name}'
          + (f' ({choice.note})' if choice.note else ''), flush=True)


def say_estimate(estimate: Estimate, args: argparse.Namespace) -> None:
    """What is ahead."""
    if not estimate.clips:
        print(f'nothing to extract: {args.place} holds every clip except '
              'those that failed', flush=True)
        return
    if not estimate.frames:  # of videos at URLs no header was read
        print(f'{count(estimate.clips, "clip")}, into {args.place}',
              flush=True)
        return
    sizes = f'{megabytes(estimate.bytes)} MB'
    if args.people > 1:
        # a second person is not in every clip
        sizes += (f' with one person in each clip, up to '
                  f'{megabytes(estimate.bytes * args.people)} MB with '
                  f'{args.people}')
    print(f'{count(estimate.clips, "clip")}, about '
          f'{count(estimate.frames, "frame")}; the features will take about '
          f'{sizes}, in {args.place}', flush=True)


def megabytes(number: float) -> str:
    """Bytes in MB, with two digits that tell sizes apart at least."""
    return f'{number / 1e6:.2g}' if number < 1e7 else f'{number / 1e6:,.0f}'


def say_result(args: argparse.Namespace, content: dict[str, Any],
               failures: dict[str, str], seconds: float) -> int:
    """What was done, and what was not; the exit status."""
    from ..datasets.sources import printable
    counts = content['clips']
    print(f'{counts["stored"]} of {count(counts["found"], "clip")} stored, '
          f'{count(content["frames"], "frame")}, '
          f'{count(content["people"], "person", "people")}, in '
          f'{shown_place(args)} ({seconds:.0f} s)')
    if counts['nobody']:
        print(f'in {counts["nobody"]} of them no person was found; they are '
              f'stored (--nobody {args.nobody}) and count in tests')
    if counts['damaged']:
        print(f'{counts["damaged"]} of them are from damaged videos')
    if not failures:
        return 0
    print(f'{count(len(failures), "clip")} failed and will only be tried '
          'again with --retry:')
    for name, why in list(failures.items())[:SHOWN]:
        print(f'  {printable(name)}: {printable(why)}')
    if len(failures) > SHOWN:
        print(f'  and {len(failures) - SHOWN} more, in '
              f'{shown_place(args)}/extraction.json')
    return 3


# a preset has to know which options are named
main = Command('extract', __doc__, run, add_options, check, signals=True,
               stopped='stopped; what is done is stored, run the same command '
               'again to resume', abbreviations=False)
