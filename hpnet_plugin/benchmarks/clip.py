"""X-CLIP's video tower beside the official form, for one clip and one thread.

The official form is written plainly after the paper and the released code,
has the same weights (seeded) and gives the same features to 1e-5, which is
checked first. Beside the times stand the multiply-adds of the matrix products
and the rates at which this core multiplies matrices: large square ones, and
those of the tower's own shapes, by the libraries that torch has. The last
table shows where the time goes. Other ways to compute our tower on a CPU,
with the cosine of their features to those of float32, are bfloat16 by
autocast and the exported graph in onnxruntime, in float32 and with int8
weights.
"""
from __future__ import annotations

import argparse
import copy
import statistics
import sys
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from .common import Tables, add_repeat, cpu_times, ratio, spread

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..models import XCLIPVision

FRAMES = 8
OFFICIAL, OURS = 'official form', 'ours'
# of the quick ratio: a matrix product is short, so the rest counts
QUICK_ARCH: dict[str, Any] = dict(
    embed_dim=256,
    vision_cfg=dict(layers=4, width=256, patch_size=16, image_size=224),
    text_cfg=dict(context_length=16, width=64, heads=1, layers=1))
# what operators are shown as; all others are the rest
KINDS = {
    'matrix products': ('aten::addmm', 'aten::mm', 'aten::bmm',
                        'mkldnn::_linear_pointwise'),
    'attention': ('aten::_scaled_dot_product_flash_attention_for_cpu', ),
    'activation': ('aten::sigmoid', 'aten::mul', 'aten::silu_'),
    'norms': ('aten::native_layer_norm', ),
    'copies': ('aten::copy_', 'aten::cat'),
    'patches': ('aten::mkldnn_convolution', ),
}


class Towers(NamedTuple):
    """Both forms with the same weights, and a clip.

    Attributes:
        ours: :class:`hpnet_plugin.models.XCLIPVision`.
        official: The plain form.
        imgs: (1, T, 3, H, W).
    """
    ours: XCLIPVision
    official: nn.Module
    imgs: Tensor

    def run_ours(self) -> Tensor:
        """Features (1, E) as HP-Net uses the tower."""
        return self.ours(self.imgs, patches=False).video

    def run_official(self) -> Tensor:
        """Features (1, E)."""
        return self.official(self.imgs)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark clip``."""
    add_repeat(parser, 5)
    parser.add_argument('--arch', default='ViT-B-16',
                        help="one of open_clip's models with heads 64 wide "
                        '(default ViT-B-16)')
    parser.add_argument('--no-onnx', action='store_true',
                        help='leave onnxruntime out, whose graphs take a '
                        'minute to make')


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    import torch
    torch.set_num_threads(1)
    towers = build(args.arch)
    with torch.inference_mode():
        differs = check(towers)
        print(f'  features differ by {differs:.1e} of the largest',
              file=sys.stderr, flush=True)
        sides = _sides(towers, not args.no_onnx)
        found = {name: side() for name, side in sides.items()}
        times = cpu_times(sides, args.repeat)
        rates = _rates(towers, args.repeat)
        profiles = {OFFICIAL: _profile(towers.run_official),
                    OURS: _profile(towers.run_ours)}
    return {
        f'CPU milliseconds of a clip of {FRAMES} frames, {args.repeat} turns':
        [dict(what=name, ms=spread(times[name]),
              times_as_fast_as_official=ratio(times[OFFICIAL], times[name]),
              cosine=round(_cosine(found[name], found[OURS]), 6))
         for name in sides],
        'Billions of float32 multiply-adds a second': _shares(
            towers, {name: times[name] for name in (OFFICIAL, OURS)}, rates),
        'Shares of the time, in percent':
        [dict(what=name, **shares) for name, shares in profiles.items()],
    }


def build(arch: str | dict[str, Any]) -> Towers:
    """Both towers.

    Args:
        arch: See :func:`hpnet_plugin.models.clip.arch.clip_arch`.

    Returns:
        In eval mode, with random weights and a random clip.
    """
    import torch

    from ..models import XCLIPVision
    from ..models.clip.arch import clip_arch
    from .plain_xclip import VideoTower
    channels, sizes, _ = clip_arch(arch)
    size, patch = sizes.image_size, sizes.patch_size
    assert isinstance(size, int) and isinstance(patch, int)
    assert isinstance(sizes.layers, int)
    torch.manual_seed(0)
    ours = XCLIPVision(arch, num_frames=FRAMES).eval()
    official = VideoTower(size, patch, sizes.width, sizes.layers, channels,
                          FRAMES).eval()
    official.load_state_dict(ours.state_dict())
    return Towers(ours, official, torch.randn(1, FRAMES, 3, size, size))


def check(towers: Towers) -> float:
    """Compare the features of both forms.

    Args:
        towers: Both.

    Returns:
        Their largest difference, as a share of the largest feature.

    Raises:
        RuntimeError: If it is above 1e-5.
    """
    found, expected = towers.run_ours(), towers.run_official()
    differs = float((found - expected).abs().max() / expected.abs().max())
    if not differs <= 1e-5:
        raise RuntimeError(f'the features differ by {differs:.1e} of the '
                           'largest; 1e-5 is allowed')
    return differs


def _sides(towers: Towers, onnx: bool) -> dict[str, Callable[[], Any]]:
    import torch

    def patches() -> Tensor:
        return towers.ours(towers.imgs).video

    def bfloat16() -> Tensor:
        with torch.autocast('cpu', torch.bfloat16):
            return towers.run_ours()

    sides: dict[str, Callable[[], Any]] = {
        OFFICIAL: towers.run_official, OURS: towers.run_ours,
        'ours, with features of the patches': patches,
        'ours, bfloat16 by autocast': bfloat16}
    if onnx:
        sides.update(_sessions(towers))
    return sides


def _sessions(towers: Towers) -> dict[str, Callable[[], Any]]:
    """The exported tower in onnxruntime, in float32 and with int8 weights."""
    import torch

    from ..apis.export_int8 import to_int8
    from ..onnx_export import to_onnx
    from ..onnx_session import open_session

    class Features(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower = towers.ours

        def forward(self, imgs: Tensor) -> Tensor:
            return self.tower(imgs, patches=False).video

    print('  exporting', file=sys.stderr, flush=True)
    with torch.inference_mode(False):
        graph = to_onnx(
            Features().eval(), [torch.randn(2, *towers.imgs.shape[1:])],
            dict(imgs={0: 'clips'}), dict(video={0: 'clips'}))
    imgs = towers.imgs.numpy()

    def side(content: bytes) -> Callable[[], Any]:
        session = open_session(content, 'tower', threads=1)
        return lambda: torch.from_numpy(
            session.run(None, {'imgs': imgs})[0])

    return {'ours, onnxruntime': side(graph),
            'ours, onnxruntime, int8 weights': side(to_int8(graph))}


def _rates(towers: Towers, repeat: int) -> dict[str, float]:
    """Multiply-adds a second of matrix products alone, in billions."""
    import torch
    from torch.nn import functional as F

    from ..models.linear import linear
    tokens, width = towers.ours.visual.positional_embedding.shape
    large = 3072, 3072, 3072
    rows = FRAMES * tokens
    own = [(rows, width, 3 * width), (rows, width, width),
           (rows, width, 4 * width), (rows, 4 * width, width)]
    sides, macs = {}, {}

    def add(name: str, function: Callable, shapes: list[tuple]) -> None:
        made = [(torch.randn(m, k), torch.randn(n, k), torch.randn(n))
                for m, k, n in shapes]
        sides[name] = lambda: [function(*one) for one in made]
        macs[name] = sum(m * k * n for m, k, n in shapes)

    add("3072 x 3072, torch's own", F.linear, [large])
    add('3072 x 3072, as in the tower', linear, [large])
    add("the tower's shapes, torch's own", F.linear, own)
    add("the tower's shapes, as in the tower", linear, own)
    times = cpu_times(sides, repeat)
    return {name: macs[name] / 1e6 / statistics.median(times[name])
            for name in sides}


def _shares(towers: Towers, times: dict[str, list[float]],
            rates: dict[str, float]) -> list[dict[str, Any]]:
    """Rows: rates of products alone, and of the towers with their shares."""
    peak = max(rates.values())
    rows = [dict(what=name, rate=round(rate, 1)) for name, rate in
            rates.items()]
    for name, macs in multiply_adds(towers).items():
        rate = macs / 1e6 / statistics.median(times[name])
        rows.append(dict(
            what=f'{name}: {macs / 1e9:.1f} billion in all',
            rate=round(rate, 1), share_of_the_best=round(rate / peak, 2)))
    return rows


def multiply_adds(towers: Towers) -> dict[str, int]:
    """Multiply-adds of the matrix products, those of attention as well.

    Args:
        towers: Both; copies without data are counted.

    Returns:
        Of each form.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    found = {}
    with torch.inference_mode(False):
        meta = Towers(copy.deepcopy(towers.ours).to('meta'),
                      copy.deepcopy(towers.official).to('meta'),
                      towers.imgs.to('meta'))
        for name, side in ((OFFICIAL, meta.run_official),
                           (OURS, meta.run_ours)):
            with FlopCounterMode(display=False) as counter:
                side()
            found[name] = counter.get_total_flops() // 2
    return found


def _profile(function: Callable[[], Any]) -> dict[str, float]:
    """Shares of the CPU time, in percent."""
    from torch.profiler import ProfilerActivity, profile
    with profile(activities=[ProfilerActivity.CPU]) as found:
        function()
    kind_of = {name: kind for kind, names in KINDS.items() for name in names}
    times = Counter()
    for event in found.key_averages():
        times[kind_of.get(event.key, 'rest')] += event.self_cpu_time_total
    total = sum(times.values())
    return {kind: round(100 * times[kind] / total, 1)
            for kind in (*KINDS, 'rest')}


def _cosine(a: Tensor, b: Tensor) -> float:
    from torch.nn import functional as F
    return float(F.cosine_similarity(a.double(), b.double()).min())


def _quick() -> float:
    """Without oneDNN, whose gain is another on each CPU."""
    from unittest.mock import patch

    import torch
    from torch.nn import functional as F
    towers = build(QUICK_ARCH)
    with patch('hpnet_plugin.models.clip.blocks.linear', F.linear), \
            torch.inference_mode():
        check(towers)
        times = cpu_times({OFFICIAL: towers.run_official,
                           OURS: towers.run_ours}, 11)
    return ratio(times[OFFICIAL], times[OURS])['median']


QUICK: dict[str, Callable[[], float]] = {'clip tower': _quick}
