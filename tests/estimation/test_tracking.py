"""Linking, ranking and filling, on people whose places are known."""
import inspect
import json
import time

import numpy as np
import pytest

from hpnet_plugin.estimation import gaps, selection, tracking
from hpnet_plugin.estimation.boxes import diou

SIZE = np.array([120., 450.])


def scene(*paths, size=SIZE):
    """Boxes of people on given paths, and who is who.

    Each path is (T, 2), the centres, NaN where the person is not seen. The
    boxes of a frame are in random order: nothing may depend on it.
    """
    rng = np.random.default_rng(0)
    boxes, who = [], []
    for centres in np.stack(paths, 1):
        seen = rng.permutation(np.flatnonzero(np.isfinite(centres[:, 0])))
        centre = centres[seen]
        boxes.append(np.c_[centre - size / 2, centre + size / 2,
                           rng.random(len(seen))])
        who.append(seen)
    return boxes, who


def people(chosen, who):
    """The persons that each slot shows, over all frames."""
    return [{int(who[t][k]) for t, k in enumerate(slot) if k >= 0}
            for slot in chosen]


def line(frames, start, velocity):
    return np.array(start, float) + np.outer(np.arange(frames), velocity)


def test_diou_closed_form():
    box = np.array([[0., 0, 2, 2]])
    others = np.array([[0., 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2]])
    # IoU 1, 1/3, 0; centres 0, 1, 2 apart; boxes around both 2, 3, 4 by 2
    np.testing.assert_allclose(
        diou(box, others)[0], [1, 1 / 3 - 1 / 13, -4 / 20])


def test_crossing_people_keep_their_slots():
    left = line(100, (300, 400), (10, 0))
    right = line(100, (1300, 410), (-10, 0))
    boxes, who = scene(left, right)
    chosen = selection.select(tracking.link(boxes), boxes, 2)
    assert chosen.shape == (2, 100) and (chosen >= 0).all()
    assert sorted(people(chosen, who), key=min) == [{0}, {1}]


@pytest.mark.parametrize('seed', range(20))
def test_one_person_never_becomes_two(seed):
    """Boxes that tremble, are dropped for a while, and are given twice."""
    rng = np.random.default_rng(seed)
    frames, size = 120, rng.uniform((60, 150), (160, 420))
    steps = rng.normal(0, .3, (frames, 2)).cumsum(0)
    centre = (500, 400) + steps.cumsum(0) * size / 300
    boxes = []
    for t in range(frames):
        count = rng.choice([0, 1, 2, 3], p=[.15, .6, .2, .05])
        middle = centre[t] + rng.normal(0, .03, (count, 2)) * size
        sides = size * np.exp(rng.normal(0, .08, (count, 2)))
        boxes.append(np.c_[middle - sides / 2, middle + sides / 2,
                           rng.random(count)])
    start = rng.integers(frames - 30)
    for t in range(start, start + rng.integers(10, 30)):
        boxes[t] = boxes[t][:0]
    chosen = selection.select(tracking.link(boxes), boxes, 3)
    assert len(chosen) == 1
    there = np.array([len(found) > 0 for found in boxes])
    assert ((chosen[0] >= 0) == there).mean() > .98


@pytest.mark.parametrize('seed', range(5))
def test_a_track_alone_is_as_beside_others(seed):
    """To the bit, though less is computed for a single one."""
    rng = np.random.default_rng(seed)
    alone, beside = tracking.Tracker(5), tracking.Tracker(5)
    path = rng.normal(0, 4, (60, 2)).cumsum(0) + 300
    for t, centre in enumerate(path):
        sides = SIZE + rng.normal(0, 5, 2)
        one = np.r_[centre - sides / 2, centre + sides / 2][None]
        one = one[:rng.random() > .1 or not t]
        far = one[:0] if t == 0 else one[:1] + 1e4 * rng.integers(1, 3)
        step = rng.integers(1, 3)
        alone.update(one, step)
        beside.update(np.concatenate((one, far)), step)
        for key, value in vars(alone._motion).items():
            assert (vars(beside._motion)[key][0] == value[0]).all()


def test_believed_closed_form():
    """Of 16 frames; q sqrt(p) times q of the best, 0.8."""
    scores = np.zeros((4, 16, 3))
    scores[0] = .5
    scores[1] = .8
    scores[2, :4] = .7  # 0.7 / 2
    scores[3, :9] = .5  # 0.5 * 3 / 4
    for least, good in ((0, [1, 1, 1, 1]), (.29, [1, 1, 0, 1]),
                        (.31, [1, 1, 0, 0]), (.39, [1, 1, 0, 0]),
                        (.41, [0, 1, 0, 0]), (2, [0, 1, 0, 0])):
        assert selection.believed(scores, least).tolist() == good
    # a ghost is no better beside a person of whom the net is not sure
    assert selection.believed(scores[2:] / 2, .31).sum() == 1
    assert selection.believed(np.zeros((1, 2, 3)), .31).tolist() == [True]


def test_one_hidden_while_they_cross():
    left = line(100, (300, 400), (10, 0))
    right = line(100, (1300, 410), (-10, 0))
    right[46:56] = np.nan
    boxes, who = scene(left, right)
    chosen = selection.select(tracking.link(boxes), boxes, 2)
    assert people(chosen, who) == [{0}, {1}]
    assert (chosen >= 0).sum(1).tolist() == [100, 90]


def test_people_who_meet_and_part_again():
    apart = 70 + 8. * np.abs(np.arange(100) - 50)
    y = np.full(100, 400.)
    boxes, who = scene(np.c_[800 - apart, y], np.c_[800 + apart, y + 20])
    chosen = selection.select(tracking.link(boxes), boxes, 2)
    assert sorted(people(chosen, who), key=min) == [{0}, {1}]


def test_fast_steps_and_turns():
    """Up to 0.6 widths a frame, back and forth, another person standing."""
    t = np.arange(120)
    fast = np.c_[300 + 70 * np.abs(t % 20 - 10), np.full(120, 400)]
    boxes, who = scene(fast, line(120, (1400, 420), (0, 0)))
    chosen = selection.select(tracking.link(boxes), boxes, 2)
    assert sorted(people(chosen, who), key=min) == [{0}, {1}]
    assert (chosen >= 0).all()


@pytest.mark.parametrize('gap, tracks', [(5, 1), (6, 2)])
def test_gaps_up_to_the_limit_are_bridged(gap, tracks):
    path = line(30, (300, 400), (6, 0))
    path[10:10 + gap] = np.nan
    boxes, _ = scene(path)
    assert len(tracking.link(boxes, max_gap=5)) == tracks


def test_each_box_is_in_one_track():
    rng = np.random.default_rng(1)
    boxes = []
    for count in rng.integers(0, 6, 200):
        corner = rng.uniform(0, 500, (count, 2))
        boxes.append(np.c_[corner, corner + rng.uniform(50, 200, (count, 2)),
                           np.ones(count)])
    tracks = tracking.link(boxes)
    rows = np.concatenate(tracks)
    assert len(rows) == sum(map(len, boxes))
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert all((np.diff(track[:, 0]) > 0).all() for track in tracks)


def test_ranked_by_presence_and_size():
    """Sums of the root of the area: large 60 x 200, small 100 x 100, …"""
    boxes = []
    for t in range(100):
        frame = [[1000, 100, 1100, 200, .9]]  # small, always
        if t < 60:
            frame.insert(0, [100, 100, 300, 300, .1])  # large
        if t >= 45:
            frame.append([600, 100, 700, 200, .99])  # small, shorter
        boxes.append(np.array(frame))
    chosen = selection.select(tracking.link(boxes), boxes, 3)
    firsts = [boxes[t][slot[t], 0] for slot in chosen
              for t in [np.argmax(slot >= 0)]]
    assert firsts == [100, 1000, 600]
    assert (chosen >= 0).sum(1).tolist() == [60, 100, 55]
    assert selection.select(tracking.link(boxes), boxes, 1).shape == (1, 100)


def squares(*sides, at=(500, 500)):
    """Boxes around one place."""
    return np.array([[at[0] - side / 2, at[1] - side / 2, at[0] + side / 2,
                      at[1] + side / 2] for side in sides])


def test_rank_is_presence_times_size():
    """25 frames of 50 x 50 before 10 of 100 x 100, whose area is more."""
    boxes = [np.concatenate([squares(50, at=(100, 100)),
                             squares(100, at=(900, 900))][:1 + (t < 10)])
             for t in range(25)]
    chosen = selection.select(tracking.link(boxes), boxes, 2)
    assert (chosen >= 0).sum(1).tolist() == [25, 10]


@pytest.mark.parametrize('side, tracks', [(172, 1), (174, 2), (58, 1),
                                          (57, 2)])
def test_people_do_not_grow_threefold_at_once(side, tracks):
    """172 x 172 is 2.96 of 100 x 100, 174 x 174 3.03; 58 and 57 likewise."""
    boxes = [squares(100)] * 5 + [squares(side)]
    assert len(tracking.link(boxes)) == tracks


def test_one_sure_pair_before_two_doubtful():
    """100 goes on as 100, not as 131 and 70 as 100.

    Margins (IoU + 0.1) are 1.1 or 0.68 and 0.59, whose sum is larger; 70 to
    131 is too much of a change.
    """
    boxes = [squares(100, 70), squares(100, 131)]
    assert [track.tolist() for track in tracking.link(boxes)] == [
        [[0, 0], [1, 0]], [[0, 1]], [[1, 1]]]


@pytest.mark.parametrize('x', [480, 520])
def test_who_was_seen_last_takes_the_box(x):
    """Of two who stand as near to it."""
    both = np.concatenate([squares(100, at=(x, 500)),
                           squares(100, at=(1000 - x, 500))])
    boxes = [both] * 5 + [both[1:]] * 3 + [squares(100)]
    assert [len(track) for track in tracking.link(boxes)] == [5, 9]


def test_steps_over_frames():
    """Every fourth frame: who goes on is found, and ends by the frames."""
    path = line(40, (300, 400), (12, 0))[::4]
    boxes, _ = scene(path)
    assert len(tracking.link(boxes, numbers=range(0, 40, 4))) == 1
    path = line(40, (300, 400), (0, 0))[::4]
    path[4:6] = np.nan  # 16 and 20: 12 to 24
    boxes, _ = scene(path)
    for gap, tracks in ((7, 2), (8, 1)):
        assert len(tracking.link(boxes, gap, range(0, 40, 4))) == tracks


def test_steps_are_as_so_many_of_one_frame():
    """The filter after 5 frames at once, and one by one."""
    one, five = tracking.Tracker(), tracking.Tracker()
    for tracker in (one, five):
        for t in range(3):
            tracker.update(squares(100, at=(500 + 3 * t, 500)))
    for _ in range(5):
        one._motion.step(30, 1)
    five._motion.step(30, 5)
    for key, value in vars(one._motion).items():
        if key != 'missed':
            np.testing.assert_allclose(value, getattr(five._motion, key))


def test_a_copy_goes_on_by_itself():
    tracker = tracking.Tracker()
    tracker.update(squares(100))
    other = tracker.copy()
    assert tracker.update(squares(40, at=(0, 0))).tolist() == [1]
    assert other.update(squares(100, 40)).tolist() == [0, 1]


def test_gaps_by_the_frames_of_the_video():
    values = np.array([[0., 7, 9, 7, 5]])
    present = np.array([[True, False, True, False, True]])
    numbers = [0, 1, 9, 11, 40]
    np.testing.assert_allclose(
        gaps.fill_gaps(values, present, 8, numbers), [[0, 1, 9, 0, 5]])
    assert not gaps.fill_gaps(values, present, 7, numbers)[0, 1]
    for wrong in ([0, 1, 2], [0, 1, 1, 2, 3]):
        with pytest.raises(ValueError, match='numbers must be 5'):
            gaps.fill_gaps(values, present, 8, wrong)


def test_order_of_the_boxes_changes_nothing():
    """Equal tracks too: the one further left comes first."""
    boxes, _ = scene(*(line(40, (x, 400), (0, 0)) for x in (900, 200, 550)))
    turned = [frame[::-1] for frame in boxes]
    for found in (boxes, turned):
        chosen = selection.select(tracking.link(found), found, 3)
        lefts = [[found[t][k, 0] for t, k in enumerate(slot)]
                 for slot in chosen]
        assert [set(left) for left in lefts] == [{140.}, {490.}, {840.}]


def test_short_tracks_have_no_slot():
    person = line(100, (300, 400), (1, 0))
    ghost = np.full((100, 2), np.nan)
    ghost[50:74] = 1500, 400
    boxes, who = scene(person, ghost)
    tracks = tracking.link(boxes)
    assert people(selection.select(tracks, boxes, 2), who) == [{0}]
    # a source that is trusted more
    assert len(selection.select(tracks, boxes, 2, least=0.24)) == 2
    ghost[74] = 1500, 400  # a quarter of the longest is enough
    boxes, who = scene(person, ghost)
    chosen = selection.select(tracking.link(boxes), boxes, 2)
    assert people(chosen, who) == [{0}, {1}]


def test_two_boxes_of_one_person_are_one():
    """The legs, found as well in every frame; nested, and sticking out."""
    person = line(60, (300, 400), (3, 0))
    for shift in (100, 200):
        boxes, _ = scene(person)
        for t, found in enumerate(boxes):
            x, y = person[t]
            legs = x - 60, y + shift - 100, x + 60, y + shift + 110, .9
            boxes[t] = np.r_[found, [legs]]
        chosen = selection.select(tracking.link(boxes), boxes, 2)
        assert chosen.tolist() == [[0] * 60]
    # below them, two thirds of it: somebody else
    for found in boxes:
        found[1, [1, 3]] += 100
    assert len(selection.select(tracking.link(boxes), boxes, 2)) == 2


def test_pieces_of_one_person_are_joined():
    """Lost for longer than a track lives, and found where one can get to."""
    path = line(200, (300, 400), (2, 0))
    path[80:120] = np.nan
    boxes, _ = scene(path)
    tracks = tracking.link(boxes)
    assert len(tracks) == 2
    chosen = selection.select(tracks, boxes, 2)
    assert chosen.shape == (1, 200)
    assert (chosen[0] >= 0).tolist() == np.isfinite(path[:, 0]).tolist()


def test_who_is_where_the_other_cannot_be_is_another():
    """Three frames after, at the other end of the hall."""
    first = line(100, (300, 400), (0, 0))
    second = line(100, (4000, 400), (0, 0))
    first[48:] = second[:51] = np.nan
    boxes, who = scene(first, second)
    tracks = tracking.link(boxes)
    chosen = selection.select(tracks, boxes, 2)
    assert people(chosen, who) == [{1}, {0}]
    # by the frames of the video, in which there was time
    numbers = np.r_[:50, 1000:1050]
    chosen = selection.select(tracks, boxes, 2, numbers=numbers)
    assert people(chosen, who) == [{0, 1}]


def test_frames_without_anyone():
    path = line(20, (300, 400), (5, 0))
    path[[0, 7, 8, 19]] = np.nan
    boxes, _ = scene(path)
    assert len(boxes[7]) == 0
    chosen = selection.select(tracking.link(boxes), boxes, 2)
    assert np.flatnonzero(chosen[0] < 0).tolist() == [0, 7, 8, 19]


def test_boxes_without_area():
    """What a detector leaves of a person at the frame's edge."""
    boxes = [np.array([[0., 5, 0, 90, 1]])] * 5
    tracks = tracking.link(boxes)
    assert sum(map(len, tracks)) == 5
    assert selection.select(tracks, boxes, 2).shape[1] == 5


@pytest.mark.parametrize('frames', [0, 5])
def test_nobody_at_all(frames):
    boxes = [np.zeros((0, 5), np.float32)] * frames
    assert tracking.link(boxes) == []
    assert selection.select([], boxes, 2).shape == (0, frames)


def test_noisy_boxes_in_a_long_clip():
    """Two who stand apart, a quarter of the boxes lost, ghosts: seconds."""
    rng = np.random.default_rng(0)
    frames = 2000
    paths = [line(frames, (x, 400), (0, 0)) + rng.normal(0, 8, (frames, 2))
             for x in (400, 800)]
    for path in paths:
        path[rng.random(frames) < 0.25] = np.nan
    ghosts = rng.uniform(0, 1500, (frames, 2))
    ghosts[rng.random(frames) < 0.7] = np.nan
    boxes, who = scene(*paths, ghosts)
    start = time.process_time()
    chosen = selection.select(tracking.link(boxes), boxes, 2)
    assert time.process_time() - start < 10
    counts = np.array([
        np.bincount([who[t][k] for t, k in enumerate(slot) if k >= 0],
                    minlength=3) for slot in chosen])
    seen = [np.isfinite(path[:, 0]).sum() for path in paths]
    # a slot each; few of their boxes are lost, few ghosts are taken in
    assert sorted(counts.argmax(1)) == [0, 1]
    for slot in counts:
        assert slot.max() > 0.9 * seen[slot.argmax()]
        assert slot.max() > 0.98 * slot.sum()


def test_two_who_punch(shared):
    """A050: nobody moves far between frames, and the sides are kept."""
    path = shared / 'data/ntu/S001C001P001R001A050_boxes.json'
    boxes = [np.array(frame) for frame in json.loads(path.read_text())]
    chosen = selection.select(tracking.link(boxes), boxes, 2)
    assert chosen.shape == (2, 74) and (chosen >= 0).all()
    # the detector's own order changes from frame to frame
    assert len(np.unique(chosen[0])) == 2
    x = np.array([[boxes[t][k, [0, 2]].mean() for t, k in enumerate(slot)]
                  for slot in chosen])
    assert np.abs(np.diff(x)).max() < 0.1 * np.abs(x[0] - x[1]).min()
    assert len(set(np.sign(x[0] - x[1]))) == 1


def test_the_label_is_no_input():
    for function in (tracking.link, selection.select, gaps.fill_gaps):
        assert not {'label', 'action', 'clip', 'name'} & set(
            inspect.signature(function).parameters)


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
@pytest.mark.parametrize('tail', [(), (17, ), (17, 3)])
def test_fill_is_linear(dtype, tail):
    present = np.array([[0, 1, 0, 0, 1, 0, 0, 0, 1, 0],
                        [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]], bool)
    scale = np.linspace(1, 2, max(1, int(np.prod(tail)))).reshape(tail)
    ramp = (np.arange(10.) * 8).reshape(1, 10, *[1] * len(tail)) * scale
    values = np.repeat(ramp, 2, 0).astype(dtype)
    values[~present] = 77  # what stands in a gap is not looked at
    before = values.copy()
    filled = gaps.fill_gaps(values, present, limit=3)
    np.testing.assert_array_equal(values, before)
    assert filled.dtype == dtype and filled.shape == values.shape
    expected = np.repeat(ramp, 2, 0)
    expected[0, [0, 9]] = 0  # ends
    expected[1, 3:9] = 0  # six frames, more than three
    np.testing.assert_allclose(filled, expected, rtol=1e-3)


def test_fill_as_np_interp():
    rng = np.random.default_rng(0)
    values, present = rng.normal(size=(1, 200)), rng.random((1, 200)) < 0.3
    filled = gaps.fill_gaps(values, present, 200)[0]
    at = np.flatnonzero(present[0])
    expected = np.interp(np.arange(200), at, values[0, at], 0, 0)
    np.testing.assert_allclose(filled, expected, atol=1e-6)


def test_fill_of_nobody_is_zero():
    filled = gaps.fill_gaps(
        np.ones((2, 5, 17, 2), np.float32), np.zeros((2, 5), bool), 30)
    assert not filled.any()
    empty = gaps.fill_gaps(np.ones((0, 5, 2)), np.zeros((0, 5), bool), 3)
    assert empty.shape == (0, 5, 2)


def test_fill_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r'\(2, 4\) and \(2, 5, 3\)'):
        gaps.fill_gaps(np.ones((2, 5, 3)), np.ones((2, 4), bool), 3)
    with pytest.raises(ValueError, match='int'):
        gaps.fill_gaps(np.ones((2, 5), int), np.ones((2, 5), bool), 3)
