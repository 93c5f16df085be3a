"""A long video: repeatable, its truth complete, its postures without jumps."""
import json
import subprocess
import sys

import numpy as np
import pytest

from hpnet_plugin.apis import open_media
from hpnet_plugin.demo import long_video, people


def test_plan():
    stretches = long_video.plan(16 * 300, np.random.default_rng(0))
    starts, stops, labels = map(np.array, zip(*stretches))
    assert starts[0] == 0 and stops[-1] == 16 * 300
    np.testing.assert_array_equal(starts[1:], stops[:-1])
    lengths = (stops - starts) / people.FPS
    assert lengths.min() >= 2.95 and lengths[:-1].max() <= 8.05
    assert (np.diff(labels) != 0).all()
    counts = np.bincount(labels, minlength=8)
    assert counts.max() - counts.min() <= 1


def test_video_and_truth(tmp_path):
    root = tmp_path / 'long'
    command = [sys.executable, '-m', 'hpnet_plugin.demo', str(root),
               '--long', '0.15', '--people', '2', '--seed', '3']
    said = subprocess.run(command, check=True, capture_output=True,
                          text=True).stdout
    truth = json.loads((root / 'segments.json').read_text())
    segments = truth['segments']
    assert f'9.0 s of video with {len(segments)} actions' in said
    assert {segment['label'] for segment in segments} <= set(people.CLASSES)
    for track in (0, 1):
        own = [one for one in segments if one['track'] == track]
        assert own[0]['start'] == 0 and own[-1]['end'] == 9
        assert [one['end'] for one in own[:-1]] == [
            one['start'] for one in own[1:]]
        assert len(own) > 1
    media, = open_media(root / 'video.mp4')
    assert media.info == (16, 9, 144, 240, 320)
    boxes = np.array(json.loads((root / 'boxes.json').read_text())['video'])
    assert boxes.shape == (144, 2, 5)
    assert (boxes[..., :2] >= 0).all() and (boxes[..., 2] <= 320).all()
    assert (boxes[:, 0, 0] < boxes[:, 1, 0]).all()
    # people move on from posture to posture, and do not jump
    assert np.abs(np.diff(boxes[..., :4], axis=0)).max() < 60
    # what moves in the picture is where the boxes are
    frames = np.stack([np.float32(image) for chunk in media.chunks(2)
                       for image in chunk.images])
    still = np.abs(np.diff(frames, axis=0)).mean((0, 3))
    inside = np.zeros(still.shape, bool)
    for x1, y1, x2, y2, _ in boxes.reshape(-1, 5).astype(int):
        inside[max(y1 - 20, 0):y2 + 20, max(x1 - 20, 0):x2 + 20] = True
    assert still[inside].mean() > 1.3 * still[~inside].mean()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and 'exists already' in done.stderr


def test_the_same_again(tmp_path):
    found = []
    for name in 'ab':
        long_video.make_long_video(tmp_path / name, 0.06, seed=5)
        found.append([(tmp_path / name / file).read_bytes() for file in (
            'video.mp4', 'segments.json', 'boxes.json')])
    assert found[0] == found[1]


def test_out_of_range(tmp_path):
    for options, message in ((dict(minutes=0.01), 'shorter than an action'),
                             (dict(count=0), '0 people'),
                             (dict(count=4), 'take 1 to 3')):
        with pytest.raises(ValueError, match=message):
            long_video.make_long_video(tmp_path / 'x', **options)
    assert not list(tmp_path.iterdir())
