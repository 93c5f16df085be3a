"""One training and its test, kept in a folder."""
from __future__ import annotations

import argparse
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from ..evaluation.fusion import fused, join
from ..evaluation.metrics import summarize
from ..evaluation.scores import Scores, read_scores
from ..files import try_locked
from ..recipes.current import current_config
from ..versions import TRAINING, versions
from .decisive import decisive, first_difference
from .execution import ReproductionError, execute, processor_seconds
from .gpus import ONE, Hardware
from .records import computer, epoch_losses, read_record, update_record


@dataclass(frozen=True)
class Run:
    """A config with settings and a seed, and the folder of what comes of it.

    Attributes:
        config: Path of the config.
        seed: Of the training.
        folder: Logs, checkpoints, ``scores.pkl`` and ``run.json``.
        options: ``--cfg-options`` of both commands, settings of the config
            among them.
        hardware: GPUs and precision of the training.
        streams: Of a model that dumps several scores a clip, those that are
            added.
        warm: Whether training and test run in copies of this process, see
            :mod:`.warm`.
    """
    config: str
    seed: int
    folder: Path
    options: tuple[str, ...] = ()
    hardware: Hardware = ONE
    streams: tuple[str, ...] = ()
    warm: bool = False

    @property
    def scores(self) -> Path:
        """The dump of the test; it is there once all is done."""
        return self.folder / 'scores.pkl'

    @property
    def done(self) -> bool:
        """Whether trained and tested."""
        return self.scores.is_file()

    def load(self) -> Config:
        """The config with the options.

        Returns:
            As it trains on one GPU.
        """
        parser = argparse.ArgumentParser()  # as mmaction2's tools read them
        parser.add_argument('--options', nargs='+', action=DictAction,
                            default={})
        cfg = Config.fromfile(self.config)
        if self.options:
            cfg.merge_from_dict(parser.parse_args(
                ['--options', *self.options]).options)
        return current_config(cfg)

    def commands(self) -> tuple[list[str], list[str]]:
        """The commands that make the run.

        Returns:
            One to train, resuming what is there, and one to test.

        Raises:
            ReproductionError: If the recipe cannot be kept on so many GPUs.
        """
        cfg = self.load()
        try:
            gpus = self.hardware.options(cfg)
        except ValueError as error:
            raise ReproductionError(f'{self.config}: {error}') from None
        options = [*self.options, *gpus]
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
        """The scores of the test.

        Returns:
            Of several streams their sum.

        Raises:
            ScoreError: If the dump cannot be used.
        """
        return self._read(self.scores)

    def check(self) -> None:
        """Refuse a folder that another version of the config has filled.

        Raises:
            ReproductionError: Names what differs.
        """
        before = read_record(self.folder)
        if before is None:
            if (self.folder / 'last_checkpoint').exists():
                raise ReproductionError(
                    f'{self.folder} holds a training of something else: move '
                    'it away, or give another --out')
            return
        other = first_difference(before['decisive'],
                                 self._decisive(self.load()))
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
            if mine and not self.done:  # by another process, in the meantime
                self._make(report)
            return mine

    def record(self) -> dict[str, Any]:
        """What came of it, for tables and files.

        Returns:
            Config, options, seed, hardware, versions, seconds and metrics of
            ``run.json``, and ``loss``, the mean of each epoch.
        """
        record = read_record(self.folder) or {}
        record.pop('decisive', None)
        return dict(record, loss=epoch_losses(self.folder))

    def _make(self, report: Callable[[str], None]) -> None:
        """Train, test and record both."""
        self.check()
        cfg, (train, test) = self.load(), self.commands()
        log, environment = self.folder / 'run.log', self.hardware.environment
        update_record(self.folder, dict(
            config=self.config, options=list(self.options), seed=self.seed,
            **self.hardware.record(), hardware=computer(),
            versions=versions(TRAINING), decisive=self._decisive(cfg)))
        epochs = cfg.train_cfg.max_epochs
        if not self._trained(epochs):
            with self._timed('train_seconds'):
                execute(train, log, environment, report, epochs,
                        self.warm)
        with self._timed('test_seconds'):
            execute(test, log, environment, report, warm=self.warm)
        dump = self.folder / 'testing.pkl'
        scores = self._read(dump)
        update_record(self.folder, dict(
            clips=len(scores.names),
            **summarize(scores.scores, scores.known_labels)))
        os.replace(dump, self.scores)

    @contextlib.contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Record seconds; those of what was stopped before count as well.

        Those of the processors, too, of the processes that were started.
        """
        cpu_name = name.replace('_seconds', '_cpu_seconds')
        start, cpu = time.time(), processor_seconds()
        try:
            yield
        finally:
            before = read_record(self.folder) or {}
            update_record(self.folder, {
                name: before.get(name, 0) + round(time.time() - start),
                cpu_name: before.get(cpu_name, 0)
                + round(processor_seconds() - cpu)})

    def _read(self, dump: Path) -> Scores:
        files = [f'{dump}#{stream}' for stream in self.streams] or [dump]
        parts = [read_scores(file) for file in files]
        return fused(join(parts), [1] * len(parts), str(dump))

    def _decisive(self, cfg: Config) -> dict[str, Any]:
        return dict(decisive(cfg), hardware=self.hardware.record())

    def _trained(self, epochs: int) -> bool:
        # mmengine writes the newest checkpoint's name in there
        path = self.folder / 'last_checkpoint'
        return path.is_file() and path.read_text().strip().endswith(
            f'epoch_{epochs}.pth')
