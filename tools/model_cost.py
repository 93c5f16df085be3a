#!/usr/bin/env python3
"""Parameters, multiply-adds and memory of a config's model, by part.

    python tools/model_cost.py configs/hpnet_ntu120.py

One clip, in the shapes of the config's validation pipeline; neither data nor
weights are needed. A multiply-add is two FLOPs.
"""
import argparse
import json
import sys


def main(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', metavar='CONFIG')
    parser.add_argument('--json', metavar='OUT', help='also write the numbers')
    args = parser.parse_args(argv)
    from mmengine.config import Config

    import hpnet_plugin  # noqa: F401  registers the models
    from hpnet_plugin.apis.cost import ONCE, model_cost
    from hpnet_plugin.evaluation.tables import format_table
    from hpnet_plugin.files import write_whole
    try:
        cfg = Config.fromfile(args.config)
    except (OSError, KeyError, SyntaxError) as error:
        print(f'model_cost: {args.config}: {error}', file=sys.stderr)
        return 2
    cost = model_cost(cfg)
    rows = [['', 'parameters, M', 'trained, M', 'multiply-adds, G']]
    for name, part in [*cost.parts.items(), ('a clip', cost.total)]:
        name += ', once' * (name == ONCE and cost.once)
        rows.append([name, f'{part.params / 1e6:.3f}',
                     f'{part.trained / 1e6:.3f}', f'{part.macs / 1e9:.2f}'])
    print(format_table(rows))
    print(f'\nA training step keeps {cost.activations / 2**20:.0f} MiB a clip '
          'for its backward pass, in float32.')
    if args.json:
        content = dict(
            parts={name: part._asdict() for name, part in cost.parts.items()},
            clip=cost.total._asdict(), activation_bytes=cost.activations)
        write_whole(args.json, (json.dumps(content, indent=1) + '\n').encode())
    return 0


if __name__ == '__main__':
    sys.exit(main())
