"""Parameters, multiply-adds and memory of models.

    hpnet cost hpnet
    hpnet cost --time hp_j posec3d posec3d,net=x3dshallow,volumes=limb

A config is named as for hpnet train; settings follow it after commas. Of one
config, part by part; of several, a row each. One clip, in the shapes of the
config's validation pipeline; neither data nor weights are needed. A
multiply-add is two FLOPs.
"""
from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config

    from ..apis.cost import Cost


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', metavar='CONFIG', nargs='+',
                        help='a name or a file; or NAME,SETTING=VALUE,…')
    parser.add_argument(
        '--time', action='store_true',
        help='also measure the clips a second that are tested one by one '
        '(the forward pass alone)')
    parser.add_argument(
        '--device', default='cpu', help='where to measure (default: cpu)')
    parser.add_argument('--json', metavar='OUT', help='also write the numbers')
    return parser.parse_args(argv)


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
        spec (str): ``NAME`` or ``NAME,SETTING=VALUE,…``.

    Returns:
        tuple[str, Config]: What to call it, and the config.

    Raises:
        Exception: One of :data:`.settled.REFUSALS`.
    """
    from .names import find_config
    from .settled import settle
    name, *words = spec.split(',')
    named = find_config(name)
    values = [word.partition('=')[2] for word in words]
    return '_'.join([named.name, *values]), settle(named, {}, words).config


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    import torch

    import hpnet_plugin  # noqa: F401  registers the models
    from ..apis.cost import clips_per_second, model_cost
    from ..estimation.devices import device_of
    from ..evaluation.tables import format_table
    from ..files import write_whole
    from .settled import REFUSALS
    costs, speeds = {}, {}
    try:
        device_of(args.device)
    except ValueError as error:
        print(f'cost: {error}', file=sys.stderr)
        return 2
    for spec in args.configs:
        try:
            name, cfg = load(spec)
        except (*REFUSALS, KeyError, SyntaxError) as error:
            print(f'cost: {spec}: {error}', file=sys.stderr)
            return 2
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
    return 0

