"""Reading and writing score files; loading one runs no code."""
import io
import json
import os
import pickle

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.evaluator import DumpResults

from hpnet_plugin.evaluation.scores import (
    ScoreError,
    Scores,
    parse_spec,
    read_scores,
    write_scores,
)
from hpnet_plugin.evaluation.scores.regular import read_regular
from hpnet_plugin.unpickling import unpickle


def dump(path, meta_keys=('frame_dir', 'img_shape'), clips=6, labels=True):
    """What mim test --dump writes, by the toolbox's own classes."""
    batch = torch.arange(clips * 4, dtype=torch.float32).reshape(clips, 4)
    samples = []
    for i in range(clips):
        meta = dict(frame_dir=f'clip{i}', img_shape=(4, 6))
        sample = ActionDataSample(metainfo={k: meta[k] for k in meta_keys})
        sample.set_pred_score(batch[i]).set_pred_label(3)
        if labels:
            sample.set_gt_label(i % 4)
        samples.append(sample.to_dict())
    metric = DumpResults(str(path))
    metric.process(None, samples)
    metric.evaluate(clips)
    return batch.numpy()


def test_reads_the_toolbox_dump(tmp_path):
    expected = dump(tmp_path / 'x.pkl')
    assert read_regular(tmp_path / 'x.pkl', None) is not None
    scores = read_scores(tmp_path / 'x.pkl')
    assert scores.names == [f'clip{i}' for i in range(6)]
    np.testing.assert_array_equal(scores.scores, expected)
    np.testing.assert_array_equal(scores.labels, [0, 1, 2, 3, 0, 1])


def test_written_scores_are_read_by_stock_torch_and_again(tmp_path):
    # views whose strides are not those of what is written
    scores = Scores(['a', 'b'], np.array([[.5, 3], [2, -1]]).T,
                    np.array([0, 1])[::-1], 'fusion')
    path = tmp_path / 'new' / 'y.pkl'
    write_scores(path, scores)
    assert read_regular(path, None) is not None
    again = read_scores(path)
    assert again.names == ['a', 'b']
    np.testing.assert_array_equal(again.scores, scores.scores)
    np.testing.assert_array_equal(again.labels, [1, 0])
    stock = pickle.loads(path.read_bytes())
    assert stock[0]['pred_label'].tolist() == [1]
    assert stock[1]['pred_score'].tolist() == [3, -1]
    assert os.listdir(path.parent) == ['y.pkl']


@pytest.mark.parametrize('protocol', [2, 4, 5])
def test_reads_dict_of_arrays(tmp_path, protocol):
    table = {'a': np.array([1, 2], np.float32),
             'b': np.array([3, 4], np.float32)}
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps(table, protocol))
    scores = read_scores(tmp_path / 'x.pkl')
    assert scores.names == ['a', 'b'] and scores.labels is None
    np.testing.assert_array_equal(scores.scores, [[1, 2], [3, 4]])


def test_reads_json_and_npy_and_parts(tmp_path):
    (tmp_path / 'x.json').write_text(json.dumps({'a': [1, 2.5]}))
    assert read_scores(tmp_path / 'x.json').scores.tolist() == [[1, 2.5]]
    for rank, names in enumerate((['a', 'b'], ['c'])):
        np.save(tmp_path / f'{rank}_best_score.npy',
                np.full((len(names), 3), rank, np.float32))
        (tmp_path / f'{rank}_best_name.txt').write_text('\n'.join(names))
    scores = read_scores(tmp_path / '*_best_score.npy')
    assert scores.names == ['a', 'b', 'c']
    assert scores.scores[:, 0].tolist() == [0, 0, 1]


def ranks(folder, parts, which='best', stream=''):
    """Arrays of the released recogniser: clip i has scores (i, i + 1)."""
    folder.mkdir(exist_ok=True)
    for rank, clips in parts.items():
        rows = np.array([[i, i + 1] for i in clips], np.float32)
        np.save(folder / f'{rank}_{which}{stream}_score.npy', rows)
        (folder / f'{rank}_{which}_name.txt').write_text(
            ''.join(f'c{i}.mp4\n' for i in clips))
    return folder


def test_reads_the_recognisers_folder(tmp_path):
    folder = ranks(tmp_path / 'out', {0: [4, 2], 1: [7], 10: [1]}, stream='_j')
    for rank in range(2, 10):
        ranks(folder, {rank: [rank + 10]}, stream='_j')
    scores = read_scores(f'{folder}#j')
    assert scores.names[:3] == ['c4', 'c2', 'c7'] and len(scores.names) == 12
    assert scores.names[-1] == 'c1' and scores.scores[-1].tolist() == [1, 2]
    assert scores.source == f'{folder}#j' and scores.labels is None
    with pytest.raises(ScoreError, match='0_best_score.npy.*; it has .*#j$'):
        read_scores(folder)
    pattern = read_scores(f'{folder}/[01]_best_j_score.npy')
    assert pattern.names == ['c4', 'c2', 'c7']


def test_other_files_in_the_folder_do_not_count(tmp_path):
    folder = ranks(tmp_path / 'out', {0: [4], 1: [7]})
    ranks(folder, {0: [4], 1: [7]}, stream='_j')
    (folder / 'J_epoch1_test_score.pkl').write_bytes(b'not read')
    assert read_scores(folder).names == ['c4', 'c7']


def test_incomplete_and_ambiguous_folders(tmp_path):
    folder = ranks(tmp_path / 'out', {0: [1], 3: [2]})
    with pytest.raises(ScoreError, match=r'ranks \[1, 2\] are missing'):
        read_scores(folder)
    folder = ranks(tmp_path / 'late', {1: [1], 2: [2]})
    with pytest.raises(ScoreError, match=r'ranks \[0\] are missing'):
        read_scores(folder)
    folder = ranks(tmp_path / 'two', {0: [1]})
    ranks(folder, {0: [1]}, which='last')
    with pytest.raises(ScoreError, match='best and last in one folder.*'
                       r'\*_best_score.npy'):
        read_scores(folder)
    with pytest.raises(ScoreError, match='expected files called 0_best_b_sc'):
        read_scores(f'{folder}#b')
    folder = ranks(tmp_path / 'mixed', {0: [0], 1: [2]})
    with pytest.raises(ScoreError, match='some parts are probabilities'):
        read_scores(folder)


CLIPS = dict(c=0, a=1)


@pytest.mark.parametrize('suffix', ['pkl', 'json'])
def test_lists_without_names(tmp_path, suffix):
    path = tmp_path / f'result.{suffix}'
    rows = [[.25, .75], [.5, .5]]
    path.write_bytes(pickle.dumps([np.array(row, 'f4') for row in rows])
                     if suffix == 'pkl' else json.dumps(rows).encode())
    scores = read_scores(path, CLIPS)
    assert scores.names == ['c', 'a'] and scores.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(scores.scores, rows)
    assert read_scores(path, dict(c=0, a=None)).labels is None
    with pytest.raises(ScoreError, match='as pyskl writes .*--annotations'):
        read_scores(path)
    with pytest.raises(ScoreError, match='2 clips without their names, and '
                       'the annotations name 3'):
        read_scores(path, dict(CLIPS, d=0))


def test_dump_without_frame_dir_takes_names_if_labels_agree(tmp_path):
    dump(tmp_path / 'x.pkl', meta_keys=('img_shape', ))
    clips = {f'n{i}': i % 4 for i in range(6)}
    scores = read_scores(tmp_path / 'x.pkl', clips)
    assert scores.names == list(clips)
    np.testing.assert_array_equal(scores.labels, list(clips.values()))
    with pytest.raises(ScoreError, match=r'2 clips: n4 \(0 and 1\), n5 .* in '
                       'another order'):
        read_scores(tmp_path / 'x.pkl', dict(clips, n4=1, n5=0))
    # pyskl with several heads: a list of arrays a clip
    (tmp_path / 'y.pkl').write_bytes(pickle.dumps([[np.ones(3)] * 2] * 6))
    with pytest.raises(ScoreError, match=r'shapes \[\(2, 3\)\]'):
        read_scores(tmp_path / 'y.pkl', clips)


def test_nested_samples_and_streams(tmp_path):
    nested = [dict(frame_dir='a', pred_scores=dict(item=torch.tensor([1., 2])),
                   gt_labels=dict(item=torch.tensor([1])))]
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps(nested))
    scores = read_scores(tmp_path / 'x.pkl')
    assert scores.scores.tolist() == [[1, 2]] and scores.labels == [1]
    half = torch.tensor([1., 3], dtype=torch.bfloat16)
    several = [dict(frame_dir='a', pred_score=dict(rgb=half, pose=half + 1))]
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps(several))
    assert read_scores(f'{tmp_path}/x.pkl#rgb').scores.tolist() == [[1, 3]]
    with pytest.raises(ScoreError, match="no stream 'j'; it has pose, rgb"):
        read_scores(f'{tmp_path}/x.pkl#j')


def test_numpy_scalars_and_new_numpy_names(tmp_path):
    data = pickle.dumps([np.float32(1.5), np.arange(3)], protocol=2)
    renamed = data.replace(b'cnumpy.core.', b'cnumpy._core.')
    for content in (data, renamed):
        (tmp_path / 'x.pkl').write_bytes(content)
        number, array = unpickle(tmp_path / 'x.pkl')
        assert number == 1.5 and array.tolist() == [0, 1, 2]


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('call', [
    (os.system, ('touch {}', )),
    (eval, ('open("{}", "w")', )),
    (getattr, (os, 'system')),
    (torch.load, ('{}', )),
])
def test_code_in_a_file_does_not_run(tmp_path, call):
    mark = tmp_path / 'ran'
    function, args = call
    args = tuple(a.format(mark) if isinstance(a, str) else a for a in args)
    if function is getattr:
        content = b'\x80\x02cbuiltins\ngetattr\n.'
    else:
        content = pickle.dumps([Evil((function, args))])
    (tmp_path / 'x.pkl').write_bytes(content)
    with pytest.raises(ScoreError, match='x.pkl: refused: it asks for'):
        read_scores(tmp_path / 'x.pkl')
    assert not mark.exists()


def test_code_in_a_tensors_storage_does_not_run(tmp_path):
    mark = tmp_path / 'ran'
    inner = io.BytesIO()
    torch.save(Evil((os.system, (f'touch {mark}', ))), inner,
               _use_new_zipfile_serialization=False)
    evil = Evil((torch.storage._load_from_bytes, (inner.getvalue(), )))
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps([evil]))
    with pytest.raises(ScoreError, match='not a readable score file'):
        read_scores(tmp_path / 'x.pkl')
    assert not mark.exists()


def test_object_array_in_npy_is_refused(tmp_path):
    np.save(tmp_path / 'x.npy', np.array([{}], object))
    (tmp_path / 'x.txt').write_text('a')
    with pytest.raises(ScoreError, match='not a readable score file'):
        read_scores(tmp_path / 'x.npy')


def test_dump_without_frame_dir_names_the_setting(tmp_path):
    dump(tmp_path / 'x.pkl', meta_keys=('img_shape', ))
    with pytest.raises(ScoreError, match='meta_keys=.*frame_dir.*img_shape'):
        read_scores(tmp_path / 'x.pkl')


@pytest.mark.parametrize('content, message', [
    ([], 'holds no clip'),
    (3, 'holds a int, expected the dump'),
    ([dict(frame_dir='a')], 'a has no pred_score'),
    ([dict(frame_dir='a', pred_score=dict(rgb=0, pose=1))],
     r'several streams \(pose, rgb\); name one: .*x.pkl#pose'),
    ([dict(frame_dir='a', pred_score=np.ones(2))] * 2,
     '1 clip: a more than once'),
    ([dict(frame_dir='a', pred_score=np.ones(2)),
      dict(frame_dir='b', pred_score=np.ones(3))], r'shapes \[\(2,\), \(3,'),
    ([dict(frame_dir='a', pred_score=np.array([0, np.nan]))],
     'not finite for 1 clip: a'),
    ([dict(frame_dir='a', pred_score=np.ones(2), gt_label=np.array([2]))],
     r'out of range for 1 clip: a \(2\).* 0 to 1'),
    ([dict(frame_dir='a', pred_score=np.ones(2), gt_label=np.array([0, 1]))],
     'a has 2 labels'),
    ([dict(frame_dir='a', pred_score=np.ones(2), gt_label=np.array([0])),
      dict(frame_dir='b', pred_score=np.ones(2))], '1 of 2 clips have no'),
])
def test_refuses_what_it_cannot_use(tmp_path, content, message):
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps(content))
    with pytest.raises(ScoreError, match=message):
        read_scores(tmp_path / 'x.pkl')


def test_missing_truncated_and_foreign_files(tmp_path):
    with pytest.raises(ScoreError, match='no such file'):
        read_scores(tmp_path / 'x.pkl')
    with pytest.raises(ScoreError, match='no file matches'):
        read_scores(tmp_path / '*.pkl')
    dump(tmp_path / 'x.pkl')
    whole = (tmp_path / 'x.pkl').read_bytes()
    (tmp_path / 'x.pkl').write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ScoreError, match='not a readable score file'):
        read_scores(tmp_path / 'x.pkl')
    (tmp_path / 'x.csv').write_text('a,1')
    with pytest.raises(ScoreError, match="unknown kind of score file '.csv'"):
        read_scores(tmp_path / 'x.csv')
    np.save(tmp_path / 'x.npy', np.ones((1, 2)))
    with pytest.raises(ScoreError, match='clip names are missing'):
        read_scores(tmp_path / 'x.npy')


@pytest.mark.parametrize('spec, expected', [
    ('x.pkl', ('x.pkl', 1)),
    ('x.pkl:0.5', ('x.pkl', .5)),
    ('C:/a:b/x.pkl', ('C:/a:b/x.pkl', 1)),
    ('C:/a:2/x.pkl:-1e-1', ('C:/a:2/x.pkl', -.1)),
    ('a:1:2', ('a:1', 2)),
    ('x.pkl:nan', ('x.pkl:nan', 1)),
])
def test_parse_spec(spec, expected):
    assert parse_spec(spec) == expected
