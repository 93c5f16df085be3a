#!/usr/bin/env python3
"""Convert a published checkpoint to the names of this package's models.

    hpnet convert k600_16_8.pth xclip.pth --from xclip

Kinds: hpnet (the released recogniser), ctrgcn (a released stream), xclip
(Microsoft's .pth), clip (OpenAI's .pt, or MODEL:TAG of open_clip, such as
ViT-B-16:openai, which is downloaded), simcc (the released HRNet-W48). Every
key is used or named as left out. No code of the file is run.

Exit status: 0 done, 2 wrong usage or not such a checkpoint.
"""
import argparse
import sys

KINDS = ('hpnet', 'ctrgcn', 'xclip', 'clip', 'simcc')


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('source', metavar='SRC', help='the published file')
    add('out', metavar='OUT', help='the file to write')
    add('--from', dest='kind', required=True, choices=KINDS,
        help='what SRC is')
    add('--prompts', action='store_true',
        help="keep X-CLIP's video-specific prompts (--from xclip)")
    args = parser.parse_args(argv)
    if args.prompts and args.kind != 'xclip':
        parser.error(f'--prompts: only xclip has prompts, not {args.kind}')
    return args


def main(argv=None):
    args = parse_args(argv)
    from hpnet_plugin.apis import conversion
    try:
        result = conversion.convert_checkpoint(
            args.source, args.out, args.kind, args.prompts)
    except (ValueError, OSError) as error:
        print(f'convert: {error}', file=sys.stderr)
        return 2
    kind, used = conversion.KINDS[args.kind], result.state_dict
    print(f'{args.source}: {kind.what}')
    print(f'used:     {len(used):5}  {conversion.shortened(used)}')
    for reason, keys in result.left_out.items():
        print(f'left out: {len(keys):5}  {conversion.shortened(keys)}: '
              f'{reason}')
    if kind.fresh:
        print(f'not in such a file, start anew: {", ".join(kind.fresh)}')
    if result.options:
        from mmengine import Config
        print('config that fits:\n')
        print(Config(dict(model=result.options)).pretty_text)
    print(f'{args.out}: {kind.use.replace("{}", args.out)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
