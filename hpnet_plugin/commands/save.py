"""Write a trained model into a folder that others can use, with its card.

    hpnet save work_dirs/hp_j_ctrgcn_mine --out models/hp_j
    hpnet save work_dirs/hp_j_ctrgcn_mine work_dirs/hpnet_mine --out models/all
    hpnet save work_dirs/hp_j work_dirs/pose_j --learnt layer.json \\
        --out models/learnt

RUN is the work dir of a training, whose newest checkpoint is taken; one of
its checkpoints; or a folder that this command wrote. Several make a fusion:
logits of streams and probabilities of HP-Net are added, with the weights of
their dataset (the authors', where they published them) or those of --weights;
or they are fused by the layer that hpnet fuse --learn --save wrote (--learnt).

The folder has what the model is as data (hpnet.json), its weights
(model.safetensors) and a model card (README.md) of what it was trained on and
how it was tested. Write the licence of your data into it before you share
it. Nothing is run when such a folder is loaded.

Exit status: 0 written, 2 wrong usage, or the models cannot be used or fused.
"""
from __future__ import annotations

import argparse

from .command import Command
from .options import (
    add_weights,
    output_folder,
    refuse_weights,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add = parser.add_argument
    add('runs', metavar='RUN', nargs='+')
    add('--out', required=True, metavar='FOLDER', type=output_folder)
    add_weights(add)


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    refuse_weights(parser, args, args.runs)


def run(args: argparse.Namespace) -> None:
    """Write the model, and say what was written."""
    from ..apis import load_trained, save_pretrained
    from ..apis.members import default_members
    models = [load_trained(run) for run in args.runs]
    members = default_members(models, args.weights) if args.weights else None
    saved = save_pretrained(models[0] if len(models) == 1 else models,
                            args.out, members, args.learnt)
    stack = saved.description.stack
    for i, member in enumerate(saved.description.members):
        what = f'weight {member["weight"]:g} of its' if stack is None else \
            f'in place of {stack.streams[i]}, its'
        print(f'{member["path"]}: {what} ' + dict(
            logit='logits', probability='probabilities')[member['scores']])
    print(f'wrote {args.out}: {saved.description.name}, '
          f'{len(saved.description.classes)} classes; its README.md is the '
          'model card')


main = Command('save', __doc__, run, add_options, check)
