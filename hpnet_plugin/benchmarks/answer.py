"""From a stored clip to its scores, beside PoseC3D on the same folder.

Streams of the paper's size read a clip of two people from the feature store,
resize it, batch it and score it. PoseC3D is the toolbox's own, by its stock
config (SlowOnly, volumes of 48 frames from the joints in annotations.pkl of
the same folder): pipeline, batch and score as well, with one volume a clip,
as it is validated, and with the 20 volumes that it is tested with (ten
clips, each of them mirrored too). Both are untrained, which costs the same.
Everything runs in one process with one thread; times are CPU time.
"""
from __future__ import annotations

import argparse
import os.path as osp
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from .common import Tables, add_repeat, cpu_times, positive, ratio, spread

# what is called a stream here, to the settings of its recipe
STREAMS = {
    'hp_j': dict(stream='hp_j'),
    'pose_j': dict(stream='pose_j'),
    'hp_j, Skeleton-MixFormer': dict(stream='hp_j', net='mixformer'),
}
LENGTHS = 64, 300  # frames that are stored; a stream sees 64 of them
SEEN = 64
ONE, ALL = 'PoseC3D, 1 volume', 'PoseC3D, 20 volumes'
TARGETS = {ONE: 22, ALL: 200}
CONFIG = 'slowonly_r50_8xb16-u48-240e_ntu60-xsub-keypoint.py'
CLIPS = 2
Answer = Callable[[], Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark answer``."""
    add_repeat(parser, 7)
    parser.add_argument('--protocols', type=positive, default=2,
                        help='turns with 20 volumes, of half a minute each '
                        '(default 2)')


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    import torch
    tables = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for length in LENGTHS:
            with tempfile.TemporaryDirectory() as folder:
                write_folder(folder, length)
                sides = {name: stream(folder, **settings)
                         for name, settings in STREAMS.items()}
                print(f'  {length} frames', file=sys.stderr, flush=True)
                title = f'A clip of 2 people, {length} frames stored'
                # 20 volumes of 48 frames take as long from any length
                turns = args.protocols if length == LENGTHS[0] else 0
                tables[title] = _measure(
                    sides, posec3d(folder), args.repeat, turns)
    finally:
        torch.set_num_threads(threads)
    return tables


def _measure(streams: Mapping[str, Answer], volumes: Mapping[str, Answer],
             repeat: int, protocols: int) -> list[dict]:
    """A row a stream and protocol."""
    for name, side in [*streams.items(), (ONE, volumes[ONE])]:
        check(name, side())
    rows = []
    for protocol, turns in ((ONE, repeat), (ALL, protocols)):
        if not turns:
            continue
        # no first call of half a minute; the other one warmed up for it
        times = cpu_times({**streams, protocol: volumes[protocol]}, turns,
                          warm=protocol == ONE)
        rows += [dict(what=name, against=protocol, ours_ms=_middle(ours),
                      theirs_ms=_middle(times[protocol]),
                      times_as_fast=ratio(times[protocol], ours),
                      target=TARGETS[protocol])
                 for name, ours in times.items() if name in streams]
    return rows


def _middle(times: list[float]) -> dict[str, float]:
    return spread([round(time, 1) for time in times])


def check(name: str, scores: Any) -> None:
    """What is timed is an answer: one finite score for each class.

    Raises:
        RuntimeError: If it is not.
    """
    if scores.shape != (120, ) or not scores.isfinite().all():
        raise RuntimeError(f'{name} gave no scores of 120 classes')


def write_folder(folder: str, length: int) -> None:
    """Write a dataset folder of noise in the shape of NTU RGB+D 120.

    Args:
        folder: Gets ``features/`` and ``annotations.pkl``.
        length: Frames of a clip.
    """
    from mmengine.config import Config

    from ..apis.synthetic import write_synthetic
    from ..recipes import compose
    config = Config(compose('stream', stream='hp_j', benchmark='ntu120'))
    write_synthetic(config, folder, clips=CLIPS, frames=length)


def stream(folder: str, **settings: str) -> Answer:
    """What answers with a stream.

    Args:
        folder: That of :func:`write_folder`.
        **settings: Of the recipe.

    Returns:
        Gives the scores of another clip of the folder at each call.
    """
    from mmengine.config import Config

    from ..recipes import compose
    config = Config(compose('stream', data_root=folder, frames=SEEN,
                            size='full', **settings))
    return _answers(config.test_dataloader.dataset, config.model)


def posec3d(folder: str) -> dict[str, Answer]:
    """What answers with the toolbox's PoseC3D, by protocol."""
    import mmaction
    from mmengine.config import Config

    from ..stock import follow
    config = Config.fromfile(osp.join(
        osp.dirname(mmaction.__file__), '.mim/configs/skeleton/posec3d',
        CONFIG))
    config.ann_file = osp.join(folder, 'annotations.pkl')
    follow(config)
    return {protocol: _answers(loader.dataset, config.model)
            for protocol, loader in ((ONE, config.val_dataloader),
                                     (ALL, config.test_dataloader))}


def _answers(dataset: Any, model: Any) -> Answer:
    """From clips of a dataset to the scores of a model."""
    import itertools

    import torch
    from mmaction.registry import DATASETS, MODELS
    from mmengine.dataset import pseudo_collate
    from mmengine.logging import MMLogger
    from mmengine.registry import DefaultScope
    MMLogger.get_current_instance().setLevel('WARNING')
    with DefaultScope.overwrite_default_scope('mmaction'):
        clips, net = DATASETS.build(dataset), MODELS.build(model).eval()
    turn = itertools.cycle(range(len(clips)))

    def answer() -> Any:
        with torch.inference_mode():
            batch = pseudo_collate([clips[next(turn)]])
            return net.test_step(batch)[0].pred_score

    return answer


def quick(length: int = SEEN, turns: int = 2, each: int = 4) -> float:
    """How many times faster than PoseC3D with one volume ``hp_j`` is.

    Args:
        length: Frames that are stored.
        turns: Of both.
        each: Answers of ours a turn, which are short.

    Returns:
        The median of the turns.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_folder(folder, length)
        ours = stream(folder, stream='hp_j')
        times = cpu_times(dict(
            ours=lambda: [ours() for _ in range(each)],
            theirs=posec3d(folder)[ONE]), turns)
    return statistics.median(each * b / a for a, b in zip(*times.values()))


QUICK = {'answer': quick}
