import numpy as np
import pytest
import torch
from mmaction.registry import TRANSFORMS

from hpnet_plugin.graph import bone_pairs
from hpnet_plugin.streams import bone, motion, stream

PAIRS = bone_pairs('coco')


@pytest.fixture(params=['numpy', 'torch'])
def clip(request):
    """(M, T, V, C) of whole numbers, so that differences are exact."""
    x = np.random.RandomState(0).randint(-9, 9, (2, 5, 17, 6))
    x = x.astype(np.float32)
    return x if request.param == 'numpy' else torch.from_numpy(x)


def test_bone(clip):
    out = bone(clip, PAIRS)
    assert (out[:, :, 0] == 0).all()  # the nose is the root
    assert (out[:, :, 9] == clip[:, :, 9] - clip[:, :, 7]).all()
    assert (out[:, :, 3] == clip[:, :, 3] - clip[:, :, 1]).all()


def test_motion(clip):
    out = motion(clip)
    assert (out[:, 2] == clip[:, 3] - clip[:, 2]).all()
    assert (out[:, -1] == 0).all()
    assert (motion(clip[:, :1]) == 0).all()


def test_bone_motion_is_the_motion_of_bones(clip):
    assert (stream(clip, 'bm', PAIRS) == motion(bone(clip, PAIRS))).all()


@pytest.mark.parametrize('name', ['j', 'b', 'jm', 'bm'])
def test_no_aliasing(clip, name):
    """The released code's joint stream is its motion stream by aliasing."""
    before = np.array(clip)
    out = stream(clip, name, PAIRS)
    out += 1
    assert (np.array(clip) == before).all()
    assert out.shape == clip.shape and out.dtype == clip.dtype


def test_unknown_stream(clip):
    with pytest.raises(ValueError, match="'mj'"):
        stream(clip, 'mj', PAIRS)


@pytest.mark.parametrize('pairs', [
    bone_pairs('nturgb+d'), PAIRS[:1], [(0, 0), *PAIRS[:-1]]])
def test_pairs_of_another_skeleton(clip, pairs):
    with pytest.raises(ValueError, match='x has 17 joints'):
        bone(clip, pairs)


def test_sum_of_bones_leads_back(clip):
    """Bones summed from a joint to the root give the joint again."""
    bones, parents = bone(clip, PAIRS), dict(PAIRS)
    for joint in range(17):
        total, at = clip[:, :, 0] * 1, joint
        while at != 0:
            total, at = total + bones[:, :, at], parents[at]
        assert (total == clip[:, :, joint]).all()


@pytest.mark.parametrize('feat, name', [('b', 'b'), ('jm', 'jm'),
                                        ('bm', 'bm')])
def test_stock_transform_agrees(clip, feat, name):
    """GenSkeFeat, with its own bones of 25 joints."""
    keypoint = np.array(clip)[..., :3]
    stock = TRANSFORMS.build(
        dict(type='GenSkeFeat', dataset='nturgb+d', feats=[feat]))
    pairs = TRANSFORMS.build(
        dict(type='JointToBone', dataset='nturgb+d')).pairs
    keypoint = np.concatenate([keypoint, keypoint[:, :, :8]], 2)
    expected = stock.transform(dict(keypoint=keypoint.copy()))['keypoint']
    np.testing.assert_array_equal(stream(keypoint, name, pairs), expected)


def test_stock_bones_of_coco_agree_but_for_the_hips(clip):
    """There they hang on the nose, here on the shoulders."""
    keypoint = np.array(clip)[..., :2]
    stock = TRANSFORMS.build(
        dict(type='GenSkeFeat', dataset='coco', feats=['b']))
    expected = stock.transform(dict(keypoint=keypoint.copy()))['keypoint']
    out = bone(keypoint, PAIRS)
    differ = {v for v in range(17)
              if (out[:, :, v] != expected[:, :, v]).any()}
    assert differ == {11, 12}
