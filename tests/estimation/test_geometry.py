import numpy as np
import pytest

from hpnet_plugin.estimation import geometry

SIZE = (192, 256)


def test_window_keeps_the_whole_person():
    # a standing person on 1080p: reference.md 1.3 has the released windows
    box = (0, 0, 100, 400)
    _, extent = geometry.box_to_window(box, SIZE)
    np.testing.assert_allclose(extent, (375, 500))
    _, extent = geometry.box_to_window(box, SIZE, aspect=1080 / 1920)
    assert extent[0] == pytest.approx(281.25)
    # only the width sets the released zoom: 281 x 375 is what it sees
    assert extent[0] * 256 / 192 == pytest.approx(375)
    _, extent = geometry.box_to_window((0, 0, 300, 400), SIZE, aspect=9 / 16)
    assert extent[0] == pytest.approx(375)


@pytest.mark.parametrize('udp', [False, True])
def test_matrix_is_mmposes(udp):
    from mmpose.structures.bbox import get_udp_warp_matrix, get_warp_matrix

    import hpnet_plugin  # noqa: F401
    centre, extent = geometry.box_to_window((31, 47, 118, 300), SIZE)
    stock = get_udp_warp_matrix if udp else get_warp_matrix
    expected = stock(centre, extent, 0., output_size=SIZE)
    matrix = geometry.window_to_matrix(centre, extent, SIZE, udp)
    if udp:
        # its rows have a zoom each; they differ by less than a percent
        np.testing.assert_allclose(matrix[0], expected[0], rtol=1e-5)
        np.testing.assert_allclose(matrix[1], expected[1], rtol=2e-2, atol=1)
    else:
        np.testing.assert_allclose(matrix, expected, rtol=1e-5, atol=1e-4)


def test_warp_moves_pixels_where_the_matrix_says():
    frame = np.zeros((480, 640, 3), np.uint8)
    frame[200:204, 300:304] = 255
    matrix = geometry.window_to_matrix(
        *geometry.box_to_window((250, 100, 350, 300), SIZE), SIZE)
    crop = geometry.warp(frame, matrix, SIZE)
    assert crop.shape == (256, 192, 3)
    y, x = np.argwhere(crop[..., 0] > 128).mean(0)
    at = geometry.to_crop(np.array([[[301.5, 201.5]]]), matrix[None])[0, 0]
    np.testing.assert_allclose((x, y), at, atol=0.5)


def test_frame_and_crop_are_inverse():
    rng = np.random.default_rng(0)
    joints = rng.uniform(0, 500, (3, 17, 2)).astype(np.float32)
    matrices = np.stack([
        geometry.window_to_matrix(
            *geometry.box_to_window((10 * i, 20, 90 + 7 * i, 230), SIZE), SIZE)
        for i in range(3)])
    back = geometry.to_frame(geometry.to_crop(joints, matrices), matrices)
    np.testing.assert_allclose(back, joints, atol=1e-2)


def test_box_around_joints():
    """A tenth of its extent at each side; what has score 0 is elsewhere."""
    joints = np.array([[[[10, 20], [30, 120], [0, 0.]]]])
    boxes, present = geometry.joints_to_box(
        joints, np.array([[[1, 1, 0]]]), (200, 200))
    np.testing.assert_allclose(boxes[0, 0], (8, 10, 32, 130))
    assert present.tolist() == [[True]]
