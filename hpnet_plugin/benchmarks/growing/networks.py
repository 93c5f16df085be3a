"""The forward pass of CTR-GCN, of the paper's width, with random weights."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .curves import Curve, Point, memory_curve, time_curve

CHANNELS, CLASSES = 96, 120
USUAL = dict(frames=64, people=2, joints=17, batch=1)
SIZES = dict(frames=(16, 32, 64, 128, 256, 512), people=(1, 2, 4, 8),
             joints=(8, 17, 34, 68), batch=(1, 2, 4, 8, 16))
NAMES = dict(frames='frames', people='people', joints='joints',
             batch='clips in a batch')
PEAK = 768  # rows of the matrices that tell the peak


def measure(folder: str, repeat: int, least: int = 0) -> list[Curve]:
    """Time and memory against the four sizes of a batch.

    Args:
        folder: Stays empty.
        repeat: Turns of each size.
        least: How many of the largest sizes are left out.

    Returns:
        Two curves a size.
    """
    curves = []
    for name, sizes in SIZES.items():
        shown = sizes[:len(sizes) - least]
        curves.append(time_curve(
            'network (CTR-GCN)', NAMES[name],
            'its multiply-adds at the speed of a large matrix product',
            shown, lambda size, name=name: _point(name, size), repeat))
    for name, sizes in SIZES.items():
        shown = sizes[:len(sizes) - least]
        curves.append(memory_curve(
            'network (CTR-GCN)', NAMES[name],
            'the largest input and output of one layer', shown,
            lambda size, name=name: _memory(name, size)))
    return curves


def _forward(name: str, size: int) -> tuple[Any, Callable[[], Any]]:
    """The net, and what runs it once."""
    import torch
    from mmaction.registry import MODELS

    from ...models import CTRGCN
    sizes = {**USUAL, name: size}
    joints = sizes['joints']
    chain = dict(num_node=joints, center=0,
                 inward=[(i, i - 1) for i in range(1, joints)])
    torch.manual_seed(0)
    backbone = CTRGCN(CHANNELS, 'coco' if joints == 17 else chain,
                      sizes['people'])
    head = MODELS.build(dict(
        type='mmaction.GCNHead', in_channels=backbone.out_channels,
        num_classes=CLASSES))
    net = torch.nn.Sequential(backbone, head).eval()
    x = torch.randn(sizes['batch'], sizes['people'], sizes['frames'], joints,
                    CHANNELS)

    def run() -> Any:
        with torch.inference_mode():
            return net(x)

    return net, run


def _point(name: str, size: int) -> Point:
    import torch

    from ...apis.cost import flop_counter
    _, run = _forward(name, size)
    with flop_counter() as counter:
        run()
    a, b = torch.randn(2, PEAK, PEAK)
    out = torch.empty(PEAK, PEAK)
    return Point(run, lambda: torch.mm(a, b, out=out),
                 counter.get_total_flops() / (2 * PEAK**3))


def _memory(name: str, size: int) -> tuple[Callable[[], Any], float]:
    import torch
    net, run = _forward(name, size)
    largest = [0]

    def look(module: Any, inputs: tuple, output: Any) -> None:
        tensors = [x for x in (*inputs, output)
                   if isinstance(x, torch.Tensor)]
        largest.append(sum(x.nbytes for x in tensors))

    hooks = [module.register_forward_hook(look) for module in net.modules()
             if not [*module.children()]]
    run()
    for hook in hooks:
        hook.remove()
    return run, max(largest) / 1e6
