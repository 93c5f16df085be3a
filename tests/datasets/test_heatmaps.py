"""Volumes of the pose net's own heatmaps."""
import numpy as np
import pytest
from mmaction.datasets.transforms import (
    CenterCrop,
    Flip,
    GeneratePoseTarget,
    PoseCompact,
    RandomResizedCrop,
    Resize,
)

import hpnet_plugin  # noqa: F401
from hpnet_plugin.datasets.transforms import GenerateHeatmapVolume

SIZE = 7
STEP = np.arange(SIZE) - SIZE // 2
SWAP = [0, *(i + 1 if i % 2 else i - 1 for i in range(1, 17))]
KP = dict(left_kp=list(range(1, 17, 2)), right_kp=list(range(2, 17, 2)))


def bump(sigma, x=0., y=0.):
    """A Gaussian patch, (x, y) cells beside its middle."""
    return np.exp(-((STEP - x)**2 + (STEP[:, None] - y)**2) / 2 / sigma**2)


def clip(joints, patch, scale=1., shape=(120, 160)):
    """A clip of joints (M, T, V, 2), all with one patch (S, S)."""
    joints = np.array(joints, np.float32)
    pooled = np.empty((*joints.shape[:3], patch.size + 1), np.float16)
    pooled[..., :-1], pooled[..., -1] = patch.ravel(), scale
    return dict(
        frame_dir='clip', keypoint=joints, pooled_feat=pooled,
        keypoint_score=np.ones(joints.shape[:3], np.float32),
        img_shape=shape, original_shape=shape, modality='Pose')


def spread_joints(people=1, frames=2, low=40, high=80):
    return np.random.RandomState(0).uniform(
        low, high, (people, frames, 17, 2))


def moments(image):
    """Centre and standard deviations along x and y."""
    y, x = np.mgrid[:image.shape[0], :image.shape[1]]
    centre = np.array([(image * x).sum(), (image * y).sum()]) / image.sum()
    spread = np.array([(image * (x - centre[0])**2).sum(),
                       (image * (y - centre[1])**2).sum()]) / image.sum()
    return centre, np.sqrt(spread)


def test_a_gaussian_patch_is_the_stock_gaussian():
    """On whole pixels, a cell a pixel; the stock one reaches 3 sigma."""
    joints = np.random.RandomState(0).randint(8, 30, (2, 3, 17, 2))
    results = clip(joints, bump(1.), shape=(32, 40))
    results['keypoint_score'][1, 0, 4] = 0
    expected = GeneratePoseTarget(sigma=1.)(dict(results))['imgs']
    found = GenerateHeatmapVolume()(results)['imgs']
    assert found.shape == (3, 17, 32, 40) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize('steps', [
    [],
    [PoseCompact(hw_ratio=1.)],
    [PoseCompact(hw_ratio=1.), Resize(scale=(-1, 96)),
     CenterCrop(crop_size=96)],
    [PoseCompact(hw_ratio=1.), Resize(scale=(-1, 96)),
     RandomResizedCrop(area_range=(0.9, 1.)),
     Resize(scale=(70, 120), keep_ratio=False)],
], ids=['as is', 'compact', 'test', 'train'])
def test_patches_follow_the_image(steps):
    """Place and size of each bump, after the stock transforms.

    Bilinear interpolation adds 1/6 cell to the patch's own variance.
    """
    results = clip(spread_joints(), bump(1.), scale=2.)
    results['keypoint'][:, :, :, 0] *= 1.3
    ends = results['keypoint'][0, 0, [0, 1]].copy()
    for step in steps:
        results = step(results)
    # how far two joints moved apart tells the true zoom of each axis
    zoom = np.diff(results['keypoint'][0, 0, [0, 1]], axis=0)[0] / np.diff(
        ends, axis=0)[0]
    volume = GenerateHeatmapVolume()(results)['imgs']
    assert volume.shape[2:] == tuple(results['img_shape'])
    own = bump(1.).sum(0)
    sigma = np.sqrt((own * STEP**2).sum() / own.sum() + 1 / 6) * 2 * zoom
    height, width = results['img_shape']
    seen = 0
    for t, v in np.ndindex(2, 17):
        joint = results['keypoint'][0, t, v]
        if (joint > 4.5 * sigma).all() and (
                joint < (width, height) - 4.5 * sigma).all():
            centre, spread = moments(volume[t, v])
            np.testing.assert_allclose(centre, joint, atol=.1)
            np.testing.assert_allclose(spread, sigma, rtol=.04)
            seen += 1
    assert seen > 3


def test_flip_mirrors_patches_and_sides():
    """A patch that leans to the right leans to the left afterwards."""
    patch = bump(1., x=2)
    results = clip(spread_joints(), patch)
    results['pooled_feat'][:, :, ::3, :-1] *= 0.5  # joints differ
    upright = GenerateHeatmapVolume()(dict(results))['imgs']
    flipped = GenerateHeatmapVolume()(
        Flip(flip_ratio=1., **KP)(results))['imgs']
    # the stock Flip puts joint x at width - x: one pixel beside the image's
    mirrored = upright[:, SWAP, :, ::-1]
    np.testing.assert_allclose(flipped[..., 1:], mirrored[..., :-1],
                               atol=1e-5)
    double = GenerateHeatmapVolume(double=True)(
        clip(spread_joints(), patch))['imgs']
    assert double.shape[0] == 4
    np.testing.assert_array_equal(double[2:], double[:2, SWAP, :, ::-1])


def test_edges_and_absence():
    results = clip(np.full((1, 1, 17, 2), (1., 3.)), bump(2.), shape=(20, 20))
    inside = GenerateHeatmapVolume()(
        clip(np.full((1, 1, 17, 2), (11., 13.)), bump(2.), shape=(40, 40)))
    np.testing.assert_allclose(
        GenerateHeatmapVolume()(dict(results))['imgs'],
        inside['imgs'][..., 10:30, 10:30], atol=1e-6)
    results['keypoint'] += 500  # nothing of it in the image
    assert not GenerateHeatmapVolume()(dict(results))['imgs'].any()
    results['keypoint_score'][:] = 0  # nobody there, and no scale
    results['pooled_feat'][:] = 0
    assert not GenerateHeatmapVolume()(results)['imgs'].any()


def test_bad_input():
    results = clip(spread_joints(), bump(1.))
    with pytest.raises(ValueError, match="taps \\['heatmap'"):
        GenerateHeatmapVolume()(dict(
            results, pooled_feat=results['pooled_feat'][..., :-1]))
    with pytest.raises(ValueError, match='frames and joints disagree'):
        GenerateHeatmapVolume()(dict(
            results, pooled_feat=results['pooled_feat'][:, :1]))
