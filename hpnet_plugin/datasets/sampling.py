"""Which clips a process trains on, and what is random in them."""
from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmaction.registry import DATA_SAMPLERS, HOOKS
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_rank
from mmengine.hooks import DistSamplerSeedHook
from mmengine.runner import Runner
from torch.utils.data import get_worker_info


class Draw(int):
    """The number of a clip that knows the seed of what is random in it."""

    seed: int

    def __new__(cls, number: int, seed: int) -> Draw:
        """Make one.

        Args:
            number: Of the clip.
            seed: Its own.

        Returns:
            The number.
        """
        found = super().__new__(cls, number)
        found.seed = seed
        return found

    def __reduce__(self) -> tuple[type, tuple[int, int]]:
        return Draw, (int(self), self.seed)


@DATA_SAMPLERS.register_module()
class ClipSampler(DefaultSampler):
    """``DefaultSampler``, for which the number of processes is no setting.

    One process gets the clips in the order of ``DefaultSampler``. Several get
    the batches of one process: they share each, or take them in turn, so that
    an update learns from the same clips and normalises over the same.
    ``PooledDataset`` draws what is random in a clip by its seed, which is a
    function of the sampler's seed, the epoch and the clip: not of the process
    or the loader's worker, nor of whether the training was resumed.

    Args:
        *args: See ``DefaultSampler``.
        batch_size: Clips a step of this process. Defaults to 1. The
            ``CheckedRunner`` sets it.
        **kwargs: See ``DefaultSampler``.
    """

    def __init__(self, *args: Any, batch_size: int = 1,
                 **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[int]:
        """Yield the clips of this process."""
        total = len(self.dataset)
        order = torch.arange(total).tolist()
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed + self.epoch)
            order = torch.randperm(total, generator=generator).tolist()
        if self.round_up:
            order = (order * (self.total_size // total + 1))[:self.total_size]
        for number in self._own(order):
            yield Draw(number, seed_of(self.seed, self.epoch, number))

    def _own(self, order: list[int]) -> Iterator[int]:
        """Of each step of all processes, the part of this one."""
        step = self.batch_size * self.world_size
        for begin in range(0, len(order), step):
            part = order[begin:begin + step]
            size = len(part) // self.world_size
            if size * self.world_size < len(part):  # only if not rounded up
                yield from part[self.rank::self.world_size]
            else:
                yield from part[self.rank * size:(self.rank + 1) * size]


def seed_of(*numbers: int) -> int:
    """A seed of 32 bits.

    Args:
        *numbers: What it depends on, none negative.

    Returns:
        Nothing alike for numbers that are alike.
    """
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def set_seed(seed: int) -> None:
    """Seed everything that augmentations draw from, on the CPU.

    Args:
        seed: Of 32 bits.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


@contextlib.contextmanager
def seeded(number: int) -> Iterator[None]:
    """Draw what is random in a clip by its seed, if it has one.

    Args:
        number: Of the clip, maybe a :class:`Draw`.
    """
    seed = getattr(number, 'seed', None)
    if seed is None:
        yield
        return
    if get_worker_info() is not None:  # nothing else draws there
        set_seed(seed)
        yield
        return
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    set_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


@HOOKS.register_module()
class EpochSeedHook(DistSamplerSeedHook):
    """Seeds an epoch by its number, so that one can be repeated.

    The sampler's order, and what the process itself draws, such as mixup and
    dropout. Processes draw different numbers.
    """

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed it.

        Args:
            runner: The training.
        """
        super().before_train_epoch(runner)
        seed = seed_of(runner.seed, runner.epoch, get_rank())
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        loop: Any = runner.train_loop
        if getattr(loop.dataloader, '_iterator', None) is not None:
            # a loader whose workers are kept draws no seed for them, as that
            # of a resumed training does
            torch.empty((), dtype=torch.int64).random_()
