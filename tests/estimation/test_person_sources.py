"""Sources of people: given joints, lists, and looks at every k-th frame."""
from typing import NamedTuple

import numpy as np
import pytest

from hpnet_plugin.estimation import people
from hpnet_plugin.estimation.geometry import joints_to_box
from hpnet_plugin.estimation.given_joints import ClipJoints, JointsSource
from hpnet_plugin.estimation.people import (
    ListedPeople,
    People,
    PeopleError,
    PersonSource,
)


class Chunk(NamedTuple):
    numbers: list
    times: list
    images: list


def chunks(numbers, size=8, shape=(40, 60)):
    """Frames that show their own numbers."""
    for start in range(0, len(numbers), size):
        some = list(numbers[start:start + size])
        yield Chunk(some, [n / 10 for n in some],
                    [np.full((*shape, 3), n % 256, np.uint8) for n in some])


class Moving(PersonSource):
    """People on straight lines, and a record of who looked when."""

    def __init__(self, every, *paths):
        self.every, self.paths, self.looks = every, paths, []

    def people(self, frames, clip, numbers):
        self.looks += numbers
        found = []
        for number, frame in zip(numbers, frames):
            assert frame[0, 0, 0] == number % 256
            boxes = [path(number) for path in self.paths]
            found.append(People(people.best_first(np.array(
                [box for box in boxes if box is not None]))))
        return found


def line(x, speed=0., score=1., begin=0, end=10**9):

    def at(number):
        if begin <= number < end:
            return [x + speed * number, 100, x + speed * number + 50, 250,
                    score]
        return None

    return at


@pytest.mark.parametrize('size', [1, 3, 8, 100])
def test_every_fourth_frame(size):
    """Two who walk through each other; only 0, 4, 8, … and the last."""
    source = Moving(4, line(0, 6, .9), line(400, -6, .8))
    frames = list(source.follow('a', chunks(range(50), size)))
    assert source.looks == [*range(0, 50, 4), 49]
    assert [frame.number for frame in frames] == list(range(50))
    truth = Moving(1, *source.paths)
    for frame, true in zip(frames, truth.follow('a', chunks(range(50)))):
        assert frame.time == true.time == frame.number / 10
        assert (frame.image == true.image).all()
        np.testing.assert_allclose(frame.people.boxes, true.people.boxes,
                                   atol=1e-3)
        assert frame.people.boxes.dtype == np.float32


def test_who_comes_and_goes_is_found_to_the_frame():
    paths = line(0, 1), line(600, 0, .5, begin=13, end=30)
    source = Moving(8, *paths)
    frames = list(source.follow('a', chunks(range(41))))
    truth = Moving(1, *paths).follow('a', chunks(range(41)))
    assert [len(frame.people.boxes) for frame in frames] == [
        len(frame.people.boxes) for frame in truth]
    # 0, 8, …, 40, and three halves of eight frames where one comes, goes
    assert sorted(source.looks) == sorted(
        {*range(0, 41, 8), 12, 14, 13, 28, 30, 29})
    assert len(source.looks) == len(set(source.looks))


def test_a_look_ahead_is_forgotten():
    """One who runs is not lost when another comes between two looks.

    The tracker has seen frame 60 by then and goes back to 48: did it keep
    that, it would take the runner of frame 54 for somebody else, and look at
    all frames for who that is.
    """
    source = Moving(12, line(0, 15), line(2000, 0, .5, begin=57))
    frames = list(source.follow('a', chunks(range(73))))
    assert [len(frame.people.boxes) for frame in frames] == [1] * 57 + [2] * 16
    assert [look for look in source.looks if look > 48] == [
        60, 54, 57, 56, 72]


@pytest.mark.parametrize('search, looks', [
    (None, [0, 12, 23]), (6, [0, 12, 6, 23, 18]),
    (3, [0, 12, 6, 3, 9, 23, 18, 15, 21])])
def test_where_nobody_is_seen_more_frames_are_looked_at(search, looks):
    source = Moving(12)
    source.search = search
    list(source.follow('a', chunks(range(24))))
    assert source.looks == looks
    # who is seen in frames 3 to 5 only, by a detector that misses them
    source = Moving(12, line(0, begin=3, end=6))
    source.search = search
    found = [len(frame.people.boxes)
             for frame in source.follow('a', chunks(range(24)))]
    assert found == [0] * 24 if search != 3 else (
        found == [0] * 3 + [1] * 3 + [0] * 18)


def test_frames_far_apart_are_all_looked_at():
    source = Moving(4, line(0))
    numbers = [0, 5, 10, 15, 17, 18, 40]
    frames = list(source.follow('a', chunks(numbers)))
    assert [frame.number for frame in frames] == numbers
    assert source.looks == [0, 5, 10, 15, 18, 40]


def test_large_frames_do_not_wait(monkeypatch):
    """Three frames of 7,200 bytes are more than is to be held."""
    monkeypatch.setattr(people, 'HELD_BYTES', 20000)
    source = Moving(100, line(0))
    frames = list(source.follow('a', chunks(range(9))))
    assert [frame.number for frame in frames] == list(range(9))
    assert source.looks == [0, 2, 4, 6, 8]


@pytest.mark.parametrize('count', [0, 1, 2])
def test_short_clips(count):
    source = Moving(8, line(0))
    assert len(list(source.follow('a', chunks(range(count))))) == count
    assert source.looks == list(range(count))


def given(joints, scores, shape=(40, 60)):
    return JointsSource({'a': ClipJoints(np.array(joints, np.float32),
                                         np.array(scores, np.float32),
                                         shape)}, layout='coco')


def of(source, numbers, shape=(40, 60), clip='a'):
    return source.people([np.zeros((*shape, 3), np.uint8)] * len(numbers),
                         clip, numbers)


def test_joints_say_who_is_where():
    joints = np.zeros((2, 3, 4, 2))
    scores = np.zeros((2, 3, 4))
    joints[1, :, 2:] = (10, 5), (20, 35)
    scores[1, 1:, 2:] = .5, .7
    source = given(joints, scores)
    assert source.slotted and source.layout == 'coco'
    nobody, first, second = of(source, [0, 1, 2], shape=(80, 120))
    assert nobody.boxes.shape == (0, 5) and nobody.joints.shape == (0, 4, 2)
    # twice the size; extents 20 … 40 and 10 … 70, a tenth more a side
    np.testing.assert_allclose(first.boxes, [[18, 4, 42, 76, .3]], rtol=1e-5)
    np.testing.assert_array_equal(first.joints[0, 2:], [(20, 10), (40, 70)])
    np.testing.assert_array_equal(first.scores, scores[1:, 1].astype('f'))
    assert first.slots.tolist() == second.slots.tolist() == [1]
    assert of(source, [1], clip='a_rgb')[0].boxes.shape == (1, 5)
    with pytest.raises(PeopleError, match="no joints of clip 'b'.*'a'"):
        of(source, [0], clip='b')
    with pytest.raises(PeopleError, match="'a' has more frames than the 3"):
        of(source, [2, 3])


def test_joints_that_are_not_finite():
    joints, scores = np.ones((1, 5, 3, 2)), np.ones((1, 5, 3))
    joints[0, 3, 1, 0] = np.nan
    with pytest.raises(PeopleError, match="'a', frame 3: joint 1 of person 0"):
        of(given(joints, scores), [0])
    # not seen: any place will do, many files write NaN
    scores[0, 3, 1] = 0
    found, = of(given(joints, scores), [3])
    assert np.isfinite(found.joints).all() and np.isfinite(found.boxes).all()
    for bad in (np.inf, 1e9):
        joints[0, 2, 0, 1] = bad
        with pytest.raises(PeopleError, match='frame 2: joint 0'):
            of(given(joints, scores), [0])


def test_one_joint_alone_has_a_box():
    """A quarter of what the person's boxes usually measure."""
    joints = np.zeros((1, 9, 4, 2))
    joints[..., :, 0], joints[..., :, 1] = [100, 120, 140, 160], [0, 50, 90,
                                                                 150]
    scores = np.ones((1, 9, 4))
    scores[0, 4, 1:] = 0
    scores[0, 7] = 0
    boxes, present = joints_to_box(joints, scores, (400, 300))
    usual = 94, -15, 166, 165  # 60 x 150, a tenth more at each side
    np.testing.assert_allclose(boxes[0, [0, 3, 8]], [usual] * 3)
    # around (100, 0): a quarter of 72 x 180
    np.testing.assert_allclose(boxes[0, 4], (91, -22.5, 109, 22.5))
    assert present[0].tolist() == [True] * 7 + [False, True]
    assert not boxes[0, 7].any()
    # never more than one joint: by the height of the frame
    scores[..., 1:] = 0
    boxes, _ = joints_to_box(joints, scores, (400, 300))
    np.testing.assert_allclose(boxes[0, 4], (87.5, -12.5, 112.5, 12.5))


def test_joints_in_a_row_have_a_box():
    """Shoulders alone: no height, and so no area."""
    joints = np.zeros((1, 1, 2, 2))
    joints[0, 0, :, 0] = 10, 50
    boxes, _ = joints_to_box(joints, np.ones((1, 1, 2)), (400, 300))
    np.testing.assert_allclose(boxes[0, 0], (6, -6, 54, 6))


def test_listed_people():
    one = People(np.ones((1, 5), np.float32))
    source = ListedPeople({3: one, 7: one._replace(boxes=one.boxes[:0])})
    assert [len(p.boxes) for p in of(source, [7, 3])] == [0, 1]
    assert source.record == dict(name='given', sha256=None)


def test_record_tells_how_often_is_looked():
    source = Moving(4)
    source.name = 'hog'
    assert source.record == dict(name='hog', sha256=None, every=4)
