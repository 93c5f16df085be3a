"""Drawing on frames: what is where, in which colour."""
import numpy as np
import pytest

from hpnet_plugin.visualization.joints import (
    JOINTS,
    LEFT,
    LIMBS,
    MIDDLE,
    RIGHT,
    draw_energy,
    draw_joints,
    energy_limits,
    people_box,
    pooled_energy,
    zoom,
)


def person(height=200, x=100, y=20):
    """A frontal figure, (17, 2); its left side is at the image's right."""
    rows = dict(nose=0, eye=-.02, ear=0, shoulder=.15, elbow=.35, wrist=.5,
                hip=.5, knee=.75, ankle=1)
    side = dict(nose=0, left=.1, right=-.1)
    return np.array([(x + height * side[n.split()[0]],
                      y + height * rows[n.split()[-1]]) for n in JOINTS])


def test_limbs_join_left_to_left():
    for a, b in LIMBS:
        sides = {JOINTS[v].split()[0] for v in (a, b)} - {'nose'}
        parts = {JOINTS[v].split()[-1] for v in (a, b)}
        assert len(sides) == 1 or len(parts) == 1
    assert {v for limb in LIMBS for v in limb} == set(range(17))


def test_sides_have_their_colours_and_missing_joints_are_not_drawn():
    frame = np.full((260, 200, 3), 90, np.uint8)
    joints = person()[None]
    scores = np.ones((1, 17))
    scores[0, JOINTS.index('right ankle')] = 0
    image = draw_joints(frame, joints, scores)

    def color(name, other=None):
        at = joints[0, JOINTS.index(name)]
        if other:
            at = (at + joints[0, JOINTS.index(other)]) / 2
        return pytest.approx(image[round(at[1]), round(at[0])].tolist(),
                             abs=25)

    assert color('left knee') == LEFT and color('right knee') == RIGHT
    assert color('left wrist', 'left elbow') == LEFT
    assert color('right ankle', 'right knee') == (90, 90, 90)
    assert color('left shoulder', 'right shoulder') == MIDDLE
    assert (frame == 90).all() and image.dtype == np.uint8
    absent = draw_joints(frame, joints, np.zeros((1, 17)))
    np.testing.assert_array_equal(absent, frame)


def test_energy_sets_size_and_colour():
    frame = np.zeros((260, 200, 3), np.uint8)
    joints, scores = person()[None], np.zeros((1, 17))
    scores[0, [15, 16]] = 1
    energy = np.zeros((1, 17))
    energy[0, 15] = 4
    image = draw_energy(frame, joints, scores, energy, (0, 4))
    half = image.shape[1] // 2
    strong, weak = image[:, half:].sum(), image[:, :half].sum()
    assert strong > 4 * weak > 0


def test_pooled_energy():
    feature = np.zeros((2, 3, 17, 4), np.float16)
    feature[1, 2, 5] = (3, 0, 4, 0)
    energy = pooled_energy(feature)
    assert energy.shape == (2, 3, 17) and energy[1, 2, 5] == 5
    assert energy.sum() == 5
    # half precision overflows beyond 65504, its squares beyond 255
    assert pooled_energy(np.full((1, 1, 1, 1), 1000, np.float16)) == 1000


def test_limits_and_box_use_found_joints_only():
    scores = np.ones((1, 101))
    scores[0, 100] = 0
    energy = np.arange(101.)[None]
    energy[0, 100] = 1e6
    assert energy_limits(energy, scores) == pytest.approx((1.98, 97.02))
    assert energy_limits(energy, 0 * scores) == (0, 1)
    joints = np.array([[[10, 20], [30, 100], [0, 0]]])
    found = np.array([[1, 1, 0]])
    np.testing.assert_allclose(people_box(joints, found, .25),
                               [-10, 0, 50, 120])
    assert people_box(joints, 0 * found) is None


@pytest.mark.parametrize('height', [50, 100, 300])
def test_zoom_keeps_joints_on_their_pixels(height):
    frame = np.zeros((120, 200, 3), np.uint8)
    frame[58:63, 98:103] = 255
    joints = np.array([[[100., 60.]]])
    image, at = zoom(frame, joints, (90, 30, 150, 130), height)
    assert image.shape[0] == height
    bright = image[..., 0] / image[..., 0].sum()
    x = (bright.sum(0) * np.arange(image.shape[1])).sum()
    y = (bright.sum(1) * np.arange(image.shape[0])).sum()
    np.testing.assert_allclose(at[0, 0], (x, y), atol=0.1)
    whole, at = zoom(frame, joints, None, 120)
    np.testing.assert_array_equal(whole, frame)
    np.testing.assert_array_equal(at, joints)
