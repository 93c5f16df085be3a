"""Clips of several processes, and what is random in them."""
import pickle
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler
from torch.utils.data import DataLoader

from hpnet_plugin.datasets.sampling import (
    ClipSampler,
    Draw,
    EpochSeedHook,
    seed_of,
    seeded,
)


def sampler(rank, size, batch, clips=22, epoch=1, **more):
    found = ClipSampler(range(clips), seed=3, batch_size=batch, **more)
    found.rank, found.world_size = rank, size
    found.num_samples = -(-clips // size)
    found.total_size = found.num_samples * size
    found.set_epoch(epoch)
    return found


def test_one_process_has_the_order_of_the_toolbox():
    stock = DefaultSampler(range(22), seed=3)
    stock.set_epoch(1)
    assert list(sampler(0, 1, 8)) == list(stock)
    assert list(sampler(0, 1, 8, epoch=2)) != list(stock)
    assert list(sampler(0, 1, 8, shuffle=False)) == list(range(22))


@pytest.mark.parametrize('size, batch', [(2, 4), (4, 2)])
def test_batches_are_those_of_one_process(size, batch):
    whole = list(sampler(0, 1, 8))
    parts = [list(sampler(rank, size, batch)) for rank in range(size)]
    assert {len(part) for part in parts} == {-(-22 // size)}
    for step, begin in enumerate((0, 8)):
        together = [clip for part in parts
                    for clip in part[step * batch:(step + 1) * batch]]
        assert together == whole[begin:begin + 8]
    # the rest, filled up from the beginning of the epoch
    rest = [clip for part in parts for clip in part[2 * batch:]]
    assert rest == whole[16:] + whole[:len(rest) - 6]


def test_steps_are_taken_in_turn():
    whole = list(sampler(0, 1, 4, 24))
    one, other = (list(sampler(rank, 2, 4, 24)) for rank in (0, 1))
    assert one == whole[:4] + whole[8:12] + whole[16:20]
    assert other == whole[4:8] + whole[12:16] + whole[20:]


def draws():
    return random.random(), np.random.rand(), float(torch.rand(()))


def test_a_draw_is_a_function_of_seed_epoch_and_clip():
    seeds = {int(clip): clip.seed for clip in sampler(0, 1, 8)}
    other = {int(clip): clip.seed for clip in sampler(1, 2, 4)}
    assert all(seeds[clip] == seed for clip, seed in other.items())
    assert len({*seeds.values(), *(clip.seed for clip in sampler(
        0, 1, 8, epoch=2))}) == 44
    clip = pickle.loads(pickle.dumps(Draw(5, seed_of(3, 1, 5))))
    assert clip == 5 and clip.seed == seeds[5]
    found = []
    for _ in range(2):
        before = draws()
        with seeded(clip):
            found.append(draws())
    # what the process itself draws goes on beside it
    assert found[0] == found[1] != before
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    alone = [draws(), draws()]
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    first = draws()
    with seeded(clip):
        draws()
    assert [first, draws()] == alone
    with seeded(5):
        assert draws() != found[0]


def test_a_resumed_training_with_kept_workers_draws_alike():
    """The loader's own draw comes in the first epoch of a process alone."""
    def drawn(*epochs):
        loader = DataLoader([0, 1], num_workers=1, persistent_workers=True)
        runner = SimpleNamespace(
            seed=3, train_loop=SimpleNamespace(dataloader=loader))
        found = None
        for runner.epoch in epochs:
            EpochSeedHook().before_train_epoch(runner)
            for _ in loader:
                found = torch.rand(())
        return float(found)

    assert drawn(0, 1) == drawn(1) != drawn(0)
