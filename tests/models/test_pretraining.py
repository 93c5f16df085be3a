"""Pre-training by masked joints."""
import types

import pytest
import torch
from mmaction.registry import HOOKS
from mmengine.dataset import DefaultSampler, pseudo_collate

from hpnet_plugin.models import (
    CTRGCN,
    BatchDataPreprocessor,
    SegmentStatistics,
    SkeletonMixFormer,
)
from hpnet_plugin.models.pretraining import MaskedJoints

SHAPE = 12, 1, 8, 17, 4  # N, M, T, V, C


def clips():
    """What one joint does, all do: each can be told from the others."""
    torch.manual_seed(0)
    means = torch.randn(12, 1, 1, 1, 4) * torch.tensor([1., 10., .1, 0.])
    x = means + .05 * torch.randn(1, 1, 1, 17, 1) + 5
    x = x.expand(SHAPE).clone()
    x[0, :, :4] = 0  # nobody
    return x


@pytest.mark.parametrize('net', [CTRGCN, SkeletonMixFormer])
def test_the_network_sees_what_is_not_masked(net):
    torch.manual_seed(0)
    filler = MaskedJoints(
        net(4, num_person=1, base_channels=8), ratio=.5)
    seen = []
    filler.net.register_forward_pre_hook(
        lambda module, args: seen.append(args[0]))
    x = clips()
    # nothing is known at first
    assert float(filler(x).detach()) == pytest.approx(1)
    shown = seen[0]
    hidden = (shown != x).any(-1)  # (N, M, T, V)
    assert (shown[hidden] == 0).all() and .3 < hidden[1:].float().mean() < .7
    assert (hidden[1:] == hidden[1:, :, :1]).all()  # in all frames
    # what is hidden makes no difference to what the network says
    told = []
    filler.decoder.register_forward_pre_hook(
        lambda module, args: told.append(args[0].detach()))
    for factor in (1, 3):
        torch.manual_seed(1)
        filler(torch.where(hidden[..., None], x, factor * x))
    torch.manual_seed(1)
    mask = torch.rand(12, 1, 1, 17, 1) < .5
    torch.manual_seed(1)
    filler(torch.where(mask & (x != 0), x + 100, x))
    assert torch.equal(told[0], told[2]) and not torch.equal(told[0], told[1])


def test_the_loss_is_of_masked_joints_that_are_there():
    """A decoder that says c of all: (mean of (c - z)²) / (mean of z²)."""
    torch.manual_seed(0)
    filler = MaskedJoints(CTRGCN(4, num_person=1, base_channels=8), ratio=.5)
    torch.nn.init.constant_(filler.decoder.bias, .7)
    x = clips()
    there = (x != 0).any(-1)
    rows = x[there]
    z = torch.zeros_like(x)
    z[there] = torch.where(
        rows.var(0) > 1e-6,
        (rows - rows.mean(0)) / rows.std(0, unbiased=False).clamp(min=1e-3),
        torch.zeros(()))
    torch.manual_seed(2)
    masked = (torch.rand(12, 1, 1, 17) < .5).expand(there.shape) & there
    # features stand still, so that segments are as their frames
    expected = ((.7 - z[masked])**2).sum() / (z[masked]**2).sum()
    torch.manual_seed(2)
    assert float(filler(x).detach()) == pytest.approx(float(expected),
                                                      rel=1e-4)
    assert float(filler(torch.zeros(SHAPE)).detach()) == 0  # nobody at all


def training(net, label=0):
    """What the hook needs of a runner."""
    data = [dict(inputs=x[None], data_samples=_sample(label))
            for x in clips()]
    loader = torch.utils.data.DataLoader(
        data, 4, sampler=DefaultSampler(data, seed=0),
        collate_fn=pseudo_collate)
    model = torch.nn.Module()
    model.backbone = net
    model.data_preprocessor = BatchDataPreprocessor(
        to_float32=True, mean=None, std=None)
    return types.SimpleNamespace(model=model, iter=0, seed=3,
                                 train_dataloader=loader)


def _sample(label):
    from mmaction.structures import ActionDataSample
    return ActionDataSample().set_gt_label(label)


def made():
    torch.manual_seed(0)
    return CTRGCN(4, num_person=1, base_channels=8)


def test_learns(capsys):
    """Most of what a joint is, once it has seen some 60 batches."""
    HOOKS.build(dict(type='PretrainMasked', epochs=20, lr=2e-2)).before_train(
        training(made()))
    shares = [float(line.split(' % ')[0].split()[-1]) for line
              in capsys.readouterr().out.splitlines() if 'pre-train' in line]
    assert len(shares) == 20 and shares[0] > 90 and shares[-1] < 70, shares


def test_without_labels_and_only_at_the_beginning():
    hook = HOOKS.build(dict(type='PretrainMasked', epochs=2))
    nets = [made(), made()]
    for number, net in enumerate(nets):
        hook.before_train(training(net, number))
    before, after = made().state_dict(), nets[0].state_dict()
    for key, value in nets[1].state_dict().items():
        assert torch.equal(value, after[key]), key
    assert (before['l10.gcn1.alpha'] != after['l10.gcn1.alpha']).all()
    assert all(p.grad is None for p in nets[0].parameters())
    # a training that goes on has it behind it
    resumed = training(made())
    resumed.iter = 7
    hook.before_train(resumed)
    for key, value in resumed.model.backbone.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_refused():
    with pytest.raises(ValueError, match='ratio=1'):
        HOOKS.build(dict(type='PretrainMasked', ratio=1))
    with pytest.raises(ValueError, match='SegmentStatistics cannot be pre-'):
        HOOKS.build(dict(type='PretrainMasked')).before_train(
            training(SegmentStatistics(4, num_person=1)))
