"""The Runner of the configs: what is wrong is said before work starts."""
from __future__ import annotations

import contextlib
import logging
import os
import os.path as osp
import traceback
from collections.abc import Iterator
from typing import Any, cast

import torch
from mmaction.registry import RUNNERS
from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.logging import MMLogger
from mmengine.runner import BaseLoop, Runner

from .checkpoint_files import check_checkpoint
from .datasets.benchmarks import compare_counts, published_clips
from .launching import LaunchedRunner
from .recipes.checks import ConfigError, refuse_disagreements
from .recipes.current import current_config
from .recipes.inputs import (
    refuse_missing,
    refuse_missing_in_any_case,
)
from .recipes.processes import processes, shared
from .recipes.reading import innermost
from .refusal import Refused, last_words
from .run_summary import RunSummaryHook, quieten
from .weights import CheckpointError, problem

REVISED = [(r'^module\.', '')]  # as mmengine has it


@RUNNERS.register_module()
class CheckedRunner(LaunchedRunner):
    """The Runner, once its config is seen to fit its data.

    Settings that were changed since the config was composed take effect
    first (:func:`hpnet_plugin.recipes.recompose`). Then everything that is
    missing or does not fit, until the first step begins, ends the program
    with one message, without a traceback. Environment, config and hooks,
    hundreds of lines, go to the log file alone.

    Raises:
        Refused: From ``from_cfg``, ``train`` and ``test``, with the message.
    """

    _testing = False

    @classmethod
    def from_cfg(cls, cfg: dict | Config) -> Runner:
        """Build a Runner of a config, once the config is seen to fit.

        Args:
            cfg: The config.

        Returns:
            The Runner.
        """
        with last_words():
            cfg = checked_config(cfg)
        with _set_up():
            return super().from_cfg(cfg)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See mmengine's ``Runner``.

        Args:
            *args: Likewise.
            **kwargs: Likewise.
        """
        self._levels: dict[logging.Handler, int] = {}
        self._description: dict[str, Any] | None = None
        self._validated: dict[str, Any] | None = None
        super().__init__(*args, **kwargs)
        for handler, level in self._levels.items():
            handler.setLevel(level)
            quieten(handler)
        self.summary = RunSummaryHook()
        self.register_hook(self.summary)
        self.logger.info('Environment, config and hooks are in the log file '
                         f'in {self._log_dir}')

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """Build a logger, silent on the console until the Runner is built.

        Args:
            *args: See mmengine's ``Runner.build_logger``.
            **kwargs: Likewise.

        Returns:
            The logger.
        """
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                self._levels[handler] = handler.level
                handler.setLevel(max(handler.level, logging.WARNING))
        return logger

    def load_checkpoint(self, filename: str, map_location: Any = 'cpu',
                        strict: bool = False, revise_keys: list = REVISED
                        ) -> dict:
        """Load a checkpoint; a test needs all weights, and no others.

        Args:
            filename: See mmengine's ``Runner.load_checkpoint``.
            map_location: Likewise.
            strict: Likewise; True in a test.
            revise_keys: Likewise.

        Returns:
            What the file holds.

        Raises:
            CheckpointError: Ends the program, as all that a user can mend.
        """
        with last_words():
            try:
                if osp.isfile(filename):
                    check_checkpoint(filename)
                found = super().load_checkpoint(
                    filename, map_location, strict or self._testing,
                    revise_keys)
            except Exception as error:
                name = self.cfg.filename or self.experiment_name
                raise CheckpointError(problem(
                    filename, error, name, self.model)) from None
            self._compare_data(found.get('meta') or {}, filename)
            return found

    def _compare_data(self, meta: dict, file: str) -> None:
        """Compare the data with those that a checkpoint was trained on."""
        from .apis.read_data import other_data, refuse_other_net
        try:
            refuse_other_net(self.cfg, meta, file)
        except ConfigError as error:
            if self._testing or self._resume:
                raise
            self.logger.warning(str(error))  # a start from other weights
        if self._resume and not self._testing:
            changed = other_data(self.cfg, meta)
            if changed:
                self.logger.warning(f'{file} goes on with {changed}')

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call the hooks; results of validations are kept, too.

        Args:
            fn_name: See mmengine's ``Runner.call_hook``.
            **kwargs: Likewise.
        """
        if fn_name == 'after_val_epoch' and kwargs.get('metrics'):
            from .apis.describing import json_data
            self._validated = dict(epoch=self.epoch,
                                   metrics=json_data(kwargs['metrics']))
        super().call_hook(fn_name, **kwargs)

    @master_only
    def save_checkpoint(self, out_dir: str, filename: str, *args: Any,
                        meta: dict | None = None, **kwargs: Any) -> None:
        """Save a checkpoint that describes its model, whole or not at all.

        ``meta['hpnet']`` is the description
        (:mod:`hpnet_plugin.apis.description`), as JSON data.

        Args:
            out_dir: See mmengine's ``Runner.save_checkpoint``.
            filename: Likewise.
            *args: Likewise.
            meta: Likewise.
            **kwargs: Likewise.
        """
        meta = dict(meta or {}, hpnet=self._described())
        part = filename
        if '://' not in out_dir:
            part += '.part'
        super().save_checkpoint(out_dir, part, *args, meta=meta, **kwargs)
        if part != filename:
            # a training that is killed now leaves the old one, or this
            os.replace(osp.join(out_dir, part), osp.join(out_dir, filename))

    def _described(self) -> dict[str, Any] | None:
        """What a checkpoint says of its model; a training goes on without.
        """
        try:
            if self._description is None:
                # when it is first needed: a start need not wait for it
                from .apis.describing import describe, run_name
                from .apis.read_data import data_read
                from .versions import TRAINING, versions
                self._description = describe(
                    self.cfg.to_dict(), run_name(self.work_dir),
                    dict(epochs=self.max_epochs, seed=self.seed,
                         versions=versions(TRAINING),
                         data=data_read(self.cfg))).to_json()
            training = self._description['training']
            results = [dict(part='val', split=training['splits'].get('val'),
                            **self._validated)] if self._validated else []
            return dict(self._description,
                        training=dict(training, results=results))
        except Exception as error:
            self.logger.warning(
                'the checkpoint carries no description of its model: '
                f'{type(error).__name__}: {error}')
            return None

    def train(self) -> torch.nn.Module:
        """Train, once everything that is needed is there.

        Returns:
            The model.
        """
        with last_words():
            refuse_missing(self.cfg, ('train', 'val'))
            _refuse_amp_without_gpu(self.cfg)
        self._say_what_is_read()
        with _set_up(self.summary):
            return super().train()

    @master_only
    def _say_what_is_read(self) -> None:
        from .apis.read_data import data_note
        self.logger.info(data_note(self.cfg))

    def test(self) -> dict:
        """Test, and say how many of the published clips were tested.

        Returns:
            Name of a metric to its value.
        """
        with last_words():
            refuse_missing(self.cfg, ('test', ))
        self._testing = True
        self._say_what_is_read()
        metrics = super().test()
        dataset: Any = cast(BaseLoop, self.test_loop).dataloader.dataset
        text, as_published = count_note(
            innermost(self.cfg.test_dataloader.dataset), len(dataset),
            getattr(dataset, 'nobody', 0))
        log = self.logger.info if as_published else self.logger.warning
        log(text)
        return metrics


def _refuse_amp_without_gpu(cfg: Config) -> None:
    if (cfg.get('optim_wrapper') or {}).get('type') == 'AmpOptimWrapper' \
            and not torch.cuda.is_available():
        raise ConfigError(
            'mixed precision (--amp, AmpOptimWrapper) needs a GPU, and '
            'PyTorch finds none here: train without it')


@contextlib.contextmanager
def _set_up(summary: RunSummaryHook | None = None) -> Iterator[None]:
    """What a config cannot be built of is a line; the log has the traceback.

    Args:
        summary: Knows whether the first step has
            begun. Errors from then on are no longer the config's.
    """
    try:
        yield
    except Exception as error:
        if summary is not None and summary.begun:
            raise
        files = [handler for handler in
                 MMLogger.get_current_instance().handlers
                 if isinstance(handler, logging.FileHandler)]
        for handler in files:
            if handler.stream is not None:
                handler.stream.write(traceback.format_exc())
                handler.flush()
        where = f'; the traceback is in {files[-1].baseFilename}' \
            if files else ''
        raise Refused(f'this config cannot be built: {type(error).__name__}: '
                      f'{error}{where}') from error


def checked_config(cfg: dict | Config) -> Config:
    """The config that a config means, if it can run.

    Args:
        cfg: A config, with whatever was changed in it.

    Returns:
        The same, composed anew if settings were changed, and shared among
        the processes of its launcher.

    Raises:
        SettingError: If a setting does not exist or cannot be.
        ConfigError: If it disagrees with itself or its folder.
        MissingInputError: If something is missing without which neither
            training nor testing can start.
    """
    cfg = current_config(cfg)
    refuse_disagreements(cfg)
    refuse_missing_in_any_case(cfg)
    cfg.merge_from_dict(shared(cfg, processes(cfg.get('launcher'))))
    return cfg


def count_note(dataset: dict, tested: int,
               nobody: int = 0) -> tuple[str, bool]:
    """What to say of the number of clips of a test.

    Args:
        dataset: Config of the dataset, without wrappers.
        tested: Its clips.
        nobody: Clips among them in which nobody was found.

    Returns:
        A sentence with both counts, that of the test and
        that of the published split, and whether nothing speaks against
        comparing with published numbers.
    """
    root, split = dataset.get('data_root') or '', dataset.get('split')
    published = published_clips(root, split)
    text = ' '.join(filter(None, (root, split)))
    text += f': {compare_counts(tested, published)}'
    if nobody:
        text += (f'; in {nobody:,} of them nobody was found, their features '
                 'are zero')
    as_published = published in (None, tested)
    if not as_published:
        text += (f'; {osp.join(root, "extraction.json")} names the clips that '
                 'failed, missing.txt of hpnet prepare those that were not '
                 'there')
    return text, as_published
