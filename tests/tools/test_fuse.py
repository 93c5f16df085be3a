"""The command line of hpnet fuse."""
import json
import pickle

import numpy as np
import pytest

from hpnet_plugin.evaluation.scores import Scores, read_scores, write_scores


@pytest.fixture(scope='module')
def fuse(tool):
    return tool('fuse').main


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two streams of four clips, right in 3 and 2, fused in all four."""
    monkeypatch.chdir(tmp_path)
    labels = np.array([0, 1, 2, 0])
    first = np.array([[3, 0, 0], [0, 3, 0], [0, 0, 3], [0, 1, 0]], float)
    second = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 2], [2, 0, 0]], float)
    for split in ('test', 'val'):
        names = [f'{split}{i}' for i in range(4)]
        write_scores(f'j_{split}.pkl', Scores(names, first, labels, ''))
        write_scores(f'b_{split}.pkl', Scores(names[::-1], second[::-1],
                                              labels[::-1], ''))
    return tmp_path


def test_prints_and_writes(fuse, files, capsys):
    args = ['j_test.pkl', 'b_test.pkl:1.5', '--json', 'o/r.json', '--out',
            'o/f.pkl']
    assert fuse(args) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table[2] == ['j_test.pkl', '75.00', '100.00', '83.33', '1',
                        'logits']
    assert table[3] == ['b_test.pkl', '50.00', '100.00', '50.00', '1.5',
                        'logits']
    assert table[4] == ['fusion', '100.00', '100.00', '100.00']
    result = json.loads((files / 'o' / 'r.json').read_text())
    assert result['fusion'] == dict(
        top1=100, top5=100, mean_class_accuracy=100,
        per_class=[dict(label=i, clips=n, accuracy=100)
                   for i, n in enumerate((2, 1, 1))])
    assert [c['accuracy'] for c in result['streams'][0]['per_class']] == [
        50, 100, 100]
    # the only unsure clip is one of the two of class 0: 0, 1 or 2 gained
    gain = result['streams'][0]['fusion_gain']
    assert gain['top1'] == dict(gain=25, low=0, high=50)
    assert gain['mean_class_accuracy'] == pytest.approx(
        dict(gain=50 / 3, low=0, high=100 / 3))
    assert ['j_test.pkl', '+25.00', '[+0.00,', '+50.00]', '+16.67',
            '[+0.00,', '+33.33]'] in table
    assert [s['file'] for s in result['streams']] == args[:1] + ['b_test.pkl']
    assert result['streams'][1]['weight'] == 1.5
    assert result['streams'][0]['mean_class_accuracy'] == pytest.approx(
        100 * (1 / 2 + 1 + 1) / 3)
    assert result['clips'] == 4 and result['tuned'] is None
    fused = read_scores('o/f.pkl')
    assert fused.names == ['test0', 'test1', 'test2', 'test3']
    np.testing.assert_array_equal(fused.scores[3], [3, 1, 0])
    assert fuse(['o/f.pkl']) == 0


def test_tunes_on_other_clips_only(fuse, files, capsys):
    tuned = ['j_test.pkl', 'b_test.pkl:0.1', '--json', 'r.json', '--tune']
    assert fuse([*tuned, 'j_val.pkl', 'b_val.pkl']) == 0
    out = capsys.readouterr().out
    assert 'searched by top1 on 4 validation clips' in out
    assert 'fusion, weights as given 75.00' in ' '.join(out.split())
    result = json.loads((files / 'r.json').read_text())
    assert result['fusion']['top1'] == 100
    assert result['tuned'] == dict(on='validation', clips=4, by='top1')
    given = result['given']
    assert given['weights'] == [1, .1] and given['top1'] == 75
    assert given['fusion_gain']['top1'] == dict(gain=25, low=0, high=50)
    assert fuse([*tuned, 'j_test.pkl', 'b_test.pkl']) == 2
    assert '4 clips: test0, test1, test2, … would be searched on and ' \
        'reported' in capsys.readouterr().err
    assert fuse([*tuned, 'j_val.pkl']) == 2
    assert '--tune has 1 score file for 2 streams' in capsys.readouterr().err


@pytest.mark.parametrize('how', [['--tune', 'j_test.pkl', 'b_test.pkl'], []])
def test_tunes_on_test_if_told_so(fuse, files, capsys, how):
    assert fuse(['j_test.pkl', 'b_test.pkl:0.1', '--json', 'r.json', *how,
                 '--tune-on-test']) == 0
    out = capsys.readouterr().out
    assert 'searched by top1 on 4 TEST clips' in out
    assert 'chosen on the reported clips' in out
    assert json.loads((files / 'r.json').read_text())['tuned']['on'] == 'test'


def test_annotations_name_what_pyskl_wrote(fuse, files, capsys):
    clips = [dict(frame_dir=f'{split}{i}', label=label)
             for i, label in enumerate([0, 1, 2, 0])
             for split in ('val', 'test')]
    (files / 'annotations.pkl').write_bytes(pickle.dumps(dict(
        annotations=clips, split={split: [
            clip['frame_dir'] for clip in clips
            if clip['frame_dir'].startswith(split)]
            for split in ('test', 'val')})))
    for split in ('test', 'val'):
        scores = read_scores(f'j_{split}.pkl').scores.astype('f4')
        (files / f'pyskl_{split}.pkl').write_bytes(pickle.dumps(list(scores)))
    args = ['pyskl_test.pkl', 'b_test.pkl:0.1', '--annotations',
            'annotations.pkl', '--split', 'test']
    assert fuse(args) == 0
    row = capsys.readouterr().out.splitlines()[2].split()
    assert row[:2] == ['pyskl_test.pkl', '75.00']
    assert fuse([*args, '--tune', 'pyskl_val.pkl', 'b_val.pkl']) == 2
    assert '--tune-split; it has test, val' in capsys.readouterr().err
    assert fuse([*args, '--tune', 'pyskl_val.pkl', 'b_val.pkl',
                 '--tune-split', 'val']) == 0
    assert '4 validation clips' in capsys.readouterr().out


@pytest.fixture
def unlike(tmp_path, monkeypatch):
    """A stream, and the same with its classes mixed up and in other order."""
    monkeypatch.chdir(tmp_path)
    for seed, part in enumerate(('test', 'val')):
        rng = np.random.default_rng(seed)
        labels = np.arange(90) % 3
        scores = 2 * np.eye(3)[labels] + rng.normal(size=(90, 3))
        names = [f'{part}{i}_s{i % 5}' for i in range(90)]
        write_scores(f'j_{part}.pkl', Scores(names, scores, labels, ''))
        mixed = (2 * np.eye(3)[labels] + rng.normal(size=(90, 3)))[
            ::-1, [1, 2, 0]]
        write_scores(f'b_{part}.pkl', Scores(names[::-1], mixed,
                                             labels[::-1], ''))
    return tmp_path


def test_learns_saves_and_applies(fuse, unlike, capsys):
    learning = ['j_test.pkl:2', 'b_test.pkl', '--json', 'r.json', '--learn',
                '--tune', 'j_val.pkl', 'b_val.pkl']
    assert fuse([*learning, '--save', 'l.json', '--out', 'f.pkl', '--groups',
                 r'_(s\d)']) == 0
    out = capsys.readouterr().out
    assert 'searched by top1 on 90 validation clips' in out
    # a scale, two matrices, a bias
    assert '22 numbers, chosen by cross-validation in 5 parts of 5 groups' \
        in out
    result = json.loads((unlike / 'r.json').read_text())
    learnt = result['learnt']
    assert learnt['kind'] == 'full' and learnt['by'] == 'top1'
    rows = {row['what']: row for row in learnt['rows']}
    assert rows['fixed weights']['top1'] == pytest.approx(
        result['given']['top1'])
    assert rows['searched weights']['top1'] == pytest.approx(
        result['fusion']['top1'])
    assert rows['learnt']['top1'] > rows['searched weights']['top1'] + 3
    fused = read_scores('f.pkl')
    assert 100 * (fused.scores.argmax(1) == fused.labels).mean() == \
        pytest.approx(rows['learnt']['top1'])
    assert fuse(['j_test.pkl', 'b_test.pkl', '--learnt', 'l.json', '--json',
                 'again.json']) == 0
    again = json.loads((unlike / 'again.json').read_text())
    assert again['learnt'] == learnt and again['tuned'] is None
    # the fusion beside it is that of the weights that the file has
    assert again['fusion']['top1'] == pytest.approx(
        rows['fixed weights']['top1'])


def test_learns_on_other_clips_only(fuse, unlike, capsys):
    learning = ['j_test.pkl', 'b_test.pkl', '--learn', '--tune']
    assert fuse([*learning, 'j_test.pkl', 'b_test.pkl', '--save',
                 'l.json']) == 2
    assert 'would be searched on and reported' in capsys.readouterr().err
    assert not (unlike / 'l.json').exists()
    assert fuse([*learning, 'j_test.pkl', 'b_test.pkl', '--tune-on-test',
                 '--save', 'l.json']) == 0
    assert 'overstated, as are those of the layer' in capsys.readouterr().out
    apply = ['j_test.pkl', 'b_test.pkl', '--learnt', 'l.json']
    assert fuse(apply) == 2
    assert 'was learnt on 90 clips: test0' in capsys.readouterr().err
    assert fuse([*apply, '--tune-on-test']) == 0
    assert 'learnt on some of the reported' in capsys.readouterr().err
    assert fuse(['j_val.pkl', 'b_val.pkl:2', '--learnt', 'l.json']) == 2
    assert 'from the weights 1, 1' in capsys.readouterr().err


@pytest.mark.parametrize('options, text', [
    (['--learn'], 'needs validation clips'),
    (['--save', 'x.json'], '--save needs --learn'),
    (['--groups', 's'], '--groups is for'),
    (['--learnt', 'x', '--learn'], 'leave --learn')])
def test_options_that_do_not_fit(fuse, capsys, options, text):
    with pytest.raises(SystemExit):
        fuse(['j_test.pkl', *options])
    assert text in capsys.readouterr().err


def test_learns_on_half_by_groups(fuse, unlike, capsys):
    assert fuse(['j_test.pkl', 'b_test.pkl', '--learn', '--tune-half', '1',
                 '--groups', r'_s\d']) == 0
    out = capsys.readouterr().out
    assert 'the half by groups drawn by seed 1' in out
    assert 'in 3 parts of 3 groups' in out or 'in 2 parts of 2' in out


def test_refusals_exit_2_and_write_nothing(fuse, files, capsys):
    assert fuse(['j_test.pkl', 'b_val.pkl', '--json', 'r.json']) == 2
    error = capsys.readouterr().err
    assert error.startswith(
        'hpnet fuse: b_val.pkl misses clips of j_test.pkl: 4')
    assert not (files / 'r.json').exists()
    assert fuse(['absent.pkl']) == 2
    assert fuse(['j_test.pkl', '--labels', 'absent.txt']) == 2
    assert fuse(['j_test.pkl', '--out', 'f.npy']) == 2
    for wrong in ([], ['x', '--split', 'test'],
                  ['x', '--tune-half', '0', '--tune-on-test']):
        with pytest.raises(SystemExit) as stop:
            fuse(wrong)
        assert stop.value.code == 2


def test_mixed_kinds_are_noted(fuse, files, capsys):
    write_scores('p.pkl', Scores([f'test{i}' for i in range(4)],
                                 np.full((4, 3), 1 / 3),
                                 np.array([0, 1, 2, 0]), ''))
    assert fuse(['j_test.pkl', 'p.pkl']) == 0
    assert 'added as they are stored' in capsys.readouterr().out
    assert fuse(['j_test.pkl', 'p.pkl', '--prob']) == 0
    assert 'added as they are stored' not in capsys.readouterr().out


@pytest.fixture
def smarthome(shared, monkeypatch, fuse, tmp_path):
    """Fuses the released scores of Smarthome CS by their own weights."""
    folder = shared / 'data' / 'smarthome_cs'
    monkeypatch.chdir(folder)
    files = {name: f'{name}_epoch1_test_score.pkl'
             for name in ('J', 'B', 'JM', 'BM')}
    files['HP'] = '.'

    def run(weights, *options):
        specs = [f'{files[name]}:{w}' for name, w in weights.items()]
        out = tmp_path / 'r.json'
        assert fuse([*specs, '--classes', 'classes.txt', '--json', str(out),
                     *options]) == 0
        return json.loads(out.read_text())
    return run


# Accuracy and mean class accuracy of the rows of the paper's Table XVIII.
@pytest.mark.parametrize('weights, top1, mean_class', [
    (dict(J=1), 72.50, 51.54),
    (dict(B=1), 70.44, 51.29),
    (dict(JM=1), 69.70, 45.15),
    (dict(BM=1), 66.08, 43.23),
    (dict(HP=1), 89.21, 81.31),
    (dict(J=.1, HP=11), 89.42, 81.44),
    (dict(B=.1, HP=11), 89.43, 81.11),
    (dict(J=1, B=1), 76.18, 55.69),
    (dict(J=.1, B=.1, HP=11), 89.64, 81.74),
    (dict(J=.1, B=.1, JM=.1, BM=.1, HP=11), 89.97, 81.56),
])
def test_released_scores_give_the_papers_table(smarthome, weights, top1,
                                               mean_class):
    result = smarthome(weights)
    assert (result['clips'], result['classes']) == (5433, 31)
    assert result['fusion']['top1'] == pytest.approx(top1, abs=.01)
    assert result['fusion']['mean_class_accuracy'] == pytest.approx(
        mean_class, abs=.01)
    assert [s['kind'] for s in result['streams']] == [
        'probabilities' if name == 'HP' else 'logits' for name in weights]
    classes = result['fusion']['per_class']
    assert sum(c['clips'] for c in classes) == 5433
    # counted by hand in the name lists
    assert dict(classes[9], accuracy=None) == dict(
        label=9, name='Drink.Fromglass', clips=6, accuracy=None)
    if len(weights) == 5:
        # An independent study of the same files: +0.26 [-0.67, +1.10].
        gain = result['streams'][4]['fusion_gain']['mean_class_accuracy']
        assert gain['gain'] == pytest.approx(.26, abs=.02)
        assert gain['low'] == pytest.approx(-.67, abs=.06)
        assert gain['high'] == pytest.approx(1.10, abs=.06)


def test_released_scores_searched_on_half(smarthome, capsys):
    result = smarthome(dict(J=.1, B=.1, JM=.1, BM=.1, HP=11), '--tune-half',
                       '0', '--tune-by', 'mean_class_accuracy')
    assert result['clips'] == 2716 and result['tuned']['clips'] == 2717
    assert 'all numbers are of the other half' in capsys.readouterr().out
    assert result['fusion']['top1'] > result['streams'][4]['top1']
