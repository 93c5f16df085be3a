"""Joining, fusing and tuning; the released streams give the paper's table."""
import numpy as np
import pytest

from hpnet_plugin.datasets.sources import SourceError
from hpnet_plugin.evaluation.fusion import (
    assess,
    fuse,
    join,
    labels_of,
    read_streams,
    tune,
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
    # as in the extraction, a video's suffix does not count
    assert labels_of(['a.mp4', 'b'], path) == {'a.mp4': 0, 'b': 1}
    with pytest.raises(SourceError, match='1 of 2 clips have no label: d'):
        labels_of(['a', 'd'], path)
    path.write_text('a wave\nb clap\nc drink water\n')
    classes = ['drink water', 'clap', 'wave']
    assert labels_of(NAMES, path, classes) == dict(a=2, b=1, c=0)
    with pytest.raises(ScoreError, match="'wave' is no label number"):
        labels_of(NAMES, path)
    with pytest.raises(ScoreError, match='the label file contradict'):
        join([stream(labels=[0, 1, 2])], dict(a=0, b=1, c=1))
    with pytest.raises(ScoreError, match=r'label file: labels out of range'):
        join([stream()], dict(a=0, b=1, c=3))


def test_tune_finds_the_useful_stream():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 200)
    good = np.eye(5)[labels] + 0.2 * rng.normal(size=(200, 5))
    noise = 3 * rng.normal(size=(200, 5))
    names = [str(i) for i in range(200)]
    joined = join([stream(names, noise, labels), stream(names, good)])
    before = assess(joined, [1, 1])['fusion']['top1']
    weights = tune(joined, [1, 1])
    after = assess(joined, weights)['fusion']['top1']
    assert before < 60 and after > 99
    assert weights[0] == 0 or weights[1] / weights[0] > 10
    # a perfect start stays as it is
    assert tune(joined, [0, 3]) == [0, 3] or after < 100


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


@pytest.fixture(scope='module')
def smarthome(shared, tmp_path_factory):
    """The released scores: joined streams J, B, JM, BM, recogniser."""
    folder = shared / 'data' / 'smarthome_cs'
    classes = (folder / 'classes.txt').read_text().split()
    labels = tmp_path_factory.mktemp('smarthome') / 'labels.txt'
    names = [name for part in sorted(folder.glob('*_best_name.txt'))
             for name in part.read_text().split()]
    # The class begins the clip's name: Drink.Fromcup_p02_r00_….mp4
    labels.write_text(''.join(
        f'{n} {classes.index(n.split("_p")[0])}\n' for n in names))
    files = [str(folder / f'{s}_epoch1_test_score.pkl')
             for s in ('J', 'B', 'JM', 'BM')]
    return read_streams([*files, str(folder / '*_best_score.npy')], labels)[0]


# Mean class accuracy of the rows of the paper's Table XVIII, Smarthome CS.
@pytest.mark.parametrize('weights, expected', [
    ((1, 0, 0, 0, 0), 51.54),
    ((0, 1, 0, 0, 0), 51.29),
    ((0, 0, 1, 0, 0), 45.15),
    ((0, 0, 0, 1, 0), 43.23),
    ((0, 0, 0, 0, 1), 81.31),
    ((.1, 0, 0, 0, 11), 81.44),
    ((0, .1, 0, 0, 11), 81.11),
    ((1, 1, 0, 0, 0), 55.69),
    ((.1, .1, 0, 0, 11), 81.74),
    ((.1, .1, .1, .1, 11), 81.56),
])
def test_released_streams(smarthome, weights, expected):
    assert len(smarthome.names) == 5433
    fusion = assess(smarthome, weights)['fusion']
    assert fusion['mean_class_accuracy'] == pytest.approx(expected, abs=.005)


def test_released_kinds_and_top1(smarthome):
    streams = assess(smarthome, [.1, .1, .1, .1, 11])['streams']
    assert [s['kind'] for s in streams] == ['logits'] * 4 + ['probabilities']
    assert [round(s['top1'], 2) for s in streams] == [
        72.50, 70.44, 69.70, 66.08, 89.21]
