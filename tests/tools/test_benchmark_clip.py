"""hpnet benchmark clip: both towers are the same function."""
import pytest
import torch

from hpnet_plugin.benchmarks import clip


@pytest.fixture(scope='module')
def towers():
    return clip.build(dict(
        embed_dim=64,
        vision_cfg=dict(layers=2, width=64, patch_size=32, image_size=64),
        text_cfg=dict(context_length=8, width=64, heads=1, layers=1)))


@torch.inference_mode()
def test_towers_are_compared(towers):
    assert clip.check(towers) <= 1e-5
    block = towers.official.visual.transformer.resblocks[0]
    bias = block.mlp.c_fc.bias
    bias += .1
    with pytest.raises(RuntimeError, match='the features differ by'):
        clip.check(towers)
    bias -= .1


def test_multiply_adds(towers):
    """By hand: five tokens of eight frames, and 64 channels throughout."""
    found = clip.multiply_adds(towers)
    linear, attention = 8 * 64**2, 8 * 64
    messages = 2 * (5 * linear + 2 * 8 * attention)
    rest = 4 * 3 * 32**2 * attention + linear \
        + 12 * linear + 2 * 8 * attention
    official = 2 * (6 * 4 * linear + 2 * 36 * attention + 5 * 8 * linear)
    assert found[clip.OFFICIAL] == messages + rest + official
    ours = (6 * 4 + 5 * 8) * linear + 2 * 5 * 6 * attention
    last = (1 + 6 * 2 + 1 + 8) * linear + 2 * 6 * attention
    less = (6 - 5) * linear  # the projection of the message's row
    assert found[clip.OURS] == messages + rest + ours - less + last


def test_where_the_time_goes(towers):
    shares = clip._profile(towers.run_ours)
    assert list(shares) == [*clip.KINDS, 'rest']
    assert sum(shares.values()) == pytest.approx(100, abs=.5)
