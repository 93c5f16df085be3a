"""Decoders against mmpose's own codecs."""
import numpy as np
import pytest

import hpnet_plugin  # noqa: F401
from hpnet_plugin.estimation.decoding import decode_heatmaps, decode_simcc


@pytest.fixture
def codec():
    from mmpose.codecs import MSRAHeatmap, SimCCLabel
    return dict(
        heatmap=MSRAHeatmap(
            input_size=(192, 256), heatmap_size=(48, 64), sigma=2),
        simcc=SimCCLabel(input_size=(192, 256), sigma=4.0))


def test_heatmaps(codec):
    maps = np.random.default_rng(0).normal(0, 1, (8, 17, 64, 48)).astype(
        np.float32)
    joints, scores = decode_heatmaps(maps, (192, 256))
    compared = 0
    for i in range(len(maps)):
        expected, score = codec['heatmap'].decode(maps[i])
        # mmpose moves no joint that is within a cell of the border
        inner = ((expected[0] > 8) & (expected[0] < (180, 244))).all(-1)
        np.testing.assert_allclose(
            joints[i][inner], expected[0][inner], atol=1e-4)
        np.testing.assert_allclose(scores[i], score[0], atol=1e-6)
        compared += inner.sum()
    assert compared > 100


def test_borders():
    maps = np.zeros((1, 4, 64, 48), np.float32)
    maps[0, 0, 0, 0] = 1
    maps[0, 1, 63, 47] = 1
    maps[0, 2, 30, 0], maps[0, 2, 31, 0] = 1, .5
    joints, scores = decode_heatmaps(maps, (192, 256))
    np.testing.assert_allclose(
        joints[0, :3], [(0, 0), (4 * 47, 4 * 63), (0, 4 * 30.25)])
    # an empty map has no joint
    np.testing.assert_allclose(joints[0, 3], (-4, -4))
    assert scores[0].tolist() == [1, 1, 1, 0]


def test_peak_moves_a_quarter_uphill():
    maps = np.zeros((1, 1, 64, 48), np.float32)
    maps[0, 0, 30, 20], maps[0, 0, 30, 21], maps[0, 0, 29, 20] = 1, .5, .5
    joints, scores = decode_heatmaps(maps, (192, 256))
    np.testing.assert_allclose(joints, [[[4 * 20.25, 4 * 29.75]]])
    assert scores == 1


def test_simcc(codec):
    rng = np.random.default_rng(1)
    x = rng.random((6, 17, 384), np.float32)
    y = rng.random((6, 17, 512), np.float32)
    joints, scores = decode_simcc(x, y, (192, 256))
    expected, score = codec['simcc'].decode(x, y)
    np.testing.assert_allclose(joints, expected)
    assert joints.min() >= 0 and joints[..., 1].max() > 192
    np.testing.assert_allclose(joints[0, 0, 0], x[0, 0].argmax() / 2)
    # mmpose scores with the smaller maximum too
    np.testing.assert_allclose(scores, score)
