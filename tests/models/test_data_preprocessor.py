"""Blending treats every modality of a sample alike."""
import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample

from hpnet_plugin.models import HPNetDataPreprocessor, MixupCutmix
from hpnet_plugin.models.data_preprocessor import _random_box

B, K = 6, 8
IMGS = dict(type='ActionDataPreprocessor', mean=[10., 20, 30],
            std=[2., 4, 5], format_shape='NCHW')
POOLED = dict(type='ActionDataPreprocessor')


def batch():
    """Each sample's every number is its own number."""
    number = torch.arange(B, dtype=torch.float32)
    inputs = dict(
        imgs=number.view(B, 1, 1, 1, 1).expand(B, 2, 3, 8, 10).clone(),
        pooled_feat=number.view(B, 1, 1, 1, 1, 1).expand(
            B, 1, 1, 4, 17, 3).clone())
    samples = [ActionDataSample(metainfo=dict(frame_dir=f'clip{i}'))
               .set_gt_label(i) for i in range(B)]
    return inputs, samples


def shares(sample):
    """The two classes of a soft label and the share of the second."""
    label = sample.gt_label.numpy()
    assert label.sum() == pytest.approx(1, abs=1e-6)
    return label


def test_mixup_is_one_ratio_for_all():
    torch.manual_seed(0)
    inputs, samples = batch()
    blended, samples = MixupCutmix(K, cutmix_alpha=0)(inputs, samples)
    ratios = set()
    for i, sample in enumerate(samples):
        label = shares(sample)
        # linear blending of samples that equal their number
        expected = (label * np.arange(K)).sum()
        for key in ('imgs', 'pooled_feat'):
            np.testing.assert_allclose(blended[key][i], expected, rtol=1e-5)
        if label[i] < 1:
            ratios.add(round(float(label[i]), 5))
    assert len(ratios) == 1
    assert (inputs['imgs'][3] == 3).all()  # what was given is left alone


def test_cutmix_pastes_as_much_of_both():
    np.random.seed(1)
    torch.manual_seed(1)
    changed = 0
    for _ in range(5):
        inputs, samples = batch()
        blended, samples = MixupCutmix(K, mixup_alpha=0)(inputs, samples)
        for i, sample in enumerate(samples):
            label = shares(sample)
            other = [k for k in np.flatnonzero(label) if k != i]
            if not other:
                continue
            changed += 1
            imgs, feat = blended['imgs'][i], blended['pooled_feat'][i]
            assert set(imgs.unique().tolist()) == {i, other[0]}
            # the label follows the box exactly
            assert (imgs == i).float().mean() == pytest.approx(
                label[i], abs=1e-6)
            # the box is the same in all frames, a joint in all frames too
            assert (imgs == imgs[:1, :1]).all()
            joints = feat[0, 0, 0, :, 0]
            assert (feat == joints[:, None]).all()
            assert (joints == other[0]).sum() == round(17 * label[other[0]])
    assert changed > 5


def test_released_mixes_rgb_only():
    inputs, samples = batch()
    blended, samples = MixupCutmix(K, mix=('rgb', ))(inputs, samples)
    assert torch.equal(blended['pooled_feat'], inputs['pooled_feat'])
    assert not torch.equal(blended['imgs'], inputs['imgs'])
    assert samples[0].gt_label.shape == (K, )


def test_baseline_without_features():
    inputs, samples = batch()
    del inputs['pooled_feat']
    for one in (dict(cutmix_alpha=0), dict(mixup_alpha=0)):
        blended, _ = MixupCutmix(K, **one)(inputs, batch()[1])
        assert blended.keys() == {'imgs'}


def cut_of(blended):
    """Whether a blended batch holds no number but those of the samples."""
    return bool((blended['imgs'] == blended['imgs'].round()).all())


@pytest.mark.parametrize('prob, low, high', [
    (0., 0, 0), (1., 40, 40), (.25, 3, 17)])
def test_how_often_cutmix_is_taken(prob, low, high):
    np.random.seed(0)
    torch.manual_seed(0)
    mix = MixupCutmix(K, switch_prob=prob)
    assert low <= sum(cut_of(mix(*batch())[0]) for _ in range(40)) <= high


def test_area_of_the_box():
    """The box has 1 - kept of the image, but for what is outside of it."""
    np.random.seed(0)
    for kept in (.2, .5, .9):
        sizes, left = [], []
        for _ in range(400):
            (rows, columns), real = _random_box((400, 600), kept)
            height, width = (part.stop - part.start for part in
                             (rows, columns))
            sizes.append((height, width))
            assert real == pytest.approx(1 - height * width / 400 / 600)
            left.append(real)
        height, width = np.max(sizes, 0)  # of boxes that are wholly inside
        assert height == pytest.approx(400 * (1 - kept)**.5, abs=2)
        assert width == pytest.approx(600 * (1 - kept)**.5, abs=2)
        # a box of side s, its centre anywhere: (s (1 - s / 4))^2 is inside
        side = (1 - kept)**.5
        assert np.mean(left) == pytest.approx(
            1 - (side * (1 - side / 4))**2, abs=.02)


def test_preprocessor():
    preprocessor = HPNetDataPreprocessor(
        dict(imgs=IMGS, pooled_feat=POOLED), dict(type='MixupCutmix',
                                                  num_classes=K))
    _, samples = batch()
    data = dict(
        inputs=dict(
            imgs=[torch.full((2, 3, 8, 10), 40, dtype=torch.uint8)] * B,
            pooled_feat=[torch.ones(1, 1, 4, 17, 3, dtype=torch.half)] * B),
        data_samples=samples)
    out = preprocessor(data, training=False)
    assert out['inputs']['imgs'].shape == (B, 2, 3, 8, 10)
    np.testing.assert_allclose(
        out['inputs']['imgs'][0, 0, :, 0, 0], [15, 5, 2])
    assert out['inputs']['pooled_feat'].dtype == torch.float32
    assert out['data_samples'][3].gt_label.tolist() == [3]  # not blended
    out = preprocessor(data, training=True)
    assert out['data_samples'][3].gt_label.shape == (K, )
    # what the loader gave may be used again
    assert isinstance(data['inputs']['imgs'], list)


def test_bad_arguments():
    with pytest.raises(ValueError, match="some of .'rgb', 'pooled'"):
        MixupCutmix(K, mix=('text', ))
    with pytest.raises(ValueError, match='leave the blending out'):
        MixupCutmix(K, mixup_alpha=0, cutmix_alpha=0)
    inputs, samples = batch()
    with pytest.raises(ValueError, match=r'clip5 has label \[5\].*5 classes'):
        MixupCutmix(5)(inputs, samples)
