
import numpy as np
import pytest
import torch
from mmaction.models import GCNHead

import hpnet_plugin  # noqa: F401
from hpnet_plugin.apis.cost import flop_counter
from hpnet_plugin.benchmarks.published import PublishedCTRGCN
from hpnet_plugin.models import CTRGCN, linear
from hpnet_plugin.models.backbones import graph_backbone


def test_golden(golden):
    """Logits of the released network, from its own checkpoint's keys."""
    facts, expected = golden.load('ctrgcn_stream')
    state = {key: torch.from_numpy(np.asarray(value))
             for key, value in golden.fill(
                 facts['entries'], facts['weight_seed'], 'GCN.').items()}
    head = {key: state.pop(f'fc.{key}') for key in ('weight', 'bias')}
    net = CTRGCN(96, graph='released').eval()
    net.load_state_dict(state)  # strict
    cls_head = GCNHead(facts['num_classes'], 256).eval()
    cls_head.fc.load_state_dict(head)
    x = golden.draw(facts['input_shape'],
                    np.random.RandomState(facts['input_seed']))
    with torch.no_grad():
        features = net(torch.from_numpy(x).permute(0, 4, 2, 3, 1))
        logits = cls_head(features)
    assert features.shape == (2, 2, 256, 16, 17)
    scale = max(1, np.abs(expected['logits']).max())
    assert np.abs(logits.numpy() - expected['logits']).max() < 1e-6 * scale


@pytest.mark.parametrize('channels, expected', [(96, 1_489_608),
                                                (2, 1_451_544)])
def test_parameters(channels, expected):
    """reference.md section 3, with the classifier of 120 classes."""
    count = sum(p.numel() for p in CTRGCN(channels).parameters())
    assert count + 256 * 120 + 120 == expected


def test_cost():
    """1.323 GMAC a clip of 64 frames and two people (reference.md).

    The relations are convolved after their mean over time, not before, which
    is the same and saves a tenth.
    """
    net = CTRGCN(96).eval()
    with torch.no_grad(), flop_counter() as counter:
        net(torch.zeros(1, 2, 64, 17, 96))
    saved, frames, people, joints = 0, 64, 2, 17
    for i, block in enumerate(net.blocks(), 1):
        head = block.gcn1.convs[0]
        out, inner = head.conv4.weight.shape[:2]
        relation = 3 * head.conv1.weight.numel()
        saved += 2 * relation * (frames - 1) * joints * people
        # the graph and a bias are channels of the relation; the bias of
        # conv3 goes through the topology
        saved -= 3 * out * people * joints * (2 * joints + inner + 2)
        if i in (5, 8):  # all frames of a branch, of which half are taken
            frames //= 2
            saved -= out // 4 * out * frames * joints * people
    assert counter.get_total_flops() / 2 + saved == pytest.approx(
        1.323e9, abs=5e5)


def test_initialisation():
    net = CTRGCN(96)
    assert net.l3.gcn1.alpha.item() == 0
    assert (net.l3.gcn1.bn.weight == 1e-6).all()
    inner = net.l3.gcn1.convs[0].conv1
    assert inner.weight.std().item() == pytest.approx((2 / 8)**.5, rel=.1)
    assert net.l3.gcn1.convs[1].conv3.weight.std().item() == pytest.approx(
        (2 / 64)**.5, rel=.1)
    assert net.l1.residual is None
    norms = torch.cat([module.weight for i in range(1, 11)
                       for module in getattr(net, f'l{i}').tcn1.modules()
                       if isinstance(module, torch.nn.BatchNorm2d)])
    assert norms.mean().item() == pytest.approx(1, abs=2e-3)
    assert norms.std().item() == pytest.approx(.02, rel=.05)


@pytest.fixture
def pair(randomised):
    """A network and its published form, of the same weights, in float64."""
    torch.manual_seed(0)
    net = randomised(CTRGCN(16, base_channels=16)).double()
    published = PublishedCTRGCN(16, width=16).double()
    published.load_state_dict(net.state_dict())
    return net, published


def close(found, expected):
    assert (found - expected).abs().max() < 1e-12 * expected.abs().max()


@torch.no_grad()
def test_folded_norms_are_the_published_form(pair):
    """Several clips at once, clip by clip, and with gradients."""
    net, published = (module.eval() for module in pair)
    x = torch.randn(2, 2, 14, 17, 16).double()
    expected = published(x)
    close(net(x), expected)
    with torch.enable_grad():
        close(net(x), expected)
    close(torch.nn.SyncBatchNorm.convert_sync_batchnorm(net)(x), expected)


def test_training_is_that_of_the_published_form(pair):
    """Output, gradients and running statistics."""
    net, published = pair
    x = torch.randn(2, 2, 14, 17, 16).double()
    found, expected = net(x), published(x)
    close(found, expected)
    weight = torch.randn_like(expected)
    for out in (found, expected):
        (out * weight).sum().backward()
    largest = max(p.grad.abs().max() for p in published.parameters())
    for name, ours in net.named_parameters():
        theirs = published.get_parameter(name)
        assert (ours.grad - theirs.grad).abs().max() < 1e-12 * largest, name
    for name, ours in net.named_buffers():
        torch.testing.assert_close(ours, published.get_buffer(name),
                                   rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_folded_weights_follow_the_weights():
    """Written to, written past autograd, or a norm that is in training."""
    torch.manual_seed(0)
    net = CTRGCN(4, base_channels=8).eval()
    x = torch.randn(1, 2, 8, 17, 4)
    before = net(x)
    assert torch.equal(net(x), before)
    norm = net.l10.tcn1.branches[3][1]
    norm.bias += 1
    assert not torch.equal(net(x), before)
    norm.bias -= 1
    torch.testing.assert_close(net(x), before)
    norm.running_mean.data += 1
    assert not torch.equal(net.eval()(x), before)
    norm.running_mean.data -= 1
    norm.train()
    assert not torch.equal(net(x), before)


def test_compiled_without_graph_breaks(monkeypatch):
    """A block with all kinds of parts stands for all."""
    monkeypatch.setattr(graph_backbone, 'STAGES', ((), range(5, 6)))
    net, x = CTRGCN(4, base_channels=8), torch.randn(2, 2, 8, 17, 4)
    compiled = torch.compile(net, fullgraph=True, backend='eager')
    torch.testing.assert_close(compiled(x), net(x))
    net.eval()
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), net(x))


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('networks', [1, 2])
def test_products(monkeypatch, networks, bias):
    """By each library, and of neighbours that lie apart."""
    monkeypatch.setattr(linear, 'LEAST', 1)
    weight, x = torch.randn(networks, 5, 7), torch.randn(networks, 7, 8)
    add = torch.randn(networks, 5, 1) if bias else None
    for part in (x, x[..., ::2]):
        expected = torch.einsum('soi,sin->son', weight, part)
        with torch.inference_mode():
            found = linear.products(weight, part, add)
        torch.testing.assert_close(
            found, expected if add is None else expected + add)
