import numpy as np
import pytest
from mmaction.models.utils import Graph

from hpnet_plugin.graph import adjacency, bone_pairs, mirror_pairs


def test_coco_is_a_tree_with_a_root():
    pairs = bone_pairs('coco')
    assert [child for child, _ in pairs] == list(range(17))
    assert [child for child, parent in pairs if child == parent] == [0]
    parents = dict(pairs)
    assert (parents[3], parents[4]) == (1, 2)  # ears hang on the eyes
    for joint in range(17):
        for _ in range(17):
            joint = parents[joint]
        assert joint == 0
    # sixteen edges and a root join seventeen joints in one piece
    assert (adjacency('coco')[1] > 0).sum() == 16


def test_released_graph():
    """reference.md, section 3."""
    a = adjacency('released')
    edges = {(0, 5), (1, 0), (2, 0), (5, 6), (6, 0), (7, 5), (8, 6), (9, 7),
             (10, 8), (11, 5), (12, 6), (13, 11), (14, 12), (15, 13),
             (16, 14), (12, 11)}
    assert a.shape == (3, 17, 17)
    np.testing.assert_array_equal(a[0], np.eye(17))
    assert {(j, i) for i, j in np.argwhere(a[1])} == edges
    assert {(i, j) for i, j in np.argwhere(a[2])} == edges
    for ear in (3, 4):
        assert not a[1:, ear].any() and not a[1:, :, ear].any()
    # the right hip has two parents, the right shoulder and the left hip
    np.testing.assert_array_equal(a[1][[6, 11], 12], [.5, .5])


def test_released_bones():
    assert dict(bone_pairs('released')) == {
        0: 5, 1: 0, 2: 0, 3: 1, 4: 2, 5: 6, 6: 0, 7: 5, 8: 6, 9: 7, 10: 8,
        11: 5, 12: 6, 13: 11, 14: 12, 15: 13, 16: 14}


DICT = dict(num_node=4, inward=[(1, 0), (2, 1), (3, 1)], center=0)


@pytest.mark.parametrize('layout, joints', [
    ('coco', 17), ('released', 17), ('nturgb+d', 25), ('openpose', 18),
    (DICT, 4)])
def test_columns(layout, joints):
    a = adjacency(layout)
    assert a.shape == (3, joints, joints) and a.dtype == np.float32
    sums = a.sum(1)
    assert (np.isclose(sums, 1) | (sums == 0)).all()
    if layout != 'released':
        np.testing.assert_allclose(a, Graph(layout, mode='spatial').A)
    assert len(bone_pairs(layout)) == joints


def test_unknown_layout():
    with pytest.raises(ValueError, match="'coco_wholebody'"):
        adjacency('coco_wholebody')
    with pytest.raises(ValueError, match='center'):
        bone_pairs(dict(num_node=3, inward=[(1, 0)]))


def test_mirror():
    order = mirror_pairs('coco')
    assert [order[i] for i in order] == list(range(17))
    assert order[0] == 0 and order[5] == 6 and order[16] == 15
    # the tree is its own mirror image
    a = adjacency('coco')
    np.testing.assert_array_equal(a[:, order][:, :, order], a)
    with pytest.raises(ValueError, match='openpose'):
        mirror_pairs('openpose')
