"""Say what the people in new videos do.

    hpnet predict new.mp4 --model work_dirs/hp_j_ctrgcn_mine --save-video
    hpnet predict videos --model RUN --out predictions --json --csv
    hpnet predict rtsp://camera/1 --model RUN --csv seen.csv
    hpnet predict new.mp4 --model work_dirs/hp_j work_dirs/pose_j \\
        --learnt layer.json

People are found, followed and looked at by the nets that made the features
of the training. A short video is looked at as a whole, a longer one and a
live stream in windows, and each window is printed as soon as it is known. A
video that cannot be looked at is named with its reason, and the run goes on.
Ctrl-C ends a live stream; what is known by then is written.

Several models are fused: their scores are added with weights, or by the layer
that hpnet fuse --learn --save wrote for their score files.

Exit status: 0 all videos were looked at, also where nobody was found; 3 some
failed (each is named with its reason), 2 wrong usage, 1 anything else (a full
disk, for one), 130 and 143 stopped by Ctrl-C and SIGTERM.
"""
from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .command import Command
from .options import (
    add_weights,
    number,
    output_folder,
    positive,
    refuse_weights,
    whole_number,
)

if TYPE_CHECKING:
    from ..apis.inferencer import HPNetInferencer

OUT = 'work_dirs/predict'  # folder of files that are not named


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add = parser.add_argument
    add('sources', metavar='SOURCE', nargs='+',
        help='a video; a folder of videos; a pattern such as "clips/*.mp4"; '
        'a text file with a video a line; 0, the first camera; or the '
        'address of a stream, rtsp://… or http://…')
    add_model(parser)

    group = parser.add_argument_group(
        'what is written',
        'Each takes a FILE, for a single video; without one, a file named '
        'after the video goes to the folder of --out.')
    for option, what in (
            ('--save-video', 'the video with boxes, joints, tracks, actions '
             'and a bar of timelines (mp4)'),
            ('--json', 'all that is known, see docs/prediction.md'),
            ('--csv', 'a row a window, and in FILE.timeline.csv a row a '
             'segment of the timelines; FILE may serve several videos')):
        group.add_argument(option, nargs='?', const='', metavar='FILE',
                           help=what)
    add = group.add_argument
    add('--out', metavar='FOLDER', type=output_folder,
        help=f'for files that are not named (default {OUT}); alone, it asks '
        'for all three')
    add('--json-poses', action='store_true',
        help='boxes and joints of every frame in the JSON, too')
    add('--show', action='store_true',
        help='show the frames in a window as they are looked at; q stops')

    add_looking(parser)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Options that say which model looks."""
    add = parser.add_argument
    add('--model', required=True, nargs='+', metavar='RUN',
        help='what was trained: a work dir of hpnet train, a checkpoint of '
        'one, or a folder of hpnet save or hpnet export; several are fused')
    add_weights(add)


def add_looking(parser: argparse.ArgumentParser) -> None:
    """Options that say how it looks; :func:`build` takes all of them."""
    group = parser.add_argument_group('time')
    add = group.add_argument
    add('--window', type=_window, default='auto', metavar='S',
        help='length of a window in s; clip: the whole video at once, as in '
        'training; auto (default): clip if the video is no longer than the '
        'longest training clip, else windows of their median length')
    add('--stride', type=positive, metavar='S',
        help='from one window to the next in s (default: half a window, at '
        'most a window)')
    add('--hold', type=number(0), metavar='S',
        help='how long --show and a saved stream keep a label after its '
        'window (default: a stride)')
    add('--fps', type=positive, metavar='N',
        help='frames a second that are looked at in windows (default: as '
        'many as the model takes, at most those of the training)')

    group = parser.add_argument_group('people and labels')
    add = group.add_argument
    add('--together', action=argparse.BooleanOptionalAction,
        help='whether the model sees all people of a window at once, for '
        'actions between people (default: only in whole videos)')
    add('--max-people', type=whole_number(), metavar='N',
        help='people at most')
    add('--detect-every', type=whole_number(), metavar='K',
        help='look for people in every K-th frame, and follow them between '
        '(default: in windows those of a second, else as in the training)')
    add('--threshold', type=number(0, 1), metavar='P',
        help='below this probability the label is "unknown" (default: that '
        'of hpnet calibrate, or none)')
    add('--topk', type=whole_number(), default=5, metavar='N',
        help='classes named in a prediction (default 5)')

    group = parser.add_argument_group(
        'nets', 'By default pose net and detector are those of the training.')
    add = group.add_argument
    add('--pose', metavar='NAME|CONFIG|FILE.onnx',
        help='the same pose net, where it is not found by its name')
    add('--checkpoint', help='its weights')
    add('--detector', metavar='NAME|CONFIG|FILE.onnx',
        help='another detector, see hpnet extract')
    add('--det-checkpoint', help='its weights')
    add('--device', default='cpu', help='cpu (default), cuda, cuda:1')
    add('--backend', choices=('torch', 'onnx'),
        help='what runs the model (default: torch, where it has weights)')
    add('--threads', type=whole_number(), default=1,
        help='threads of the nets on the CPU (default 1)')


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    # a forgotten FILE would take the next word, which may be a video
    for option, suffix in (('save_video', '.mp4'), ('json', '.json'),
                           ('csv', '.csv')):
        file = getattr(args, option)
        if file and not file.lower().endswith(suffix):
            parser.error(f'--{option.replace("_", "-")} {file}: expected a '
                         f'name that ends in {suffix}')
    if args.json_poses and args.json is None:
        args.json = ''
    if args.out and args.save_video is args.json is args.csv is None:
        args.save_video = args.json = args.csv = ''
    refuse_weights(parser, args, args.model)


def _window(text: str) -> str | float:
    return text if text in ('auto', 'clip') else positive(text)


def run(args: argparse.Namespace) -> int:
    """Predict as the options say; the exit status."""
    from ..apis import open_media
    from .predicting import Outputs, Predicting
    media = open_media(args.sources)
    if len(media) > 1 and any(one.live for one in media):
        raise ValueError('a live source has no end, so that nothing else '
                         'would be looked at: give it alone')
    outputs = Outputs(args, media)
    inferencer = build(args)
    say_model(inferencer)
    with outputs:
        return Predicting(inferencer, media, outputs)()


def say_model(inferencer: HPNetInferencer) -> None:
    """Which model and detector look."""
    print(f'model: {inferencer.name}, {len(inferencer.classes)} classes; '
          f'detector: {inferencer.detector}', flush=True)


def build(args: argparse.Namespace) -> HPNetInferencer:
    """The inferencer that the options ask for."""
    import warnings

    from ..apis.inferencer import HPNetInferencer
    warnings.filterwarnings('ignore', 'The metainfo config file')
    return HPNetInferencer(
        args.model, weights=args.weights, learnt=args.learnt,
        device=args.device, backend=args.backend, pose=args.pose,
        pose_checkpoint=args.checkpoint, detector=args.detector,
        det_checkpoint=args.det_checkpoint, window=args.window,
        stride=args.stride, hold=args.hold, fps=args.fps,
        together=args.together, detect_every=args.detect_every,
        max_people=args.max_people, threshold=args.threshold,
        topk=args.topk, threads=args.threads)


main = Command('predict', __doc__, run, add_options, check, signals=True,
               abbreviations=False)
