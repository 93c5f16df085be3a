"""Exported nets in onnxruntime beside the same nets in torch.

A stream of CTR-GCN of the paper's size (2 people, 64 frames, 17 joints, 96
channels, 120 classes), a clip at a time, and the tiny pose net with its
decoding and pooling, in batches of 8 crops, both with random inputs. Torch
and onnxruntime take turns in one process, with the same number of threads.
"""
from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from .common import Tables, add_repeat, positive, ratio, spread

CROPS = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark onnx``."""
    add_repeat(parser, 20)
    parser.add_argument('--threads', type=positive, nargs='+', default=[1, 2],
                        help='threads of both sides (default 1 2)')


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    rows = []
    for name, sides in (('CTR-GCN, a clip', _stream()),
                        (f'tiny pose net, {CROPS} crops', _pose())):
        for threads in args.threads:
            print(f'  {name}, threads {threads}', file=sys.stderr, flush=True)
            rows.append(dict(net=name, threads=threads,
                             **_measure(sides(threads), args.repeat)))
    return {f'milliseconds of wall time, {args.repeat} turns': rows}


def _measure(sides: dict[str, Callable], repeat: int) -> dict:
    times = {name: [] for name in sides}
    for side in sides.values():
        side()  # memory is taken and kernels are chosen at the first
    for _ in range(repeat):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            times[name].append(1000 * (time.perf_counter() - start))
    torch, onnx = times.values()
    return dict({name: spread(found) for name, found in times.items()},
                times_as_fast=round(statistics.median(torch)
                                    / statistics.median(onnx), 2),
                of_each_turn=ratio(torch, onnx))


def _stream() -> Callable[[int], dict[str, Callable]]:
    import torch
    from mmaction.registry import MODELS
    from mmengine.registry import DefaultScope

    from ..apis.describing import describe
    from ..apis.export import export_scores
    from ..apis.trained import Trained
    from ..onnx_session import open_session
    from ..recipes import compose
    config = compose('stream', benchmark='ntu120', stream='hp_j',
                     schedule='paper')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config['model']).eval()
    graph, _ = export_scores(Trained(describe(config, 'hp_j'), '', None,
                                     model.state_dict))
    x = torch.randn(1, 2, 64, 17, 96)

    def sides(threads: int) -> dict[str, Callable]:
        session = open_session(graph, 'stream', threads=threads)

        def eager() -> None:
            torch.set_num_threads(threads)
            with torch.inference_mode():
                model.cls_head(model.backbone(x))

        return dict(torch=eager, onnxruntime=lambda: session.run(
            None, {'features': x.numpy()}))

    return sides


def _pose() -> Callable[[int], dict[str, Callable]]:
    from ..estimation import zoo
    from ..estimation.extractor import build_extractor
    from ..estimation.pose_graph import export_extractor
    from ..onnx_session import open_session
    choice = zoo.choose_pose('tiny')
    crops = np.random.RandomState(0).randint(
        0, 256, (CROPS, 128, 96, 3)).astype(np.uint8)
    matrices = np.tile(np.eye(2, 3, dtype=np.float32), (CROPS, 1, 1))
    graph, _ = export_extractor(build_extractor(
        choice.file, choice.checkpoint, choice.taps))

    def sides(threads: int) -> dict[str, Callable]:
        session = open_session(graph, 'pose', threads=threads)
        eager = build_extractor(choice.file, choice.checkpoint, choice.taps,
                                threads=threads)
        return dict(torch=lambda: eager(crops, matrices),
                    onnxruntime=lambda: session.run(None, {'crops': crops}))

    return sides
