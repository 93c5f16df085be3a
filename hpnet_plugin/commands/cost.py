"""Parameters, multiply-adds and memory of models.

    hpnet cost hpnet
    hpnet cost --time hp_j posec3d posec3d,net=x3dshallow,volumes=limb

A config is named as for hpnet train; settings follow it after commas. One
config is shown part by part, several are compared in one table. The numbers
are for one clip in the shape that the validation pipeline of the config gives
it; neither data nor weights are needed. One multiply-add is two FLOPs.

Exit status: 0 done, 2 the usage is wrong or a config cannot be used, 1 the
numbers cannot be written (the disk is full).
"""
from __future__ import annotations

import argparse
import copy
import json
from typing import TYPE_CHECKING

from .command import Command
from .options import output_file
from .settled import REFUSALS

if TYPE_CHECKING:
    from mmengine.config import Config

    from ..apis.cost import Cost


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument('configs', metavar='CONFIG', nargs='+',
                        help='a name or a file, with settings after commas: '
                        'NAME,SETTING=VALUE,…')
    parser.add_argument(
        '--time', action='store_true',
        help='also measure the speed of the forward pass, in clips a second, '
        'one clip at a time')
    parser.add_argument(
        '--device', default='cpu',
        help='device to measure on: cpu (default), cuda, cuda:1')
    parser.add_argument('--json', metavar='OUT', type=output_file,
                        help='also write the numbers to this file')


def parts_table(cost: Cost) -> list[list[str]]:
    """A row a part of a model."""
    from ..apis.cost import ONCE
    rows = [['', 'parameters, M', 'trained, M', 'multiply-adds, G']]
    for name, part in [*cost.parts.items(), ('a clip', cost.total)]:
        name += ', once' * (name == ONCE and cost.once)
        rows.append([name, f'{part.params / 1e6:.3f}',
                     f'{part.trained / 1e6:.3f}', f'{part.macs / 1e9:.2f}'])
    return rows


def models_table(costs: dict[str, Cost], speeds: dict[str, float]
                 ) -> list[list[str]]:
    """A row a model."""
    rows = [['', 'parameters, M', 'multiply-adds, G', 'input, MB',
             *['clips a second'] * bool(speeds)]]
    for name, cost in costs.items():
        rows.append([name, f'{cost.total.params / 1e6:.2f}',
                     f'{cost.total.macs / 1e9:.2f}',
                     f'{cost.inputs / 1e6:.2f}',
                     *[f'{speeds[name]:.1f}' for _ in range(bool(speeds))]])
    return rows


def content_of(cost: Cost) -> dict:
    """The numbers of a model, for JSON."""
    return dict(
        parts={name: part._asdict() for name, part in cost.parts.items()},
        clip=cost.total._asdict(), activation_bytes=cost.activations,
        input_bytes=cost.inputs)


def load(spec: str) -> tuple[str, Config]:
    """A config with settings.

    Args:
        spec: ``NAME`` or ``NAME,SETTING=VALUE,…``.

    Returns:
        What to call it, and the config.

    Raises:
        Exception: One of :data:`.settled.REFUSALS`.
    """
    from .names import find_config
    from .settled import settle
    name, *words = spec.split(',')
    named = find_config(name)
    values = [word.partition('=')[2] for word in words]
    return '_'.join([named.name, *values]), settle(named, {}, words).config


def run(args: argparse.Namespace) -> None:
    """Count, measure, print and write."""
    import torch
    from mmengine.logging import MMLogger

    from ..apis.cost import clips_per_second, model_cost
    from ..estimation.devices import device_of
    from ..evaluation.tables import format_table
    from ..files import write_whole
    # what the toolbox says of datasets of noise
    MMLogger.get_current_instance().setLevel('WARNING')
    costs, speeds = {}, {}
    device_of(args.device)
    for spec in args.configs:
        name, cfg = load(spec)
        costs[name] = model_cost(copy.deepcopy(cfg))
        if args.time:
            speeds[name] = clips_per_second(cfg, args.device)
    if len(costs) == 1:
        cost, = costs.values()
        print(format_table(parts_table(cost)))
        print(f'\nA training step keeps {cost.activations / 2**20:.0f} MiB a '
              'clip for its backward pass, in float32.')
        for speed in speeds.values():
            print(f'{speed:.1f} clips a second.')
    else:
        print(format_table(models_table(costs, speeds)))
    if args.time:
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


main = Command('cost', __doc__, run, add_options,
               refused=(*REFUSALS, ValueError))
