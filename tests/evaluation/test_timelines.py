"""Timelines beside the truth: numbers that can be counted by hand."""
import json

import pytest

from hpnet_plugin.apis.results import Segment, Timeline, VideoResult
from hpnet_plugin.commands import analyze
from hpnet_plugin.evaluation.calibration import UNKNOWN
from hpnet_plugin.evaluation.timelines import (
    TrueSegment,
    compare_timelines,
    joined,
    read_truth,
)

TRUTH = [TrueSegment(0, 4, 'a'), TrueSegment(4, 6, 'b'),
         TrueSegment(8, 12, 'a')]


def timeline(*segments, track=0, score=.5):
    return Timeline(track, [Segment(start, end, label, 0, score)
                            for start, end, label in segments])


def counted(*timelines, truth=TRUTH, fps=10):
    return compare_timelines(timelines, truth, fps)


def test_what_is_all_right():
    found = counted(timeline((0, 4, 'a'), (4, 6, 'b'), (8, 12, 'a')))
    assert found.frames == 100 and found.accuracy == 100
    assert [found.f1(k) for k in (10, 25, 50)] == [100, 100, 100]


def test_nothing():
    found = counted()
    assert found.accuracy == 0 and found.f1(10) == 0
    assert counted(timeline((0, 12, UNKNOWN))) == found


def test_late_and_missing():
    """a 1 s late (IoU 3/5), b missed, the second a found to a third."""
    found = counted(timeline((1, 5, 'a'), (8, 9.4, 'a')))
    assert found.right == 30 + 14
    # IoU 3/5 and 1.4/4 = 0.35, of two predicted and three true segments
    assert found.f1(10) == found.f1(25) == pytest.approx(200 * 2 / 5)
    assert found.f1(50) == pytest.approx(200 * 1 / 5)


def test_too_many_segments_cost_f1_alone():
    pieces = [(i / 2, i / 2 + .4, 'a') for i in range(8)]
    found = counted(timeline(*pieces, (4, 6, 'b'), (8, 12, 'a')))
    assert found.accuracy == pytest.approx(100 * 92 / 100)
    # one of eight pieces has the true segment at 10 %, the others are wrong
    assert found.f1(10) == pytest.approx(200 * 3 / 13)
    assert found.f1(25) == pytest.approx(200 * 2 / 13)


def test_one_label_for_the_whole_video():
    """It has each true segment, but its IoU with one is 4 s of 12."""
    found = counted(timeline((0, 12, 'a')))
    assert found.f1(25) == pytest.approx(200 * 1 / 4)
    assert found.f1(50) == 0


def test_segments_that_touch_are_one():
    found = counted(timeline((0, 2, 'a'), (2, 4, 'a'), (4, 6, 'b'),
                             (8, 12, 'a')))
    assert found.predicted == 3 and found.f1(50) == 100


def test_a_person_under_two_numbers_is_one():
    """And of two at once the surer one counts."""
    parts = [timeline((0, 2.5, 'a')), timeline((2.5, 4, 'a'), track=1),
             timeline((0, 12, 'c'), track=2, score=.1)]
    assert [tuple(s) for s in joined(parts)] == [(0, 4, 'a'), (4, 12, 'c')]


def test_frames_without_truth_are_not_counted():
    found = counted(timeline((0, 4, 'a'), (4, 8, 'b'), (8, 12, 'a')))
    assert found.accuracy == 100 and found.f1(50) == 100  # b: IoU 2/4


def test_videos_add_up():
    one, other = counted(timeline((0, 4, 'a'))), counted()
    both = one + other
    assert both.accuracy == pytest.approx(20) and both.true == 6
    assert both.f1(50) == pytest.approx(200 / 7)


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    VideoResult('a.mp4', 'ok', classes=('a', 'b'), fps=10., timelines=[
        timeline((1, 5, 'a'), (8, 9.4, 'a'))]).to_json('pred.json')
    (tmp_path / 'truth.json').write_text(
        json.dumps([s._asdict() for s in TRUTH]))
    return tmp_path


def test_command(files, capsys):
    words = ['timeline', '--pred', 'pred.json', '--truth', 'truth.json']
    assert analyze.main(words) == 0
    head, *_, row = capsys.readouterr().out.splitlines()
    assert head.split()[:6] == ['video', 'frames', 'accuracy', 'f1@10',
                                'f1@25', 'f1@50']
    assert row.split() == ['pred.json', '100', '44.0', '80.0', '80.0',
                           '40.0', '2', '3']
    assert analyze.main([*words, '--out', 'out']) == 0
    record = json.loads((files / 'out/timeline.json').read_text())
    assert record['all']['accuracy'] == pytest.approx(44)
    assert record['all']['f1@50'] == pytest.approx(40)
    assert (files / 'out/timeline.csv').is_file()


def test_command_of_two(files, capsys):
    assert analyze.main(['timeline', '--pred', 'pred.json', 'pred.json',
                         '--truth', 'truth.json', 'truth.json']) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[0] == 'all'
    with pytest.raises(SystemExit):
        analyze.main(['timeline', '--pred', 'a', 'b', '--truth', 'c'])


@pytest.mark.parametrize('truth, message', [
    ('[{"start": 0, "end": 1, "label": "c"}]', 'does not know: c'),
    ('[{"start": 0, "end": 2, "label": "a"}, '
     '{"start": 1, "end": 3, "label": "b"}]', 'overlap'),
    ('[{"start": 2, "end": 1, "label": "a"}]', 'from 2 to 1 s'),
    ('[{"start": 2}]', 'expected a list of'),
    ('{', 'no JSON'), ('[]', 'no segment')])
def test_wrong_truth(files, capsys, truth, message):
    (files / 'truth.json').write_text(truth)
    assert analyze.main(['timeline', '--pred', 'pred.json', '--truth',
                         'truth.json']) == 2
    assert message in capsys.readouterr().err


def test_truth_in_any_order(files):
    (files / 'truth.json').write_text(
        json.dumps([s._asdict() for s in TRUTH[::-1]]))
    assert read_truth('truth.json') == TRUTH


def test_truth_of_a_drawn_video(files):
    rows = [dict(s._asdict(), track=0) for s in TRUTH]
    (files / 'truth.json').write_text(json.dumps(dict(fps=16, segments=rows)))
    assert read_truth('truth.json') == TRUTH
    rows[0]['track'] = 1
    (files / 'truth.json').write_text(json.dumps(dict(segments=rows)))
    with pytest.raises(ValueError, match='2 people'):
        read_truth('truth.json')
