"""Colours of joints with their positions behind them (Table XI)."""
import numpy as np
import pytest

from hpnet_plugin.datasets.transforms import AppendKeypoint


def clip(frames=5):
    rng = np.random.RandomState(0)
    return dict(
        frame_dir='c', pooled_feat=rng.rand(2, 5, 17, 75).astype(np.float16),
        keypoint=rng.randn(2, frames, 17, 2).astype(np.float32))


def test_positions_come_behind():
    results = clip()
    before = results['pooled_feat']
    found = AppendKeypoint()(results)['pooled_feat']
    assert found.shape == (2, 5, 17, 77) and found.dtype == np.float16
    np.testing.assert_array_equal(found[..., :75], before)
    np.testing.assert_allclose(found[..., 75:], results['keypoint'],
                               rtol=1e-3, atol=1e-4)


def test_of_the_same_frames():
    with pytest.raises(ValueError, match=r'c: features are of \(2, 5, 17\)'):
        AppendKeypoint()(clip(frames=4))
