"""The command line of tools/fuse.py."""
import importlib.util
import json

import numpy as np
import pytest

from hpnet_plugin.evaluation.scores import Scores, read_scores, write_scores


@pytest.fixture(scope='module')
def fuse(root):
    spec = importlib.util.spec_from_file_location(
        'fuse_tool', root / 'tools' / 'fuse.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


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
    assert result['fusion'] == dict(top1=100, top5=100,
                                    mean_class_accuracy=100)
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
    assert 'searched on 4 validation clips by top1' in capsys.readouterr().out
    result = json.loads((files / 'r.json').read_text())
    assert result['fusion']['top1'] == 100
    assert result['tuned'] == dict(on='validation', clips=4, by='top1')
    assert fuse([*tuned, 'j_test.pkl', 'b_test.pkl']) == 2
    assert '4 clips: test0, test1, test2, … would be tuned on and reported' \
        in capsys.readouterr().err
    assert fuse([*tuned, 'j_test.pkl', 'b_test.pkl', '--tune-on-test']) == 0
    assert 'chosen on reported clips' in capsys.readouterr().out
    assert json.loads((files / 'r.json').read_text())['tuned']['on'] == 'test'
    assert fuse([*tuned, 'j_val.pkl']) == 2
    assert '1 files to tune on for 2 streams' in capsys.readouterr().err


def test_refusals_exit_2_and_write_nothing(fuse, files, capsys):
    assert fuse(['j_test.pkl', 'b_val.pkl', '--json', 'r.json']) == 2
    error = capsys.readouterr().err
    assert error.startswith('fuse: b_val.pkl misses clips of j_test.pkl: 4')
    assert not (files / 'r.json').exists()
    assert fuse(['absent.pkl']) == 2
    assert fuse(['j_test.pkl', '--labels', 'absent.txt']) == 2
    assert fuse(['j_test.pkl', '--out', 'f.npy']) == 2
    with pytest.raises(SystemExit) as stop:
        fuse([])
    assert stop.value.code == 2


def test_mixed_kinds_are_noted(fuse, files, capsys):
    write_scores('p.pkl', Scores([f'test{i}' for i in range(4)],
                                 np.full((4, 3), 1 / 3),
                                 np.array([0, 1, 2, 0]), ''))
    assert fuse(['j_test.pkl', 'p.pkl']) == 0
    assert 'added as they are stored' in capsys.readouterr().out
    assert fuse(['j_test.pkl', 'p.pkl', '--prob']) == 0
    assert 'added as they are stored' not in capsys.readouterr().out
