"""Clips put together: who is posed, in what batches, and what is refused."""
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

from hpnet_plugin.estimation.assembly import (
    ClipAssembler,
    NoPersonError,
    NotFiniteError,
)
from hpnet_plugin.estimation.given_joints import ClipJoints, JointsSource
from hpnet_plugin.estimation.people import ListedPeople, People

V, C = 3, 4


class Chunk(NamedTuple):
    numbers: list
    times: list
    images: list


class Extractor:
    """Instead of a pose net: says where a crop is from, and keeps count.

    Joints are the box's corner plus 0, 1, 2; features are box and frame.
    """

    taps = dict(map=C)
    net = SimpleNamespace(num_joints=V)
    record = dict(taps=taps, layout='coco')

    def __init__(self, channel=0.):
        self.batches, self.cut, self.channel = [], 0, channel
        self.begun = self.most = 0  # batches in flight

    def crop(self, frame, box):
        self.cut += 1
        matrix = np.zeros((2, 3))
        matrix[0] = *box[:2], frame[0, 0, 0]
        return np.zeros((8, 8, 3), np.uint8), matrix

    def submit(self, crops, matrices, joints=None, areas=None):
        """The batch is worked on when its result is taken."""
        self.begun += 1
        self.most = max(self.most, self.begun)
        return SimpleNamespace(
            result=lambda: self._result(crops, matrices, joints))

    def _result(self, crops, matrices, joints):
        self.begun -= 1
        return self.pose(crops, matrices, joints)

    def pose(self, crops, matrices, joints):
        assert crops.shape[1:] == (8, 8, 3) and crops.dtype == np.uint8
        assert len(crops) == len(matrices)
        self.batches.append([tuple(matrix[0]) for matrix in matrices])
        at = matrices[:, None, 0, :2] + np.arange(V)[:, None]
        features = np.repeat(matrices[:, None, 0],
                             len((at if joints is None else joints)[0]), 1)
        features = np.concatenate((features, np.full_like(
            features[..., :1], self.channel)), -1)
        if joints is not None:
            return joints, None, dict(map=features.astype(np.float16))
        return (at.astype(np.float32), np.full(at.shape[:2], .5, np.float32),
                dict(map=features.astype(np.float16)))


def video(count, numbers=None, size=8):
    numbers = list(numbers or range(count))
    for start in range(0, count, size):
        some = numbers[start:start + size]
        yield Chunk(some, [n / 25 for n in some],
                    [np.full((90, 160, 3), n, np.uint8) for n in some])


def box(x, y=0., score=1.):
    return [x, y, x + 20., y + 60., score]


def source(*frames, numbers=None):
    """Boxes of each frame."""
    return ListedPeople({
        number: People(np.array(boxes, np.float32).reshape(-1, 5))
        for number, boxes in zip(numbers or range(len(frames)), frames)})


def test_only_who_stays_is_posed():
    """Two people; a third candidate, small and seen less, is not posed."""
    frames = [[box(10 + t), box(100), [140, 0, 150, 30, .2]][:2 + t % 2]
              for t in range(20)]
    extractor, seen = Extractor(), []
    clip = ClipAssembler(source(*frames), extractor)(
        'a', video(20), lambda image, boxes: seen.append(
            (image[0, 0, 0], len(boxes))))
    assert extractor.cut == 50
    # 40 crops in one order: a full batch of 32, then 8
    assert [len(batch) for batch in extractor.batches] == [32, 8]
    assert sum(extractor.batches, []) == [
        at for t in range(20) for at in ((10. + t, 0., t), (100., 0., t))]
    assert seen == [(t, 2 + t % 2) for t in range(20)]
    assert clip.chosen.tolist() == [[0] * 20, [1] * 20]
    assert clip.shape == (90, 160) and not clip.nobody
    assert clip.numbers == list(range(20))
    np.testing.assert_allclose(clip.times, np.arange(20) / 25)
    assert {key: (a.shape, a.dtype) for key, a in clip.arrays.items()} == dict(
        keypoint=((2, 20, V, 2), np.float32),
        keypoint_score=((2, 20, V), np.float32),
        map=((2, 20, V, C), np.float16))
    np.testing.assert_array_equal(clip.arrays['keypoint'][0, :, 1, 0],
                                  11 + np.arange(20))
    np.testing.assert_array_equal(clip.arrays['map'][1, :, 0, 2],
                                  np.arange(20))


@pytest.mark.parametrize('count, sizes', [
    (3, [8]), (8, [8]), (9, [16]), (32, [32]), (33, [32, 8])])
def test_last_batch_is_filled_up_a_little(count, sizes):
    extractor = Extractor()
    ClipAssembler(source(*[[box(0)]] * count), extractor)('a', video(count))
    assert [len(batch) for batch in extractor.batches] == sizes
    # by the last crop
    assert set(extractor.batches[-1][count % 32 or 32:]) <= {
        (0., 0., count - 1.)}


@pytest.mark.parametrize('count, most', [(1, 1), (32, 1), (33, 2), (99, 2)])
def test_one_batch_waits_while_the_next_begins(count, most):
    """A GPU always has work, and no more than two batches are held."""
    extractor = Extractor()
    ClipAssembler(source(*[[box(0)]] * count), extractor)('a', video(count))
    assert (extractor.most, extractor.begun) == (most, 0)


def test_small_batches_are_not_exceeded():
    extractor = Extractor()
    ClipAssembler(source(*[[box(0)]] * 8), extractor, batch=3)('a', video(8))
    assert [len(batch) for batch in extractor.batches] == [3, 3, 3]


def test_a_clip_depends_on_itself_alone():
    """Chunks of any size, another clip before it."""
    frames = [[box(10 + t), box(100)] for t in range(9)]
    results = []
    extractor = Extractor()
    assemble = ClipAssembler(source(*frames), extractor)
    for size in (1, 4, 100):
        clip = assemble('a', video(9, size=size))
        results.append((extractor.batches.copy(), clip))
        extractor.batches.clear()
    for batches, clip in results[1:]:
        assert batches == results[0][0]
        for key, value in clip.arrays.items():
            np.testing.assert_array_equal(value, results[0][1].arrays[key])


def test_crops_held_are_bounded():
    """Ten crops of 192 bytes: all of them are posed, with the same result."""
    frames = [[box(10 + t), box(100), box(130, score=.1)][:2 + (t > 10)]
              for t in range(20)]
    extractor, bounded = Extractor(), Extractor()
    one = ClipAssembler(source(*frames), extractor)('a', video(20))
    other = ClipAssembler(source(*frames), bounded, budget=1920)(
        'a', video(20))
    assert [len(batch) for batch in bounded.batches] == [16] * 4 + [8]
    for key, value in one.arrays.items():
        np.testing.assert_array_equal(value, other.arrays[key])


class Doubtful(Extractor):
    """Finds good joints in people left of 100 only."""

    def pose(self, crops, matrices, joints):
        at, scores, pooled = super().pose(crops, matrices, joints)
        return at, scores + np.where(matrices[:, :1, 0] < 100, .4, -.4).astype(
            np.float32), pooled


def test_who_has_no_joints_is_no_person():
    """Unless the source's word counts; with features, and without."""
    frames = [[box(10), box(110)] for _ in range(9)]
    seen = source(*frames)
    assemble = ClipAssembler(seen, Doubtful())
    assert assemble('a', video(9)).chosen.tolist() == [[0] * 9, [1] * 9]
    seen.evidence = .31
    clip = assemble('a', video(9))
    assert clip.chosen.tolist() == [[0] * 9]
    assert {key: len(a) for key, a in clip.arrays.items()} == dict(
        keypoint=1, keypoint_score=1, map=1)
    np.testing.assert_allclose(clip.arrays['keypoint_score'], .9)
    bare = assemble('a', video(9), pose=False)
    assert bare.chosen.tolist() == [[0] * 9] and bare.arrays == {}
    released = ClipAssembler(seen, Doubtful(), persons='released')
    assert len(released('S001C001P001R001A050', video(9)).chosen) == 2
    alone = source(*[[box(110)]] * 9)
    alone.evidence = .31
    assert ClipAssembler(alone, Doubtful())('a', video(9)).chosen.tolist() == [
        [0] * 9]


def test_gaps_go_by_the_frames_of_the_video():
    """Of frames 0, 1, 9 the middle one is interpolated at 1 / 9."""
    numbers = [0, 1, 9, 41, 43]
    frames = [[box(0)], [], [box(9)], [], [box(20)]]
    assemble = ClipAssembler(source(*frames, numbers=numbers), Extractor(),
                             num_people=1)
    clip = assemble('a', video(5, numbers))
    x = clip.arrays['keypoint'][0, :, 0, 0]
    assert clip.chosen.tolist() == [[0, -1, 0, -1, 0]]
    np.testing.assert_allclose(x, [0, 1, 9, 0, 20], atol=1e-6)
    assert clip.arrays['keypoint_score'][0, :, 0].tolist() == [
        .5, 0, .5, 0, .5]


def test_nobody():
    frames = [[]] * 10
    clip = ClipAssembler(source(*frames), Extractor())('a', video(10))
    assert clip.nobody and clip.chosen.tolist() == [[-1] * 10]
    assert {key: a.shape for key, a in clip.arrays.items()} == dict(
        keypoint=(1, 10, V, 2), keypoint_score=(1, 10, V),
        map=(1, 10, V, C))
    assert not any(value.any() for value in clip.arrays.values())
    extractor = Extractor()
    with pytest.raises(NoPersonError, match='a: nobody found in 10 frames'):
        ClipAssembler(source(*frames), extractor, nobody='fail')(
            'a', video(10))
    assert extractor.batches == []


def test_nobody_is_the_whole_frame():
    extractor = Extractor()
    assemble = ClipAssembler(source(*[[]] * 10), extractor, nobody='frame')
    clip = assemble('a', video(10))
    assert clip.nobody and clip.chosen.tolist() == [[0] * 10]
    assert [b.tolist() for b in clip.boxes] == [[[0, 0, 160, 90, 1]]] * 10
    assert (clip.arrays['keypoint_score'] == .5).all()
    # somebody, later: no whole frame is posed
    extractor.batches.clear()
    frames = [[]] * 9 + [[box(5)]]
    clip = ClipAssembler(source(*frames), extractor, nobody='frame')(
        'a', video(10))
    assert not clip.nobody and clip.chosen.tolist() == [[-1] * 9 + [0]]
    assert set(sum(extractor.batches, [])) == {(5., 0., 9.)}


def test_an_empty_clip():
    with pytest.raises(ValueError, match='a: the clip has no frame'):
        ClipAssembler(source(), Extractor())('a', [])


@pytest.mark.parametrize('value', [np.nan, np.inf, 1e5])
@pytest.mark.filterwarnings('ignore:overflow')
def test_what_is_not_finite_is_named(value):
    assemble = ClipAssembler(source([], [box(3)]), Extractor(value))
    with pytest.raises(NotFiniteError, match='walk: map of frame 1 is not'):
        assemble('walk', video(2))


def test_what_is_not_finite_of_others_does_not_matter():
    """A candidate who was posed for want of memory, but is not chosen."""

    class Partly(Extractor):

        def pose(self, crops, matrices, joints):
            at, scores, pooled = super().pose(crops, matrices, joints)
            pooled['map'][matrices[:, 0, 0] > 100] = np.inf
            return at, scores, pooled

    frames = [[box(3), box(120)][:1 + (t == 4)] for t in range(12)]
    clip = ClipAssembler(source(*frames), Partly(), num_people=1, budget=1)(
        'a', video(12))
    assert np.isfinite(clip.arrays['map']).all()


@pytest.mark.parametrize('name, slots', [
    ('S001C001P001R001A050', 2), ('S001C001P001R001A120_rgb', 2),
    ('S001C001P001R001A001', 1), ('S001C001P001R001A061', 1),
    # UAV-Human has an A050 as well, of one person
    ('P001S01G10B10H10UC022000LC021000A050R0_08241716', 1),
    ('P001S01G10B10H10UC022000LC021000A110R0_08241716', 1),
    ('clip_A050', 1)])
def test_released_people(name, slots):
    """In the order of the source; one person fills both slots."""
    frames = [[box(50), box(9)], [box(9)], []]
    extractor = Extractor()
    clip = ClipAssembler(source(*frames), extractor, persons='released')(
        name, video(3))
    second = [1, 0, -1] if slots == 2 else [0, 0, -1]
    assert clip.chosen.tolist() == [[0, 0, -1], second]
    posed = dict.fromkeys(sum(extractor.batches, []))  # each of them once
    assert len(posed) == slots + 1
    assert not clip.arrays['map'][:, 2].any()


def joints_source(present):
    """Joints of M people in T frames, who are there or not."""
    present = np.array(present)
    joints = np.random.default_rng(0).uniform(5, 80, (*present.shape, 5, 2))
    scores = np.repeat(present[..., None], 5, -1) * .25
    return joints, JointsSource({'a': ClipJoints(joints, scores, (90, 160))},
                                layout='five')


def test_given_people():
    """Of three the two who are there the longest, in their own slots."""
    joints, given = joints_source([[1, 1, 1, 0], [0, 1, 0, 0], [1, 1, 1, 1]])
    assemble = ClipAssembler(given, Extractor())
    clip = assemble('a', video(4))
    assert clip.chosen.tolist() == [[0, 0, 0, -1], [1, 2, 1, 0]]
    for slot, person in ((0, 0), (1, 2)):
        there = clip.chosen[slot] >= 0
        np.testing.assert_allclose(clip.arrays['keypoint'][slot, there],
                                   joints[person, there], rtol=1e-6)
        assert (clip.arrays['keypoint_score'][slot, there] == .25).all()
        assert not clip.arrays['keypoint_score'][slot, ~there].any()
    assert clip.arrays['map'].shape == (2, 4, 5, C)
    assert assemble.record['layout'] == 'five'
    assert assemble.record['persons'] == 'given'


def test_given_nobody():
    _, given = joints_source([[0, 0]])
    clip = ClipAssembler(given, Extractor())('a', video(2))
    assert clip.nobody and clip.arrays['map'].shape == (1, 2, 5, C)


def test_options():
    boxes, (_, given) = source([]), joints_source([[1]])
    for options, message in ((dict(persons='all'), "'all'"),
                             (dict(nobody='skip'), "'skip'")):
        with pytest.raises(ValueError, match=message):
            ClipAssembler(boxes, Extractor(), **options)
    for options in (dict(persons='released'), dict(nobody='frame')):
        with pytest.raises(ValueError, match='joints'):
            ClipAssembler(given, Extractor(), **options)
    record = ClipAssembler(boxes, Extractor(), num_people=3).record
    assert record == dict(
        taps=dict(map=C), layout='coco', persons='tracked', max_people=3,
        max_gap=30, detector=dict(name='given', sha256=None))
    # what is usual is not noted: older stores are of the same settings
    record = ClipAssembler(boxes, Extractor(), nobody='frame').record
    assert record['nobody'] == 'frame'
