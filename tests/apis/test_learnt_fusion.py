"""Fusions by a learnt layer: the same numbers whichever way they are asked.

The layer is learnt on score files of mmaction2's own test, and what
``hpnet fuse --learnt`` makes of other score files is what every model must
give.
"""
import json
import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from hpnet_plugin.apis import (
    ClipInput,
    DescriptionError,
    HPNetInferencer,
    OnnxScorer,
    TrainedError,
    VideoResult,
    build_scorer,
    from_pretrained,
    load_trained,
    save_pretrained,
)
from hpnet_plugin.apis.members import Member, learnt_members
from hpnet_plugin.cli import main
from hpnet_plugin.evaluation.calibration import calibrate
from hpnet_plugin.evaluation.metrics import softmax
from hpnet_plugin.evaluation.scores import ScoreError, read_scores
from hpnet_plugin.evaluation.stacking import Layer, read_stack, write_stack
from hpnet_plugin.store import FeatureStore

STREAMS = ('hp_j', 'pose_j')
# a process of their own for each loader would take longer than all else
ALONE = [f'{phase}_dataloader.{key}' for phase in ('train', 'val', 'test')
         for key in ('num_workers=0', 'persistent_workers=False')]


@pytest.fixture(scope='module')
def place(three_classes, tmp_path_factory):
    """Two models, their score files, and layers learnt on these."""
    folder = tmp_path_factory.mktemp('learnt')
    for name in STREAMS:
        run = str(folder / name)
        assert main([
            'train', name, '--data', str(three_classes.folder), '--net',
            'linear', '--seed', '0', '--work-dir', run, '--cfg-options',
            'epochs=6', 'train_dataloader.batch_size=4', *ALONE]) == 0
        for split in ('val', 'test'):
            assert main([
                'test', run, '--dump', str(folder / f'{name}_{split}.pkl'),
                '--cfg-options', f'test_dataloader.dataset.split={split}',
                *ALONE[4:]]) == 0
    for name, options in (('logit', []), ('probability', ['--prob'])):
        assert main(['fuse', *files(folder, 'test'), '--learn', '--tune',
                     *files(folder, 'val'), '--save',
                     str(folder / f'{name}.json'), *options]) == 0
    return folder


def files(folder, split):
    return [str(folder / f'{name}_{split}.pkl') for name in STREAMS]


@pytest.fixture
def both(place):
    return [str(place / name) for name in STREAMS]


@pytest.fixture(scope='module')
def clips(three_classes):
    """The test clips as arrays, in the order of ``hpnet test``'s dump."""
    store = FeatureStore(three_classes.folder / 'features')
    return [ClipInput({key: store.read(name, key) for key in (
        'keypoint', 'keypoint_score', 'tap')}, (120, 160), name=name)
        for name in store.names if name.startswith('test')]


def layer_file(place, path, kind, scores='logit'):
    """A file of a layer of some kind, which twelve clips would not choose."""
    stack, rng = read_stack(place / f'{scores}.json'), np.random.default_rng(0)
    shape = dict(fixed=(2, ), stream=(2, ), full=(2, 3, 3)).get(kind, (2, 3))
    zero = 0 if kind == 'fixed' else 1
    layer = Layer(kind, rng.normal(size=2), zero * rng.normal(size=shape),
                  zero * rng.normal(size=3), stack.layer.probability)
    write_stack(path, replace(stack, layer=layer, record=dict(
        stack.record, kind=kind, parameters=layer.parameters)))
    return str(path)


def fused(place, layer, scores, clips):
    """What ``hpnet fuse`` makes of the score files."""
    out = str(place / 'out.pkl')
    assert main(['fuse', *files(place, 'test'), '--learnt', layer, '--out',
                 out, *['--prob'] * (scores == 'probability')]) == 0
    found = read_scores(out)
    return found.scores[[found.names.index(clip.name) for clip in clips]]


@pytest.mark.parametrize('kind, scores', [
    (None, 'logit'), ('fixed', 'logit'), ('stream', 'probability'),
    ('class', 'logit'), ('full', 'logit'), ('full', 'probability')])
def test_scores_of_new_clips(place, both, clips, tmp_path, kind, scores):
    """Of two runs, and of the folder that is made of them."""
    layer = str(place / f'{scores}.json') if kind is None else layer_file(
        place, tmp_path / 'layer.json', kind, scores)
    expected = fused(place, layer, scores, clips)
    assert np.ptp(expected, 0).max() > .1  # clips do differ
    scorer = build_scorer(both, learnt=layer)
    np.testing.assert_allclose(scorer(clips), expected, atol=1e-5)
    if kind == 'full':  # the order of the models is that of the streams
        other = build_scorer(both[::-1], learnt=layer)(clips)
        assert np.abs(other - expected).max() > .1
    saved = save_pretrained(list(map(load_trained, both)),
                            tmp_path / 'saved', learnt=layer)
    assert {m['scores'] for m in saved.description.members} == {scores}
    again = save_pretrained(saved, tmp_path / 'again')
    for folder in (tmp_path / 'saved', tmp_path / 'again'):
        np.testing.assert_allclose(build_scorer(str(folder))(clips),
                                   expected, atol=1e-5)
    assert again.description == saved.description


NO_TORCH = """
import sys
for name in ('torch', 'mmaction', 'mmengine', 'mmcv', 'onnx', 'scipy'):
    sys.modules[name] = None
import numpy as np
from hpnet_plugin.apis import ClipInput, OnnxScorer, build_scorer
file = np.load('clips.npz')
names = sorted({key.partition('|')[0] for key in file.files})
clips = [ClipInput({key: file[f'{name}|{key}'] for key in (
    'keypoint', 'keypoint_score', 'tap')}, (120, 160)) for name in names]
for out, scorer in (
        ('folder', OnnxScorer('exported', batch=5)),
        ('members', build_scorer(
            ['exported/hp_j', 'exported/pose_j'], learnt='layer.json'))):
    np.save(out + '.npy', scorer(clips))
"""


def test_without_torch(place, both, clips, tmp_path, monkeypatch, capsys):
    """hpnet save, hpnet export, and onnxruntime alone."""
    monkeypatch.chdir(tmp_path)
    layer = layer_file(place, 'layer.json', 'full', 'probability')
    assert main(['save', *both, '--learnt', layer, '--out', 'saved']) == 0
    assert 'pose_j: in place of pose_j_val.pkl, its probabilities' in \
        capsys.readouterr().out
    assert main(['export', 'saved', '--out', 'exported']) == 0
    clips = sorted(clips, key=lambda clip: clip.name)
    np.savez('clips.npz', **{f'{clip.name}|{key}': value for clip in clips
                             for key, value in clip.arrays.items()})
    done = subprocess.run([sys.executable, '-c', NO_TORCH], text=True,
                          capture_output=True)
    assert not done.returncode, done.stderr
    expected = fused(place, layer, 'probability', clips)
    for name in ('folder', 'members'):
        np.testing.assert_allclose(np.load(f'{name}.npy'), expected,
                                   atol=1e-5)
    # one graph says nothing of the layer
    assert OnnxScorer('exported/hp_j/model.onnx'
                      ).description.learnt is None
    assert main(['export', *both, '--learnt', layer, '--out', 'both']) == 0
    assert learnt_of('both') == learnt_of('saved')


def learnt_of(folder):
    with open(f'{folder}/hpnet.json', encoding='utf-8') as file:
        return json.load(file)['learnt']


def test_what_the_folder_says(place, both, tmp_path):
    layer = layer_file(place, tmp_path / 'layer.json', 'full')
    one, other = map(load_trained, both)
    saved = save_pretrained([one, other], tmp_path / 'saved', learnt=layer)
    card = (tmp_path / 'saved/README.md').read_text()
    for text in ('whose weights were learnt on 12 clips',
                 'a matrix for each stream, and a bias for each class: 22 '
                 'numbers',
                 '| `pose_j` | SegmentStatistics, stream `pose_j` | logits | '
                 'pose_j_val.pkl |'):
        assert text in card, text
    assert saved.description.stack.streams == [
        'hp_j_val.pkl', 'pose_j_val.pkl']
    assert str(place) not in (tmp_path / 'saved/hpnet.json').read_text()


def test_older_versions_of_the_package_refuse_a_layer(place, both,
                                                      tmp_path):
    """They read version 1 alone, and would answer with the weights."""
    layer = layer_file(place, tmp_path / 'layer.json', 'class')
    both = list(map(load_trained, both))
    for learnt, version in ((None, 1), (layer, 2)):
        save_pretrained(both, tmp_path / f'{version}', learnt=learnt)
        path = tmp_path / f'{version}/hpnet.json'
        content = json.loads(path.read_text())
        assert content['version'] == version
        # what such a version wrote is read
        if learnt is None:
            del content['learnt']
            path.write_text(json.dumps(content))
            assert from_pretrained(path.parent).description.learnt is None


@pytest.mark.parametrize('change, why', [
    (lambda c: c.update(version=1), 'version 1 with a learnt layer'),
    (lambda c: c['learnt'].update(version=2), 'learnt: not what .*version 2'),
    (lambda c: c['learnt']['layer'].update(bias=[1, 2]), 'learnt: not what'),
    (lambda c: c.update(learnt=[]), r'learnt = \[\]: expected what hpnet'),
    (lambda c: c['members'].pop(), 'layer over logit, logit of 3 classes, '
     'and the members give logit of 3'),
    (lambda c: c['members'].clear(), 'members give nothing of 3'),
    (lambda c: c['members'][0].update(scores='probability'),
     'give probability, logit of 3'),
    (lambda c: c['classes'].pop(), 'logit, logit of 2: save')])
def test_damaged_folders(place, both, tmp_path, change, why):
    save_pretrained(list(map(load_trained, both)), tmp_path / 'saved',
                    learnt=layer_file(place, tmp_path / 'l.json', 'class'))
    path = tmp_path / 'saved/hpnet.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(DescriptionError, match=f'hpnet.json: .*{why}'):
        load_trained(tmp_path / 'saved')


def described(both, **changes):
    """Both models, the second with another description."""
    one, other = map(load_trained, both)
    return [one, replace(other, description=replace(
        other.description, **changes))]


def test_models_that_the_layer_was_not_learnt_for(place, both, tmp_path):
    logit, probability = (place / f'{name}.json'
                          for name in ('logit', 'probability'))
    streams = 'hp_j_val.pkl, pose_j_val.pkl'
    with pytest.raises(TrainedError, match=(
            r'logit.json was learnt for 2 streams of 3 classes '
            rf'\({streams}\), found 1 model of 3 \(hp_j\); give one '
            'model for each stream, in this order')):
        build_scorer(both[:1], learnt=logit)
    with pytest.raises(TrainedError, match='found 2 models of 2 and 3'):
        learnt_members(described(both, classes=('a', 'b')), logit)
    sure = described(both, output='probability', name='sure')
    with pytest.raises(TrainedError, match=(
            f'sure gives probabilities, and .*logit.json was learnt for '
            f'logits of pose_j_val.pkl .* in the order {streams}')):
        save_pretrained(sure, tmp_path / 'x', learnt=logit)
    # the other way round they can be made
    assert [member.scores for member in learnt_members(sure, probability)[0]
            ] == ['probability'] * 2
    with pytest.raises(ScoreError, match='metrics.json: not what hpnet fuse'):
        (tmp_path / 'metrics.json').write_text('{}')
        build_scorer(both, learnt=tmp_path / 'metrics.json')
    with pytest.raises(ValueError, match=r'leave weights=\[1, 2\] out'):
        build_scorer(both, [1, 2], learnt=logit)
    with pytest.raises(TrainedError, match='leave members out'):
        save_pretrained(sure, tmp_path / 'x', [Member('a', 1, 'logit')],
                        logit)
    save_pretrained(list(map(load_trained, both)), tmp_path / 'fusion')
    with pytest.raises(TrainedError, match='found 1 model of 3'):
        build_scorer(str(tmp_path / 'fusion'), learnt=logit)
    assert not (tmp_path / 'x').exists()


def test_which_model_stands_for_which_stream(place, both, tmp_path,
                                             caplog):
    """Said where a file is not called after the model or its stream."""
    stack = read_stack(place / 'logit.json')
    path = str(tmp_path / 'layer.json')
    for streams, said in (
            (['hp_j_fold1.pkl', 'all.pkl#pose_j'], None),
            (['hp_jm.pkl', 'pose_j.pkl'], 'hp_j for hp_jm.pkl')):
        write_stack(path, replace(stack, streams=streams))
        caplog.clear()
        with caplog.at_level(logging.WARNING, 'hpnet'):
            build_scorer(both, learnt=path)
        assert [record.getMessage() for record in caplog.records] == (
            said is not None) * [
            f'{path} was learnt over hp_jm.pkl, pose_j.pkl, in this order; '
            f'by their order alone the models stand for them: {said}']


def test_a_new_video(drawn, models, place, tmp_path, monkeypatch):
    """Logits of one model and probabilities of the other."""
    monkeypatch.chdir(tmp_path)
    video = str(drawn / 'people/videos/cup_000.mp4')
    boxes = f'boxes:{drawn / "people/boxes.json"}'
    names = [str(models(name)) for name in ('hp_j', 'pose_j')]
    stack, rng = read_stack(place / 'logit.json'), np.random.default_rng(1)
    layer = Layer('full', np.ones(2), rng.normal(size=(2, 8, 8)),
                  rng.normal(size=8), (False, True))
    write_stack('layer.json', replace(stack, layer=layer, record=dict(
        stack.record, kind='full', parameters=layer.parameters)))
    raw = [HPNetInferencer(name, detector=boxes)(video)[0].predictions[0].raw
           for name in names]
    expected = layer(np.stack([raw[0], softmax(raw[1][None])[0]])[:, None])
    assert main(['predict', video, '--model', *names, '--learnt',
                 'layer.json', '--detector', boxes, '--json', 'x.json']) == 0
    found = VideoResult.from_json('x.json').predictions[0]
    np.testing.assert_allclose(found.raw, expected[0], atol=1e-3)
    # its logits are of temperature 1
    np.testing.assert_allclose(found.probabilities, softmax(expected)[0],
                               atol=1e-3)


@pytest.mark.parametrize('words', [
    ['predict', 'a.mp4', '--model', 'x', 'y'], ['app', '--model', 'x', 'y'],
    ['save', 'x', 'y', '--out', 'o'], ['export', 'x', 'y', '--out', 'o']])
def test_a_layer_or_weights(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*words, '--weights', '1', '1', '--learnt', 'layer.json'])
    assert stop.value.code == 2
    assert '--learnt has a layer in place of weights' in \
        capsys.readouterr().err


def test_calibrated_on_top(place, both, tmp_path, monkeypatch, capsys):
    """On its logits; that its clips are known to the layer is said."""
    monkeypatch.chdir(tmp_path)
    layer = layer_file(place, 'layer.json', 'full')
    assert main(['save', *both, '--learnt', layer, '--out', 'saved']) == 0
    assert main(['calibrate', 'saved', '--scores', *files(place, 'val')]) == 0
    assert 'layer of saved was learnt on 12 clips: val0' in \
        capsys.readouterr().err
    streams = [read_scores(file) for file in files(place, 'val')]
    logits = read_stack(layer).layer(np.stack([s.scores for s in streams]))
    about = load_trained('saved').description
    assert about.calibration['temperature'] == pytest.approx(
        calibrate(logits, streams[0].labels)['temperature'])
    # the layer is still there, and another folder's clips are none of its
    assert about.learnt == learnt_of('saved')
    assert main(['calibrate', 'saved', '--split', 'test', '--scores',
                 *files(place, 'test')]) == 0
    assert 'was learnt on' not in capsys.readouterr().err
