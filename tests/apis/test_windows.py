"""Windows of time, who is in them, and timelines of them."""
import numpy as np
import pytest

from hpnet_plugin.apis.results import Prediction
from hpnet_plugin.apis.timelines import timelines
from hpnet_plugin.apis.window_people import PeopleRules, people_of
from hpnet_plugin.apis.windows import KeptFrame, Windows
from hpnet_plugin.estimation.following import SeenFrame

V = 5


def frame(number, people, fps=10):
    """A frame with people: track to x of the box."""
    tracks = np.array(list(people), int)
    boxes = np.array([[x, 50, x + 40, 150, .9] for x in people.values()],
                     np.float32).reshape(-1, 5)
    joints = np.repeat(boxes[:, None, :2], V, 1) + number
    return KeptFrame(SeenFrame(
        number, number / fps, None, boxes, tracks, joints,
        np.full((len(tracks), V), .8, np.float32),
        dict(tap=np.full((len(tracks), V, 3), number, np.float16)), True),
        (200, 400), None)


def cut(frames, window=1., stride=.5, max_gap=4):
    """All windows of some frames."""
    windows = Windows(window, stride, max_gap)
    found = [w for one in frames for w in windows.add(one)]
    return found + list(windows.end())


def spans(found):
    """Start, end and numbers of the first and last frame."""
    return [(round(w.start, 2), round(w.end, 2), w.frames[0].seen.number,
             w.frames[-1].seen.number) for w in found]


def people(window, once=frozenset(), **options):
    """Who is in a window."""
    return people_of(window, PeopleRules(**{**dict(
        taps=dict(tap=3), num_joints=V, max_people=5, max_gap=4, least=.25),
        **options}), once)


def test_windows_follow_each_other_and_the_last_shows_the_end():
    found = cut([frame(t, {0: 10}) for t in range(24)])
    assert spans(found) == [
        (0, 1, 0, 9), (.5, 1.5, 5, 14), (1, 2, 10, 19), (1.4, 2.4, 14, 23)]
    assert [w.whole for w in found] == [False] * 3 + [True]


def test_a_window_ends_with_its_last_frame_not_with_the_next():
    windows = Windows(1., 1.)
    assert [len(list(windows.add(frame(t, {0: 10})))) for t in range(20)] == \
        [0] * 9 + [1] + [0] * 9 + [1]


def test_what_ends_with_a_window_needs_no_further_one():
    assert len(cut([frame(t, {0: 10}) for t in range(20)])) == 3


def test_a_video_shorter_than_a_window_is_one():
    assert spans(cut([frame(t, {0: 10}) for t in range(4)])) == [
        (0, .4, 0, 3)]


def test_nothing_gives_no_window():
    assert cut([]) == []


def test_who_has_gone_is_looked_at_once_more():
    found = cut([frame(t, {0: 10, 1: 200} if t < 13 else {0: 10})
                 for t in range(20)], stride=1.)
    assert [w.tracks for w in found] == [None, {1}, None]
    gone = found[1]
    assert (gone.start, gone.end) == pytest.approx((.3, 1.3))
    assert [p.track for p in people(gone)] == [1]
    # in the last window there is too little of somebody known
    assert [p.track for p in people(found[2], once=frozenset({0, 1}))] == [0]


def test_a_pause_ends_windows_without_what_comes_after():
    frames = [frame(t, {0: 10}) for t in (*range(6), *range(57, 70))]
    found = cut(frames, stride=1.)
    assert [w.frames[-1].seen.number for w in found][0] == 5
    assert all(w.frames[-1].seen.time - w.frames[0].seen.time < 1
               for w in found)


def test_each_person_is_cut_to_when_they_are_there():
    window, = cut([frame(t, {0: 10, **({1: 200} if 2 <= t < 9 else {})})
                   for t in range(10)])
    one, other = people(window)
    assert (one.track, one.start, one.end) == (0, 0, pytest.approx(1))
    assert (other.track, other.start, other.end) == (
        1, pytest.approx(.2), pytest.approx(.9))
    assert other.clip.arrays['tap'].shape == (1, 7, V, 3)
    assert other.clip.arrays['tap'][0, :, 0, 0].tolist() == list(range(2, 9))
    assert other.together == ()


def test_people_who_are_seen_together_share_a_clip():
    window, = cut([frame(t, {0: 10, **({1: 200} if t >= 2 else {})})
                   for t in range(10)])
    one, other = people(window, together=2)
    assert one.clip is other.clip
    assert one.clip.arrays['keypoint'].shape == (2, 10, V, 2)
    assert (one.together, other.together) == ((1, ), (0, ))
    assert (one.row, other.row) == (0, 1)
    assert np.isnan(other.boxes[:2]).all() and not np.isnan(
        other.boxes[2:]).any()


def test_short_absence_is_filled_and_marked():
    window, = cut([frame(t, {} if t in (4, 5) else {0: 10})
                   for t in range(10)])
    person, = people(window)
    feature = person.clip.arrays['tap'][0, :, 0, 0]
    assert feature.tolist() == list(range(10))
    score = person.clip.arrays['keypoint_score'][0, :, 0]
    assert (score == 0).nonzero()[0].tolist() == [4, 5]


def test_boxes_without_sure_joints_are_nobody():
    window, = cut([frame(t, {0: 10}) for t in range(10)])
    assert people(window, evidence=.7) and not people(window, evidence=.9)


def test_who_is_hardly_there_waits_for_another_window():
    window, *_ = cut([frame(t, {0: 10, **({1: 200} if t >= 7 else {})})
                      for t in range(20)])
    assert [p.track for p in people(window)] == [0]


def predicted(start, end, chances, track=0):
    """A prediction of three classes."""
    chances = np.array(chances, np.float32)
    none = np.zeros(0)
    return Prediction('', track, start, end, '', 0, 0., [], chances, chances,
                      none, none, none, none, none, 0.)


def test_labels_meet_between_the_middles_of_their_windows():
    lines = timelines([predicted(0, 2, (1, 0, 0)), predicted(1, 3, (0, 1, 0)),
                       predicted(2, 4, (0, 1, 0)),
                       predicted(9, 10, (0, 0, 1), track=3)], 'abc')
    assert [line.track for line in lines] == [0, 3]
    assert [(s.start, s.end, s.label, s.label_id) for s in
            lines[0].segments] == [(0, 1.5, 'a', 0), (1.5, 4, 'b', 1)]
    assert lines[0].at(.5).label == 'a' and lines[0].at(3.9).label == 'b'
    assert lines[0].at(4) is None and lines[1].at(8) is None


def test_one_doubtful_window_does_not_cut_an_action():
    chances = [(.8, .1, .1)] * 3 + [(.3, .4, .3)] + [(.8, .1, .1)] * 3
    line, = timelines([predicted(i, i + 2, row)
                       for i, row in enumerate(chances)], 'abc')
    segment, = line.segments
    assert (segment.start, segment.end, segment.label) == (0, 8, 'a')
    assert segment.score == pytest.approx((6 * .8 + .3) / 7)
    # several that are sure do
    chances[2:5] = [(.01, .98, .01)] * 3
    line, = timelines([predicted(i, i + 2, row)
                       for i, row in enumerate(chances)], 'abc')
    assert [(s.start, s.end, s.label) for s in line.segments] == [
        (0, 2.5, 'a'), (2.5, 5.5, 'b'), (5.5, 8, 'a')]


def test_timelines_have_gaps_and_unknown_stretches():
    windows = [*(predicted(i, i + 1, (.98, .01, .01)) for i in range(3)),
               predicted(3, 4, (.1, .45, .45)), predicted(4, 5, (.2, .4, .4)),
               predicted(7, 8, (0, .2, .8)), predicted(9, 10, (.4, .3, .3))]
    line, = timelines(windows, 'abc', threshold=.6)
    assert [(s.start, s.end, s.label, s.label_id) for s in line.segments] == [
        (0, 3, 'a', 0), (3, 5, 'unknown', -1), (7, 8, 'c', 2),
        (9, 10, 'unknown', -1)]
    assert line.segments[1].score == pytest.approx(.425)
    # without a threshold everything is something
    assert 'unknown' not in {s.label for line in timelines(windows, 'abc')
                             for s in line.segments}


@pytest.mark.parametrize('window, stride', [(0, 1), (1, 0), (1, 2)])
def test_windows_without_sense_are_refused(window, stride):
    with pytest.raises(ValueError, match='window of'):
        Windows(window, stride)
