"""The jointed figure: bones keep their lengths, mirrors mirror."""
import numpy as np
import pytest

from hpnet_plugin.demo import figure

MOTIONS = [figure.raise_to_head, figure.carry, figure.wave, figure.pick_up,
           figure.kick, figure.jumping_jack, figure.stroll, figure.flail]


def bone(joints, a, b):
    return np.linalg.norm(joints[:, a] - joints[:, b], axis=-1)


@pytest.mark.parametrize('motion', MOTIONS)
def test_bones_keep_their_lengths(motion):
    rng = np.random.default_rng(3)
    build = figure.Build.sample(rng)
    joints = figure.pose(motion(rng, np.arange(40) / 16), build).joints
    assert joints.shape == (40, 17, 3)
    for side in (0, 1):
        for a, b, length in [(5, 7, build.upper_arm), (7, 9, build.forearm),
                             (11, 13, build.thigh), (13, 15, build.shank)]:
            np.testing.assert_allclose(
                bone(joints, a + side, b + side), length, rtol=1e-6)
    np.testing.assert_allclose(bone(joints, 5, 6), 2 * build.shoulder)
    np.testing.assert_allclose(bone(joints, 11, 12), 2 * build.hip)


def test_reach_right_angle():
    """Bones 3 and 4 span 5; the joint lies where Pythagoras puts it."""
    middle, end = figure.reach(
        np.zeros((1, 3)), np.array([[5., 0, 0]]), 3., 4.,
        np.array([[0., 1, 0]]))
    np.testing.assert_allclose(middle, [[9 / 5, 12 / 5, 0]])
    np.testing.assert_allclose(end, [[5, 0, 0]])


def test_facing_the_viewer_the_left_is_on_the_right():
    rng = np.random.default_rng(0)
    motion = figure.wave(rng, np.zeros(1))._replace(yaw=np.zeros(1))
    joints = figure.pose(motion, figure.Build.sample(rng)).joints[0]
    for left in (1, 3, 5, 11):  # eye, ear, shoulder, hip
        assert joints[left, 0] > joints[left + 1, 0]
    assert joints[0, 2] > joints[3:5, 2].max()  # nose before the ears
    assert joints[0, 1] < joints[5, 1] < joints[11, 1] < joints[15, 1]


def test_mirror():
    t = np.arange(5) / 16
    build = figure.Build.sample(np.random.default_rng(1))
    one, two = (figure.pose(figure.kick(np.random.default_rng(7), t), build,
                            mirrored) for mirrored in (False, True))
    swapped = one.joints[:, [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14,
                             13, 16, 15]]
    np.testing.assert_allclose(two.joints, swapped * [-1, 1, 1])
