"""Convert a published checkpoint to the names of this package's models.

    hpnet convert k600_16_8.pth xclip.pth --from xclip

Kinds: hpnet (the released recogniser), ctrgcn (a released stream), xclip
(Microsoft's .pth), clip (OpenAI's .pt, or MODEL:TAG of open_clip, such as
ViT-B-16:openai, which is downloaded), simcc (the released HRNet-W48). Every
key of the file is either used or listed as left out. No code of the file is
run.

Exit status: 0 done, 2 the usage is wrong or SRC is no such checkpoint, 1 OUT
cannot be written (the disk is full).
"""
from __future__ import annotations

import argparse

from .command import Command
from .options import output_file

KINDS = ('hpnet', 'ctrgcn', 'xclip', 'clip', 'simcc')


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add = parser.add_argument
    add('source', metavar='SRC', help='the published file')
    add('out', metavar='OUT', type=output_file, help='the file to write')
    add('--from', dest='kind', required=True, choices=KINDS,
        help='kind of SRC')
    add('--prompts', action='store_true',
        help="keep X-CLIP's video-specific prompts (--from xclip)")


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    if args.prompts and args.kind != 'xclip':
        parser.error(f'--prompts: only xclip has prompts, not {args.kind}')


def run(args: argparse.Namespace) -> None:
    """Convert, and say what was used."""
    from .. import conversion
    result = conversion.convert_checkpoint(
        args.source, args.out, args.kind, args.prompts)
    kind, used = conversion.KINDS[args.kind], result.state_dict
    print(f'{args.source}: {kind.what}')
    print(f'used:     {len(used):5}  {conversion.shortened(used)}')
    for reason, keys in result.left_out.items():
        print(f'left out: {len(keys):5}  {conversion.shortened(keys)}: '
              f'{reason}')
    if kind.fresh:
        print('not in the file, initialised anew: '
              f'{", ".join(kind.fresh)}')
    if result.options:
        from mmengine import Config
        print('config for these weights:\n')
        print(Config(dict(model=result.options)).pretty_text)
    print(f'{args.out}: {kind.use.replace("{}", args.out)}')


main = Command('convert', __doc__, run, add_options, check)
