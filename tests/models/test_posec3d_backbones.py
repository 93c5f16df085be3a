"""The light backbones of PoseConv3D, against what its paper counts."""
import pytest
import torch
from mmaction.registry import MODELS
from torch.utils.flop_counter import FlopCounterMode

import hpnet_plugin  # noqa: F401


@pytest.mark.parametrize('name, params, macs, shape', [
    ('C3DLight', 3.4e6, 16.8e9, (1, 256, 48, 7, 7)),
    ('X3DShallow', 241e3, .6e9, (1, 216, 48, 4, 4)),
])
def test_size(name, params, macs, shape):
    """Parameters of the paper; multiply-adds of volumes of 48 x 56 x 56."""
    net = MODELS.build(dict(type=name)).to('meta')
    found = sum(p.numel() for p in net.parameters())
    assert found == pytest.approx(params, rel=.005)
    counter = FlopCounterMode(display=False)
    with counter:
        out = net(torch.empty(1, 17, 48, 56, 56, device='meta'))
    assert out.shape == shape
    assert counter.get_total_flops() / 2 == pytest.approx(macs, abs=.05e9)


def test_light_c3d_averages_and_keeps_time():
    """By hand: with identity kernels only the means over space remain."""
    net = MODELS.build(dict(type='C3DLight', in_channels=1, base_channels=1))
    for parameter in net.parameters():
        torch.nn.init.zeros_(parameter)
    for module in net.modules():
        if isinstance(module, torch.nn.Conv3d):
            module.weight.data[:, 0, 1, 1, 1] = 1
        if isinstance(module, torch.nn.BatchNorm3d):
            module.weight.data.fill_(1)
            module.eps = 1e-12
    x = torch.rand(1, 1, 5, 16, 16)
    expected = x.view(5, 2, 8, 2, 8).mean((2, 4)).view(1, 1, 5, 2, 2)
    torch.testing.assert_close(net.eval()(x), expected.expand(1, 8, 5, 2, 2))


def test_shallow_x3d_has_no_swish():
    """ReLU only: the net of a positive multiple is the multiple."""
    net = MODELS.build(dict(type='X3DShallow', in_channels=3))
    net.init_weights()
    net.eval()
    assert [len(getattr(net, f'layer{i}')) for i in (1, 2, 3)] == [2, 5, 3]
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            torch.nn.init.ones_(module.weight)
    x = torch.rand(1, 3, 4, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(net(3 * x), 3 * net(x), rtol=1e-3,
                                   atol=1e-4)
