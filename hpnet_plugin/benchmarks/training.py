"""HP-Net's training step beside plain code: memory, time, and the update.

Memory is what the allocator of PyTorch hands out: what is left of it when the
forward pass of one more clip has ended is what the backward pass needs of
that clip. The plain side is X-CLIP's video tower written after the paper
(plain_xclip.py), with the same weights; both give the same features and the
same gradients. The whole step is HP-Net of NTU RGB+D 120 in bfloat16: 8 crops
of 224 pixels, 2 people, 64 frames, 120 class names. The update is that of
the small HP-Net, which has most tensors for its size.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from .common import Tables, add_repeat, cpu_times, positive, ratio, spread

CLIPS, FRAMES, SIDE = 8, 8, 224
GPU = 24e9  # bytes, of a card that many have
MODES = (False, 'selective', True)  # of grad_checkpointing
BLOCKS = 2  # that are timed: all blocks are alike
Step = Callable[[], Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark training``."""
    add_repeat(parser, 5)
    parser.add_argument('--layers', type=positive, default=12,
                        help='blocks of the video tower (default 12)')


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    import torch
    torch.set_num_threads(1)
    tables = {
        'Video tower: MiB that a clip keeps for the backward pass, CPU ms '
        f'forwards and backwards through {BLOCKS} blocks': _towers(
            args.layers, args.repeat)}
    parts, steps = _whole(args.layers)
    tables['Parts of HP-Net, MiB that a clip keeps'] = parts
    tables[f'A step of HP-Net in bfloat16, MB; {CLIPS} clips, and the most '
           'clips in 24 GB'] = steps
    tables['Update of the small HP-Net, CPU ms'] = [_update(args.repeat)]
    return tables


def memory(function: Step) -> tuple[int, int]:
    """Bytes that a function leaves allocated, and the most that it had.

    Args:
        function: Its result is kept until both are known.
    """
    from torch.profiler import ProfilerActivity, profile
    with profile(activities=[ProfilerActivity.CPU],
                 profile_memory=True) as found:
        result = function()
    now = most = 0
    # pyrefly: ignore[missing-attribute]  there after the profile
    for event in found.profiler.kineto_results.events():
        if event.name() == '[memory]':
            now += event.nbytes()
            most = max(most, now)
    del result
    return now, most


def autocast(dtype: str) -> Any:
    """Context of a precision."""
    import torch
    return torch.autocast('cpu', getattr(torch, dtype),
                          enabled=dtype != 'float32')


def towers(layers: int, width: int, patches: bool = True,
           modes: Sequence[Any] = MODES) -> dict[Any, Callable[[Any], Any]]:
    """The plain tower, and ours by what it computes again.

    Args:
        layers: Blocks.
        width: W.
        patches: Whether ours computes the features of the patches in its last
            block as well, which HP-Net does not need.
        modes: Of ours.

    Returns:
        Name to what gives features of clips.

    Raises:
        RuntimeError: If they do not compute the same.
    """
    import torch

    from ..models import XCLIPVision
    from .plain_xclip import VideoTower
    arch = dict(embed_dim=512, vision_cfg=dict(
        layers=layers, width=width, head_width=64, patch_size=16,
        image_size=SIDE), text_cfg=dict(
            context_length=8, width=64, heads=1, layers=1))
    torch.manual_seed(0)
    ours = XCLIPVision(arch, FRAMES).train()
    plain = VideoTower(SIDE, 16, width, layers, 512, FRAMES).train()
    plain.load_state_dict(ours.state_dict())

    def side(mode: Any) -> Callable[[Any], Any]:
        def forward(imgs: Any) -> Any:
            ours.grad_checkpointing = mode
            return ours(imgs, patches).video
        return forward

    sides = {'plain': plain, **{mode: side(mode) for mode in modes}}
    grads = {}
    for name, forward in sides.items():
        forward(_images(1)).square().sum().backward()
        net = plain if name == 'plain' else ours
        grads[name] = {key: value.grad for key, value
                       in net.named_parameters() if value.grad is not None}
        net.zero_grad()
    for name, found in grads.items():
        if found.keys() != grads['plain'].keys():
            raise RuntimeError(f'other parameters have gradients: {name}')
        for key, expected in grads['plain'].items():
            error = (found[key] - expected).abs().max()
            if error > 1e-3 * expected.abs().max() + 1e-6:
                raise RuntimeError(f'the gradient of {key} differs from that '
                                   f'of the plain tower: {name}, {error:g}')
    return sides


def _images(clips: int) -> Any:
    import torch
    torch.manual_seed(1)
    return torch.randn(clips, FRAMES, 3, SIDE, SIDE)


def _kept(forward: Callable[[Any], Any], dtype: str) -> float:
    """MiB that one more clip leaves."""
    left = []
    for clips in (1, 2):
        imgs = _images(clips)
        with autocast(dtype):
            left.append(memory(lambda imgs=imgs: forward(imgs))[0])
    return (left[1] - left[0]) / 2**20


def _times(sides: dict[Any, Callable[[Any], Any]], repeat: int
           ) -> dict[Any, list[float]]:
    """CPU ms forwards and backwards."""
    imgs = _images(1)
    # names need not be strings
    return cpu_times({
        name: lambda forward=forward: forward(imgs).square().sum().backward()
        for name, forward in sides.items()}, repeat)


def _towers(layers: int, repeat: int) -> list[dict]:
    """Rows of the video tower."""
    found = []
    timed = _times(towers(BLOCKS, 768), repeat)
    kept: dict[Any, list[float]] = {}
    for name, forward in towers(layers, 768, patches=False).items():
        print(f'  {_name(name)}', file=sys.stderr, flush=True)
        kept[name] = [_kept(forward, dtype)
                      for dtype in ('float32', 'bfloat16')]
    for name, (single, half) in kept.items():
        found.append({
            'what': _name(name), 'float32': round(single),
            'bfloat16': round(half), 'times less': [
                round(a / b, 2) for a, b in zip(kept['plain'], kept[name])],
            'ms': spread(timed[name]),
            'of the time of plain': ratio(timed[name], timed['plain']),
            'of that of False': ratio(timed[name], timed[False])})
    return found


def _name(mode: Any) -> str:
    return {'plain': 'written plainly', False: 'nothing again (False)',
            'selective': "norms and activations again ('selective')",
            True: 'whole blocks again (True)'}[mode]


def _whole(layers: int) -> tuple[list[dict], list[dict]]:
    """Rows of the parts, and of the whole step."""
    import torch
    from mmaction.registry import MODELS
    from mmaction.structures import ActionDataSample
    from mmengine.registry import DefaultScope

    from ..recipes import compose
    model_cfg = compose('hpnet', benchmark='ntu120')['model']
    model_cfg['backbone']['arch'] = _arch(layers)
    with DefaultScope.overwrite_default_scope('mmaction'):
        torch.manual_seed(0)
        model = MODELS.build(model_cfg).train()
    text = model.text()  # once; frozen, it is kept as it is
    data = {clips: (dict(imgs=_images(clips),
                         pooled_feat=torch.randn(clips, 1, 2, 64, 17, 96)),
                    [ActionDataSample().set_gt_label(i)
                     for i in range(clips)]) for clips in (1, 2)}

    def a_clip(function: Callable[[dict, list], Any], dtype: str,
               which: int) -> tuple[float, float]:
        """MB of a clip, and of none."""
        found = []
        for inputs, samples in data.values():
            model.zero_grad()
            with autocast(dtype):
                found.append(memory(lambda inputs=inputs, samples=samples:
                                    function(inputs, samples))[which] / 1e6)
        return found[1] - found[0], 2 * found[0] - found[1]

    with torch.no_grad():
        features = {len(samples): model.extract_feat(inputs)[0]
                    for inputs, samples in data.values()}
    parts = dict(
        tower=lambda inputs, _: model.backbone(inputs['imgs'], patches=False),
        graphs=lambda inputs, _: model.topology(inputs['pooled_feat'][:, 0]),
        head=lambda _, samples: model.cls_head.loss((
            features[len(samples)][0], text, features[len(samples)][2]),
            samples))
    names = dict(tower="video tower ('selective')", graphs='three CTR-GCN',
                 head='TRMM, classifiers and losses')
    rows = [dict(part=names[name], **{
        dtype: round(a_clip(function, dtype, 0)[0] * 1e6 / 2**20, 1)
        for dtype in ('float32', 'bfloat16')})
        for name, function in parts.items()]
    rows.append(dict(part='text tower: frozen, computed once', float32=0,
                     bfloat16=0))
    return rows, _steps(model, a_clip)


def _arch(layers: int) -> dict[str, Any]:
    """ViT-B-16 of so many blocks."""
    import open_clip
    found = open_clip.get_model_config('ViT-B-16')
    assert found is not None
    found['vision_cfg']['layers'] = layers
    return found


def _steps(model: Any, a_clip: Callable) -> list[dict]:
    """Rows of the whole step, by what is computed again."""
    def step(inputs: dict, samples: list) -> None:
        losses = model.loss(inputs, samples)
        loss, _ = model.parse_losses(losses)
        loss.backward()

    weights = sum(value.numel() for value in model.parameters()) * 4 / 1e6
    learnt = sum(value.numel() for value in model.parameters()
                 if value.requires_grad) * 4 / 1e6
    rows = []
    for mode in MODES:
        model.backbone.grad_checkpointing = mode
        print(f'  whole step, {_name(mode)}', file=sys.stderr, flush=True)
        clip, rest = a_clip(step, 'bfloat16', 1)
        fixed = weights + 2 * learnt + rest
        rows.append({
            'what': _name(mode), 'weights': round(weights),
            'AdamW': round(2 * learnt),
            'gradients, casts': round(rest), 'a clip': round(clip),
            f'{CLIPS} clips, GB': round((fixed + CLIPS * clip) / 1e3, 1),
            'clips in 24 GB': int((GPU / 1e6 - fixed) / clip)})
    return rows


def _update(repeat: int) -> dict:
    """Row of the update."""
    import torch
    from mmaction.registry import MODELS
    from mmengine.optim import (
        CosineAnnealingLR,
        OptimWrapper,
        build_optim_wrapper,
    )
    from mmengine.registry import DefaultScope

    from ..recipes import compose
    config = compose('hpnet', benchmark='nw_ucla_synthetic')
    sides, nets = {}, []
    for name in ('plain', 'ours'):
        with DefaultScope.overwrite_default_scope('mmaction'):
            torch.manual_seed(0)
            net = MODELS.build(config['model'])
            wrapper = build_optim_wrapper(net, config['optim_wrapper'])
        if name == 'plain':
            settings = dict(config['optim_wrapper']['optimizer'])
            for key in ('type', 'fused'):
                settings.pop(key)
            wrapper = OptimWrapper(torch.optim.AdamW([
                dict(params=[value], weight_decay=group['weight_decay'])
                for group in wrapper.optimizer.param_groups
                for value in group['params']], **settings))
        torch.manual_seed(1)
        for value in net.parameters():
            value.grad = torch.randn_like(value)
        sides[name] = _updates(wrapper, CosineAnnealingLR(wrapper, T_max=999))
        nets.append(net)
    times = cpu_times(sides, repeat)
    for one, other in zip(*(net.parameters() for net in nets)):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    return dict(
        what='AdamW and schedule: a group for each tensor; shared and fused',
        plain=spread(times['plain']), ours=spread(times['ours']),
        times_as_fast=ratio(times['plain'], times['ours']))


def _updates(wrapper: Any, schedule: Any) -> Step:
    def update() -> None:
        wrapper.step()
        schedule.step()
    return update


def _small() -> dict[Any, Callable[[Any], Any]]:
    return towers(BLOCKS, 256, modes=('selective', ))


def _memory_ratio() -> float:
    plain, ours = (memory(lambda forward=forward: forward(_images(1)))[0]
                   for forward in _small().values())
    return plain / ours


def _time_ratio() -> float:
    plain, ours = _times(_small(), 3).values()
    return ratio(plain, ours)['median']


QUICK: dict[str, Callable[[], float]] = {
    'training memory': _memory_ratio,
    'training time': _time_ratio,
}
