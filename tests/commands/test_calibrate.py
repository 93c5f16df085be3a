"""hpnet save and hpnet calibrate, and what the report says of them."""
import json
import shutil

import numpy as np
import pytest

from hpnet_plugin.apis import load_trained
from hpnet_plugin.cli import main
from hpnet_plugin.commands.calibrate import Clips
from hpnet_plugin.evaluation.calibration import calibrate, probabilities
from hpnet_plugin.evaluation.fusion import fuse_members
from hpnet_plugin.evaluation.scores import Scores, write_scores
from hpnet_plugin.visualization.sections import calibration_sections


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    """The work dir, to be changed, below the current folder."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(trained.run, tmp_path / 'hp_j_mine').name


def dump(path, split='val', seed=0):
    """Scores of the clips of a split that are right most of the time."""
    rng = np.random.default_rng(seed)
    labels = np.arange(12) % 3
    logits = rng.normal(size=(12, 3)) + 2 * np.eye(3)[labels]
    write_scores(path, Scores([f'{split}{i}' for i in range(12)], logits,
                              labels, path))
    return logits.astype('f4').astype(float), labels


def test_by_the_test_of_the_toolbox(run, capfd):
    """The same as of a dump of the validation split, whatever the way."""
    assert main(['test', run, '--dump', 'val.pkl', '--cfg-options',
                 'test_dataloader.dataset.split=val']) == 0
    assert main(['calibrate', run]) == 0
    shown = capfd.readouterr()
    assert 'temperature' in shown.out and 'TEST' not in shown.err
    found = load_trained(run).description.calibration
    assert (found['split'], found['on'], found['clips']) == (
        'val', 'validation', 12)
    assert main(['save', run, '--out', 'model']) == 0
    assert load_trained('model').description.calibration == dict(
        found, data='mine')
    assert 'temperature' in open('model/README.md').read()
    assert main(['calibrate', 'model', '--scores', 'val.pkl']) == 0
    again = load_trained('model').description.calibration
    assert again['temperature'] == pytest.approx(found['temperature'],
                                                 rel=1e-3)
    assert again['threshold'] == pytest.approx(found['threshold'], rel=1e-3)
    # of another checkpoint, whose scores are others, nothing is said
    assert load_trained(run, f'{run}/epoch_2.pth'
                        ).description.calibration is None
    (section, ) = calibration_sections([run, 'model'])
    assert 'fitted to' in section.text[0] and len(section.text) == 1
    assert main(['report', '--out', 'page.html', '--work-dirs', run]) == 0
    page = open('page.html').read()
    assert 'Calibration' in page and 'ECE in percent, after' in page
    open(f'{run}/calibration.json', 'w').write('{"clips": 3}')
    with pytest.raises(ValueError, match='run hpnet calibrate again'):
        calibration_sections([run])


def test_clips_that_must_not_be_fitted_to(run, trained, capsys):
    for split in ('train', 'test'):
        dump(f'{split}.pkl', split)
        assert main(['calibrate', run, '--scores', f'{split}.pkl']) == 2
        said = capsys.readouterr().err
        assert '12 clips: ' in said and dict(
            train='were trained on', test='are test clips')[split] in said
    assert main(['calibrate', run, '--split', 'train']) == 2
    assert 'were trained on' in capsys.readouterr().err
    assert load_trained(run).description.calibration is None
    assert main(['calibrate', run, '--scores', 'test.pkl', '--split',
                 'test']) == 0
    assert 'fitted to TEST clips' in capsys.readouterr().err
    found = load_trained(run).description.calibration
    assert (found['split'], found['on']) == ('test', 'test')
    (section, ) = calibration_sections([run])
    assert 'These are test clips' in section.text[1]
    # where validation is the test, as with the paper's splits
    config = load_trained(run).description.config
    config['val_dataloader']['dataset']['split'] = 'test'
    with pytest.raises(ValueError, match='test is also its test split'):
        Clips.of(config, None)
    assert Clips.of(config, 'test').on == 'test'
    assert Clips.of(config, 'other').split == 'other'
    del config['val_dataloader']
    with pytest.raises(ValueError, match='has no validation split of its own:'
                       ):
        Clips.of(config, None)


def test_a_fusion(run, trained, capsys):
    assert main(['save', run, trained.run.as_posix(), '--out', 'fusion',
                 '--weights', '1', '0.5']) == 0
    assert 'hp_j_mine_1: weight 0.5 of its logits' in capsys.readouterr().out
    logits, labels = dump('a.pkl')
    others, _ = dump('b.pkl', seed=1)
    assert main(['calibrate', 'fusion', '--scores', 'a.pkl']) == 2
    assert 'in the order of the fusion: 2, not 1' in capsys.readouterr().err
    write_scores('x.pkl', Scores(['x', 'y'], np.eye(3)[:2], np.zeros(2, int),
                                 'x'))
    assert main(['calibrate', 'fusion', '--scores', 'a.pkl', 'b.pkl',
                 '--lost', '20', '--unknown', 'x.pkl', 'x.pkl']) == 0
    fused = load_trained('fusion')
    scores = fuse_members([logits, others], ['logit'] * 2,
                          fused.description.members)
    expected = calibrate(scores, labels, .2, unknown=1.5 * np.eye(3)[:2])
    found = fused.description.calibration
    assert found['temperature'] == pytest.approx(expected['temperature'])
    assert found['unknown']['clips']['auroc'] == pytest.approx(
        expected['unknown']['clips']['auroc'])
    sure = probabilities(scores, temperature=found['temperature'])
    right = sure.max(1)[scores.argmax(1) == labels]
    assert 0 < (right < found['threshold']).mean() <= .2
    assert json.load(open('fusion/hpnet.json'))['calibration'] == found


@pytest.mark.parametrize('words, text', [
    (['calibrate', 'none'], 'calibrate: none: no such file or folder'),
    (['save', 'none', '--out', 'x'], 'save: none: no such file or folder'),
    (['calibrate', 'RUN', '--scores', 'none.pkl'], 'none.pkl: no such file'),
    (['calibrate', 'RUN', '--split', 'vall'], "no split 'vall'"),
    (['calibrate', 'RUN', '--data', 'none'], 'none'),
])
def test_refused_in_a_line(run, words, text, capsys):
    words = [run if word == 'RUN' else word for word in words]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert text in said and 'Traceback' not in said


@pytest.mark.parametrize('words', [
    ['save', 'a', 'b', '--out', 'x', '--weights', '1'],
    ['save', 'a', '--out', 'x', '--weights', '1'],
    ['calibrate', 'a', '--lost', '100'],
    ['calibrate', 'a', '--scores', 'x.pkl', '--data', 'y']])
def test_wrong_usage(words):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
