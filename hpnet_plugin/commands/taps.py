"""List the feature maps of a pose net that can be pooled at the joints.

    hpnet taps tiny
    hpnet taps hrnet-w48
    hpnet taps my_pose_net.py
    hpnet taps my_pose_net.onnx
    hpnet taps ViT-B-32/openai
    hpnet taps timm/resnet18.a1_in1k

POSE is a name that hpnet extract --list-models lists, an mmpose config of a
top-down net, or an ONNX file; or it is an image net whose feature maps are
pooled beside those of a pose net, named as open_clip names its models,
MODEL/TAG, or as timm does, timm/MODEL.TAG. Each line is a value for hpnet
extract --tap, with the channels, height and width of its feature map for one
crop. Marked are the default tap of a named pose net, and the feature maps of
HRNet-W48 that the paper compares (Tables VII and VIII). No weights are
needed.

Exit status: 0 listed, 2 the usage is wrong or POSE cannot be used.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence

from .command import Command

# feature map of HRNet-W48, channels -> its name in the paper
PAPER = {
    ('backbone.stage4.2.relu', 48): 'H1 of Table VII',
    ('backbone.stage4.0.branches.1', 96): "H2 of Table VII, the paper's own",
    ('backbone.stage4.0.branches.2', 192): 'H3 of Table VII',
    ('backbone.stage2.0.branches.1', 96): 'stage 1 of Table VIII',
    ('backbone.stage3.3.branches.1', 96): 'stage 2 of Table VIII',
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument('pose', metavar='POSE',
                        help='name, mmpose config or ONNX file of a pose net, '
                        'or name of an image net of open_clip or timm')
    parser.add_argument('--checkpoint', metavar='FILE',
                        help='check that these weights fit the pose net')


def notes_of(tap: str, channels: int, default: Sequence[str]) -> str:
    """What is special about a feature map, or nothing.

    Args:
        tap: Its name.
        channels: Its channels.
        default: The default taps of the pose net.
    """
    notes = ['default'] * (tap in default)
    if (tap, channels) in PAPER:
        notes.append(PAPER[tap, channels])
    return '; '.join(notes)


def is_image_net(text: str) -> bool:
    """Whether an image net is meant, and no pose net."""
    from ..estimation import zoo
    from ..estimation.towers import is_model
    return text not in zoo.POSES and is_model(text)


def image_rows(text: str, checkpoint: str | None) -> list[list[str]]:
    """The layers of an image net, a row each."""
    from ..estimation.image_nets import list_layers
    from ..estimation.tap_names import parse_net
    net = parse_net(text)
    if checkpoint:
        net = net._replace(file=checkpoint)
    return [[f'{net}:{layer}', *map(str, shape)]
            for layer, shape in list_layers(net).items()]


def run(args: argparse.Namespace) -> None:
    """Print the table."""
    from ..estimation import zoo
    from ..estimation.pose import list_taps
    from ..evaluation.tables import format_table
    if is_image_net(args.pose):
        rows = image_rows(args.pose, args.checkpoint)
        print(format_table([['tap', 'channels', 'height', 'width'], *rows]))
        return
    choice = zoo.find_pose(args.pose)
    rows = [['tap', 'channels', 'height', 'width', '']]
    for tap, shape in list_taps(choice.file, args.checkpoint).items():
        rows.append([tap, *map(str, shape),
                     notes_of(tap, shape[0], choice.taps)])
    print(format_table(rows))


main = Command('taps', __doc__, run, add_options)
