"""How time and memory grow, beside what they cannot be less than.

Time (of the CPU, one thread) and memory (by how much a process grows at its
peak) of the network, of loading, of the store, of fusion, of extraction and
of prediction, against frames, people, joints, clips, the batch and the
length of the video. Each curve has a lower bound that is measured or counted
in the same run: the same work done by nothing but the library that it cannot
do without. The exponent of the growth is that of the larger half of the
sizes: 1 is proportional, 0 does not grow. What grows faster than its bound by
more than 0.2 is called so.
"""
from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence

import numpy as np

from .common import Tables, add_repeat
from .growing.curves import Curve

MARGIN = .2  # of exponents
PARTS = ('network', 'loading', 'store', 'fusing', 'extraction', 'prediction')


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark growth``."""
    add_repeat(parser)
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS,
                        help='what to measure (default: all)')
    parser.add_argument('--leave-out', type=int, choices=(0, 1, 2), default=0,
                        help='how many of the largest sizes of each curve to '
                        'leave out (default 0)')
    parser.add_argument('--figure', metavar='STEM',
                        help='also draw all curves, STEM.png and STEM.svg')


def run(args: argparse.Namespace) -> Tables:
    """Measure, and draw if that is asked for; the tables to show."""
    import torch
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    curves = []
    try:
        for name in args.parts:
            print(f'  {name}', file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory() as folder:
                curves += _part(name)(folder, args.repeat, args.leave_out)
    finally:
        torch.set_num_threads(threads)
    if args.figure:
        from ..visualization.growth import growth_figure
        from ..visualization.style import save_figure
        save_figure(args.figure, growth_figure(
            curves, [exponent(one.sizes, one.ours) for one in curves]))
    return {'Growth': [summary(curve) for curve in curves],
            'All sizes': [row for curve in curves for row in _rows(curve)]}


def _part(name: str) -> Callable[[str, int, int], list[Curve]]:
    import mmaction.models  # noqa: F401  once, before anything is timed
    from mmengine.logging import MMLogger
    MMLogger.get_current_instance().setLevel('WARNING')
    from .growing import clips, networks, videos
    return dict(network=networks.measure, loading=clips.loading,
                store=clips.store, fusing=clips.fusing,
                extraction=videos.extraction,
                prediction=videos.prediction)[name]


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Of the power of the sizes that the values grow with.

    Args:
        sizes: From small to large.
        values: One a size, not negative.

    Returns:
        The slope of the logarithms, over the larger half of the sizes, and
        three of them at least.
    """
    last = max(3, len(sizes) // 2 + 1)
    if len(sizes) < 2:
        return 0.
    x, y = np.log(sizes[-last:]), np.log(np.maximum(values[-last:], 1e-6))
    return float(np.polyfit(x, y, 1)[0])


def summary(curve: Curve) -> dict:
    """A row of the table of growth."""
    ours = exponent(curve.sizes, curve.ours)
    bound = exponent(curve.sizes, curve.bound)
    return {
        'what': curve.what, 'of': curve.unit, 'against': curve.along,
        'from': f'{curve.sizes[0]:g}: {curve.ours[0]:.3g}',
        'to': f'{curve.sizes[-1]:g}: {curve.ours[-1]:.3g}',
        'exponent': round(ours, 2), 'bound_is': curve.bound_is,
        'bound_exponent': round(bound, 2),
        'times_the_bound': float(f'{curve.ours[-1] / curve.bound[-1]:.3g}'),
        'verdict': 'grows faster than its bound' if ours > max(bound, 0)
        + MARGIN else 'as its bound or slower'}


def _rows(curve: Curve) -> list[dict]:
    return [dict(what=curve.what, of=curve.unit, against=curve.along,
                 size=size, ours=float(f'{ours:.4g}'),
                 bound=float(f'{bound:.4g}'))
            for size, ours, bound in zip(curve.sizes, curve.ours,
                                         curve.bound)]

