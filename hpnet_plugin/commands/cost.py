#!/usr/bin/env python3
"""Parameters, multiply-adds and memory of models.

    hpnet cost hpnet
    hpnet cost --time hp_j_ctrgcn_ntu60_xsub configs/hpnet_ntu120.py

A config is named as for hpnet train. Of one config, part by part; of several,
a row each. One clip, in the shapes of the config's validation pipeline;
neither data nor weights are needed. A multiply-add is two FLOPs.
"""
import argparse
import json
import os.path as osp
import sys


def parse_args(argv=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', metavar='CONFIG', nargs='+')
    parser.add_argument(
        '--time', action='store_true',
        help='also measure the clips a second that are tested one by one '
        '(the forward pass alone)')
    parser.add_argument(
        '--device', default='cpu', help='where to measure (default: cpu)')
    parser.add_argument('--json', metavar='OUT', help='also write the numbers')
    return parser.parse_args(argv)


def parts_table(cost):
    """A row a part of a model."""
    from hpnet_plugin.apis.cost import ONCE
    rows = [['', 'parameters, M', 'trained, M', 'multiply-adds, G']]
    for name, part in [*cost.parts.items(), ('a clip', cost.total)]:
        name += ', once' * (name == ONCE and cost.once)
        rows.append([name, f'{part.params / 1e6:.3f}',
                     f'{part.trained / 1e6:.3f}', f'{part.macs / 1e9:.2f}'])
    return rows


def models_table(costs, speeds):
    """A row a model."""
    rows = [['', 'parameters, M', 'multiply-adds, G', 'input, MB',
             *['clips a second'] * bool(speeds)]]
    for name, cost in costs.items():
        rows.append([name, f'{cost.total.params / 1e6:.2f}',
                     f'{cost.total.macs / 1e9:.2f}',
                     f'{cost.inputs / 1e6:.2f}',
                     *[f'{speeds[name]:.1f}' for _ in range(bool(speeds))]])
    return rows


def content_of(cost):
    """The numbers of a model, for JSON."""
    return dict(
        parts={name: part._asdict() for name, part in cost.parts.items()},
        clip=cost.total._asdict(), activation_bytes=cost.activations,
        input_bytes=cost.inputs)


def main(argv=None):
    args = parse_args(argv)
    import torch

    from hpnet_plugin.apis.cost import clips_per_second, model_cost
    from hpnet_plugin.commands.names import find_config
    from hpnet_plugin.commands.settled import REFUSALS, settle
    from hpnet_plugin.evaluation.tables import format_table
    from hpnet_plugin.files import write_whole
    costs, speeds = {}, {}
    for path in args.configs:
        name = osp.splitext(osp.basename(path))[0]
        try:
            cfg = settle(find_config(path), {}).config
            costs[name] = model_cost(cfg)
            if args.time:
                speeds[name] = clips_per_second(cfg, args.device)
        except (*REFUSALS, OSError, KeyError, SyntaxError,
                ValueError) as error:
            print(f'cost: {path}: {error}', file=sys.stderr)
            return 2
    if len(costs) == 1:
        cost, = costs.values()
        print(format_table(parts_table(cost)))
        print(f'\nA training step keeps {cost.activations / 2**20:.0f} MiB a '
              'clip for its backward pass, in float32.')
        for speed in speeds.values():
            print(f'{speed:.1f} clips a second.')
    else:
        print(format_table(models_table(costs, speeds)))
    if speeds:
        where = f'{torch.get_num_threads()} threads' \
            if args.device == 'cpu' else torch.cuda.get_device_name()
        print(f'Time: forward pass, one clip at a time, float32, {where}.')
    if args.json:
        content = {name: dict(content_of(cost), **(
            dict(clips_per_second=speeds[name]) if speeds else {}))
            for name, cost in costs.items()}
        if len(content) == 1:
            content, = content.values()
        write_whole(args.json, (json.dumps(content, indent=1) + '\n').encode())
    return 0


if __name__ == '__main__':
    sys.exit(main())
