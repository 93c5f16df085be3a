"""Several processes of a training, on GPUs or without any."""
from __future__ import annotations

import datetime
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.runner import Runner
from mmengine.runner.checkpoint import find_latest_checkpoint
from torch.utils.data import DataLoader

from .recipes.checks import ConfigError
from .recipes.compose import as_composed
from .recipes.processes import VARIABLES
from .refusal import last_words

PORT = '29500'  # torch's own


def join_on_cpu(launcher: str, settings: Mapping[str, Any]) -> None:
    """Join the processes of a launcher, by gloo.

    mmengine asks for a GPU whatever the backend is.

    Args:
        launcher: ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        settings: ``env_cfg.dist_cfg``; its ``timeout`` in seconds is kept.

    Raises:
        ConfigError: If the launcher has not started this process.
    """
    environment = os.environ
    for name, source in zip(VARIABLES['pytorch'], VARIABLES[launcher]):
        if source not in environment:
            raise ConfigError(
                f'launcher {launcher!r} has not started this process: '
                f'{source} is not set')
        environment[name] = environment[source]
    environment.setdefault('MASTER_PORT', PORT)
    if launcher == 'slurm' and 'MASTER_ADDR' not in environment:
        environment['MASTER_ADDR'] = subprocess.run(
            ['scontrol', 'show', 'hostnames', environment['SLURM_NODELIST']],
            check=True, text=True, capture_output=True).stdout.split()[0]
    timeout = settings.get('timeout')
    dist.init_process_group(
        'gloo', timeout=datetime.timedelta(seconds=timeout)
        if timeout else None)


def refuse_too_few_gpus(launcher: str) -> None:
    """Raise an error if this process would get no GPU, and others do.

    Args:
        launcher: What has started it.

    Raises:
        ConfigError: Says how many there are.
    """
    there = torch.cuda.device_count()
    local = int(os.environ.get(VARIABLES[launcher][2], 0))
    if torch.cuda.is_available() and local >= there:
        raise ConfigError(
            f'process {local + 1} of this machine needs a GPU of its own, and '
            f'it has {there}: start {there} a machine, or set '
            'CUDA_VISIBLE_DEVICES=-1 to train on the CPU')


def on_cpu(wrapper: Mapping[str, Any] | None, find_unused: bool
           ) -> dict[str, Any]:
    """``model_wrapper_cfg`` of a model on the CPU.

    Args:
        wrapper: What the config says.
        find_unused: ``find_unused_parameters`` of the config.

    Returns:
        The same, but no device is asked for.
    """
    return dict(dict(type='MMDistributedDataParallel',
                     broadcast_buffers=False,
                     find_unused_parameters=find_unused, device_ids=None),
                **(wrapper or {}))


def last_checkpoint(folder: str) -> str | None:
    """The checkpoint to resume from; each that is there is whole.

    Args:
        folder: Work dir of a training.

    Returns:
        What its ``last_checkpoint`` names. If that was cut off, or names
        what is gone, the one of the latest epoch. None if there is none.
    """
    try:
        found = find_latest_checkpoint(folder)
    except (OSError, UnicodeDecodeError):
        found = None
    if found and ('://' in found or os.path.exists(found)):
        return found
    numbered = {int(path.stem.rpartition('_')[2]): path
                for path in Path(folder).glob('epoch_*.pth')
                if path.stem.rpartition('_')[2].isdigit()}
    return str(numbered[max(numbered)]) if numbered else None


class LaunchedRunner(Runner):
    """A Runner that is one of several, on GPUs or without any."""

    def setup_env(self, env_cfg: dict) -> None:
        """Join the other processes; without a GPU by gloo.

        Args:
            env_cfg: See mmengine's ``Runner``.
        """
        if self.distributed and not is_distributed():
            with last_words():
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
            from .models.sync_norm import synchronise
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
        if isinstance(dataloader, dict) and 'batch_size' in dataloader:
            sampler = dataloader.get('sampler')
            if isinstance(sampler, dict) and \
                    sampler.get('type') == 'ClipSampler':
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
        sampler: Any = getattr(self.train_dataloader, 'sampler', None)
        if hasattr(sampler, 'seed') and not self._randomness_cfg.get(
                'diff_rank_seed'):
            # it was built before the checkpoint told the seed
            sampler.seed = self.seed
