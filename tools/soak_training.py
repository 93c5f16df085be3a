#!/usr/bin/env python3
"""Kill trainings again and again, and see whether the weights are the same.

    python tools/soak_training.py --kills 20

Writes a small dataset folder of noise and trains on it once in peace: a
CTR-GCN stream whose clips are cut at random, and HP-Net with flips and random
frames, each in one process and in two. Then it trains in rounds that are
killed by SIGKILL at random moments, the only process or one of the two, and
resumed by ``resume=True`` until they are done. Where one process of two dies,
the other is ended, as torchrun does. At the end of each round weights,
statistics, optimizer and schedulers of the last checkpoint have to be, bit
for bit, those of the training in peace. Prints what happened; exit status 0
if nothing differs.
"""
from __future__ import annotations

import argparse
import collections
import contextlib
import gc
import os
import random
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import soak

ROOT = Path(__file__).resolve().parents[1]
CLIPS, EPOCHS, FRAMES = 24, 4, 8
ARCH = dict(
    embed_dim=32,
    vision_cfg=dict(
        layers=1, width=32, head_width=16, patch_size=16, image_size=32),
    text_cfg=dict(context_length=16, width=16, heads=2, layers=1))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=20,
                        help='kills in all (default 20)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--folder', help='where to work and to leave what '
                        'was found different (default: a temporary folder)')
    return parser.parse_args(argv)


class Setting:
    """One way to train: what, and in how many processes."""

    def __init__(self, data: Path, recipe: str, processes: int) -> None:
        self.name = f'{recipe}, {processes} process(es)'
        self.data, self.recipe, self.processes = data, recipe, processes
        self.seconds = 0.  # of a training in peace

    def config(self, out: Path) -> Any:
        """The small recipe with tiny networks."""
        from mmengine.config import Config

        from hpnet_plugin.recipes import compose
        config = Config.fromfile(ROOT / 'configs/_base_/default_runtime.py')
        config.merge_from_dict(compose(
            self.recipe, data_root=str(self.data), size='small',
            frames=FRAMES, epochs=EPOCHS))
        model, loader = config.model, config.train_dataloader
        steps = loader.dataset.pipeline
        if self.recipe == 'hpnet':
            model.topology.update(streams=('jm', ))
            model.topology.model.base_channels = 8
            model.backbone.arch = model.text.arch = ARCH
            for step in steps:
                if step.type == 'Resize':
                    step.scale = 32, 32
        else:
            model.backbone.base_channels = 8
            model.cls_head.in_channels = 32
            steps.insert(1, dict(type='RandomTemporalCrop', min_ratio=.3))
        for key in ('val_dataloader', 'val_cfg', 'val_evaluator'):
            config.pop(key, None)
        config.update(
            work_dir=str(out), resume=True, log_level='ERROR',
            launcher='pytorch' if self.processes > 1 else 'none')
        # only the first start knows the seed; later ones read it
        if not (out / 'begun').exists():
            config.randomness = dict(seed=1)
        return config


def start(setting: Setting, out: Path) -> list[int]:
    """Fork the processes of a training; their numbers."""
    out.mkdir(parents=True, exist_ok=True)
    if list(out.glob('epoch_*.pth')):
        (out / 'begun').touch()
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    return [_fork(setting, out, rank, port)
            for rank in range(setting.processes)]


def _fork(setting: Setting, out: Path, rank: int, port: int
          ) -> int:  # pyrefly: ignore[bad-return]  os._exit ends it
    pid = os.fork()
    if pid:
        return pid
    gc.freeze()
    status = 70
    try:
        log = os.open(f'{out}.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stdout, sys.stderr = (
            open(fd, 'w', buffering=1, closefd=False) for fd in (1, 2))
        os.environ.update(
            RANK=str(rank), LOCAL_RANK=str(rank), MASTER_ADDR='127.0.0.1',
            WORLD_SIZE=str(setting.processes), MASTER_PORT=str(port))
        import torch
        from mmaction.registry import RUNNERS
        torch.set_num_threads(1)
        torch.manual_seed(0)
        RUNNERS.build(setting.config(out)).train()
        status = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(status)


def finish(pids: Sequence[int]) -> list[int]:
    """Wait for all; where one fails the others are ended, too."""
    status: dict[int, int] = {}
    while len(status) < len(pids):
        pid, code = os.wait()
        status[pid] = os.waitstatus_to_exitcode(code)
        if status[pid]:
            for other in set(pids) - set(status):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(other, signal.SIGTERM)
    return [status[pid] for pid in pids]


def in_peace(setting: Setting, out: Path) -> None:
    """Train without harm, and see how long it takes."""
    begin = time.monotonic()
    if any(finish(start(setting, out))):
        raise SystemExit(f'soak: {setting.name} failed in peace, see '
                         f'{out}.log')
    setting.seconds = time.monotonic() - begin


def a_round(setting: Setting, out: Path, most: int, rng: random.Random,
            counts: collections.Counter[str]) -> int:
    """Kill and resume until all is done; the number of kills."""
    kills = 0
    while True:
        pids = start(setting, out)
        if kills < most:
            time.sleep(rng.uniform(.1, 1.) * setting.seconds)
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(pids), signal.SIGKILL)
        status = finish(pids)
        if not any(status):
            return kills
        if -signal.SIGKILL not in status:
            raise SystemExit(f'soak: {setting.name} ended with {status}, '
                             f'see {out}.log')
        kills += 1
        counts[f'{setting.name}: killed after '
               f'{len(list(out.glob("epoch_*.pth")))} kept epochs'] += 1


def differences(peace: Path, out: Path) -> list[str]:
    """Names of tensors and numbers that are not the same."""
    import torch
    states = [torch.load(folder / f'epoch_{EPOCHS}.pth', weights_only=False)
              for folder in (peace, out)]
    found: list[str] = []
    for key in ('state_dict', 'optimizer', 'param_schedulers'):
        one, other = (dict(_leaves(state[key], key)) for state in states)
        found += [f'{name}: only in one' for name in one.keys() ^ other.keys()]
        found += [name for name in one.keys() & other.keys()
                  if not torch.equal(*(torch.as_tensor(leaf) for leaf in
                                       (one[name], other[name])))]
    return found


def _leaves(value: Any, name: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key in value
                for leaf in _leaves(value[key], f'{name}.{key}')]
    if isinstance(value, (list, tuple)):
        return [leaf for i, one in enumerate(value)
                for leaf in _leaves(one, f'{name}.{i}')]
    return [] if value is None or isinstance(value, str) else [(name, value)]


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    from mmengine.config import Config

    import hpnet_plugin.models.clip.vision
    import hpnet_plugin.runner  # noqa: F401  before any fork
    from hpnet_plugin.apis.synthetic import write_synthetic
    from hpnet_plugin.recipes import compose

    rng = random.Random(args.seed)
    folder = Path(args.folder or tempfile.mkdtemp(prefix='soak-training-'))
    write_synthetic(
        Config(compose('hpnet', benchmark='nw_ucla_synthetic',
                       frames=FRAMES)), str(folder / 'data'), CLIPS, FRAMES)
    settings = [Setting(folder / 'data', recipe, processes)
                for processes in (1, 2) for recipe in ('stream', 'hpnet')]
    peace = {setting: folder / f'peace{i}'
             for i, setting in enumerate(settings)}
    for setting, out in peace.items():
        in_peace(setting, out)
        print(f'{setting.name}: {setting.seconds:.1f} s in peace', flush=True)
    counts: collections.Counter[str] = collections.Counter()

    def one(number: int, out: Path, left: int) -> tuple[str, int, list[str]]:
        setting = settings[number % len(settings)]
        kills = a_round(setting, out, min(rng.randint(1, 3), left), rng,
                        counts)
        return setting.name, kills, differences(peace[setting], out)

    return not soak.rounds(args, folder, one, counts,
                           'the same weights, bit for bit')


if __name__ == '__main__':
    sys.exit(main())
