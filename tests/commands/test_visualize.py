"""hpnet visualize of videos: pose nets, detectors, and what is refused."""
import json

import numpy as np
import pytest

from hpnet_plugin import cli
from hpnet_plugin.demo.people import make_clip, save_video
from hpnet_plugin.estimation.video import read_frames_at
from hpnet_plugin.pooling import pool_at_joints

TAPS = [f'backbone.stage4.0.branches.{i}' for i in range(3)]


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """Two videos of drawn people, and their boxes."""
    folder = tmp_path_factory.mktemp('videos')
    boxes = {}
    for label, name in enumerate('ab'):
        clip = make_clip(label, 0, length=8)
        save_video(folder / f'{name}.mp4', clip.frames)
        boxes[name] = [[[*map(float, box), 1.]] for box in clip.boxes[0]]
    (folder / 'boxes.json').write_text(json.dumps(boxes))
    return folder


def words(videos, figure, out, *names):
    return ['visualize', figure, *(str(videos / f'{n}.mp4') for n in names),
            '--detector', f'boxes:{videos / "boxes.json"}', '--out', str(out)]


def test_maps(videos, tmp_path):
    import torch

    from hpnet_plugin.commands.visualize import build_extractors
    assert cli.main([*words(videos, 'maps', tmp_path, 'a'), '--pose', 'tiny',
                     *TAPS, '--moments', '2']) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        'maps.png', 'maps.svg', 'maps.json'}
    record = json.loads((tmp_path / 'maps.json').read_text())
    assert [p['source'] for p in record['people']] == ['a', 'a']
    found = record['nets']['tiny']
    assert list(found['energy']) == TAPS
    # as the pose net alone has it
    extractor, = build_extractors([['tiny', *TAPS]], None).values()
    frame, = read_frames_at(str(videos / 'a.mp4'), [2])
    crop, _ = extractor.crop(frame, record['people'][0]['box'])
    output = extractor.net(np.stack([crop, crop]))
    for tap in TAPS:
        assert found['energy'][tap]['cells'] == list(
            output.maps[tap].shape[2:])
        assert found['energy'][tap]['mean'][0] == pytest.approx(
            output.maps[tap][0].norm(dim=0).mean().item(), rel=1e-3)
    np.testing.assert_allclose(found['joints'][0], output.joints[0],
                               atol=.02)
    # the pooled features are those of these maps
    from hpnet_plugin.apis.feature_maps import Person, look
    person = Person('a', 0, 0, frame, np.array(record['people'][0]['box']))
    seen, _ = look(extractor, [person, person])
    wanted = pool_at_joints(output.maps[TAPS[1]],
                            torch.from_numpy(output.joints),
                            extractor.net.size)[0]
    np.testing.assert_allclose(seen.pooled[TAPS[1]], wanted, rtol=2e-3,
                               atol=2e-3)
    assert seen.heatmap.shape == output.head_outputs[0].shape[2:]
    assert seen.heatmap.max() == output.head_outputs[0][0].max()


def test_detector(videos, tmp_path):
    assert cli.main(words(videos, 'detector', tmp_path, 'a', 'b')) == 0
    record = json.loads((tmp_path / 'detector.json').read_text())
    for person in record['people']:
        x1, y1, x2, y2 = person['box']
        area = (x2 - x1) * (y2 - y1)
        side = 1.1 * max(x2 - x1, y2 - y1)
        assert person['share_with'] == pytest.approx(area / side**2, rel=1e-5)
        assert person['share_without'] < person['share_with']
    assert (tmp_path / 'detector.png').stat().st_size > 10_000


def test_wrong_use(videos, tmp_path, capsys):
    good = words(videos, 'maps', tmp_path / 'x', 'a')
    for wrong, message in (
            ([*good, '--pose', 'tiny', 'nix'], "tap 'nix' is no module path"),
            ([*good, '--pose', 'none'], 'unknown pose net'),
            ([*good, '--pose', 'tiny', '--pose', 'tiny'],
             'two pose nets are called tiny'),
            ([*good[:2], 'none.mp4', *good[3:], '--pose', 'tiny'],
             'none.mp4'),
            (['visualize', 'scores', str(tmp_path), '--clips', 'a', '--out',
              'x'], 'holds no checkpoint')):
        assert cli.main(wrong) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / 'x').exists()
    for wrong, message in (
            ([*good, '--pose', 'a.py', '--pose', 'b.py', '--checkpoint',
              'c.pth'], 'is for one pose net'),
            (['report', '--out', 'x', '--pose', 'tiny', '--data', 'x'],
             'give both')):
        with pytest.raises(SystemExit) as stop:
            cli.main(wrong)
        assert stop.value.code == 2
        assert message in capsys.readouterr().err
