"""The measure of trackers, by hand, and what ours reaches."""
import numpy as np
import pytest

from hpnet_plugin.benchmarks import tracking as tool


def frames(*numbers, shift=0.):
    """Person n stands at 100 n; numbers of each frame."""
    return [(np.array([[100. * n + shift, 0, 100 * n + 50 + shift, 100]
                       for n in places]).reshape(-1, 4), np.array(ids, int))
            for places, ids in numbers]


def test_idf1_by_hand():
    truth = frames(*[([0, 1], [0, 1])] * 10)
    assert tool.evaluate(truth, truth) == (1, 0)
    # other numbers; found a little beside; found at all
    named = frames(*[([0, 1], [7, 3])] * 10, shift=10)
    assert tool.evaluate(truth, named) == (1, 0)
    beside = frames(*[([0, 1], [7, 3])] * 10, shift=30)
    assert tool.evaluate(truth, beside) == (0, 0)
    assert tool.evaluate(truth, frames(*[([], [])] * 10)) == (0, 0)
    # one is missed in 4 frames, a ghost is there in 2:
    # 2 * 16 / (20 + 16 + 2)
    found = frames(*[([0, 1], [0, 1])] * 4, *[([0, 1, 5], [0, 1, 9])] * 2,
                   *[([1], [1])] * 4)
    assert tool.evaluate(truth, found) == (pytest.approx(32 / 38), 0)


def test_switches_by_hand():
    """Exchanged for 3 of 10 frames: 2 * 14 / 40, two there and two back."""
    truth = frames(*[([0, 1], [0, 1])] * 10)
    found = frames(*[([0, 1], [0, 1])] * 4, *[([0, 1], [1, 0])] * 3,
                   *[([0, 1], [0, 1])] * 3)
    assert tool.evaluate(truth, found) == (pytest.approx(.7), 4)
    # pieces: the longer one counts, 2 * (10 + 6) / 40
    found = frames(*[([0, 1], [0, 1])] * 4, *[([0, 1], [0, 2])] * 6)
    assert tool.evaluate(truth, found) == (pytest.approx(.8), 1)


def test_people_cross_and_hide():
    scene = tool.draw_scene(5, 0)
    assert len(scene) == tool.FRAMES
    seen = [len(numbers) for _, numbers, _ in scene]
    assert max(seen) == 5 and min(seen) < 5
    again = tool.draw_scene(5, 0)
    assert all((a[2] == b[2]).all() for a, b in zip(scene, again))


def test_what_ours_reaches(monkeypatch):
    """The causal tracker; ByteTrack has 0.91 and 0.83."""
    monkeypatch.delitem(tool.TRACKERS, 'ByteTrack (supervision)')
    rows = {(row['tracker'], row['people']): row for row in tool.measure(3)}
    assert rows['ours, frame by frame', 2]['idf1'] > .95
    assert rows['ours, frame by frame', 6]['idf1'] > .85
    assert rows['ours, whole clip', 2]['idf1'] > .95
