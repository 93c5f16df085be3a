"""Export a trained model to ONNX: a folder that runs without torch.

    hpnet export work_dirs/hp_j_ctrgcn_mine --out exported
    hpnet export RUN_1 RUN_2 --weights 1 0.5 --out exported
    hpnet export RUN_1 RUN_2 --learnt layer.json --out exported

RUN is a work dir of hpnet train or mim train, a checkpoint of one, or a
folder with hpnet.json: a stream of a graph network, HP-Net or a fusion.
Several become a fusion, with the weights that are usual for their dataset or
those of --weights, or by the layer that hpnet fuse --learn --save wrote.

The folder holds hpnet.json, which says what the model is and reads,
model.onnx (of a fusion one a member) and pose.onnx: pose net, feature maps,
decoding and pooling in one graph. The pose net is that of the training
features, found by its name; --pose names it where it had none. Clips and
frames are free, people are fixed. Each graph is compared with PyTorch at
other sizes than those it was exported with. --int8 makes HP-Net smaller, and
faster on a CPU, and less exact.

Exit status: 0 exported, 2 wrong usage or an input that is missing, 1 it
cannot be exported, or ONNX and PyTorch differ by more than 1e-4 (10 % with
--int8); nothing is left behind then.
"""
from __future__ import annotations

import argparse
import os.path as osp
import tempfile
from typing import TYPE_CHECKING

from ..datasets.clips import count
from ..onnx_export import ExportError
from .command import Command
from .options import (
    add_weights,
    output_folder,
    refuse_weights,
)

if TYPE_CHECKING:
    from ..apis.export import Exported
    from ..apis.trained import Trained
    from ..estimation.extractor import PooledExtractor


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add = parser.add_argument
    add('runs', metavar='RUN', nargs='+')
    add('--out', metavar='FOLDER', required=True, type=output_folder,
        help='a new folder, or an empty one')
    add_weights(add)
    add('--pose', metavar='NAME|CONFIG|FILE.onnx',
        help='the pose net of the training features, where it had no name')
    add('--checkpoint', help='weights of an mmpose config')
    add('--detector', metavar='FILE.onnx|hog|frame',
        help='an ONNX detector to copy into the folder, or one that needs no '
        'file; by default that of the training is named')
    add('--int8', action='store_true',
        help="int8 weights in HP-Net's video tower, for CPUs: a quarter of "
        'the size, more than twice as fast, scores that differ by a percent')


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    refuse_weights(parser, args, args.runs)


def run(args: argparse.Namespace) -> None:
    """Export the model, and say what was written."""
    from ..apis.export import export_trained
    with tempfile.TemporaryDirectory() as folder:
        trained = _fused(args, folder)
        extractor = _extractor(trained, args.pose, args.checkpoint)
        export_trained(trained, args.out, extractor, args.detector, _say,
                       args.int8)
        _summarize(args.out, trained, extractor)


def _say(part: Exported) -> None:
    differs = '' if part.difference is None else \
        f', differs from PyTorch by {part.difference:.1e}'
    print(f'{part.file}: {part.what}{differs}', flush=True)


def _summarize(out: str, trained: Trained,
               extractor: PooledExtractor | None) -> None:
    spec = _models(trained)[0].description.input or {}
    print(f'{out}: {len(trained.description.classes)} classes, '
          f'{count(spec["people"], "person", "people")} a clip (fixed); '
          f'trained with {spec["frames"]} frames a clip (free, as is the '
          'number of clips)')
    if extractor is None:
        print('without pose.onnx: nothing says what made the training '
              'features; name the pose net by --pose')


def _models(trained: Trained) -> list[Trained]:
    return [model for model, _ in trained.members] or [trained]


def _fused(args: argparse.Namespace, folder: str) -> Trained:
    """The model, or the fusion of several, written into a folder."""
    from ..apis import load_trained, save_pretrained
    from ..apis.members import default_members
    models = [load_trained(run) for run in args.runs]
    if len(models) == 1 and not args.learnt:
        return models[0]
    name = osp.basename(osp.abspath(args.out))
    members = default_members(models, args.weights) if args.weights else None
    return save_pretrained(models, osp.join(folder, name), members,
                           args.learnt)


def _extractor(trained: Trained, pose: str | None, checkpoint: str | None
               ) -> PooledExtractor | None:
    """What made the features; None if nothing says what it was."""
    from ..apis.estimators import build_pose
    if pose is None and not trained.description.extraction.get('pose'):
        return None
    return build_pose(trained.description, _taps(trained), pose=pose,
                      pose_checkpoint=checkpoint)


def _taps(trained: Trained) -> list[str]:
    """Features that the models read, each once."""
    return list(dict.fromkeys(
        tap for model in _models(trained)
        for tap in (model.description.input or {}).get('taps', ())))


main = Command('export', __doc__, run, add_options, check,
               failed=(ExportError, ))
