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
from mmengine.runner.checkpoint import find_latest_checkpoint

from .recipes.checks import ConfigError
from .recipes.processes import VARIABLES

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
    more = {}
    if 'timeout' in settings:
        more['timeout'] = datetime.timedelta(seconds=settings['timeout'])
    dist.init_process_group('gloo', **more)


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
