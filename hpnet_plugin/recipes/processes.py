"""A recipe on several processes: the clips of an update stay the same."""
from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .checks import ConfigError
from .compose import as_composed

if TYPE_CHECKING:
    from .reading import ConfigLike

MOST = 64  # processes that an error proposes
# launcher -> the variables that say how many processes it has started, and
# the number of this one, in all and on its machine
VARIABLES = dict(
    pytorch=('WORLD_SIZE', 'RANK', 'LOCAL_RANK'),
    slurm=('SLURM_NTASKS', 'SLURM_PROCID', 'SLURM_LOCALID'),
    mpi=('OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_RANK',
         'OMPI_COMM_WORLD_LOCAL_RANK'))


def processes(launcher: str | None,
              environment: Mapping[str, str] = os.environ) -> int:
    """How many processes a launcher has started.

    Args:
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        environment: Variables of the process.

    Returns:
        1 without a launcher.
    """
    name = VARIABLES.get(launcher or 'none', ('', ))[0]
    return int(environment.get(name, 1))


def first_of_machine(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process speaks for those on its machine.

    Args:
        environment: Variables of the process.

    Returns:
        True without a launcher.
    """
    return not any(environment.get(names[2], '0') != '0'
                   for names in VARIABLES.values())


def clips_of_update(cfg: ConfigLike) -> tuple[int, int, int]:
    """What one update learns from, as a recipe says it.

    Args:
        cfg: A config, as it trains on one process.

    Returns:
        Clips a step of one process, steps an update, and clips an update:
        ``auto_scale_lr.base_batch_size`` times the steps. The learning rate
        is for these.
    """
    batch = cfg['train_dataloader']['batch_size']
    steps = cfg['optim_wrapper'].get('accumulative_counts', 1)
    base = (cfg.get('auto_scale_lr') or {}).get('base_batch_size', batch)
    return batch, steps, base * steps


def share(cfg: ConfigLike, count: int) -> dict[str, Any]:
    """Options that keep the clips of an update what the recipe says.

    Args:
        cfg: As it trains on one process.
        count: Processes.

    Returns:
        Dotted keys to their values. Where processes share the steps of an
        update, each normalises over its own clips, as one process does in
        one step after the other. Where they share the clips of a step, batch
        norm looks at those of all.

    Raises:
        ConfigError: If the processes cannot share an update evenly.
    """
    batch, steps, update = clips_of_update(cfg)
    if update % (batch * count) == 0:
        found: dict[str, Any] = {}
        if update // (batch * count) != steps:
            found['optim_wrapper.accumulative_counts'] = \
                update // (batch * count)
        if count > 1 and cfg.get('sync_bn') is not None:
            found['sync_bn'] = None
        return found
    if _divides(batch, steps, update, count):
        return {'train_dataloader.batch_size': batch // count,
                'sync_bn': 'torch'}
    shares = [n for n in range(1, MOST + 1) if update % (batch * n) == 0
              or _divides(batch, steps, update, n)]
    raise ConfigError(
        f'an update is of {update} clips, {batch} a step: {count} '
        'GPUs cannot share it evenly; take '
        + ' or '.join(map(str, shares)))


def _divides(batch: int, steps: int, update: int, count: int) -> bool:
    return steps == 1 and update == batch and batch % count == 0


def shared(cfg: ConfigLike, count: int) -> dict[str, Any]:
    """What a training of several processes changes in a config.

    A batch size, a number of gathered steps or a rate that was set by hand
    is for each process, as everywhere in the toolbox; the recipe is then the
    user's. So it is with ``auto_scale_lr.enable``, and in configs that were
    not composed.

    Args:
        cfg: A config.
        count: Processes.

    Returns:
        See :func:`share`; empty for one process.

    Raises:
        ConfigError: Likewise; it says what to set.
    """
    recipe = as_composed(cfg)
    if count == 1 or recipe is None or not cfg.get('train_dataloader') or \
            (cfg.get('auto_scale_lr') or {}).get('enable') or \
            _decisive(cfg) != _decisive(recipe):
        return {}
    try:
        return share(cfg, count)
    except ConfigError as error:
        raise ConfigError(
            f'{error}, or say what each is to do: '
            'train_dataloader.batch_size and, if several steps are gathered, '
            'optim_wrapper.accumulative_counts, with --auto-scale-lr or a '
            'rate of your own') from None


def _decisive(cfg: ConfigLike) -> tuple[Any, ...]:
    wrapper = cfg.get('optim_wrapper') or {}
    return (cfg['train_dataloader'].get('batch_size'),
            wrapper.get('accumulative_counts', 1),
            (wrapper.get('optimizer') or {}).get('lr'),
            cfg.get('sync_bn'))
