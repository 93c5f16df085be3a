"""Mixed batches against plain statements of what is done to each clip."""
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.registry import DefaultScope

from hpnet_plugin.models import MixClips
from hpnet_plugin.models.mixing import (
    blend_same_class,
    cut_in_time,
    exchange,
    present,
    shift,
)

N, K, T, C = 6, 4, 10, 5
LABELS = [0, 1, 0, 2, 1, 1]


def batch():
    """Two people, the second absent at the end; all of clip 5 is empty."""
    torch.manual_seed(0)
    clips = torch.rand(N, 1, 2, T, 3, C) + 1
    clips[:, :, 1, 6:] = 0
    clips[5] = 0
    samples = [ActionDataSample(metainfo=dict(frame_dir=f'clip{i}'))
               .set_gt_label(label) for i, label in enumerate(LABELS)]
    return clips, samples


def soft(samples):
    return torch.stack([sample.gt_label for sample in samples])


def means(clips):
    """Of each clip's own joints, by numpy."""
    return np.stack([clip.numpy()[(clip != 0).any(-1)].mean(0)
                     for clip in clips[:5]])


def deviations(clips):
    return np.stack([clip.numpy()[(clip != 0).any(-1)].std(0)
                     for clip in clips[:5]])


def test_who_is_there():
    clips, _ = batch()
    expected = [[[True] * T, [True] * 6 + [False] * 4]] * 5 + [
        [[False] * T] * 2]
    assert present(clips)[:, 0, :, :, 0, 0].tolist() == expected


def test_mixup_blends_clips_and_labels_alike():
    """One ratio and one partner a clip; labels sum to one."""
    torch.manual_seed(2)
    _, samples = batch()
    clips = torch.eye(N)[:, None, None, None, None].expand(
        N, 1, 2, T, 3, N).clone()  # each clip is its number, one-hot
    found, samples = MixClips(K, mixup=.4)(clips, samples)
    assert (found == found[:, :1, :1, :1, :1]).all()
    weights = found[:, 0, 0, 0, 0]
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    own = weights.diag()
    moved = own < 1
    assert moved.sum() > 2 and len(own[moved].unique()) == 1
    onehot = torch.eye(K)[LABELS]
    np.testing.assert_allclose(soft(samples), weights @ onehot, atol=1e-6)


def test_cutmix_takes_a_stretch_and_its_share_of_the_label():
    number = torch.arange(N, dtype=torch.float32)
    clips = number.view(N, 1, 1, 1, 1, 1).expand(N, 1, 2, T, 3, C).clone()
    labels = torch.eye(N)
    lengths = set()
    for seed in range(8):
        torch.manual_seed(seed)
        found, mixed = cut_in_time(clips, labels, 1.)
        np.testing.assert_allclose(mixed.sum(1), 1, rtol=1e-6)
        for i, (clip, label) in enumerate(zip(found, mixed)):
            frames = clip[0, 0, :, 0, 0]
            assert (clip == frames[None, None, :, None, None]).all()
            foreign = frames != i
            if foreign.any():
                assert len(frames[foreign].unique()) == 1
                # one stretch
                assert (foreign[1:] != foreign[:-1]).sum() <= 2
                share = float(label[int(frames[foreign][0])])
                assert share == pytest.approx(foreign.float().mean())
                lengths.add(int(foreign.sum()))
    assert len(lengths) > 3
    assert (clips == number.view(N, 1, 1, 1, 1, 1)).all()


def test_mixup_or_cutmix():
    clips, _ = batch()
    cut = set()
    for seed in range(20):
        _, samples = batch()
        torch.manual_seed(seed)
        found, _ = MixClips(K, mixup=1., cutmix=1.)(clips, samples)
        np.testing.assert_allclose(soft(samples).sum(1), 1, rtol=1e-6)
        values = torch.isin(found[:5], clips).all()
        cut.add(bool(values))
    assert cut == {True, False}


def test_exchanged_means():
    """A clip keeps its own deviations from the mean of another."""
    clips, _ = batch()
    torch.manual_seed(4)
    found = exchange(clips, present(clips), 1.)
    old, new = means(clips), means(found)
    # each new mean is that of one clip, and none is taken twice
    near = np.abs(new[:, None] - old).max(-1)
    assert (near.min(1) < 1e-5).all()
    assert len({*near.argmin(1)}) >= 4 and (near.argmin(1) != range(5)).any()
    there = present(clips).expand_as(clips)
    np.testing.assert_allclose(
        (found[:5] - clips[:5])[there[:5]],
        np.broadcast_to((new - old)[:, None, None, None, None],
                        clips[:5].shape)[there[:5].numpy()], atol=1e-5)
    np.testing.assert_allclose(deviations(found), deviations(clips),
                               atol=1e-5)
    assert not found[~there].any()
    np.testing.assert_array_equal(exchange(clips, present(clips), 0.), clips)


def test_exchanged_style():
    clips, _ = batch()
    clips[0] = 3 * clips[0]
    torch.manual_seed(4)
    found = exchange(clips, present(clips), 1., deviation=True)
    near = np.abs(means(found)[:, None] - means(clips)).max(-1)
    taken = near.argmin(1)
    np.testing.assert_allclose(means(found), means(clips)[taken], rtol=1e-4)
    np.testing.assert_allclose(deviations(found), deviations(clips)[taken],
                               rtol=1e-4)


def test_how_often_means_are_exchanged():
    torch.manual_seed(1)
    clips = torch.rand(400, 1, 1, 2, 2, 1) + 1
    found = exchange(clips, present(clips), .3)
    share = (found != clips).flatten(1).any(1).float().mean()
    assert .2 < share < .4


def test_offsets_are_in_deviations_of_the_channel():
    torch.manual_seed(0)
    clips = torch.randn(300, 1, 1, 4, 3, 2) * torch.tensor([1., 20]) + 9
    clips[:, :, :, 3] = 0
    found = shift(clips, present(clips), .5)
    assert not found[:, :, :, 3].any()
    moved = (found - clips)[:, :, :, :3]
    # one number a clip and channel
    np.testing.assert_allclose(
        moved, moved[:, :, :, :1, :1].expand_as(moved), atol=1e-4)
    np.testing.assert_allclose(
        moved[:, 0, 0, 0, 0].std(0), [.5, 10], rtol=.15)


def test_dropped_channels():
    torch.manual_seed(3)
    clips = torch.ones(200, 1, 1, 2, 3, C)
    _, samples = batch()
    found, _ = MixClips(K, channels=.25)(clips, samples)
    assert (found == found[:, :, :, :1, :1]).all()
    values = found[:, 0, 0, 0, 0]
    np.testing.assert_allclose(values.unique(), [0, 4 / 3])
    assert .2 < (values == 0).float().mean() < .3


def test_partners_of_one_class():
    clips, _ = batch()
    torch.manual_seed(5)
    labels = torch.tensor(LABELS)
    found = blend_same_class(clips, labels, 1.)
    np.testing.assert_array_equal(found[3], clips[3])  # alone of its class
    there = present(clips)
    for i, partners in ((0, [2]), (2, [0]), (1, [4, 5]), (4, [1, 5])):
        options = []
        for j in partners:
            both = (there[i] & there[j]).expand_as(clips[i])
            ratio = ((found[i] - clips[i]) / (clips[j] - clips[i]))[both]
            options.append(bool(
                (ratio.std() < 1e-3).all() and 0 <= ratio.mean() <= 1
                if len(ratio) else (found[i] == clips[i]).all()))
            np.testing.assert_array_equal(
                found[i][~there[i].expand_as(clips[i])], 0)
        assert sum(options) >= 1
    assert (found[0] != clips[0]).any()


def test_pose_behind_features_is_left_alone():
    clips, samples = batch()
    mix = MixClips(K, exchange=1., style=1., offset=1., channels=.5,
                   features=3)
    found, after = mix(clips, samples)
    np.testing.assert_array_equal(found[..., 3:], clips[..., 3:])
    assert (found[:5, ..., :3] != clips[:5, ..., :3]).any()
    assert [int(sample.gt_label) for sample in after] == LABELS
    absent = ~present(clips).expand_as(clips)
    assert not found[absent].any()


@pytest.mark.parametrize('kwargs', [
    dict(mixup=-1.), dict(cutmix=float('nan')), dict(exchange=1.5),
    dict(channels=1.), dict(offset=-.1)])
def test_wrong_arguments(kwargs):
    with pytest.raises(ValueError, match=next(iter(kwargs))):
        MixClips(K, **kwargs)


def test_a_label_that_is_no_class():
    clips, samples = batch()
    samples[2].set_gt_label(K)
    with pytest.raises(ValueError, match='clip2 has label'):
        MixClips(K, mixup=.4)(clips, samples)


def test_the_preprocessor_mixes_in_training_alone():
    """By the seed of the epoch, and what came as float16."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        process = MODELS.build(dict(
            type='BatchDataPreprocessor',
            blending=dict(type='MixClips', num_classes=K, mixup=.4)))

    def run(training, seed=7):
        clips, samples = batch()
        torch.manual_seed(seed)
        return process(dict(inputs=list(clips.half()), data_samples=samples),
                       training)

    clips = batch()[0].half().float()
    tested = run(False)
    np.testing.assert_array_equal(tested['inputs'], clips)
    assert tested['data_samples'][0].gt_label.shape == (1, )
    first, again, other = run(True), run(True), run(True, 8)
    np.testing.assert_array_equal(first['inputs'], again['inputs'])
    assert (first['inputs'] != other['inputs']).any()
    assert first['inputs'].dtype == torch.float32
    assert first['data_samples'][0].gt_label.shape == (K, )


def test_head_and_loss_take_mixed_labels():
    """Cross-entropy with soft and smoothed labels, by hand."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        head = MODELS.build(dict(
            type='GCNHead', num_classes=K, in_channels=C,
            label_smooth_eps=.1))
    torch.manual_seed(0)
    scores = torch.randn(N, K)
    _, samples = MixClips(K, mixup=.4)(*batch())
    labels = .9 * soft(samples) + .1 / K
    expected = -(labels * scores.log_softmax(1)).sum(1).mean()
    found = head.loss_by_feat(scores, samples)['loss_cls']
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
