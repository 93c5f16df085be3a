"""The options of ``hpnet extract``."""
from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ..extraction.launchers import LAUNCHERS, RAY, LauncherError, Rank
from .options import output_folder, positive, whole_number

if TYPE_CHECKING:
    from ..extraction.metrics import Target

GPU_SHARE = .25  # of a worker on Ray; as many share one without Ray


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add all options, in groups."""
    for add in (_add_source, _add_labels, _add_features, _add_people,
                _add_videos, _add_crops, _add_machine, _add_machines,
                _add_shown):
        add(parser)


def _add_source(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add('source', metavar='SOURCE', nargs='?',
        help='a video; a folder of videos, directly or in one subfolder for '
        'each class; a text file with "video" or "video label" in each line; '
        'a URL of one of these (s3://, https://, …); '
        'or a folder that hpnet prepare wrote, with its labels and splits')
    add('--out', metavar='DIR',
        type=lambda text: text if '://' in text else output_folder(text),
        help='dataset folder to write or to resume; it may be at a URL '
        '(s3://…)')
    add('--preset', choices=('released', ),
        help="do what the authors' pipeline did, in all options that are not "
        'given on the command line')
    add('--retry', action='store_true',
        help='try the clips again that failed in an earlier run')
    add('--shard', metavar='i/n',
        help='extract only the i-th of n parts of the clips (i from 1), so '
        'that several machines can fill one folder')


def _add_labels(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('labels and splits').add_argument
    add('--labels', metavar='FILE',
        help='file with "clip label" in each line; a label is a number or a '
        'class name')
    add('--classes', metavar='FILE',
        help='file with one class name in each line, in label order')
    add('--splits', metavar='FILE',
        help='JSON file: {"train": [clip, ...], "test": [...]}; without it 20 '
        '%% of the clips of each class form test and 10 %% of the rest val: '
        'by person or source video if all file names tell it, otherwise at '
        'random; clips without labels all form test')
    add('--seed', type=int, help='seed of that division (default 0)')


def _add_features(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('pose net and features').add_argument
    add('--pose', metavar='NAME|CONFIG|FILE.onnx',
        help='a name (--list-models lists them), an mmpose config of a '
        'top-down net (a .py file, which is a program: it runs), or an ONNX '
        'pose net (default: the best one whose weights are on this machine)')
    add('--checkpoint', metavar='FILE|URL',
        help='weights of an mmpose config (default: its load_from)')
    add('--tap', action='append',
        help='feature map to pool (hpnet taps POSE lists them): a module path '
        '(HRNet-W48: backbone.stage4.0.branches.1) or an ONNX tensor; or '
        'NET:LAYER of an image net of open_clip or timm on the same crops, '
        'such as timm/resnet18.a1_in1k:layer3 or ViT-B-32=FILE:LAYER (hpnet '
        'taps NET lists them); TAP@3 and TAP@5 pool it over a region; '
        'TAP@beyond pools it past the joints, where the hands are; TAP@ring '
        'subtracts its mean around the person; rgb, coordinates (of a SimCC '
        'head) and heatmap store colours, coordinate vectors and '
        'heatmap cells at the joints; repeat it for several taps (default: '
        'the tap of the named pose net)')
    add('--region', type=int, default=1, choices=(1, 3, 5),
        help='R of Eq. 3, in cells of the feature map, for taps that name no '
        'region (default 1)')
    add('--norm', default='eval', choices=('eval', 'crop'),
        help='batch norm with its stored statistics, or with those of each '
        'crop as in the released code (default eval)')
    add('--grid', default='exact', choices=('exact', 'corners'),
        help='how pixels correspond to cells of a feature map; corners is '
        'what the released code does (default exact)')
    add('--aspect', default='input', choices=('input', 'frame'),
        help='aspect ratio of the crops: of the input of the pose net, or of '
        'the frame as in the released code (default input)')
    add('--list-models', action='store_true',
        help='list the names that --pose and --detector accept, and stop')


def _add_people(parser: argparse.ArgumentParser) -> None:
    people = parser.add_argument_group('people')
    source = people.add_mutually_exclusive_group()
    source.add_argument(
        '--detector', metavar='NAME|CONFIG|FILE.onnx',
        help='a name (--list-models lists them), hog (needs no weights), '
        'frame (the whole frame), boxes:FILE (see above), an mmdet config (a '
        '.py file, which is a program: it runs), or an ONNX export '
        'of YOLOX or RTMDet (default: the best one whose weights are on this '
        'machine)')
    source.add_argument(
        '--joints', metavar='FILE',
        help='2D poses to use instead of a detector and of the joints that '
        'the pose net finds: a .pkl file of mmaction2 or pyskl, a .json file '
        'of Kinetics-Skeleton or a folder of them; its labels and splits are '
        'used, too, unless --labels and --splits are given')
    add = people.add_argument
    add('--det-checkpoint', metavar='FILE|URL',
        help='weights of an mmdet config (default: its load_from)')
    add('--detect-every', type=whole_number(), metavar='K',
        help='detect people in every K-th frame and interpolate their boxes '
        'between (default: hog 12, other detectors 4, given boxes 1)')
    add('--people', '--max-people', type=whole_number(), metavar='N',
        help='people kept in each clip (default: 2, or the number of the '
        'benchmark that hpnet prepare prepared)')
    add('--persons', default='tracked', choices=('tracked', 'released'),
        help='people are tracked through the whole clip, or chosen by class '
        'and order as in the released code (default tracked)')
    add('--nobody', default='zeros', choices=('zeros', 'frame', 'fail'),
        help='a clip in which no person is found is stored as zeros, as the '
        'authors score it (zeros, the default), stored as one person who '
        'fills the frame (frame), or reported as failed (fail)')


def _add_videos(parser: argparse.ArgumentParser) -> None:
    video = parser.add_argument_group('videos')
    add = video.add_argument
    length = video.add_mutually_exclusive_group()
    length.add_argument(
        '--max-frames', type=whole_number(0), default=300,
        help='frames kept of each clip, evenly spaced; 0 keeps all (default '
        '300)')
    length.add_argument(
        '--length', type=whole_number(), metavar='L',
        help='store every clip resampled to L frames, as training would '
        'resample it; of long clips only the frames that are needed are '
        'decoded')
    add('--damaged', default='refuse', choices=('refuse', 'mark'),
        help='a truncated or damaged video fails (refuse, the default), or is '
        'stored as far as it can be decoded, and marked (mark)')
    add('--max-pixels', type=positive, metavar='MP',
        help='refuse videos with larger frames, in megapixels (default 35.4, '
        '8K)')
    add('--max-length', type=whole_number(), metavar='FRAMES',
        help='refuse longer videos (default 1,000,000 frames)')
    add('--timeout', type=positive, default=300, metavar='S',
        help='give a clip up if it makes no progress for S seconds (default '
        '300)')


def _add_crops(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('person crops').add_argument
    add('--crops', action='store_true',
        help='also write person-centred video clips for the RGB branch, also '
        'of clips whose features are stored already')
    add('--crop-size', type=int, default=256,
        help='width and height of the crops in pixels (default 256)')
    add('--crop-margin', type=float, default=1.1,
        help='size of the window relative to the people in it (default 1.1)')
    add('--crop-fit', default='keep', choices=('keep', 'stretch'),
        help='crop a square window (keep), or stretch the box to a square as '
        'in the released code (default keep)')


def _add_machine(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('machine').add_argument
    add('--device', default='cpu', metavar='DEVICE[,DEVICE]',
        help='cpu (default), cuda or cuda:1; several devices, cuda:0,cuda:1, '
        'share the clips')
    add('--workers', type=whole_number(0),
        help='number of processes; each has its own nets and works on one '
        'clip at a time; 0 works in the main process (default: one for each '
        'CPU core, but at most four for each GPU)')
    add('--threads', type=whole_number(), default=1,
        help='threads of the nets in each process (default 1); more help with '
        'few long videos, and may change the last bits of the features')
    add('--batch', type=whole_number(),
        help='crops in one forward pass of the pose net (default: 32; on a '
        'CPU 8, which fit its caches)')
    add('--memory', type=whole_number(), default=256, metavar='MB',
        help='memory of each process for the crops of a clip whose people are '
        'not known yet (default 256)')
    add('--backend', default='torch', choices=('torch', 'onnxruntime'),
        help='library that runs an mmpose net; onnxruntime is faster on a CPU '
        'and equal to 1e-4 (default torch)')
    add('--precision', default='fp32',
        choices=('fp32', 'tf32', 'fp16', 'bf16'),
        help='number format in which an mmpose net computes (default fp32)')


def _add_shown(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('progress').add_argument
    add('--dashboard', action='store_true',
        help='on a terminal, show a line for each worker below the bar: its '
        'clip, frames, frames/s, seconds at this clip, clips done and failed, '
        'restarts')
    add('--metrics', metavar='[HOST:]PORT|FILE.prom', type=_target,
        help="serve metrics of the run in Prometheus' text form (HOST: "
        '127.0.0.1; port 0 takes one that is free and prints it), or write '
        "them to a file for node_exporter's textfile collector")


def _target(text: str) -> Target:
    from ..extraction.metrics import MetricsError, parse_target
    try:
        return parse_target(text)
    except MetricsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _add_machines(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group('several machines').add_argument
    add('--launcher', choices=LAUNCHERS,
        help='ray starts the workers on Ray, here or on a cluster; slurm and '
        'pytorch: each of the processes that srun or torchrun has started '
        'extracts its part, as --shard (default: processes of this computer)')
    add('--address', metavar='HOST:PORT|auto',
        help='Ray cluster to join; auto is the one that this computer is part '
        'of (default: Ray is started on this computer for this run)')
    add('--gpus-per-worker', type=positive_share, metavar='G',
        help='GPUs of each worker on Ray, such as 0.25 (default: 0.25 with '
        '--device cuda, otherwise 0)')


def positive_share(text: str) -> float:
    """A number of GPUs of a command line: a part of one, or whole ones."""
    number = float(text)
    if not 0 < number < float('inf') or number > 1 and number % 1:
        raise argparse.ArgumentTypeError(
            f'{text}: expected a part of one, such as 0.25, or 1, 2, ...')
    return number


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together.

    Sets those that a preset sets, ``part``, and ``rank`` of a launcher.
    """
    if args.preset:
        _apply_preset(parser, args)
    if args.list_models:
        return
    if not (args.source and args.out):
        parser.error('SOURCE and --out are needed')
    args.part, args.rank = (1, 1), None
    _check_launcher(parser, args)
    if args.shard:
        try:
            args.part = tuple(int(n) for n in args.shard.split('/'))
            good = len(args.part) == 2 and 1 <= args.part[0] <= args.part[1]
        except ValueError:
            good = False
        if not good:
            parser.error(f'--shard {args.shard}: expected i/n with i from 1 '
                         'to n, such as 2/4')


def _check_launcher(parser: argparse.ArgumentParser,
                    args: argparse.Namespace) -> None:
    """Set what a launcher implies; end the program where it cannot be."""
    if args.launcher != RAY:
        for option in ('address', 'gpus_per_worker'):
            if getattr(args, option) is not None:
                parser.error(f'--{option.replace("_", "-")} is for --launcher '
                             'ray')
        if args.launcher and args.shard:
            parser.error(f'--shard and --launcher {args.launcher} both say '
                         'which part is to be extracted; name one of them')
        if args.launcher:
            try:
                args.rank = Rank.read(args.launcher)
            except LauncherError as error:
                parser.error(str(error))
            args.part = args.rank.rank + 1, args.rank.world
        return
    if args.workers == 0:
        parser.error('--workers 0 works in the main process; --launcher ray '
                     'needs 1 worker or more')
    if args.address and '://' in args.address:
        parser.error(f'--address {args.address}: expected HOST:PORT or auto; '
                     'run the command on a computer of the cluster')
    if args.gpus_per_worker and args.device == 'cpu':
        args.device = 'cuda'
    if args.device not in ('cpu', 'cuda'):
        parser.error(f'--device {args.device}: Ray chooses the GPUs of a '
                     'worker; name cuda')
    if args.device == 'cuda' and args.gpus_per_worker is None:
        args.gpus_per_worker = GPU_SHARE


def _apply_preset(parser: argparse.ArgumentParser,
                  args: argparse.Namespace) -> None:
    """Set the options of a preset that the command line does not name."""
    from ..datasets.released import RELEASED
    named = {word.split('=')[0] for word in args.words}
    left = dict(RELEASED)
    if '--max-frames' in named:
        left.pop('length')
    if '--joints' in named:  # they say who is who
        left.pop('persons')
    for action in parser._actions:
        if action.dest in left and not named & set(action.option_strings):
            setattr(args, action.dest, left[action.dest])
