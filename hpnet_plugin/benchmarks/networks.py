"""CTR-GCN and SMCLM beside CTR-GCN in its published form.

Networks of the paper's size (2 people, 64 frames, 17 joints, 96 channels, 120
classes), random weights and inputs, the same in both forms: first both must
give the same logits, to 1e-4. On a CPU the numbers are CPU milliseconds, and
both forms take turns in one process. Where there is a GPU, a second table has
its wall milliseconds, in float32, TF32, bfloat16, compiled, and as a CUDA
graph.

SMCLM's peer are its three networks in the published form, one after the
other; ``own_nets`` is the ratio to its own three networks one after the other.
Launches are the operations that torch dispatches and that are no views, in
one forward pass of one clip without gradients, on the meta device, where the
networks compute as on a GPU. Weights are folded before.
"""
from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .common import Tables, add_repeat, cpu_times, positive, ratio, spread

if TYPE_CHECKING:
    from torch import Tensor, nn

SHAPE, CLASSES, TOLERANCE = (2, 64, 17, 96), 120, 1e-4
BATCHES, TRAINED = (1, 16), 8
TARGETS = {'inference': 1.6, 'training': 1.3, 'onnxruntime': 2., 'SMCLM': 1.2}
LAUNCHES = 300

Side = Callable[[], Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark networks``."""
    add_repeat(parser, 7)
    parser.add_argument('--threads', type=positive, default=1,
                        help='threads of torch and onnxruntime (default 1)')
    parser.add_argument('--compile', action='store_true',
                        help='also measure torch.compile, which takes minutes')


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    import torch
    torch.set_num_threads(args.threads)
    rows = []
    for what, make, batch, target in _parts():
        print(f'  {what}, {batch} clips', file=sys.stderr, flush=True)
        rows.append(dict(what=what, clips=batch, **_row(
            make(batch), args.repeat if batch == 1 else
            max(args.repeat // 2, 1)), target=target))
    if args.compile:
        rows.append(dict(what='CTR-GCN, torch.compile', clips=1, **_row(
            _inference(1, torch.compile), args.repeat)))
    tables = {f'CPU milliseconds, threads {args.threads}': rows,
              'launches of a forward pass': _launches()}
    if torch.cuda.is_available():
        tables['wall milliseconds on the GPU'] = list(_on_gpu(args.repeat))
    return tables


def _parts() -> Iterator[tuple[str, Callable[[int], dict[str, Side]], int,
                               float]]:
    for batch in BATCHES:
        yield ('CTR-GCN, inference', _inference, batch, TARGETS['inference'])
        yield ('CTR-GCN, onnxruntime', _onnxruntime, batch,
               TARGETS['onnxruntime'])
        yield 'SMCLM, inference', _smclm, batch, TARGETS['SMCLM']
    yield 'CTR-GCN, training step', _training, TRAINED, TARGETS['training']
    yield ('SMCLM, training step', partial(_smclm, train=True), TRAINED // 2,
           TARGETS['SMCLM'])


def _row(sides: dict[str, Side], repeat: int) -> dict[str, Any]:
    """Columns of one row; the published form is the last side."""
    times = cpu_times(sides, repeat)
    ours, *others, published = times.values()
    row = dict(ours_ms=spread(ours), published_ms=spread(published),
               ratio=ratio(published, ours))
    if others:
        row['own_nets'] = ratio(others[0], ours)
    return row


def _draw(module: nn.Module) -> None:
    """Weights and statistics away from their start, where parts are silent."""
    import torch
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if not value.is_floating_point():
                continue
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith('running_var'):
                value.copy_(.5 + noise.abs())
            elif name.endswith(('alpha', 'bn.weight')) or value.ndim == 1 \
                    and name.endswith('weight'):
                value.copy_(.5 + .1 * noise)
            elif value.ndim < 2:
                value.copy_(.2 * noise)
            else:
                value.copy_(noise / value[0].numel()**.5)


def _clips(batch: int) -> Tensor:
    import torch
    return torch.randn(batch, *SHAPE,
                       generator=torch.Generator().manual_seed(1))


def _models() -> tuple[Any, nn.Module]:
    """A stream, and the published form of its backbone."""
    from mmaction.registry import MODELS
    from mmengine.registry import DefaultScope

    from ..recipes import compose
    from .published import PublishedCTRGCN
    config = compose('stream', benchmark='ntu120', stream='hp_j',
                     schedule='paper')
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config['model']).eval()
    _draw(model)
    published = PublishedCTRGCN(SHAPE[-1]).eval()
    published.load_state_dict(model.backbone.state_dict())
    return model, published


def _same(found: Any, expected: Any) -> None:
    """Refuse to time two things that are not the same.

    Raises:
        RuntimeError: If logits or features differ.
    """
    import torch
    found, expected = torch.as_tensor(found), torch.as_tensor(expected)
    worst = float((found - expected).abs().max()
                  / max(1., float(expected.abs().max())))
    if not worst < TOLERANCE:
        raise RuntimeError(f'both forms differ by {worst}')


def _without_gradients(function: Callable[[], Any]) -> Side:
    import torch
    return torch.inference_mode()(function)


def _inference(batch: int, wrap: Callable = lambda net: net
               ) -> dict[str, Side]:
    model, published = _models()
    net, x = wrap(model.backbone), _clips(batch)
    sides = dict(
        ours=_without_gradients(lambda: model.cls_head(net(x))),
        published=_without_gradients(lambda: model.cls_head(published(x))))
    _same(*(side() for side in sides.values()))
    return sides


def _onnxruntime(batch: int) -> dict[str, Side]:
    """By clips, as ``hpnet predict`` and the API run such files."""
    import numpy as np
    import torch

    from ..apis.describing import describe
    from ..apis.export import export_scores
    from ..apis.onnx_scorer import run_graph
    from ..apis.trained import Trained
    from ..onnx_session import open_session
    from ..recipes import compose
    model, published = _models()
    config = compose('stream', benchmark='ntu120', stream='hp_j',
                     schedule='paper')
    graph, _ = export_scores(Trained(describe(config, 'hp_j'), '', None,
                                     model.state_dict))
    session = open_session(graph, 'stream', threads=torch.get_num_threads())
    x = _clips(batch)
    sides = dict(
        ours=lambda: run_graph(session, {'features': np.asarray(x)}),
        published=_without_gradients(lambda: model.cls_head(published(x))))
    _same(*(side() for side in sides.values()))
    return sides


def _step(function: Callable[[], Tensor], net: nn.Module) -> None:
    """Forward and backward, as a step of training."""
    net.zero_grad()
    function().square().mean().backward()


def _training(batch: int) -> dict[str, Side]:
    model, published = _models()
    model.train()
    published.train()
    x = _clips(batch)
    _same(*(net(x).detach() for net in (model.backbone, published)))
    return {name: lambda net=net: _step(lambda: net(x), net)
            for name, net in (('ours', model.backbone),
                              ('published', published))}


def _topology() -> tuple[Any, list[Any]]:
    """SMCLM, and its networks in the published form."""
    from ..models import SMCLM
    from .published import PublishedCTRGCN
    smclm = SMCLM(dict(type='CTRGCN', in_channels=SHAPE[-1])).eval()
    _draw(smclm)
    nets: list[Any] = [PublishedCTRGCN(SHAPE[-1]).eval()
                       for _ in smclm.models]
    for net, model in zip(nets, smclm.models):
        net.load_state_dict(model.state_dict())
    return smclm, nets


def _smclm(batch: int, train: bool = False) -> dict[str, Side]:
    import torch

    from ..streams import stream
    smclm, published = _topology()
    x = _clips(batch)
    everything = torch.nn.ModuleList([smclm, *published]).train(train)

    def ours() -> Tensor:
        return smclm(x).concat

    def apart(nets: Any) -> Tensor:
        return torch.cat([
            net(stream(x, name, smclm.pairs)).mean((3, 4)).mean(1)
            for net, name in zip(nets, smclm.streams)], 1)

    sides = dict(ours=ours, own_nets=partial(apart, smclm.models),
                 published=partial(apart, published))
    if train:
        return {name: partial(_step, side, everything)
                for name, side in sides.items()}
    sides = {name: _without_gradients(side) for name, side in sides.items()}
    _same(sides['ours'](), sides['published']())
    return sides


def launches(net: nn.Module, x: Tensor) -> int:
    """Operations of a forward pass that compute something.

    Args:
        net: On the device of x; it runs once before.
        x: Its input.

    Returns:
        What torch dispatches but views and memory that is only taken. On a
        GPU each is a launch, or a few.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    found = []
    idle = {'aten::empty', 'aten::_unsafe_view', 'aten::scalar_tensor'}

    class Count(TorchDispatchMode):

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (),
                               kwargs: Any = None) -> Any:
            if not func.is_view and func.name().split('.')[0] not in idle:
                found.append(func)
            return func(*args, **(kwargs or {}))

    with torch.no_grad():
        net(x)
        with Count():
            net(x)
    return len(found)


def _launches() -> list[dict[str, Any]]:
    smclm, published = _topology()
    x = _clips(1).to('meta')
    count = {name: launches(net.to('meta'), x) for name, net in (
        ('SMCLM', smclm), ('CTR-GCN', smclm.models[0]),
        ('published', published[0]))}
    return [dict(what='SMCLM', ours=count['SMCLM'],
                 published=3 * count['published'], target=LAUNCHES),
            dict(what='CTR-GCN', ours=count['CTR-GCN'],
                 published=count['published'], target='')]


def _on_gpu(repeat: int) -> Iterator[dict[str, Any]]:
    """Rows of a GPU; no GPU was at hand when this was written."""
    import torch
    smclm, nets = _topology()
    published = torch.nn.ModuleList(nets)
    for what, batch, train in (('inference', 1, False),
                               ('inference', 16, False),
                               ('training step', 16, True)):
        x = _clips(batch).cuda()
        for name, ours, theirs in (
                ('CTR-GCN', smclm.models[0], published[0]),
                ('SMCLM', lambda y: smclm(y).concat,
                 lambda y: [net(y) for net in published])):
            for module in (smclm, published):
                module.cuda().train(train)
            row: dict[str, Any] = dict(what=f'{name}, {what}', clips=batch)
            for way in ('float32', 'tf32', 'bf16', 'compiled', 'graph'):
                if train and way == 'graph':
                    continue
                times = [_gpu_times(net, x, way, train, repeat)
                         for net in (ours, theirs)]
                row[f'{way}_ms'] = spread(times[0])
                row[f'{way}_ratio'] = ratio(times[1], times[0])
            yield row


def _gpu_times(net: Callable, x: Tensor, way: str, train: bool,
               repeat: int) -> list[float]:
    """Wall milliseconds of each of several turns."""
    import torch
    torch.backends.cuda.matmul.allow_tf32 = way != 'float32'
    torch.backends.cudnn.allow_tf32 = way != 'float32'
    if way == 'compiled':
        net = torch.compile(net)

    def once() -> None:
        with torch.set_grad_enabled(train), torch.autocast(
                'cuda', torch.bfloat16, enabled=way == 'bf16'):
            out = net(x)
        if train:
            outs = out if isinstance(out, list) else [out]
            torch.stack([one.float().square().mean()
                         for one in outs]).sum().backward()

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            once()
    torch.cuda.current_stream().wait_stream(stream)
    if way == 'graph':
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            once()
        once = graph.replay
    times = []
    for _ in range(repeat):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        once()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return times


def _quick(make: Callable[[], dict[str, Side]], repeat: int) -> float:
    """Median ratio on one thread."""
    import torch
    torch.set_num_threads(1)
    times = list(cpu_times(make(), repeat).values())
    return statistics.median(
        theirs / ours for ours, theirs in zip(times[0], times[-1]))


QUICK: dict[str, Callable[[], float]] = {
    'ctrgcn inference': partial(_quick, partial(_inference, 1), 12),
    'ctrgcn onnxruntime': partial(_quick, partial(_onnxruntime, 1), 12),
    'ctrgcn training': partial(_quick, partial(_training, 2), 3),
    'smclm inference': partial(_quick, partial(_smclm, 1), 4),
}
