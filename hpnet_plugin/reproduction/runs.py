"""One training and its test, kept in a folder."""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.config import Config, DictAction

from ..evaluation.curves import read_curves
from ..evaluation.metrics import summarize
from ..evaluation.scores import Scores, read_scores
from ..files import try_locked, write_whole
from ..recipes.reading import innermost
from ..runner import current_config
from ..versions import TRAINING, versions
from .gpus import ONE, Hardware

# what of a config decides its result
DECISIVE = ('model', 'train_dataloader', 'test_dataloader', 'train_cfg',
            'optim_wrapper', 'param_scheduler', 'load_from', 'sync_bn')
PROGRESS = re.compile(r'Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\].*?'
                      r'eta: (.+?)  ')


class ReproductionError(RuntimeError):
    """A run that cannot be made or used; the message says why."""


@dataclass(frozen=True)
class Run:
    """A config with settings and a seed, and the folder of what comes of it.

    Attributes:
        config (str): Path of the config.
        seed (int): Of the training.
        folder (Path): Logs, checkpoints, ``scores.pkl`` and ``run.json``.
        options (tuple[str]): ``--cfg-options`` of both commands, settings of
            the config among them.
        hardware (Hardware): GPUs and precision of the training.
        streams (tuple[str]): Of a model that dumps several scores a clip,
            those that are added.
    """
    config: str
    seed: int
    folder: Path
    options: tuple[str, ...] = ()
    hardware: Hardware = ONE
    streams: tuple[str, ...] = ()

    @property
    def scores(self) -> Path:
        """The dump of the test; it is there once all is done."""
        return self.folder / 'scores.pkl'

    @property
    def done(self) -> bool:
        """Whether trained and tested."""
        return self.scores.is_file()

    def load(self) -> Config:
        """With the options, as it trains on one GPU."""
        parser = argparse.ArgumentParser()  # as mmaction2's tools read them
        parser.add_argument('--options', nargs='+', action=DictAction,
                            default={})
        cfg = Config.fromfile(self.config)
        if self.options:
            cfg.merge_from_dict(parser.parse_args(
                ['--options', *self.options]).options)
        return current_config(cfg)

    def commands(self) -> tuple[list[str], list[str]]:
        """To train, resuming what is there, and to test.

        Raises:
            ReproductionError: If the recipe cannot be kept on so many GPUs.
        """
        cfg = self.load()
        options = [*self.options, *self._gpu_options(cfg)]
        train = ['mim', 'train', 'mmaction2', self.config, '--work-dir',
                 str(self.folder), '--seed', str(self.seed),
                 *self.hardware.arguments]
        if (self.folder / 'last_checkpoint').is_file():
            train.append('--resume')
        epochs = cfg.train_cfg.max_epochs
        test = ['mim', 'test', 'mmaction2', self.config, '--checkpoint',
                str(self.folder / f'epoch_{epochs}.pth'), '--work-dir',
                str(self.folder / 'test'), '--dump',
                str(self.folder / 'testing.pkl')]
        return (train + ['--cfg-options', *options] * bool(options),
                test + ['--cfg-options', *self.options] * bool(self.options))

    def read(self) -> Scores:
        """Of the test; several of a clip are added."""
        return _read(self.scores, self.streams)

    def check(self) -> None:
        """Refuse a folder that another version of the config has filled.

        Raises:
            ReproductionError: Names what differs.
        """
        path = self.folder / 'run.json'
        if not path.is_file():
            if (self.folder / 'last_checkpoint').exists():
                raise ReproductionError(
                    f'{self.folder} holds a training of something else: move '
                    'it away, or give another --out')
            return
        with open(path, encoding='utf-8') as file:
            before = json.load(file)['decisive']
        other = first_difference(before, self._decisive(self.load()))
        if other:
            raise ReproductionError(
                f'{self.folder} was made by {self.config} when {other}: move '
                'it away, or give another --out')

    def __call__(self, report: Callable[[str], None] = print) -> bool:
        """Train and test what is not done yet.

        Args:
            report: Takes a line of progress.

        Returns:
            Whether it is done; not, if another process is at it.

        Raises:
            ReproductionError: If a command fails; with the end of its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with try_locked(self.folder / '.lock') as mine:
            if not mine:
                return False
            if self.done:  # by another process, in the meantime
                return True
            self.check()
            cfg, start = self.load(), time.time()
            train, test = self.commands()
            record = dict(
                config=self.config, options=list(self.options),
                seed=self.seed, **self.hardware.record(),
                hardware=hardware(), versions=versions(TRAINING),
                decisive=self._decisive(cfg))
            self._record(record)
            epochs = cfg.train_cfg.max_epochs
            if not self._trained(epochs):
                self._execute(train, report, epochs)
            trained = time.time()
            self._execute(test, report)
            scores = _read(self.folder / 'testing.pkl', self.streams)
            self._record(dict(
                record, clips=len(scores.names),
                train_seconds=round(trained - start),
                test_seconds=round(time.time() - trained),
                **summarize(scores.scores, scores.labels)))
            os.replace(self.folder / 'testing.pkl', self.scores)
        return True

    def record(self) -> dict:
        """What came of it, for tables and files.

        Returns:
            Config, options, seed, hardware, versions, seconds and metrics of
            ``run.json``, and ``loss``, the mean of each epoch.
        """
        with open(self.folder / 'run.json', encoding='utf-8') as file:
            record = json.load(file)
        del record['decisive']
        losses = {}
        for entry in read_curves(self.folder)[0]:
            losses.setdefault(entry['epoch'], []).append(entry['loss'])
        return dict(record, loss=[round(float(np.mean(values)), 4)
                                  for _, values in sorted(losses.items())])

    def _gpu_options(self, cfg: Config) -> tuple[str, ...]:
        try:
            return self.hardware.options(cfg)
        except ValueError as error:
            raise ReproductionError(f'{self.config}: {error}') from None

    def _decisive(self, cfg: Config) -> dict:
        return dict(decisive(cfg), hardware=self.hardware.record())

    def _record(self, record: dict) -> None:
        path = self.folder / 'run.json'
        if path.is_file():  # hours of a run that was stopped count as well
            with open(path, encoding='utf-8') as file:
                record = {**json.load(file), **record}
        write_whole(path, (json.dumps(record, indent=1) + '\n').encode())

    def _trained(self, epochs: int) -> bool:
        # mmengine writes the newest checkpoint's name in there
        path = self.folder / 'last_checkpoint'
        return path.is_file() and path.read_text().strip().endswith(
            f'epoch_{epochs}.pth')

    def _execute(self, command: list[str], report: Callable[[str], None],
                 epochs: int | None = None) -> None:
        log = self.folder / 'run.log'
        tool = Path(sys.executable).with_name(command[0])
        with open(log, 'ab') as file:
            # mim starts a process of its own: a group, to stop both
            process = subprocess.Popen(
                [str(tool) if tool.is_file() else command[0], *command[1:]],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **self.hardware.environment})
            try:
                for line in process.stdout:
                    file.write(line)
                    match = PROGRESS.search(line.decode(errors='replace'))
                    if match:
                        epoch, step, steps, eta = match.groups()
                        report(f'epoch {epoch}/{epochs}, {step}/{steps}, '
                               f'{eta} left')
                code = process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
                raise
        if code:
            lines = log.read_text(errors='replace').splitlines()
            errors = [line for line in lines
                      if re.match(r'\w[\w.]*Error', line)
                      and 'CalledProcessError' not in line]
            raise ReproductionError(
                f'{" ".join(command)} failed: {[*lines, *errors][-1]}; its '
                f'log is {log}')


def _read(path: Path, streams: tuple[str, ...]) -> Scores:
    if not streams:
        return read_scores(path)
    parts = [read_scores(f'{path}#{stream}') for stream in streams]
    first = parts[0]
    return Scores(first.names, sum(part.scores for part in parts),
                  first.labels, str(path))


def decisive(cfg: Config) -> dict:
    """What decides the result of a config, as JSON would give it back."""
    kept = {key: cfg[key] for key in DECISIVE if key in cfg}
    for phase in ('train', 'test'):
        # how data is read, not what
        kept[f'{phase}_dataloader'] = {
            key: value for key, value in kept[f'{phase}_dataloader'].items()
            if key not in ('num_workers', 'persistent_workers')}
    kept = json.loads(json.dumps(kept, default=str))
    for phase in ('train', 'test'):
        dataset = innermost(kept[f'{phase}_dataloader']['dataset'])
        if dataset['type'] == 'PooledDataset':
            dataset['type'] = 'PoseDataset'  # the same clips, read otherwise
    return kept


def first_difference(before, now, where: str = '') -> str | None:
    """Where two nested values differ first, with both; None if nowhere."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            found = first_difference(before.get(key), now.get(key),
                                     f'{where}.{key}' if where else key)
            if found:
                return found
        return None
    if isinstance(before, list) and isinstance(now, list) and \
            len(before) == len(now):
        for i, pair in enumerate(zip(before, now)):
            found = first_difference(*pair, f'{where}.{i}')
            if found:
                return found
        return None
    return None if before == now else \
        f'{where} was {before!r:.80}, it is {now!r:.80}'


def hardware() -> str:
    """What runs here compute on."""
    import torch
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i)
                 for i in range(torch.cuda.device_count())]
        return ', '.join(names)
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                name = line.partition(':')[2].strip()
                break
    return f'{len(os.sched_getaffinity(0))} cores of {name}' \
        if hasattr(os, 'sched_getaffinity') else name
