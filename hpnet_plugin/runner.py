"""The Runner of the configs: what is wrong is said before work starts."""
from __future__ import annotations

import contextlib
import logging
import os
import os.path as osp
import sys
import traceback
from collections.abc import Iterator
from typing import Any, cast

import torch
from mmaction.registry import RUNNERS
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_distributed, master_only
from mmengine.logging import MMLogger
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader

from .datasets.benchmarks import compare_counts, published_clips
from .facts import FactsError
from .launching import (
    join_on_cpu,
    last_checkpoint,
    on_cpu,
    refuse_too_few_gpus,
)
from .models.sync_norm import synchronise
from .recipes import SettingError
from .recipes.checks import ConfigError, refuse_disagreements
from .recipes.compose import as_composed
from .recipes.current import current_config
from .recipes.inputs import (
    MissingInputError,
    refuse_missing,
    refuse_missing_in_any_case,
)
from .recipes.processes import first_of_machine, processes, shared
from .recipes.reading import innermost
from .run_summary import RunSummaryHook, quieten
from .weights import CheckpointError, problem

REVISED = [(r'^module\.', '')]  # as mmengine has it


class Refused(SystemExit):
    """The end of a program whose user has to mend something: status 2.

    Args:
        text: What, and how. It is written to standard error, where it
            is the last word.
    """

    def __init__(self, text: str) -> None:
        super().__init__(2)
        self.text = f'\nERROR: {text}'
        sys.stdout.flush()
        if first_of_machine():
            print(self.text, file=sys.stderr, flush=True)

    def __str__(self) -> str:
        return self.text


@RUNNERS.register_module()
class CheckedRunner(Runner):
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
        with _last_words():
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

    def setup_env(self, env_cfg: dict) -> None:
        """Join the other processes; without a GPU by gloo.

        Args:
            env_cfg: See mmengine's ``Runner``.
        """
        if self.distributed and not is_distributed():
            with _last_words():
                if get_device() == 'cpu':
                    join_on_cpu(self.launcher, env_cfg.get('dist_cfg') or {})
                else:
                    refuse_too_few_gpus(self.launcher)
        super().setup_env(env_cfg)

    def wrap_model(self, model_wrapper_cfg: dict | None,
                   model: torch.nn.Module) -> torch.nn.Module:
        """Wrap the model; without a GPU, too, and so its ``sync_bn``.

        Args:
            model_wrapper_cfg: See mmengine's ``Runner``.
            model: Likewise.

        Returns:
            The model.
        """
        if not self.distributed or get_device() != 'cpu':
            return super().wrap_model(model_wrapper_cfg, model)
        norms = self.cfg.get('sync_bn')
        if norms is not None:
            synchronise(model)
        try:
            self.cfg.sync_bn = None  # torch's refuses a CPU
            return super().wrap_model(
                on_cpu(model_wrapper_cfg,
                       self.cfg.get('find_unused_parameters', False)), model)
        finally:
            self.cfg.sync_bn = norms

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict,
                         seed: int | None = None,
                         diff_rank_seed: bool = False) -> DataLoader:
        """Build a loader; ``ClipSampler`` is told the batch size.

        Args:
            dataloader: See mmengine's ``Runner``.
            seed: Likewise.
            diff_rank_seed: Likewise.

        Returns:
            The loader.
        """
        sampler = dataloader.get('sampler') if isinstance(
            dataloader, dict) else None
        if isinstance(sampler, dict) and sampler['type'] == 'ClipSampler' \
                and 'batch_size' in dataloader:
            dataloader = dict(dataloader, sampler=dict(
                sampler, batch_size=dataloader['batch_size']))
        return Runner.build_dataloader(dataloader, seed, diff_rank_seed)

    def load_or_resume(self) -> None:
        """See mmengine's ``Runner``; a killed training is resumed, too."""
        if not self._has_loaded and self._resume and self._load_from is None:
            self._load_from = last_checkpoint(self.work_dir)
            self._resume = self._load_from is not None
            if not self._resume:  # it was ended in its first epoch
                self._load_from = (as_composed(self.cfg) or {}).get(
                    'load_from')
                self.logger.info('There is no checkpoint to resume from: the '
                                 'training begins')
        super().load_or_resume()

    def resume(self, *args: Any, **kwargs: Any) -> None:
        """Resume; the order of the clips goes on as it began.

        Args:
            *args: See mmengine's ``Runner``.
            **kwargs: Likewise.
        """
        super().resume(*args, **kwargs)
        sampler = getattr(self.train_dataloader, 'sampler', None)
        if hasattr(sampler, 'seed') and not self._randomness_cfg.get(
                'diff_rank_seed'):
            # it was built before the checkpoint told the seed
            sampler.seed = self.seed

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
        with _last_words():
            try:
                return super().load_checkpoint(
                    filename, map_location, strict or self._testing,
                    revise_keys)
            except Exception as error:
                name = self.cfg.filename or self.experiment_name
                raise CheckpointError(problem(
                    filename, error, name, self.model)) from None

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
                from .versions import TRAINING, versions
                self._description = describe(
                    self.cfg.to_dict(), run_name(self.work_dir),
                    dict(epochs=self.max_epochs, seed=self.seed,
                         versions=versions(TRAINING))).to_json()
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
        with _last_words():
            refuse_missing(self.cfg, ('train', 'val'))
            _refuse_amp_without_gpu(self.cfg)
        with _set_up(self.summary):
            return super().train()

    def test(self) -> dict:
        """Test, and say how many of the published clips were tested.

        Returns:
            Name of a metric to its value.
        """
        with _last_words():
            refuse_missing(self.cfg, ('test', ))
        self._testing = True
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


@contextlib.contextmanager
def _last_words() -> Iterator[None]:
    """Errors that a user can mend end the program with their message."""
    try:
        yield
    except (SettingError, FactsError, ConfigError, CheckpointError,
            MissingInputError) as error:
        raise Refused(str(error)) from None


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
