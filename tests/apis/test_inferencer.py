"""New videos through the inferencer."""
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from hpnet_plugin.apis import HPNetInferencer, from_pretrained
from hpnet_plugin.apis.media import ArrayMedia
from hpnet_plugin.commands import export
from hpnet_plugin.demo.people import FPS
from hpnet_plugin.estimation.video import read_frames


@pytest.fixture
def boxes(drawn):
    """The detector that knows where the drawn people are."""
    return f'boxes:{drawn / "people/boxes.json"}'


def frames_of(drawn, *names, size=(256, 192)):
    """Frames of clips, one after the other, of one size."""
    return np.stack([
        cv2.resize(image, size) if size else image for name in names
        for _, chunk in read_frames(
            str(drawn / 'people/videos' / f'{name}.mp4')) for image in chunk])


def scores_of_a_test(drawn, model):
    """What the toolbox's test gives some test clips: name to scores."""
    trained = from_pretrained(model)
    net = trained.build()
    before = os.getcwd()
    os.chdir(drawn)
    try:
        with DefaultScope.overwrite_default_scope('mmaction'):
            dataset = DATASETS.build(net.cfg.test_dataloader.dataset)
        with torch.no_grad():
            batch = pseudo_collate([dataset[i] for i in range(3)])
            samples = net.test_step(batch)
    finally:
        os.chdir(before)
    return {sample.frame_dir: sample.pred_score.numpy() for sample in samples}


@pytest.mark.parametrize('name', ['hp_j', 'pose_bm', 'hpnet'])
def test_scores_of_clips_are_those_of_a_test(drawn, models, boxes, name):
    expected = scores_of_a_test(drawn, models(name))
    found = HPNetInferencer(models(name), detector=boxes, window='clip')(
        [str(drawn / 'people/videos' / f'{clip}.mp4') for clip in expected])
    assert len(found) == 3
    scores = np.stack(list(expected.values()))
    assert np.ptp(scores, 0).max() > 1e-3  # they are not all the same
    for result, raw in zip(found, scores):
        prediction, = result.predictions
        np.testing.assert_allclose(prediction.raw, raw, rtol=1e-5, atol=1e-5)
        assert prediction.probabilities.sum() == pytest.approx(1)
        assert prediction.label_id == raw.argmax()
        assert prediction.start == 0
        assert prediction.end == pytest.approx(12 / FPS)
        segment, = result.timelines[0].segments
        assert segment[:2] == pytest.approx((0, 12 / FPS))


def test_a_fusion_adds_up_its_members(drawn, models, boxes):
    clip = str(drawn / 'people/videos/cup_000.mp4')
    weights = [0.5, 2]
    fused, = HPNetInferencer(
        [models('hp_j'), models('hpnet')], weights=weights, detector=boxes,
        window='clip')(clip)
    total = 0
    for name, weight in zip(('hp_j', 'hpnet'), weights):
        result, = HPNetInferencer(models(name), detector=boxes,
                                  window='clip')(clip)
        raw = result.predictions[0].raw.astype(float)
        if name == 'hpnet':  # its probabilities are weighed, as published
            raw = np.exp(raw) / np.exp(raw).sum()
        total = total + weight * raw
    np.testing.assert_allclose(fused.predictions[0].raw, total, rtol=1e-5,
                               atol=1e-5)


def test_an_array_is_a_video(drawn, models, boxes):
    inferencer = HPNetInferencer(models('hp_j'), detector='frame',
                                 window='clip')
    file, = inferencer(str(drawn / 'people/videos/cup_000.mp4'))
    array, = inferencer(ArrayMedia(
        frames_of(drawn, 'cup_000', size=None), FPS))
    np.testing.assert_array_equal(array.predictions[0].raw,
                                  file.predictions[0].raw)
    assert array.duration == pytest.approx(file.duration, abs=.01)


@pytest.mark.parametrize('name', ['hp_j', 'pose_bm'])
def test_a_window_sees_what_a_clip_of_its_frames_would(drawn, models, name):
    frames = frames_of(drawn, 'cup_000', 'box_000', 'cup_001')
    inferencer = HPNetInferencer(
        models(name), detector='frame', window=8 / FPS, stride=8 / FPS,
        fps=FPS, detect_every=1)
    windows = list(inferencer(ArrayMedia(frames, FPS), stream=True))
    assert [round(w.start * FPS) for w in windows] == [0, 8, 16, 24, 28]
    whole = HPNetInferencer(models(name), detector='frame', window='clip')
    for window in windows:
        part = frames[window.numbers[0]:window.numbers[-1] + 1]
        assert len(part) == 8
        clip, = whole(ArrayMedia(part, FPS))
        # batches of another size change the last bits of features
        np.testing.assert_allclose(window.raw, clip.predictions[0].raw,
                                   atol=2e-3)
        np.testing.assert_allclose(
            window.joints, clip.predictions[0].joints, atol=1e-3)


def test_streamed_windows_are_those_of_the_file(drawn, models):
    frames = frames_of(drawn, 'cup_000', 'box_000')
    inferencer = HPNetInferencer(models('hpnet'), detector='frame',
                                 window=.5, stride=.25)
    media = ArrayMedia(frames, FPS)
    streamed = list(inferencer(media, stream=True))
    result, = inferencer(media)
    assert len(streamed) == len(result.predictions) > 3
    for one, other in zip(streamed, result.predictions):
        np.testing.assert_array_equal(one.raw, other.raw)


def test_a_frame_shows_the_labels_known_by_then(drawn, models):
    frames = frames_of(drawn, 'cup_000', 'box_000')
    views = []
    inferencer = HPNetInferencer(
        models('hp_j'), detector='frame', window=8 / FPS, stride=8 / FPS,
        hold=3.5 / FPS, fps=FPS)
    result, = inferencer(ArrayMedia(frames, FPS), on_frame=views.append)
    labels = [view.people[0].label for view in views]
    first, second, third = (p.label for p in result.predictions)
    assert labels == [None] * 7 + [first] * 5 + [None] * 3 + [second] * 5 + [
        None] * 3 + [third]


def test_what_cannot_be(drawn, models, tmp_path):
    """Another pose net; more classes than scores; numbers out of range."""
    folder = shutil.copytree(models('hp_j'), tmp_path / 'model')
    content = json.loads((folder / 'hpnet.json').read_text())
    content['classes'].append('another')
    (folder / 'hpnet.json').write_text(json.dumps(content))
    result, = HPNetInferencer(folder, detector='frame')(
        str(drawn / 'people/videos/cup_000.mp4'))
    assert (result.status, result.message) == ('failed', (
        'hp_j gives scores of 8 classes, and its description names 9'))
    content['extraction']['pose']['sha256'] = '0' * 64
    (folder / 'hpnet.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match='another pose net than that of'):
        HPNetInferencer(folder, detector='frame')
    for options in (dict(topk=0), dict(hold=-1), dict(threshold=2)):
        with pytest.raises(ValueError, match=next(iter(options))):
            HPNetInferencer(folder, **options)


WITHOUT_TORCH = """
import sys
for name in ('torch', 'mmengine', 'mmcv', 'mmaction', 'mmpose', 'mmdet'):
    sys.modules[name] = None  # as if it were not installed
import json
from hpnet_plugin.apis import HPNetInferencer
folder, boxes, *clips = sys.argv[1:]
inferencer = HPNetInferencer(folder, detector=boxes, window='clip')
for what, options in (('--detector', dict(detector='rtmdet-m')),
                      ('--detector', dict(detector='mine.py')),
                      ('hpnet export', dict(pose='tiny'))):
    try:
        HPNetInferencer(folder, **{'detector': boxes, **options})
    except ValueError as error:
        assert 'torch' in str(error) and what in str(error), error
    else:
        raise AssertionError(options)
print(json.dumps([[p.raw.tolist() for p in result.predictions]
                  for result in inferencer(clips)]))
"""


def test_onnx_without_torch_gives_the_same(drawn, models, boxes, tmp_path):
    clips = [str(drawn / 'people/videos' / f'{clip}.mp4')
             for clip in ('cup_000', 'box_000')]
    model = str(models('hp_j'))
    assert export.main([model, '--out', str(tmp_path / 'out'), '--pose',
                        'tiny']) == 0
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT_TORCH, tmp_path / 'out', boxes,
         *clips], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    found = np.array(json.loads(done.stdout.splitlines()[-1]))
    expected = HPNetInferencer(model, detector=boxes, window='clip')(clips)
    np.testing.assert_allclose(
        found, [[p.raw for p in result.predictions] for result in expected],
        rtol=1e-4, atol=1e-4)
