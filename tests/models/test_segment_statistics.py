"""Statistics of segments against plain loops, and the linear net of them."""
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine import DefaultScope

from hpnet_plugin.models.backbones import SegmentStatistics
from hpnet_plugin.models.backbones.segment_statistics import GAIN, statistics
from hpnet_plugin.recipes import SettingError, compose


def _plain(clip, parts):
    """(T, V, C) -> (S + 2, V, C), a frame after the other."""
    frames = len(clip)
    there = [t for t in range(frames) if np.any(clip[t] != 0)]
    rows = []
    for i in range(parts):
        low, high = frames * i // parts, frames * (i + 1) // parts
        inside = [t for t in there if low <= t < max(high, low + 1)]
        rows.append(clip[inside].mean(0) if inside else 0 * clip[0])
    seen = clip[there] if there else 0 * clip[:1]
    return np.stack([*rows, np.maximum(seen.std(0), 1e-6), seen.max(0)])


@pytest.mark.parametrize('frames', [1, 3, 6, 20])
def test_statistics_are_those_of_a_loop(frames):
    rng = np.random.default_rng(frames)
    clips = rng.normal(-1, 1, (4, frames, 17, 3)).astype(np.float32)
    clips[1, ::2] = 0  # not there
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
    assert one.shape == (5, 1, 8 * 17 * 2, 1, 1)
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
