"""hpnet predict: videos to lines, JSON, tables and drawn videos."""
import csv
import json
import shutil

import numpy as np
import pytest

from hpnet_plugin.apis import HPNetInferencer, media_sources, open_media
from hpnet_plugin.apis.media import Media, MediaInfo
from hpnet_plugin.apis.results import VideoResult
from hpnet_plugin.cli import main
from hpnet_plugin.commands import predict, predicting
from hpnet_plugin.demo.people import CLASSES, save_video
from hpnet_plugin.estimation.video import FrameChunk, probe, read_frames


@pytest.fixture
def clips(drawn, tmp_path, monkeypatch):
    """A folder of two clips, and the words that every call needs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'clips').mkdir()
    for name in ('cup_000', 'wave_000'):
        shutil.copy(drawn / f'people/videos/{name}.mp4', 'clips')
    return tmp_path / 'clips'


@pytest.fixture
def call(drawn, models):
    """hpnet predict of some sources, by an untrained model."""
    def of(*words):
        return main(['predict', '--model', str(models('hp_j')),
                     '--detector', f'boxes:{drawn / "people/boxes.json"}',
                     *map(str, words)])
    return of


def rows(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def test_a_folder(clips, call, models, drawn, capsys):
    assert call(clips, '--out', 'seen') == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith('model: hp_j, 8 classes; detector: boxes')
    assert said[1].startswith('1/2 cup_000.mp4: person 0  ')
    assert sorted(p.name for p in (clips.parent / 'seen').iterdir()) == [
        f'{name}.{suffix}' for name in ('cup_000', 'wave_000')
        for suffix in ('csv', 'json', 'mp4', 'timeline.csv')]
    expected, = HPNetInferencer(
        models('hp_j'), detector=f'boxes:{drawn / "people/boxes.json"}')(
        clips / 'cup_000.mp4')
    found = VideoResult.from_json('seen/cup_000.json')
    assert found.classes == CLASSES and found.status == 'ok'
    np.testing.assert_allclose(found.predictions[0].raw,
                               expected.predictions[0].raw, atol=1e-4)
    row, = rows('seen/cup_000.csv')
    assert row['label'] == expected.predictions[0].label in said[1]
    assert float(row['end']) == pytest.approx(12 / 16, abs=1e-3)
    row, = rows('seen/wave_000.timeline.csv')
    assert row['source'].endswith('wave_000.mp4')
    assert probe('seen/cup_000.mp4').frames == 12


def test_windows_are_said_as_they_come(clips, call, capsys):
    assert call(clips / 'cup_000.mp4', '--window', '.25', '--json', 'a.json',
                '--json-poses', '--csv', 'a.csv') == 0
    said = capsys.readouterr().out.splitlines()
    result = VideoResult.from_json('a.json')
    first = result.predictions[0]
    assert said[1] == (f'0:00.0–0:00.2  person {first.track}  {first.label} '
                       f'{first.score:.2f}')
    assert len(said) == 1 + len(result.predictions) + 2
    assert {p.track for p in result.predictions} == {0, 1}
    assert said[-2].startswith('cup_000.mp4: 2 people, '
                               f'{len(result.predictions)} predictions; ')
    assert said[-1] == 'wrote a.json, a.csv, a.timeline.csv'
    assert len(rows('a.csv')) == len(result.predictions) >= 10
    assert result.predictions[0].joints.shape[1:] == (17, 2)


def test_what_fails_is_named_and_others_go_on(clips, call, capsys):
    (clips / 'bad.mp4').write_bytes(b'no video at all')
    save_video(clips / 'black.mp4', np.zeros((8, 64, 64, 3), np.uint8))
    assert call(clips, '--csv', 'all.csv', '--detector', 'hog') == 3
    out, err = capsys.readouterr()
    assert '1/4 bad.mp4: failed: ' in err and '1 of 4 videos failed' in err
    assert '2/4 black.mp4: nobody was found' in out
    assert rows('all.csv') is not None


def test_nobody_is_no_failure(clips, call, capsys):
    save_video('black.mp4', np.zeros((8, 64, 64, 3), np.uint8))
    assert call('black.mp4', '--detector', 'hog', '--out', 'seen') == 0
    assert 'nobody was found' in capsys.readouterr().out
    data = json.loads((clips.parent / 'seen/black.json').read_text())
    assert (data['status'], data['predictions']) == ('no_person', [])
    assert rows('seen/black.csv') == []
    assert probe('seen/black.mp4').frames == 8


class Camera(Media):
    """Stands in for a live source: frames of a clip, then Ctrl-C."""
    live = True

    def __init__(self, path):
        super().__init__('camera 0')
        self._images = [image for _, images in read_frames(str(path))
                        for image in images] * 2
        self.closed = False

    @property
    def info(self):
        return MediaInfo(16., 0., 0, *self._images[0].shape[:2])

    def chunks(self, fps=None):
        for i, image in enumerate(self._images):
            yield FrameChunk([i], [i / 16], [image])
        raise KeyboardInterrupt

    def close(self):
        self.closed = True


def test_a_stream_until_ctrl_c(clips, call, monkeypatch, capsys):
    camera = Camera(clips / 'cup_000.mp4')
    monkeypatch.setattr(media_sources, '_camera', lambda which: camera)
    assert call('0', '--detector', 'frame', '--window', '.5', '--out',
                'seen') == 0
    said = capsys.readouterr().out
    assert '0:00.0–0:00.5  person 0  ' in said
    assert 'wrote seen/camera_0.json' in said and camera.closed
    table = rows('seen/camera_0.csv')
    assert len(table) >= 4
    result = VideoResult.from_json('seen/camera_0.json')
    assert result.status == 'ok' and len(result.predictions) == len(table)
    assert probe('seen/camera_0.mp4').frames == 24


def test_ctrl_c_keeps_what_is_known(clips, call, monkeypatch, capsys):
    def stop(self, prediction):
        spoken(self, prediction)
        if prediction.end > .3:
            raise KeyboardInterrupt

    spoken = predicting._Screen.on_prediction
    monkeypatch.setattr(predicting._Screen, 'on_prediction', stop)
    assert call(clips, '--window', '.25', '--detector', 'frame', '--out',
                'seen') == 130
    captured = capsys.readouterr()
    assert 'stopped at' in captured.err
    assert len(rows('seen/cup_000.csv')) == 1
    result = VideoResult.from_json('seen/cup_000.json')
    assert result.status == 'damaged' and len(result.predictions) == 1
    assert not (clips.parent / 'seen/cup_000.mp4').exists()
    assert not (clips.parent / 'seen/wave_000.json').exists()


@pytest.mark.parametrize('words, message', [
    (['nowhere.mp4'], 'nowhere.mp4: no such video'),
    (['clips', '--json', 'all.json'], 'one file for 2 videos'),
    (['clips', '--save-video', '--out', 'clips'], 'would overwrite'),
    (['clips', '0'], 'give it alone'),
    (['clips', '--show'], '--show')])
def test_what_cannot_be(clips, call, capsys, monkeypatch, words, message):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    if '0' in words:
        camera = Camera(clips / 'cup_000.mp4')
        monkeypatch.setattr(media_sources, '_camera', lambda which: camera)
    assert call(*words) == 2
    assert message in capsys.readouterr().err
    assert sorted(p.name for p in clips.iterdir()) == [
        'cup_000.mp4', 'wave_000.mp4']


@pytest.mark.parametrize('words', [
    ['a.mp4', '--json', 'b.mp4', '--model', 'x'],  # a video for a file
    ['a.mp4'], ['a.mp4', '--model', 'x', '--window', '0'],
    ['a.mp4', '--model', 'x', 'y', '--weights', '1']])
def test_wrong_words(words, capsys):
    with pytest.raises(SystemExit) as end:
        predict.main.parse(words)
    assert end.value.code == 2


def test_a_model_that_is_not_there(clips, capsys):
    assert main(['predict', 'clips', '--model', 'nothing']) == 2
    assert 'nothing' in capsys.readouterr().err


def test_files_of_one_name(clips):
    (clips / 'b').mkdir()
    shutil.copy(clips / 'cup_000.mp4', clips / 'b')
    args = predict.main.parse([str(clips), '--model', 'x', '--out', 'o'])
    found = predicting.Outputs(args, open_media(str(clips)))
    assert sorted(files.json for files in found.files.values()) == [
        'o/cup_000-2.json', 'o/cup_000.json', 'o/wave_000.json']
