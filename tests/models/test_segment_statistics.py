"""Statistics of segments against plain loops, and the linear net of them."""
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine import DefaultScope

from hpnet_plugin.models.backbones import SegmentStatistics
from hpnet_plugin.models.backbones.segment_statistics import GAIN, statistics
from hpnet_plugin.models.losses import SquaredLoss
from hpnet_plugin.recipes import SettingError, compose


def _plain(clip, parts):
    """(T, V, C) -> (S + 3, V, C), a frame after the other."""
    frames = len(clip)
    there = [t for t in range(frames) if np.any(clip[t] != 0)]
    rows = []
    for i in range(parts):
        low, high = frames * i // parts, frames * (i + 1) // parts
        inside = [t for t in there if low <= t < max(high, low + 1)]
        rows.append(clip[inside].mean(0) if inside else 0 * clip[0])
    seen = clip[there] if there else 0 * clip[:1]
    pairs = [np.abs(clip[t + 1] - clip[t]) for t in there if t + 1 in there]
    change = np.mean(pairs, 0) if pairs else 0 * clip[0]
    return np.stack([*rows, np.maximum(seen.std(0), 1e-6), seen.max(0),
                     change])


@pytest.mark.parametrize('frames', [1, 3, 6, 20])
def test_statistics_are_those_of_a_loop(frames):
    rng = np.random.default_rng(frames)
    clips = rng.normal(-1, 1, (4, frames, 17, 3)).astype(np.float32)
    clips[1, ::3] = 0  # not there
    clips[2] = 0  # nobody
    found = statistics(torch.from_numpy(clips), 6)
    expected = np.stack([_plain(clip, 6) for clip in clips])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_of_training_batches_all_count_alike():
    torch.manual_seed(0)
    net = SegmentStatistics(2, num_person=1)
    batches = torch.randn(3, 5, 1, 12, 17, 2)
    for batch in batches:
        net(batch)
    plain = statistics(batches.flatten(0, 2), 6).flatten(1)
    torch.testing.assert_close(net.norm.running_mean, plain.mean(0))
    net.eval()
    one = net(batches[0])
    assert one.shape == (5, 1, 9 * 17 * 2, 1, 1)
    for i in range(5):  # whoever else is in the batch
        torch.testing.assert_close(net(batches[0][i:i + 1])[0], one[i])


def test_gain_is_that_of_any_number_of_channels():
    for channels in (2, 50):
        net = SegmentStatistics(channels, num_person=1)
        squares = net(torch.randn(64, 1, 12, 17, channels)).square().sum(2)
        assert squares.mean().item() == pytest.approx(GAIN**2, rel=.1)


def test_last_batch_may_be_one_clip():
    net = SegmentStatistics(2, num_person=1)
    before = net.norm.running_mean.clone()
    assert torch.isfinite(net(torch.randn(1, 1, 12, 17, 2))).all()
    torch.testing.assert_close(net.norm.running_mean, before)


def test_costs_are_taken_without_data():
    net = SegmentStatistics(2, num_person=1).to('meta')
    x = torch.randn(3, 1, 12, 17, 2, device='meta')
    assert net(x).shape == (3, 1, 9 * 17 * 2, 1, 1)


def test_another_input_is_refused():
    with pytest.raises(ValueError, match=r'\(2, 17, 3\).*\(2, 17, 4\)'):
        SegmentStatistics(3)(torch.zeros(1, 2, 8, 17, 4))


def test_recipe_begins_at_zero_and_learns():
    model = compose('stream', stream='pose_j', net='linear',
                    benchmark='nw_ucla_synthetic')['model']
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        net = MODELS.build(model)
    net.init_weights()
    clips = torch.randn(2, 1, 1, 32, 17, 2)
    net.train()
    scores, _ = net.extract_feat(clips, stage='head')
    assert scores.shape == (2, 10)
    assert not scores.any()
    scores[:, 3].sum().backward()
    assert net.cls_head.fc.weight.grad.any()


def test_hpnet_has_no_linear_topology():
    with pytest.raises(SettingError, match="net='linear'"):
        compose('hpnet', net='linear')


def test_pose_beside_statistics():
    """The graph network sees the pose alone, the statistics all."""
    model = compose('stream', stream='hp+pose_j', net='ctrgcn+linear',
                    size='small', benchmark='nw_ucla_synthetic')['model']
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        net = MODELS.build(model).eval()
    channels = model['backbone']['in_channels'] - 3
    clips = torch.randn(2, 1, 16, 17, channels + 3)
    with torch.no_grad():
        found = net.backbone(clips)
        np.testing.assert_array_equal(
            found[:, :, 128:], net.backbone.statistics(clips))
        np.testing.assert_array_equal(
            found[:, :, :128, 0, 0],
            net.backbone.pose(clips[..., -3:]).mean((-2, -1)))
    assert found.shape[2] == sum(net.cls_head.branches)
    with pytest.raises(ValueError, match='built for'):
        net.backbone(clips[..., 1:])


def test_branches_learn_apart():
    """The gradient of each layer is that of its own loss."""
    torch.manual_seed(0)
    losses = [dict(type='CrossEntropyLoss'), dict(type='SquaredLoss')]
    with DefaultScope.overwrite_default_scope('mmaction'):
        head = MODELS.build(dict(
            type='BranchHead', num_classes=4, branches=[5, 7],
            losses=losses))
        with pytest.raises(ValueError, match='2 branches have 1 losses'):
            MODELS.build(dict(type='BranchHead', num_classes=4,
                              branches=[5, 7], losses=losses[:1]))
    x = torch.randn(3, 2, 12, 4, 6)
    labels = torch.tensor([1, 0, 3])
    samples = [SimpleNamespace(gt_label=label[None]) for label in labels]
    found = head.loss(x, samples)
    parts = x.mean((1, 3, 4)).split((5, 7), 1)
    one, other = (layer(part) for layer, part in zip(head.layers, parts))
    torch.testing.assert_close(head(x), one + other)
    own = [torch.nn.functional.cross_entropy(one, labels),
           SquaredLoss()(other, labels)]
    torch.testing.assert_close(found['loss_cls'], sum(own))
    found['loss_cls'].backward()
    for layer, loss in zip(head.layers, own):
        expected, = torch.autograd.grad(loss, layer.weight)
        torch.testing.assert_close(layer.weight.grad, expected)


def test_pose_beside_statistics_needs_both():
    with pytest.raises(SettingError, match='such as hp.pose_j'):
        compose('stream', stream='hp_j', net='ctrgcn+linear',
                benchmark='nw_ucla_synthetic')


def test_taps_count_the_same():
    """A tap of 2 channels beside one of 30, and the pose as one more."""
    net = SegmentStatistics(35, num_person=1, parts=(2, 30, 3))
    squares = net(torch.randn(64, 1, 12, 17, 35)).view(
        64, -1, 35).square().sum(1).mean(0)
    shares = [part.sum().item() for part in squares.split((2, 30, 3))]
    assert shares == pytest.approx([GAIN**2 / 3] * 3, rel=.1)
    with pytest.raises(ValueError, match='35 channels'):
        SegmentStatistics(35, parts=(2, 30))
