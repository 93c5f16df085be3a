"""What stands before a graph network, and blocks that are skipped."""
import numpy as np
import pytest
import torch
from mmaction.registry import HOOKS, MODELS
from mmengine.registry import DefaultScope

from hpnet_plugin.models import CTRGCN, SkeletonMixFormer, Whitening
from hpnet_plugin.models.front import ChannelGate, balance, moments

SHAPE = 4, 1, 8, 17, 11  # N, M, T, V, C
PARTS = 8, 3


@pytest.fixture(autouse=True)
def mmaction_scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def noise():
    """Channels of other scales."""
    torch.manual_seed(0)
    return torch.randn(SHAPE) * torch.arange(1., 12) + 5


def test_parts_have_the_same_variance():
    scale = balance(PARTS, 11)
    assert float(scale.square().sum()) == pytest.approx(11)
    assert float(scale[:8].square().sum()) == pytest.approx(5.5)
    assert len(scale[:8].unique()) == len(scale[8:].unique()) == 1
    for parts in ((8, 4), (11, 0)):
        with pytest.raises(ValueError, match='11 channels'):
            balance(parts, 11)


def test_ctrgcn_balances_behind_its_norm():
    torch.manual_seed(0)
    net = CTRGCN(11, num_person=1, base_channels=8, parts=PARTS)
    found = net.normalise(noise())  # (N, M, V, C, T)
    variance = found.var((0, 1, 2, 4), unbiased=False)
    assert float(variance[:8].sum()) == pytest.approx(5.5, rel=1e-3)
    assert float(variance[8:].sum()) == pytest.approx(5.5, rel=1e-3)
    # the norm's weights are all that differs
    plain = CTRGCN(11, num_person=1, base_channels=8)
    assert plain.state_dict().keys() == net.state_dict().keys()
    assert (plain.data_bn.weight == 1).all()


def test_mixformer_balances_before_its_embedding():
    net = SkeletonMixFormer(11, num_person=1, base_channels=8, parts=PARTS)
    seen = []
    net.embedding[1].register_forward_pre_hook(
        lambda module, args: seen.append(args[0]))
    assert net(noise()).shape == (4, 1, 32, 2, 17)
    variance = seen[0].detach().reshape(-1, 11).var(0, unbiased=False)
    assert float(variance[:8].sum()) == pytest.approx(5.5, rel=1e-3)
    assert float(variance[8:].sum()) == pytest.approx(5.5, rel=1e-3)


def test_gates():
    gate = ChannelGate(11)
    x = noise()
    torch.testing.assert_close(gate(x), x)
    with torch.no_grad():
        gate.weight[:2] = torch.tensor([-50., 50])
    found = gate(x)
    assert found[..., 0].abs().max() < 1e-12
    torch.testing.assert_close(found[..., 1], 2 * x[..., 1])


class Clips(list):
    """A dataset of which whole clips are asked for."""

    def __getitem__(self, number):
        assert number.seed >= 0
        return dict(inputs=super().__getitem__(number))


def test_whitened_features():
    """Components of variance 1 without correlation, largest first; by SVD."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(8, 8))
    rows = (rng.normal(size=(3, 1, 1, 9, 17, 8)) @ mixing + 3).astype('f4')
    rows[1, :, :, 5:] = 0
    x = torch.from_numpy(np.concatenate(
        [rows, np.ones((*rows.shape[:-1], 3), 'f4')], -1))
    mean, covariance, count = moments(Clips(x), 0, 8)
    there = rows[(rows != 0).any(-1)]
    assert count == len(there) == 17 * 9 * 3 - 17 * 4
    np.testing.assert_allclose(mean, there.mean(0), rtol=1e-5)
    np.testing.assert_allclose(covariance, np.cov(there.T, bias=True),
                               rtol=1e-4, atol=1e-4)
    layer = Whitening(11, 3, features=8)
    assert layer.out_channels == 6 and not layer.fitted
    layer.fit(mean, covariance)
    found = layer(x)
    assert (found[..., 3:] == 1).all()  # what is no feature
    assert not found[1, :, :, 5:, :, :3].any()
    parts = found[..., :3].numpy()[(rows != 0).any(-1)]
    np.testing.assert_allclose(np.cov(parts.T, bias=True), np.eye(3),
                               atol=1e-3)
    left, _, _ = np.linalg.svd(there - there.mean(0), full_matrices=False)
    expected = left[:, :3] * len(there)**.5
    np.testing.assert_allclose(
        np.abs((parts * expected).mean(0)), 1, atol=1e-3)
    with pytest.raises(ValueError, match='9 components of 8'):
        Whitening(11, 9, features=8)
    with pytest.raises(ValueError, match='no clip'):
        moments(Clips(torch.zeros(1, 1, 1, 2, 3, 4)), 0, 4)


def test_fitted_when_training_begins_and_not_again():
    net = CTRGCN(11, num_person=1, base_channels=8, parts=(4, 3), front=[
        dict(type='ChannelGate'),
        dict(type='Whitening', channels=4, features=8)])
    runner = type('Runner', (), dict(
        model=net, seed=0, train_dataloader=type('Loader', (), dict(
            dataset=Clips(noise()[:, None])))))
    hook = HOOKS.build(dict(type='FitWhitening'))
    hook.before_train(runner)
    layer = net.front[1]
    assert layer.fitted and layer.components.any()
    before = layer.components.clone()
    runner.train_dataloader.dataset = Clips(2 * noise()[:, None])
    hook.before_train(runner)
    assert torch.equal(layer.components, before)
    # all of it is in the checkpoint
    other = MODELS.build(dict(
        type='CTRGCN', in_channels=11, num_person=1, base_channels=8,
        parts=(4, 3), front=[dict(type='ChannelGate'), dict(
            type='Whitening', channels=4, features=8)]))
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(
            other.eval()(noise()), net.eval()(noise()))
    assert net.input_shape == (1, 17, 11)


def test_skipped_blocks():
    """A person's branches, whole or not at all, and nothing in tests."""
    net = CTRGCN(11, num_person=1, base_channels=8, drop_path=.4)
    rates = [block.drop_path for block in net.blocks()]
    np.testing.assert_allclose(rates, np.linspace(.04, .4, 10))
    torch.manual_seed(1)
    block = net.l10
    out = torch.ones(1, 32, 300 * 17, 2)
    found = block._skipped(out).view(32, 300, 17, 2)
    assert (found == found[:1, :, :1, :1]).all()
    values = found[0, :, 0, 0]
    np.testing.assert_allclose(values.unique(), [0, 1 / .6])
    assert .3 < (values == 0).float().mean() < .5
    x = noise()
    for rate, same in ((.4, False), (0., True)):
        net = CTRGCN(11, num_person=1, base_channels=8, drop_path=rate)
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=.1)
        with torch.no_grad():
            assert torch.equal(net(x), net(x)) is same
            assert torch.equal(net.eval()(x), net(x))
    with pytest.raises(ValueError, match='drop_path'):
        CTRGCN(11, drop_path=1.)
