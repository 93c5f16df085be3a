"""Results: JSON by its schema, tables, places between frames."""
import csv
import dataclasses
import importlib.util
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from hpnet_plugin.apis.paths import People, paths
from hpnet_plugin.apis.results import (
    SCHEMA,
    Prediction,
    Segment,
    Timeline,
    VideoResult,
)

CLASSES = ('drink', 'wave', '喝水')


@pytest.fixture
def result(result_of):
    """One second at 10 frames a second; person 1 comes after 0.4 s."""
    boxes = np.zeros((2, 10, 4))
    boxes[..., 2:] = 10, 20
    boxes += np.arange(10)[:, None] * [4, 0, 4, 0]
    boxes[1, :4] = np.nan
    joints = boxes[:, :, None, :2] + np.random.default_rng(0).random((17, 2))
    joints[~np.isfinite(joints)] = 0
    found = result_of(boxes, joints, 10, CLASSES, [
        (0, 0., .6, 0), (1, 0., .6, 1), (0, .4, 1., 1), (1, .4, 1., 2)],
        shape=(30, 60), seconds=.25)
    found.predictions[0] = dataclasses.replace(
        found.predictions[0], energy=np.ones((3, 17)), together=(1, ))
    return found


def same(a, b, digits):
    """Whether two dataclasses hold the same, to so many digits."""
    for field in dataclasses.fields(a):
        one, other = (getattr(x, field.name) for x in (a, b))
        if isinstance(one, np.ndarray):
            assert one.shape == other.shape, field.name
            np.testing.assert_allclose(one, other, atol=10.**-digits)
        elif isinstance(one, list) and one and isinstance(one[0], Prediction):
            for x, y in zip(one, other, strict=True):
                same(x, y, digits)
        elif field.name == 'topk':
            assert [name for name, _ in one] == [name for name, _ in other]
        elif field.name == 'timelines':
            for x, y in zip(one, other, strict=True):
                assert x.track == y.track
                for s, t in zip(x.segments, y.segments, strict=True):
                    assert s.label == t.label
                    assert s[:2] == pytest.approx(t[:2], abs=10.**-digits)
        else:
            assert one == other, field.name


def test_json_and_back(result, tmp_path):
    path = tmp_path / 'out/result.json'
    text = result.to_json(path, poses=True)
    assert path.read_text() == text
    back = VideoResult.from_json(path)
    same(result, back, 2)
    assert back.to_json(poses=True) == text
    # a person who is absent has no box
    first = json.loads(text)['predictions'][1]
    assert first['boxes'][0] is None and first['boxes'][2] == [16, 0, 26, 20]
    assert np.isnan(back.predictions[1].boxes[0]).all()
    # probabilities have more digits than pixels
    np.testing.assert_allclose(back.predictions[1].probabilities,
                               result.predictions[1].probabilities, atol=1e-6)
    assert '喝水' in text  # for people to read


def test_json_without_poses(result):
    data = json.loads(result.to_json())
    assert 'boxes' not in data['predictions'][0]
    back = VideoResult.from_dict(data)
    assert back.predictions[0].boxes.shape == (0, 4)
    assert back.timelines[0].segments[0].label == 'drink'
    assert len(data['predictions'][0]['probabilities']) == 3


def test_what_is_no_number_is_null(result):
    odd = dataclasses.replace(result.predictions[0], pose_score=float('nan'),
                              raw=np.array([np.inf, 1, 2]))
    data = odd.to_dict()
    assert data['pose_score'] is None and data['raw'] == [None, 1, 2]
    json.dumps(data, allow_nan=False)
    assert np.isnan(Prediction.from_dict(data).pose_score)


def follows(data, schema, root):
    """A structural check: keys that must be and may be, lists and enums."""
    if '$ref' in schema:
        schema = root['$defs'][schema['$ref'].rpartition('/')[2]]
    if 'enum' in schema:
        assert data in schema['enum']
    if 'const' in schema:
        assert data == schema['const']
    if isinstance(data, dict):
        assert set(schema['required']) <= set(data) <= set(
            schema['properties'])
        for key, value in data.items():
            follows(value, schema['properties'][key], root)
    elif isinstance(data, list) and 'items' in schema:
        for value in data:
            follows(value, schema['items'], root)


@pytest.mark.parametrize('poses', [False, True])
def test_json_follows_its_schema(result, poses):
    schema, data = json.loads(SCHEMA.read_text()), result.to_dict(poses)
    follows(data, schema, schema)
    with pytest.raises(AssertionError):
        follows({**data, 'colour': 'red'}, schema, schema)
    if importlib.util.find_spec('jsonschema'):
        import jsonschema
        check = jsonschema.Draft202012Validator(schema)
        check.check_schema(schema)
        check.validate(data)
        assert not check.is_valid({**data, 'status': 'fine'})


def test_nobody_and_failed_follow_it_too():
    schema = json.loads(SCHEMA.read_text())
    for status in ('no_person', 'failed'):
        data = VideoResult('a.mp4', status, 'why').to_dict(True)
        follows(data, schema, schema)
        assert VideoResult.from_dict(data) == VideoResult('a.mp4', status,
                                                          'why')


def test_other_files_are_refused(result, tmp_path):
    path = tmp_path / 'x.json'
    later = {**result.to_dict(), 'version': 2}
    short = result.to_dict()
    del short['video']
    for content, message in (('[1]', 'got list'), ('{}', 'got None'),
                             (json.dumps(later), 'and 2'),
                             (json.dumps(short), "'video' is missing"),
                             ('{', 'x.json')):
        path.write_text(content)
        with pytest.raises(ValueError, match=message) as raised:
            VideoResult.from_json(path)
        assert 'x.json' in str(raised.value)


def test_rows(result):
    text = io.StringIO()
    rows = result.window_rows()
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    head, first = text.getvalue().splitlines()[:2]
    assert head == 'source,track,start,end,label,score,pose_score'
    assert first == 'video.mp4,0,0.0,0.6,drink,0.97,0.9'
    assert [(row['track'], row['label']) for row in result.segment_rows()] \
        == [(0, 'drink'), (0, 'wave'), (1, 'wave'), (1, '喝水')]


def test_the_segment_at_a_time():
    timeline = Timeline(0, [Segment(1, 2, 'a', 0, .5),
                            Segment(2, 3, 'b', 1, .5),
                            Segment(5, 6, 'a', 0, .5)])
    at = {time: timeline.at(time) for time in (0, 1, 1.9, 2, 3, 4, 5.5, 6)}
    assert {time: s and s.label for time, s in at.items()} == {
        0: None, 1: 'a', 1.9: 'a', 2: 'b', 3: None, 4: None, 5.5: 'a',
        6: None}


def test_places_between_frames(result):
    first, second = paths(result)
    assert first.numbers.tolist() == [0, 2, 4, 6, 8]
    # 4 pixels a frame: a tenth of a second
    np.testing.assert_allclose(first.at(.25).box, [10, 0, 20, 20], atol=1e-4)
    np.testing.assert_allclose(
        first.at(.3).joints - first.at(.2).joints, np.full((17, 2), (4, 0)),
        atol=1e-4)
    assert second.at(.39) is None and second.at(.4) is not None
    # the last frame that was looked at holds for one step
    assert first.at(.95).box[0] == 32 and first.at(1.05) is None


def test_no_place_over_a_long_gap(result_of):
    boxes = np.tile([0., 0, 9, 9], (1, 30, 1))
    boxes[0, 4:6] = np.nan  # one frame that was looked at
    boxes[0, 12:22] = np.nan
    path, = paths(result_of(boxes, np.zeros((1, 30, 17, 2)), 10, CLASSES,
                            [(0, 0., 3., 0)]))
    assert path.at(.4) and path.at(.5)
    assert path.at(1.1) and path.at(1.5) is None and path.at(2.2)


def test_what_is_said_beside_a_person(result):
    person = People(result).at(.1)[0]
    assert person.label == 'drink' and person.topk[0] == (
        'drink', pytest.approx(.97))
    # of the windows around 0.55 s the second says what the timeline says
    assert [p.label for p in People(result).at(.55)] == ['wave', '喝水']


def test_supervision(result):
    if importlib.util.find_spec('supervision') is None:
        with pytest.raises(ImportError, match='pip install supervision'):
            result.to_supervision()
        pytest.skip('supervision is not installed')
    frames = result.to_supervision()
    assert [frame.number for frame in frames] == [0, 2, 4, 6, 8]
    found = frames[2].detections
    np.testing.assert_allclose(found.xyxy[0], [16, 0, 26, 20])
    assert found.tracker_id.tolist() == [0, 1]
    assert found.class_id.tolist() == [0, 1]
    assert found.data['class_name'].tolist() == ['drink', 'wave']
    assert frames[0].detections.tracker_id.tolist() == [0]
    assert frames[2].key_points.xy.shape == (2, 17, 2)


def test_results_need_no_torch():
    """Nor do tables and timelines of them."""
    done = subprocess.run(
        [sys.executable, '-c', 'import hpnet_plugin.apis.results, '
         'hpnet_plugin.apis.paths, hpnet_plugin.evaluation.timelines, '
         'hpnet_plugin.visualization.overlay, sys; '
         'print([m for m in ("torch", "mmaction") if m in sys.modules])'],
        capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'
