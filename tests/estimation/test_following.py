"""People followed frame by frame."""
from types import SimpleNamespace

import numpy as np

from hpnet_plugin.estimation.following import Follower
from hpnet_plugin.estimation.people import People, PersonSource
from hpnet_plugin.estimation.video import FrameChunk

V = 6


class Detector(PersonSource):
    """Knows where one person is; counts how often it is asked."""

    every = 4

    def __init__(self, places, search=None):
        self.places, self.search, self.asked = places, search, []

    def people(self, frames, clip, numbers):
        self.asked += numbers
        return [People(np.array(
            [[x, 20, x + 40, 120, 1.] for x in self.places(number)],
            np.float32).reshape(-1, 5)) for number in numbers]


class Extractor:
    """Finds joints where a person is, if the crop shows enough of them.

    A frame's pixel 0, 0 holds its number; a crop is told by its box.
    """

    taps = dict(tap=2)
    net = SimpleNamespace(num_joints=V)

    def __init__(self, places):
        self.places = places

    def crop(self, frame, box):
        return np.array([*box[:4], frame[0, 0, 0]], np.float32), np.eye(2, 3)

    def __call__(self, crops, matrices, joints, areas):
        found, scores = [], []
        for x1, _, x2, _, number in crops:
            near = [x for x in self.places(int(number))
                    if abs(x + 20 - (x1 + x2) / 2) < 15]
            x = near[0] if near else x1
            found.append([[x + 10 + 4 * v, 30 + 15 * v] for v in range(V)])
            scores.append([.9 if near else .1] * V)
        return (np.array(found, np.float32), np.array(scores, np.float32),
                dict(tap=np.zeros((len(crops), V, 2), np.float16)))


def chunk(numbers):
    """Frames that know their numbers."""
    return FrameChunk(numbers, [n / 10 for n in numbers],
                      [np.full((200, 400, 3), n, np.uint8) for n in numbers])


def follow(places, count, step=1, **options):
    """Detector and frames of a follower."""
    detector = Detector(places, options.pop('search', None))
    follower = Follower(detector, Extractor(places), **options)
    numbers = list(range(0, count * step, step))
    return detector, list(follower.follow('clip', [chunk(numbers)]))


def test_joints_carry_the_box_between_looks():
    detector, seen = follow(lambda n: [10 + 5 * n], 9)
    assert detector.asked == [0, 4, 8]
    assert [frame.looked for frame in seen] == [
        n % 4 == 0 for n in range(9)]
    for frame in seen:
        assert frame.tracks.tolist() == [0]
        # one frame late at most
        assert abs(frame.boxes[0, 0] - (10 + 5 * frame.number)) <= 5.1
        np.testing.assert_allclose(frame.joints[0, 0, 0],
                                   20 + 5 * frame.number)
        np.testing.assert_allclose(
            frame.boxes[0, 2:4] - frame.boxes[0, :2], (40, 100), atol=.1)


def test_each_keeps_the_room_of_the_own_box():
    class Roomy(Detector):
        """The box of who stands on the right has more around the joints."""

        def people(self, frames, clip, numbers):
            found = super().people(frames, clip, numbers)
            for people in found:
                people.boxes[1, :4] += (-10, -20, 10, 20)
            return found

    def places(number):
        return [10 + number, 200 + number]

    follower = Follower(Roomy(places), Extractor(places))
    for frame in follower.follow('clip', [chunk(range(4))]):
        np.testing.assert_allclose(
            frame.boxes[:, 2:4] - frame.boxes[:, :2], [(40, 100), (60, 140)],
            atol=.1)


def test_who_is_lost_is_searched_for_at_once():
    def places(number):
        return [10] if number < 2 else [200]

    detector, seen = follow(places, 4)
    assert detector.asked == [0, 2]
    assert [frame.boxes[0, 0] for frame in seen] == [10, 10, 200, 200]
    assert [frame.tracks.tolist() for frame in seen] == [[0], [0], [1], [1]]


def test_an_empty_scene_is_looked_at_as_often_as_the_detector_needs():
    def nobody(number):
        return []

    detector, seen = follow(nobody, 9)
    assert detector.asked == [0, 4, 8]
    detector, seen = follow(nobody, 9, search=2)
    assert detector.asked == [0, 2, 4, 6, 8]
    assert all(frame.boxes.shape == (0, 5) for frame in seen)
    assert all(frame.joints.shape == (0, V, 2) for frame in seen)


def test_every_counts_frames_of_the_video():
    detector, _ = follow(lambda n: [10], 5, step=3)
    assert detector.asked == [0, 6, 12]


def test_who_comes_back_after_the_gap_is_another():
    def places(number):
        return [] if 3 <= number < 9 else [10]

    for gap, last in ((5, 1), (20, 0)):
        _, seen = follow(places, 12, every=1, max_gap=gap)
        assert seen[-1].tracks.tolist() == [last]


def test_two_boxes_of_one_person_are_not_carried_on():
    _, seen = follow(lambda n: [10, 18] if not n else [10], 4)
    assert [len(frame.boxes) for frame in seen] == [2, 1, 1, 1]


def test_no_more_people_than_asked_for():
    _, seen = follow(lambda n: [10, 100, 300], 5, num_people=2)
    assert all(len(frame.boxes) == 2 for frame in seen)


def test_after_an_outage_everybody_is_somebody_else():
    places = Detector(lambda number: [10])
    for numbers, tracks in (
            ([0, 1, 2, 90, 91], [0, 0, 0, 1, 1]),
            # frames that are looked at rarely are no outage
            ([0, 40, 80, 120], [0, 0, 0, 0])):
        follower = Follower(places, Extractor(lambda number: [10]))
        assert [frame.tracks[0] for frame in follower.follow(
            'clip', [chunk(numbers)])] == tracks
