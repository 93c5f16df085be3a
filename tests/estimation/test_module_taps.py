import pytest
import torch
from torch import nn

from hpnet_plugin.estimation.taps import (
    ModuleTaps,
    TapError,
    maps_of_modules,
)

IMAGES = torch.linspace(-1, 1, 2 * 3 * 4 * 4).view(2, 3, 4, 4)


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(inplace=True),
                          nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model.add_module('idle', nn.Sequential())
    return model


def test_what_runs_later_does_not_change_a_map(model):
    """The ReLU overwrites the output of the convolution."""
    taps = ModuleTaps(model, ['0'])
    model(IMAGES)
    found = taps.take()['0']
    assert (found < 0).any()
    torch.testing.assert_close(
        found, nn.functional.conv2d(IMAGES, model[0].weight, model[0].bias))
    assert not found.requires_grad


def test_maps_are_of_the_last_forward_and_given_once(model):
    taps = ModuleTaps(model, ['1', '0'])
    model(IMAGES[:1])
    model(IMAGES)
    assert {name: len(value) for name, value in taps.take().items()} == {
        '1': 2, '0': 2}
    with pytest.raises(TapError, match="'1' was not reached"):
        taps.take()


def test_what_is_no_map_is_refused(model):
    with pytest.raises(TapError, match="'0.conv' is no module path"):
        ModuleTaps(model, ['0.conv'])
    ModuleTaps(model, ['3'])
    with pytest.raises(TapError, match=r"'3' gives \(2, 5\); a feature map"):
        model(IMAGES)


def test_all_maps_of_a_model(model):
    assert maps_of_modules(model, lambda: model(IMAGES)) == {
        '0': (5, 4, 4), '1': (5, 4, 4), '2': (5, 1, 1)}
