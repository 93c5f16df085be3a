"""Joining and fusing streams, and where their labels come from."""
import pickle

import numpy as np
import pytest

from hpnet_plugin.datasets.sources import SourceError
from hpnet_plugin.evaluation.fusion import (
    assess,
    fuse,
    join,
    labels_by_class,
    labels_of,
    read_streams,
)
from hpnet_plugin.evaluation.scores import ScoreError, Scores

NAMES = ['a', 'b', 'c']


def stream(names=NAMES, scores=None, labels=None, source='x'):
    scores = np.eye(len(names)) if scores is None else np.array(scores, float)
    labels = None if labels is None else np.array(labels)
    return Scores(list(names), scores, labels, source)


def test_join_follows_the_first_stream_by_name():
    first = stream('abc', labels=[0, 1, 2])
    second = stream('cab', [[0, 0, 9], [9, 0, 0], [0, 9, 0]], source='y')
    joined = join([first, second])
    assert joined.names == NAMES and joined.labels.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(joined.scores[1], 9 * np.eye(3))
    np.testing.assert_array_equal(fuse(joined.scores, [1, .5]),
                                  5.5 * np.eye(3))


@pytest.mark.parametrize('second, message', [
    (stream('abd', source='y'),
     'y misses clips of x: 1 clip: c. Only streams'),
    (stream('abcd', np.ones((4, 3)), source='y'),
     'x misses clips of y: 1 clip: d'),
    (stream('abc', np.ones((3, 5)), source='y'),
     'y has 5 classes, x 3'),
    (stream('bac', labels=[1, 0, 0], source='y'),
     r'y and x contradict .* of 1 clip: c \(0 and 2\)'),
])
def test_join_refuses(second, message):
    with pytest.raises(ScoreError, match=message):
        join([stream(labels=[0, 1, 2]), second])


def test_many_missing_clips_are_counted_and_a_few_named():
    names = [f'n{i}' for i in range(20)]
    with pytest.raises(ScoreError, match='18 clips: n2, n3, n4, …'):
        join([stream(names, np.ones((20, 2)), source='x'),
              stream(names[:2], np.ones((2, 2)), source='y')])


def test_labels_from_a_file(tmp_path):
    path = tmp_path / 'labels.txt'
    with pytest.raises(ScoreError, match='holds no labels.*--labels'):
        join([stream()])
    path.write_text('b 1\na 0\nc 2\nunused 7\n')
    assert labels_of(NAMES, path) == dict(a=0, b=1, c=2)
    with pytest.raises(SourceError, match='1 of 2 clips have no label: d'):
        labels_of(['a', 'd'], path)
    path.write_text('a wave\nb clap\nc drink water\n')
    classes = ['drink water', 'clap', 'wave']
    assert labels_of(NAMES, path, classes) == dict(a=2, b=1, c=0)
    with pytest.raises(ScoreError, match="'wave' is no label number"):
        labels_of(NAMES, path)
    with pytest.raises(ScoreError, match='the labels given contradict'):
        join([stream(labels=[0, 1, 2])], dict(a=0, b=1, c=1))
    with pytest.raises(ScoreError, match='labels given: labels out of range'):
        join([stream()], dict(a=0, b=1, c=3))


def test_labels_by_the_class_that_begins_the_name():
    classes = ['Cut', 'Cutbread', 'Cook.Cut', 'Cook', 'A1']
    assert labels_by_class(
        ['Cut_p02', 'Cutbread_p02', 'Cook.Cut_p01', 'Cook.Stir_p1', 'A12',
         'Cut3'], classes) == {
        'Cut_p02': 0, 'Cutbread_p02': 1, 'Cook.Cut_p01': 2, 'Cook.Stir_p1': 3,
        'A12': 4, 'Cut3': 0}
    with pytest.raises(ScoreError, match='no class name begins the name of '
                       '2 clips: Cutting_p02, xCut; .*--labels'):
        labels_by_class(['Cut_p02', 'Cutting_p02', 'xCut'], classes)


def write_json(path, names, value=1):
    rows = ','.join(f'"{name}": [{value}, 0]' for name in names)
    path.write_text(f'{{{rows}}}')
    return str(path)


def test_classes_label_files_without_labels(tmp_path):
    file = write_json(tmp_path / 'x.json', ['read_1.mp4', 'drink_1.mp4'])
    # a video's suffix does not count, so that these are the same clips
    other = write_json(tmp_path / 'y.json', ['drink_1', 'read_1'])
    joined, _ = read_streams([file, other], classes=['drink', 'read'])
    assert joined.names == ['read_1', 'drink_1']
    assert joined.labels.tolist() == [1, 0]
    with pytest.raises(ScoreError, match='3 class names for the 2 classes'):
        read_streams([file], classes=['drink', 'read', 'wave'])
    # labels that a file has are not overruled
    data = [dict(frame_dir='drink_1', pred_score=np.ones(2), gt_label=1)]
    (tmp_path / 'z.pkl').write_bytes(pickle.dumps(data))
    joined, _ = read_streams([f'{tmp_path}/z.pkl'], classes=['drink', 'read'])
    assert joined.labels.tolist() == [1]


def test_annotations_name_and_label(tmp_path):
    annotations = tmp_path / 'annotations.pkl'
    annotations.write_bytes(pickle.dumps(dict(
        split=dict(test=['b', 'c'], train=['a']), annotations=[
            dict(frame_dir=name, label=label, keypoint=np.ones((1, 2, 17, 2)))
            for name, label in (('c', 0), ('a', 0), ('b', 1))])))
    # pyskl's result has the order of the annotations: c, b
    result = [np.array([.75, .25], 'f4'), np.array([.5, .5], 'f4')]
    (tmp_path / 'result.pkl').write_bytes(pickle.dumps(result))
    files = [f'{tmp_path}/result.pkl', write_json(tmp_path / 'x.json', 'bc')]
    joined, _ = read_streams(files, annotations=annotations, split='test')
    assert joined.names == ['c', 'b'] and joined.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(joined.scores[0], result)
    unknown = write_json(tmp_path / 'y.json', 'bd')
    with pytest.raises(ScoreError, match='has no label of 1 clip: d'):
        read_streams([unknown], annotations=annotations, split='test')


def test_all_weights_zero(tmp_path):
    with pytest.raises(ScoreError, match='all weights are zero'):
        read_streams(['x.pkl:0', 'y.pkl:0.0'])


def test_assess_one_stream_has_no_gain():
    result = assess(join([stream(labels=[0, 1, 1])]), [2], list('xyz'))
    assert 'fusion_gain' not in result['streams'][0]
    assert result['fusion']['per_class'] == [
        dict(label=0, name='x', clips=1, accuracy=100),
        dict(label=1, name='y', clips=2, accuracy=50)]


def test_prob_takes_no_second_softmax(tmp_path):
    logits = np.log(np.array([[8., 1, 1], [1, 8, 1], [2, 2, 6]]) / 10)
    for name, rows in (('logits', logits), ('probs', np.exp(logits))):
        np.save(tmp_path / f'{name}.npy', rows + (name == 'logits'))
        (tmp_path / f'{name}.txt').write_text('a\nb\nc\n')
    (tmp_path / 'labels.txt').write_text('a 0\nb 1\nc 2\n')
    files = [f'{tmp_path}/logits.npy', f'{tmp_path}/probs.npy:2']
    joined, weights = read_streams(files, tmp_path / 'labels.txt', prob=True)
    assert weights == [1, 2]
    np.testing.assert_allclose(joined.scores[0], np.exp(logits))
    np.testing.assert_allclose(joined.scores[1], np.exp(logits))
