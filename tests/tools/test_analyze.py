"""The command line of hpnet analyze: every file it writes."""
import csv
import io
import json
import xml.dom.minidom

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.evaluation.scores import Scores, write_scores
from hpnet_plugin.recipes import compose

CLASSES = ['drink', 'read', 'wave']


@pytest.fixture(scope='module')
def analyze(tool):
    return tool('analyze').main


@pytest.fixture
def dumps(tmp_path, monkeypatch):
    """Right in 1 of 2, 1 of 1, 0 of 1; then in 2, 0, 1. With labels apart."""
    monkeypatch.chdir(tmp_path)
    labels = np.array([0, 0, 1, 2])
    for name, top in (('first', [0, 1, 1, 0]), ('second', [0, 0, 2, 2])):
        write_scores(f'{name}.pkl', Scores(list('abcd'), np.eye(3)[top],
                                           labels, ''))
    np.save('bare.npy', np.eye(3)[[0, 1, 1, 0]])
    (tmp_path / 'bare.txt').write_text('a\nb\nc\nd\n')
    (tmp_path / 'labels.txt').write_text('a drink\nb drink\nc read\nd wave\n')
    (tmp_path / 'classes.txt').write_text('\n'.join(CLASSES))
    return tmp_path


def table(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


def check_figure(stem):
    assert stem.with_suffix('.png').read_bytes().startswith(b'\x89PNG')
    xml.dom.minidom.parse(str(stem.with_suffix('.svg')))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize('source', [
    ['first.pkl'], ['bare.npy', '--labels', 'labels.txt']])
def test_classes(analyze, dumps, source, capsys):
    assert analyze(['classes', *source, '--classes', 'classes.txt', '--out',
                    'out/c']) == 0
    out = dumps / 'out/c'
    assert names_in(out) == [
        'classes.csv', 'classes.json', 'classes.png', 'classes.svg',
        'confusion.csv', 'confusion.png', 'confusion.svg']
    rows = table(out / 'classes.csv')
    assert rows[0] == {'label': '0', 'class': 'drink', 'clips': '2',
                       'accuracy': '50.0', 'most_taken_for': 'read',
                       'taken_for_clips': '1'}
    matrix = [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert [[int(row[name]) for name in CLASSES]
            for row in table(out / 'confusion.csv')] == matrix
    record = json.loads((out / 'classes.json').read_text())
    assert record['confusion'] == matrix and record['top1'] == 50
    assert record['mean_class_accuracy'] == 50
    check_figure(out / 'classes')
    check_figure(out / 'confusion')
    printed = capsys.readouterr().out.splitlines()
    assert printed[2].split()[0] == 'wave'  # worst first
    assert '4 clips: top-1 50.00, mean class 50.00' in printed


def test_classes_by_number(analyze, dumps):
    assert analyze(['classes', 'first.pkl', '--out', 'out']) == 0
    assert table(dumps / 'out/classes.csv')[0]['class'] == '0'


def test_gains(analyze, dumps, capsys):
    assert analyze(['gains', 'first.pkl', 'second.pkl', '--classes',
                    'classes.txt', '--top', '2', '--out', 'g']) == 0
    out = dumps / 'g'
    assert names_in(out) == [
        'extremes.png', 'extremes.svg', 'gains.csv', 'gains.json',
        'gains.png', 'gains.svg']
    rows = table(out / 'gains.csv')
    assert [row['gain'] for row in rows] == ['50.0', '-100.0', '100.0']
    record = json.loads((out / 'gains.json').read_text())
    assert record['names'] == ['first', 'second']
    assert [r['class'] for r in record['gain']] == ['wave', 'drink']
    assert [r['class'] for r in record['lose']] == ['read']
    assert [r['class'] for r in record['accurate']] == ['read', 'drink']
    check_figure(out / 'gains')
    check_figure(out / 'extremes')
    assert 'second gains most' in capsys.readouterr().out
    # T8: of three classes, none is among the best and among the worst
    assert [r['class'] for r in record['confused']] == ['wave']
    # Nothing gained, nothing lost.
    assert analyze(['gains', 'first.pkl', 'first.pkl', '--out', 'same',
                    '--names', 'one', 'other']) == 0
    assert 'no class' in capsys.readouterr().out


def test_wrong_use(analyze, dumps, capsys):
    write_scores('fewer.pkl', Scores(['a'], np.eye(3)[:1], np.array([0]), ''))
    for args, message in (
            (['classes', 'none.pkl'], 'none.pkl: no such file'),
            (['classes', 'bare.npy'], 'holds no labels'),
            (['gains', 'first.pkl', 'fewer.pkl'], 'misses clips'),
            (['fisher', 'nowhere'], 'annotations.pkl'),
            (['tsne', 'none.py', 'none.pth'], 'none.py')):
        assert analyze([*args, '--out', 'bad']) == 2
        assert message in capsys.readouterr().err
    for args, message in (
            (['tsne', 'a.py', '--out', 'x'], 'pairs'),
            (['tsne', 'a.py', 'a.pth', '--names', 'a', 'b', '--out', 'x'],
             '2 --names for 1 models'),
            (['gains', 'a', 'b', '--top', '0', '--out', 'x'],
             '0 is not a whole number, 1 or more')):
        with pytest.raises(SystemExit) as error:
            analyze(args)
        assert error.value.code == 2
        assert message in capsys.readouterr().err
    assert not (dumps / 'bad').exists()


@pytest.fixture(scope='module')
def models(root, tmp_path_factory):
    """A dataset folder of noise, a config and weights for either stream."""
    folder = tmp_path_factory.mktemp('models')
    for name in ('hp_j', 'pose_j'):
        config = Config(compose('stream', stream=name, benchmark='nw_ucla'))
        config.merge_from_dict({
            'model.backbone.base_channels': 8,
            'model.cls_head.in_channels': 32, 'model.cls_head.num_classes': 3,
            'test_dataloader.num_workers': 0,
            'test_dataloader.persistent_workers': False})
        write_synthetic(config, str(folder / name), clips=9, frames=6)
        config.dump(folder / f'{name}.py')
        with DefaultScope.overwrite_default_scope('mmaction'):
            model = MODELS.build(config.model)
        torch.save(dict(state_dict=model.state_dict()),
                   folder / f'{name}.pth')
    return folder


def test_tsne(analyze, models, tmp_path, capsys):
    out = tmp_path / 'o'
    (tmp_path / 'classes.txt').write_text('\n'.join(CLASSES))
    pairs = [str(models / f'{name}.{kind}') for name in ('hp_j', 'pose_j')
             for kind in ('py', 'pth')]
    args = ['tsne', *pairs, '--classes', str(tmp_path / 'classes.txt'),
            '--perplexity', '4', '--out']
    assert analyze([*args, str(out)]) == 0
    assert names_in(out) == ['features.npz', 'tsne.csv', 'tsne.json',
                             'tsne.png', 'tsne.svg']
    record = json.loads((out / 'tsne.json').read_text())['models']
    assert list(record) == ['hp_j', 'pose_j']
    assert record['hp_j']['clips'] == 9 and record['hp_j']['classes'] == 3
    assert -1 <= record['hp_j']['silhouette'] <= 1
    rows = table(out / 'tsne.csv')
    assert len(rows) == 18 and rows[0]['clip'] == 'xview_test_0'
    check_figure(out / 'tsne')

    # What the linear layer of the head sees in the toolbox's own test.
    config = Config.fromfile(models / 'hp_j.py')
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
        dataset = DATASETS.build(config.test_dataloader.dataset)
    model.load_state_dict(torch.load(models / 'hp_j.pth')['state_dict'])
    seen = []
    model.cls_head.fc.register_forward_pre_hook(
        lambda module, args: seen.append(args[0]))
    model.eval().test_step(pseudo_collate([dataset[i] for i in range(9)]))
    features = np.load(out / 'features.npz', allow_pickle=False)
    names = [dataset[i]['data_samples'].frame_dir for i in range(9)]
    assert features['names'].tolist() == names
    assert features['models'].tolist() == ['hp_j', 'pose_j']
    np.testing.assert_allclose(features['features_0'], seen[0].detach(),
                               rtol=1e-6, atol=1e-5)

    # Some of the clips, of another split; the same again is the same.
    some = [*args, str(tmp_path / 'some'), '--split', 'xview_train_full',
            '--classes-limit', '2', '--names', 'a', 'b', '--cfg-options',
            'test_dataloader.batch_size=2', '--per-class', '3']
    written = []
    for _ in range(2):
        assert analyze(some) == 0
        written.append([(tmp_path / 'some' / name).read_bytes()
                        for name in names_in(tmp_path / 'some')])
    assert written[0] == written[1]
    rows = table(tmp_path / 'some/tsne.csv')
    assert len(rows) == 12 and rows[0]['clip'].startswith('xview_train')
    assert {row['class'] for row in rows} == {'drink', 'read'}

    # Without a file of names: those of the dataset folder.
    assert analyze(['tsne', *pairs[:2], '--perplexity', '4', '--out',
                    str(out)]) == 0
    assert {row['class'] for row in table(out / 'tsne.csv')} == {
        'pick up with one hand', 'pick up with two hands', 'drop trash'}


def test_tsne_refuses_other_names(analyze, models, tmp_path, capsys):
    pair = [str(models / 'hp_j.py'), str(models / 'hp_j.pth')]
    (tmp_path / 'classes.txt').write_text('drink\nread\n')
    for args, message in (
            ([*pair, *pair], 'models need a name each'),
            ([*pair, '--classes', str(tmp_path / 'classes.txt')],
             'names 2 classes, the labels go up to 2')):
        assert analyze(['tsne', *args, '--out', str(tmp_path / 'o')]) == 2
        assert message in capsys.readouterr().err


def test_tsne_refuses_what_cannot_be_built(analyze, models, tmp_path, capsys):
    for option in ('model.backbone.nosuch=1', 'test_dataloader.nosuch=1',
                   'test_dataloader.dataset.nosuch=1'):
        assert analyze(['tsne', str(models / 'hp_j.py'),
                        str(models / 'hp_j.pth'), '--out', str(tmp_path),
                        '--cfg-options', option]) == 2
        assert 'hp_j.py cannot be built: TypeError' in capsys.readouterr().err


def test_tsne_refuses_other_weights(analyze, models, tmp_path, capsys):
    torch.save(dict(state_dict={}), models / 'none.pth')
    for name in ('pose_j', 'none'):
        assert analyze(['tsne', str(models / 'hp_j.py'),
                        str(models / f'{name}.pth'), '--out',
                        str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert f'{name}.pth: does not fit the model' in error
        assert len(error) < 1000
    assert not names_in(tmp_path)


def test_fisher(analyze, models, tmp_path, capsys):
    folders = [str(models / name) for name in ('hp_j', 'pose_j')]
    assert analyze(['fisher', folders[0], '--split', 'xview_test', '--out',
                    str(tmp_path)]) == 0
    assert names_in(tmp_path) == ['fisher.csv', 'fisher.json', 'fisher.png',
                                  'fisher.svg']
    record = json.loads((tmp_path / 'fisher.json').read_text())
    (tap, found), = record['taps'].items()
    assert found['clips'] == 9 and found['classes'] == 3
    # Noise scores what noise scores: 2 / (9 - 3 - 2).
    assert found['chance'] == .5
    assert found['score'] == pytest.approx(.5, rel=.15)
    rows = table(tmp_path / 'fisher.csv')
    assert len(rows) == 18
    assert [row['joint'] for row in rows[:2]] == ['all', 'nose']
    assert float(rows[0]['score']) == found['score']
    check_figure(tmp_path / 'fisher')
    # Several folders; each names its taps.
    both = tmp_path / 'both'
    assert analyze(['fisher', *folders, '--out', str(both)]) == 0
    record = json.loads((both / 'fisher.json').read_text())
    assert [name.split(': ')[0] for name in record['taps']] == ['hp_j',
                                                                'pose_j']
    assert analyze(['fisher', folders[0], '--tap', 'none', '--out',
                    str(tmp_path / 'none')]) == 2
    assert "'none' is no tap" in capsys.readouterr().err
    assert not (tmp_path / 'none').exists()
