"""Videos unlike those that everybody tests with, through the inferencer."""
import json

import numpy as np
import pytest
from odd_videos import ODD, RATE, crowd_boxes, draw

from hpnet_plugin.apis import HPNetInferencer

# the same person does the same in these, whatever the file is like
SAME = ('rotated', '10 bit h264', '10 bit hevc', '10 bit lossless',
        'silent audio', 'no duration', 'strange name')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('odd')


@pytest.fixture(scope='module')
def inferencer(models):
    """The whole frame is the person: drawn ones are too small for HOG."""
    return HPNetInferencer(models('hp_j'), detector='frame')


def look(inferencer, path):
    """The result, and the numbers of the frames that were shown."""
    shown = []
    result, = inferencer(
        path, on_frame=lambda view: shown.append((view.number, view.image)))
    assert result.status != 'failed', result.message
    assert {image.shape[:2] for _, image in shown} == {result.shape}
    return result, [number for number, _ in shown]


def check(name, result, shown):
    """What is true of the result of any of them."""
    odd = ODD[name]
    assert result.status == ('damaged' if odd.damaged else 'ok')
    assert bool(result.message) == odd.damaged
    assert result.shape == odd.size
    assert shown[0] == 0 and (np.diff(shown) > 0).all()
    assert len(result.timelines) == odd.people
    for prediction in result.predictions:
        numbers = prediction.numbers.tolist()
        assert set(numbers) <= set(shown)
        np.testing.assert_allclose(
            prediction.times, [odd.times[n] for n in numbers], atol=1e-3)
        height, width = odd.size
        assert (prediction.boxes >= 0).all()
        assert (prediction.boxes <= [width, height, width, height]).all()
        assert np.isfinite(prediction.raw).all()
    for timeline in result.timelines:
        assert timeline.segments[0].start == 0
        # frames that are looked at are 0.07 s apart, or so
        end = odd.times[result.frames - 1] + 1 / RATE
        assert timeline.segments[-1].end == pytest.approx(end, abs=0.25)


@pytest.fixture(scope='module')
def usual(inferencer, folder):
    return look(inferencer, draw('strange name', folder))[0]


@pytest.mark.parametrize('name', [
    name for name in ODD if name not in ('black', 'crowded', 'hour')])
def test_one_person(inferencer, folder, usual, name):
    result, shown = look(inferencer, draw(name, folder))
    check(name, result, shown)
    if name in SAME:
        assert len(result.predictions) == len(usual.predictions)
        for one, other in zip(result.predictions, usual.predictions):
            away = np.linalg.norm(one.joints - other.joints, axis=-1)
            assert np.median(away) < 1 and np.mean(away) < 5


def test_nobody(models, folder):
    inferencer = HPNetInferencer(models('hp_j'), detector='hog')
    result, shown = look(inferencer, draw('black', folder))
    assert (result.status, result.message) == ('no_person',
                                               'nobody was found')
    assert result.predictions == [] and result.timelines == []
    assert len(shown) > 15 and result.frames == 30


def test_a_crowd(models, folder, tmp_path):
    """Of twelve people each has one track, and keeps it."""
    path = draw('crowded', folder)
    boxes = crowd_boxes(20)
    file = tmp_path / 'boxes.json'
    file.write_text(json.dumps(dict(crowd=[
        [[*box.tolist(), 1.] for box in frame]
        for frame in boxes.transpose(1, 0, 2)])))
    result, shown = look(HPNetInferencer(
        models('hp_j'), detector=f'boxes:{file}', max_people=12), path)
    check('crowded', result, shown)
    seen = set()
    for track in range(12):
        own = [p for p in result.predictions if p.track == track]
        away = [np.abs(boxes[:, p.numbers] - p.boxes).max((1, 2))
                for p in own]
        # of all windows of a track the box is that of one and the same
        nearest = {int(one.argmin()) for one in away}
        assert len(nearest) == 1 and max(one.min() for one in away) < 1
        seen |= nearest
    assert seen == set(range(12))


def test_an_hour(models, folder):
    """The first label comes after the first window, not at the end."""
    path = draw('hour', folder)
    inferencer = HPNetInferencer(models('hp_j'), detector='frame',
                                 window=600, stride=600, fps=0.05)
    seen = []
    stream = inferencer(path, stream=True,
                        on_frame=lambda view: seen.append(view.time))
    first = next(stream)
    assert (first.start, first.end) == pytest.approx((0, 600), abs=20)
    assert seen[-1] < 700
    rest = list(stream)
    assert len(rest) == 5
    assert rest[-1].end == pytest.approx(3600, abs=20)
    np.testing.assert_array_equal(np.round(seen), np.arange(0, 3600, 20))
