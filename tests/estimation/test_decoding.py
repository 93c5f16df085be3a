"""Decoders against mmpose's own codecs."""
import copy

import numpy as np
import pytest
import torch

import hpnet_plugin  # noqa: F401
from hpnet_plugin.estimation import decoding
from hpnet_plugin.estimation.decoding import (
    batched_decoder,
    decode_heatmaps,
    decode_simcc,
)


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
    maps[0, 2, 30, 0], maps[0, 2, 31, 0], maps[0, 2, 30, 1] = 1, .5, .5
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


def plain_heatmaps(heatmaps, input_size):
    """HRNet's decoder joint by joint."""
    n, v, h, w = heatmaps.shape
    joints = np.empty((n, v, 2), np.float32)
    for i, j in np.ndindex(n, v):
        heat = heatmaps[i, j]
        y, x = np.unravel_index(heat.argmax(), heat.shape)
        at = np.array([x, y], np.float32)
        if 0 < x < w - 1:
            at[0] += 0.25 * np.sign(heat[y, x + 1] - heat[y, x - 1])
        if 0 < y < h - 1:
            at[1] += 0.25 * np.sign(heat[y + 1, x] - heat[y - 1, x])
        joints[i, j] = at if heat[y, x] > 0 else -1
    return joints * (input_size[0] / w, input_size[1] / h)


def maps_with_edges(seed=0):
    """Noise, empty maps, ties, and maxima on and beside every border."""
    rng = np.random.default_rng(seed)
    maps = rng.normal(0, 1, (6, 17, 64, 48)).astype(np.float32)
    for i, (y, x) in enumerate([(0, 0), (63, 47), (30, 0), (0, 20), (1, 1),
                                (1, 20), (30, 1), (62, 46), (63, 20)]):
        maps[0, i, y, x] = 9
    maps[1, 0] = 0
    maps[1, 1] = -maps[1, 1].clip(.1)
    maps[1, 2, 5:7, 7:9] = 9
    return maps


def test_arrays_and_tensors_have_the_same_bits():
    maps = maps_with_edges()
    joints, scores = decode_heatmaps(maps, (192, 256))
    np.testing.assert_array_equal(joints, plain_heatmaps(maps, (192, 256)))
    np.testing.assert_array_equal(scores, maps.max((2, 3)))
    x, y = maps[..., 0, :], maps[..., 0].copy()
    for decode, args in ((decode_heatmaps, (maps, )),
                         (lambda *a: decode_heatmaps(*a, 'mmpose'), (maps, )),
                         (decode_simcc, (x, y))):
        arrays = decode(*args, (192, 256))
        tensors = decode(*map(torch.from_numpy, args), (192, 256))
        for array, tensor in zip(arrays, tensors):
            assert array.dtype == np.float32 and tensor.dtype == torch.float32
            np.testing.assert_array_equal(array, tensor)


HEADS = dict(
    heatmap=dict(type='HeatmapHead', decoder=dict(
        type='MSRAHeatmap', input_size=(192, 256), heatmap_size=(48, 64),
        sigma=2)),
    udp=dict(type='HeatmapHead', decoder=dict(
        type='UDPHeatmap', input_size=(192, 256), heatmap_size=(48, 64),
        sigma=2)),
    simcc=dict(
        type='SimCCHead', input_size=(192, 256), in_featuremap_size=(6, 8),
        deconv_out_channels=None, decoder=dict(
            type='SimCCLabel', input_size=(192, 256), sigma=6.0,
            simcc_split_ratio=2.0)))


def head_of(kind, **codec):
    from mmengine import DefaultScope
    from mmpose.registry import MODELS
    config = copy.deepcopy(HEADS[kind])
    config['decoder'].update(codec)
    with DefaultScope.overwrite_default_scope('mmpose'):
        return MODELS.build(dict(in_channels=2, out_channels=17, **config))


@pytest.mark.parametrize('kind', list(HEADS))
def test_batched_is_mmposes_own(kind):
    """The same joints as mmpose decodes, crop by crop, at every border."""
    head = head_of(kind)
    maps = torch.from_numpy(maps_with_edges())
    if kind == 'udp':  # mmpose takes the logarithm
        maps = maps.clip(0)
    outputs = (maps, ) if kind != 'simcc' else (
        maps[..., 0, :].repeat(1, 1, 8), maps[..., 0].repeat(1, 1, 8))
    joints, scores = batched_decoder(head, (192, 256))(*outputs)
    stock = head.decode(outputs if len(outputs) > 1 else outputs[0])
    for i, expected in enumerate(stock):
        np.testing.assert_allclose(
            joints[i], np.asarray(expected.keypoints)[0], rtol=0, atol=1e-4)
        np.testing.assert_allclose(
            scores[i], np.asarray(expected.keypoint_scores)[0], rtol=0)


def test_udp_of_large_batches(monkeypatch):
    """In parts where mmpose's float32 could not count the cells."""
    maps = torch.from_numpy(maps_with_edges()).clip(0)
    decode = batched_decoder(head_of('udp'), (192, 256))
    whole = decode(maps)
    monkeypatch.setattr(decoding, 'EXACT_CELLS', 17 * 66 * 50 * 2)
    for a, b in zip(whole, decode(maps)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('kind, codec', [
    ('heatmap', dict(unbiased=True)), ('simcc', dict(use_dark=True)),
    ('udp', dict(heatmap_type='combined'))])
def test_other_codecs_stay_mmposes(kind, codec):
    assert batched_decoder(head_of(kind, **codec), (192, 256)) is None


def test_unknown_border():
    with pytest.raises(ValueError, match='border must be one of'):
        decode_heatmaps(np.zeros((1, 1, 4, 4)), (16, 16), 'none')
