"""Who starts the processes of an extraction on several machines."""
from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .watch import Launcher

RAY = 'ray'
# Launchers that start the same command on all machines, and the variables in
# which they say which of how many a process is, and which on its machine.
BY_RANK = {
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
}
STARTED_BY = dict(slurm='srun', pytorch='torchrun')
LAUNCHERS = (RAY, *BY_RANK)


class LauncherError(ValueError):
    """A process was not started by the launcher that is named."""


class Rank(NamedTuple):
    """Which of several processes this one is.

    Attributes:
        rank: Its number, from 0.
        world: How many there are.
        local: Its number on its machine, from 0.
    """
    rank: int
    world: int
    local: int

    @classmethod
    def read(cls, launcher: str,
             environ: Mapping[str, str] = os.environ) -> Rank:
        """Read what a launcher says.

        Args:
            launcher: ``'slurm'`` or ``'pytorch'``.
            environ: Environment variables. Defaults to those of this process.

        Returns:
            It.

        Raises:
            LauncherError: If a variable is absent or makes no sense.
        """
        names = BY_RANK[launcher]
        found = []
        for name in names:
            text = environ.get(name)
            if text is None:
                raise LauncherError(
                    f'--launcher {launcher}: {name} is not set: start the '
                    f'command with {STARTED_BY[launcher]}, or use --shard')
            if not text.isascii() or not text.isdigit():
                raise LauncherError(f'--launcher {launcher}: {name} is '
                                    f'{text!r}; a number is expected')
            found.append(int(text))
        rank = cls(*found)
        if rank.rank >= rank.world:
            raise LauncherError(
                f'--launcher {launcher}: {names[0]} is {rank.rank}, but there '
                f'are {rank.world} processes ({names[1]}), counted from 0')
        return rank

    def device(self, devices: Sequence[str]) -> str:
        """Which device is for this process.

        Args:
            devices: Those of a machine. ``'cuda'`` alone stands for all GPUs
                that this process sees.

        Returns:
            One of them.
        """
        if list(devices) == ['cuda']:
            import torch
            count = torch.cuda.device_count()
            return f'cuda:{self.local % count}' if count > 1 else 'cuda'
        return devices[self.local % len(devices)]


def ray_launcher(address: str | None = None, gpus: float = 0.,
                 demand: bool = False) -> Launcher:
    """Starts the workers of an extraction on Ray.

    Args:
        address: Of the cluster; see
            :class:`~hpnet_plugin.extraction.ray_cluster.RayCluster`.
        gpus: GPUs of each worker. Defaults to 0.
        demand: Whether the number of workers was named; see
            :class:`~hpnet_plugin.extraction.ray_pool.RayWorkers`.

    Returns:
        For :class:`~hpnet_plugin.extraction.run.Extraction`, as ``launch``.
    """
    from .ray_pool import RayWorkers
    return functools.partial(RayWorkers, address=address, gpus=gpus,
                             demand=demand)
