#!/usr/bin/env python3
"""Extract heatmap pooled features: from videos to a dataset folder.

    hpnet extract VIDEOS --out data/mine

One pass over each video: decode, find the people, track them, estimate
poses, pool, write. Without further options it takes the best pose net and
detector whose weights are on this machine, and says which. Run the same
command again to resume. A clip that cannot be extracted is named with its
reason, and the run goes on.

Exit status: 0 all clips are stored, 3 some failed (each is named with its
reason), 2 wrong usage, 1 anything else (a full disk, for one), 130 and 143
stopped by Ctrl-C and SIGTERM.
"""
import argparse
import os.path as osp
import sys
import time
import warnings
from typing import NamedTuple

from hpnet_plugin.commands.stopping import until_stopped

SHOWN = 20  # failed or skipped files that are listed in full


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        # a preset has to know which options are named
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('source', metavar='SOURCE', nargs='?',
        help='a video; a folder of videos, flat or one subfolder a class; a '
        'text file with "video" or "video label" a line; or the folder that '
        'hpnet prepare wrote, with all it says of labels and splits')
    add('--out', help='dataset folder to write or to resume')
    add('--preset', choices=('released', ),
        help="released: what the authors' pipeline did, in all options that "
        'are not named on the command line')
    add('--retry', action='store_true',
        help='try clips again that failed in an earlier run')
    add('--shard', metavar='i/n',
        help='only the i-th of n parts of the clips (i from 1), for several '
        'machines that fill one folder')

    labels = parser.add_argument_group('what the clips show')
    add = labels.add_argument
    add('--labels', help='file with "clip label" a line; a label is a number '
        'or a class name')
    add('--classes', help='file with a class name a line, in label order')
    add('--splits', help='JSON file: {"train": [clip, ...], "test": [...]}; '
        'without it clips are divided, test 20 %% of each class and val 10 %% '
        'of the rest: by person or video where all names tell, else by '
        'chance; clips without labels are all in test')
    add('--seed', type=int, help='of that division (default 0)')

    pose = parser.add_argument_group('pose net and features')
    add = pose.add_argument
    add('--pose', metavar='NAME|CONFIG|FILE.onnx',
        help='a name (--list-models shows them), an mmpose config of a '
        'top-down net, or an ONNX pose net; by default the best whose '
        'weights are here')
    add('--checkpoint', help='weights of an mmpose config, file or address; '
        "by default the config's load_from")
    add('--tap', action='append',
        help='feature map to pool: module path (HRNet-W48: '
        'backbone.stage4.0.branches.1) or ONNX tensor; TAP@3 or TAP@5 pools '
        'it over a region; rgb, coordinates (of a SimCC head) and heatmap '
        'keep something else at the joints; repeatable; by default that of '
        'the named pose net')
    add('--region', type=int, default=1, choices=(1, 3, 5),
        help='R of Eq. 3, in cells of the map, of taps that name none '
        '(default 1)')
    add('--norm', default='eval', choices=('eval', 'crop'),
        help='batch norm by its own statistics, or by those of each crop as '
        'the released code has it (default eval)')
    add('--grid', default='exact', choices=('exact', 'corners'),
        help='how pixels meet cells of a map; corners is the released code')
    add('--aspect', default='input', choices=('input', 'frame'),
        help='shape of the crops; frame is the released code')
    add('--list-models', action='store_true',
        help='show the names that --pose and --detector know, and stop')
    add('--list-taps', action='store_true',
        help='show the feature maps of the pose net, and stop')

    people = parser.add_argument_group('people')
    source = people.add_mutually_exclusive_group()
    source.add_argument(
        '--detector', metavar='NAME|CONFIG|FILE.onnx',
        help='a name (--list-models), hog (needs no weights), frame (the '
        'whole frame), boxes:FILE, an mmdet config, or a YOLOX or RTMDet '
        'export; by default the best whose weights are here')
    source.add_argument(
        '--joints', metavar='FILE',
        help='2D poses that are there already, instead of a detector and of '
        "the net's own joints: .pkl of mmaction2 or pyskl, Kinetics' .json "
        'or a folder of them; gives labels and splits as well, where no '
        'others are named')
    add = people.add_argument
    add('--det-checkpoint', help='weights of an mmdet config')
    add('--detect-every', type=int, metavar='K',
        help='look for people in every K-th frame, and follow them between '
        '(default: hog 12, nets 4, given boxes 1)')
    add('--max-people', type=int,
        help='people kept a clip (default 2, or as the benchmark has it that '
        'hpnet prepare prepared)')
    add('--persons', default='tracked', choices=('tracked', 'released'),
        help='tracked through the clip, or by class and order as in the '
        'released code (default tracked)')
    add('--nobody', default='zeros', choices=('zeros', 'frame', 'fail'),
        help='a clip in which nobody is found is stored as zeros (default; '
        'as the authors score it), as one person who fills the frame, or '
        'fails')

    video = parser.add_argument_group('videos')
    add = video.add_argument
    length = video.add_mutually_exclusive_group()
    length.add_argument(
        '--max-frames', type=int, default=300,
        help='frames kept a clip, evenly spread; 0 keeps all (default 300)')
    length.add_argument(
        '--length', type=int, metavar='L',
        help='store every clip resampled to L frames, as training would: of '
        'long clips only the frames that count are decoded and posed')
    add('--damaged', default='refuse', choices=('refuse', 'mark'),
        help='a video that is cut off or damaged fails (default) or is stored '
        'as far as it can be decoded, with a mark')
    add('--max-pixels', type=float, metavar='MP',
        help='refuse videos of larger frames, in megapixels (default 35.4, '
        '8K)')
    add('--max-length', type=int, metavar='FRAMES',
        help='refuse longer videos (default 1,000,000 frames)')
    add('--timeout', type=float, default=300, metavar='S',
        help='a clip that gets on by no frame for S seconds fails (default '
        '300)')

    crops = parser.add_argument_group('person-centred clips')
    add = crops.add_argument
    add('--crops', action='store_true',
        help='also write person-centred clips for the RGB branch; those of '
        'clips whose features are there already, too')
    add('--crop-size', type=int, default=256,
        help='side of the clips in pixels (default 256)')
    add('--crop-margin', type=float, default=1.1,
        help='how much the window exceeds the people (default 1.1)')
    add('--crop-fit', default='keep', choices=('keep', 'stretch'),
        help='a square window, or the box stretched to a square as in the '
        'released code (default keep)')

    machine = parser.add_argument_group('machine')
    add = machine.add_argument
    add('--device', default='cpu', metavar='DEVICE[,DEVICE]',
        help='cpu (default), cuda, cuda:1; several, cuda:0,cuda:1, share the '
        'clips')
    add('--workers', type=int,
        help='processes, each with nets of its own, that take a clip at a '
        'time; 0 does all in one process (default: one a CPU core, but no '
        'more than four a GPU)')
    add('--threads', type=int, default=1,
        help='threads of the nets in each process (default 1); more are for '
        'few long videos, and may change the last bits of features')
    add('--batch', type=int,
        help='crops a forward of the pose net (default 32; on a CPU 8, which '
        'stay in its caches)')
    add('--memory', type=int, default=256, metavar='MB',
        help='what a process holds of crops until the people of a clip are '
        'known (default 256)')
    add('--backend', default='torch', choices=('torch', 'onnxruntime'),
        help='what runs an mmpose net; onnxruntime is faster on a CPU, equal '
        'to 1e-4 (default torch)')
    add('--precision', default='fp32',
        choices=('fp32', 'tf32', 'fp16', 'bf16'),
        help='numbers that an mmpose net computes with (default fp32)')
    given = sys.argv[1:] if argv is None else list(argv)
    args = parser.parse_args(given)
    if args.preset:
        _apply_preset(parser, args, given)
    _check(parser, args)
    return args


def _apply_preset(parser, args, given):
    """Options of a preset, where the command line does not say otherwise."""
    from hpnet_plugin.datasets.released import RELEASED
    named = {word.split('=')[0] for word in given}
    left = dict(RELEASED)
    if '--max-frames' in named:
        left.pop('length')
    if '--joints' in named:  # they say who is who
        left.pop('persons')
    for action in parser._actions:
        if action.dest in left and not named & set(action.option_strings):
            setattr(args, action.dest, left[action.dest])


def _check(parser, args):
    if args.list_models:
        return
    if not args.list_taps and not (args.source and args.out):
        parser.error('SOURCE and --out are needed')
    args.part = (1, 1)
    if args.shard:
        try:
            args.part = tuple(int(n) for n in args.shard.split('/'))
            good = len(args.part) == 2 and 1 <= args.part[0] <= args.part[1]
        except ValueError:
            good = False
        if not good:
            parser.error(f'--shard {args.shard}: expected i/n with i from 1 '
                         'to n, such as 2/4')
    for name in ('max_people', 'batch', 'length', 'detect_every', 'timeout',
                 'max_pixels', 'max_length', 'memory', 'threads'):
        value = getattr(args, name)
        if value is not None and value <= 0:
            parser.error(f'--{name.replace("_", "-")} must be positive')
    for name in ('max_frames', 'workers'):
        value = getattr(args, name)
        if value is not None and value < 0:
            parser.error(f'--{name.replace("_", "-")} must not be negative')


def main(argv=None):
    args = parse_args(argv)
    return until_stopped(
        lambda: run(args),
        'stopped; what is done is stored, the same command resumes')


def run(args):
    """Extract as the options say; the exit status."""
    import hpnet_plugin  # noqa: F401  fills the gaps of the stock packages
    from hpnet_plugin.datasets.names import write_names
    from hpnet_plugin.extraction.crops import crop_settings
    from hpnet_plugin.extraction.dataset import write_dataset
    from hpnet_plugin.extraction.run import Extraction
    from hpnet_plugin.extraction.workers import SetupError, cores
    from hpnet_plugin.store import StoreError

    if args.list_models:
        return list_models()
    try:
        if args.list_taps:
            return list_taps(args)
        source = read_source(args)
        settings = settings_of(args)
        if args.crops:  # refuses options that cannot be
            settings.recorder(args.out).prepare()
        devices = args.device.split(',')
        workers = args.workers
        if workers is None:
            workers = cores()
            if devices != ['cpu']:  # each holds its nets in a GPU's memory
                workers = min(workers, 4 * len(devices))
        build, names = builder(args, source.joints)
        extraction = Extraction(build, settings, devices, workers,
                                args.timeout)
        part, parts = args.part
        start = time.time()
        failures = extraction(
            source.clips[part - 1::parts], args.out,
            prefix=f'{part}of{parts}-' if parts > 1 else '',
            retry=args.retry,
            on_start=lambda estimate: (
                write_names(args.out, source.clips, args.source),
                say_estimate(estimate, args)))
        record = dict(extraction.record, crops=crop_settings(args.out))
        # the store itself does without: it can be resumed by a file as well
        for key, name in names.items():
            record[key] = dict(record[key], zoo=name)
        content = write_dataset(
            args.out, source.clips, source.labels, source.classes,
            source.splits, failures, record, source.rule, source.facts)
    except (SetupError, StoreError, ValueError, FileNotFoundError) as error:
        print(f'extract: {error}', file=sys.stderr)
        return 2
    except OSError as error:
        print(f'extract: {error}', file=sys.stderr)
        return 1
    return say_result(args, content, failures, time.time() - start)


def list_taps(args):
    """Print the feature maps of a pose net."""
    from hpnet_plugin.estimation import zoo
    from hpnet_plugin.estimation.pose import list_taps as taps_of
    from hpnet_plugin.evaluation.tables import format_table
    pose = zoo.choose_pose(args.pose, args.checkpoint)
    rows = [['tap', 'channels', 'height', 'width']]
    rows += [[name, *map(str, shape)] for name, shape in
             taps_of(pose.file, pose.checkpoint).items()]
    print(format_table(rows))
    return 0


def list_models():
    """Print the names of pose nets and detectors, the best first."""
    from hpnet_plugin.estimation import zoo
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
        clips (list[Clip]): The videos.
        labels (dict[str, int]): Clip name to class, empty if not known.
        classes (list[str], optional): Class names in label order.
        splits (dict[str, list[str]]): Split to clip names.
        rule (dict): How they came about.
        facts (Facts, optional): Of a folder of hpnet prepare.
        joints (GivenJoints, optional): Poses that are there already.
    """
    clips: list
    labels: dict
    classes: list | None
    splits: dict
    rule: dict
    facts: object
    joints: object


def read_source(args):
    """Source: Clips, labels, splits; says how clips are divided."""
    from hpnet_plugin.datasets import imports, names, sources
    from hpnet_plugin.datasets.splitting import divide_folder
    lists = args.source
    facts, rule = use_lists(args)
    if args.max_people is None:
        args.max_people = facts.people if facts and facts.benchmark else 2
    known = {**(names.read_names(lists) if facts else {}),
             **names.read_names(args.out)}
    clips, skipped = sources.list_clips(args.source, known)
    print(sources.describe_skipped(skipped), end='', flush=True)
    classes = sources.read_classes(args.classes) if args.classes else None
    splits = sources.read_splits(args.splits, clips) if args.splits else {}
    table = sources.read_labels(args.labels) if args.labels else None
    joints = None
    if args.joints:
        joints = imports.GivenJoints.read(args.joints)
        clips = with_joints(clips, joints, args.joints)
        table = table or joints.labels(clips)
        splits = splits or joints.splits(clips)
    labels, classes = sources.assign_labels(clips, table, classes)
    rule = rule or dict(by='given')
    rule = {**rule, 'from': osp.basename(args.splits or args.joints or '')}
    if splits and args.seed is not None:
        raise ValueError('--seed is for clips that come without splits; '
                         f'these have them, of {rule["from"]}')
    if not splits:
        divided = divide_folder(args.out, [clip.name for clip in clips],
                                labels, args.seed)
        print(divided.text, flush=True)
        splits, rule = divided.splits, divided.rule
    return Source(clips, labels, classes, splits, rule, facts, joints)


def use_lists(args):
    """Take what is not on the command line from hpnet prepare's folder.

    Returns:
        tuple[Facts | None, dict | None]: The facts that stand there, and how
        its splits came about; None of another source.
    """
    from hpnet_plugin.facts import read_facts, read_record
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


def with_joints(clips, joints, path):
    """The clips that have joints; says which have none."""
    from hpnet_plugin.datasets.sources import printable
    lacking = [clip.name for clip in clips if clip.name not in joints]
    if lacking:
        print(f'{len(lacking)} of {len(clips)} clips are left out, {path} '
              'has no joints of them: '
              f'{", ".join(map(printable, lacking[:3]))}', flush=True)
    return [clip for clip in clips if clip.name in joints]


def settings_of(args):
    """What the features depend on beside net and people."""
    from hpnet_plugin.estimation.video import Limits
    from hpnet_plugin.extraction.clips import Settings
    limits = Limits()
    if args.max_pixels:
        limits = limits._replace(pixels=int(args.max_pixels * 1e6))
    if args.max_length:
        limits = limits._replace(frames=args.max_length)
    return Settings(
        max_people=args.max_people,
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


def builder(args, joints):
    """What builds source of people and extractor, on a device.

    Returns:
        tuple[Callable, dict[str, str]]: It, and the names of ``'pose'`` and
        ``'detector'`` where they were chosen by one, or by default.
    """
    from hpnet_plugin.estimation import zoo
    from hpnet_plugin.estimation.detectors import build_detector
    from hpnet_plugin.estimation.extractor import build_extractor
    pose = zoo.choose_pose(args.pose, args.checkpoint)
    say_choice('pose net', pose)
    taps = args.tap or pose.taps
    if not taps:
        raise ValueError(f'{pose.name} has no usual feature map: say which '
                         'by --tap; --list-taps shows them')
    detector = None
    if not joints:
        detector = zoo.choose_detector(args.detector, args.det_checkpoint)
        say_choice('detector', detector)
    if pose.file.endswith('.py'):
        # once, here: what is imported before the processes are forked costs
        # them nothing
        import mmpose.apis  # noqa: F401
        warnings.filterwarnings('ignore', 'The metainfo config file')

    def build(device):
        source = joints or build_detector(
            detector.file, detector.checkpoint, device,
            every=args.detect_every)
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


def count(number, one, many=None):
    """1 clip, 2 clips."""
    return f'{number} {one if number == 1 else many or one + "s"}'


def say_choice(what, choice):
    """Which net was taken."""
    print(f'{what}: {choice.name}'
          + (f' ({choice.note})' if choice.note else ''), flush=True)


def say_estimate(estimate, args):
    """What is ahead."""
    if not estimate.clips:
        print(f'nothing to extract: {args.out} has every clip, but for those '
              'that failed', flush=True)
        return
    megabytes = estimate.bytes / 1e6
    people = args.max_people
    print(f'{count(estimate.clips, "clip")}, about '
          f'{count(estimate.frames, "frame")}; features '
          f'of about {megabytes:.1f} MB'
          + (f' with one person a clip, {megabytes * people:.1f} MB with '
             f'{people}' if people > 1 else '') + f', in {args.out}',
          flush=True)


def say_result(args, content, failures, seconds):
    """What was done, and what was not; the exit status."""
    from hpnet_plugin.datasets.sources import printable
    counts = content['clips']
    print(f'{counts["stored"]} of {count(counts["found"], "clip")} stored, '
          f'{count(content["frames"], "frame")}, '
          f'{count(content["people"], "person", "people")}, in '
          f'{osp.abspath(args.out)} ({seconds:.0f} s)')
    if counts['nobody']:
        print(f'nobody was found in {counts["nobody"]} of them; they are '
              'stored as the option --nobody says, and tested')
    if counts['damaged']:
        print(f'{counts["damaged"]} of them are damaged videos')
    if not failures:
        return 0
    print(f'{count(len(failures), "clip")} failed, and will not be tried '
          'again without --retry:')
    for name, why in list(failures.items())[:SHOWN]:
        print(f'  {printable(name)}: {printable(why)}')
    if len(failures) > SHOWN:
        print(f'  and {len(failures) - SHOWN} more, in '
              f'{osp.join(args.out, "extraction.json")}')
    return 3


if __name__ == '__main__':
    sys.exit(main())
