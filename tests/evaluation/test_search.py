"""Search of weights: what it finds, and on which clips."""
import numpy as np
import pytest

from hpnet_plugin.evaluation.fusion import Joined, assess
from hpnet_plugin.evaluation.scores import ScoreError, Scores, write_scores
from hpnet_plugin.evaluation.search import (
    halves,
    search,
    search_half,
    search_on,
)


def joined(*scores, labels, prefix='n'):
    names = [f'{prefix}{i}' for i in range(len(labels))]
    return Joined(names, labels, np.stack(scores),
                  [str(i) for i in range(len(scores))])


@pytest.fixture(scope='module')
def noisy():
    """A stream of pure noise, and one that is nearly always right."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 200)
    return joined(3 * rng.normal(size=(200, 5)),
                  np.eye(5)[labels] + 0.2 * rng.normal(size=(200, 5)),
                  labels=labels)


def test_finds_the_useful_stream(noisy):
    before = assess(noisy, [1, 1])['fusion']['top1']
    weights = search(noisy, [1, 1])
    assert before < 60 and assess(noisy, weights)['fusion']['top1'] > 99
    assert weights[0] == 0 or weights[1] / weights[0] > 10


@pytest.mark.parametrize('scale', [1, 1e6, 1e-6])
def test_two_streams_that_need_each_other(scale):
    # Only weights from 1:1 to 1:3 are right on both clips; where scales
    # differ by a million, changing the given weights does not get there.
    first = scale * np.array([[0, 1.], [1, 0]])
    second = np.array([[1, 0.], [0, 1 / 3]])
    both = joined(first, second, labels=np.array([0, 0]))
    low, high = search(both, [1, .5])
    assert 1 <= high / low / scale <= 3
    assert assess(both, [low, high])['fusion']['top1'] == 100


def test_ties_and_zero_weights_stay(noisy):
    perfect = joined(np.eye(4), np.eye(4)[::-1], labels=np.arange(4))
    assert search(perfect, [3, 1]) == [3, 1]
    assert search(noisy, [.5, 0])[1] == 0


def test_metric_decides():
    # The first stream is right on the many clips of class 0, the second on
    # the one of class 1; no fusion is right on all.
    labels = np.array([0, 0, 0, 1])
    first = np.array([[1, 0]] * 4, float)
    second = np.array([[0, 1], [0, 1], [1, 0], [0, 1]], float)
    both = joined(first, second, labels=labels)
    by = {metric: assess(both, search(both, [1, 2], metric))['fusion'][metric]
          for metric in ('top1', 'mean_class_accuracy')}
    assert by['top1'] == 75
    assert by['mean_class_accuracy'] == pytest.approx(100 * (1 / 3 + 1) / 2)


def test_halves_are_stratified_disjoint_and_seeded():
    labels = np.repeat(np.arange(6), [1, 2, 3, 5, 8, 13])
    for seed in range(10):
        first, second = halves(labels, seed)
        assert sorted([*first, *second]) == list(range(len(labels)))
        counts = [np.bincount(labels[half], minlength=6)
                  for half in (first, second)]
        assert abs(counts[0] - counts[1]).max() <= 1
        assert len(first) == len(second)
    first = halves(labels, 3)[0]
    assert halves(labels, 3)[0].tolist() == first.tolist()
    assert halves(labels, 4)[0].tolist() != first.tolist()


def test_search_half_reports_the_other_half(noisy):
    other, weights, record = search_half(noisy, [1, 1], seed=1)
    assert other.names == [f'n{i}' for i in halves(noisy.labels, 1)[1]]
    assert len(other.names) == 100 and record == dict(
        on='half', clips=100, by='top1', seed=1)
    assert assess(other, weights)['fusion']['top1'] > 95
    # what the other half holds changes nothing in what is found
    rows = halves(noisy.labels, 1)[1]
    spoilt = noisy.scores.copy()
    spoilt[:, rows] = spoilt[::-1, rows]
    spoilt = joined(*spoilt, labels=noisy.labels)
    assert search_half(spoilt, [1, 1], seed=1)[1] == weights
    with pytest.raises(ScoreError, match='one clip cannot be halved'):
        search_half(noisy.take([0]), [1, 1], 0)


def test_reported_clips_only_by_name(noisy):
    with pytest.raises(ScoreError, match='200 clips: n0, .*--tune-half'):
        search_on(noisy, [1, 1])
    record = search_on(noisy, [1, 1], allow_test=True)[1]
    assert record == dict(on='test', clips=200, by='top1')


def test_one_shared_clip_is_refused(noisy, tmp_path):
    """Validation clips of which a single one is reported as well."""
    files = []
    for i, scores in enumerate(noisy.scores):
        files.append(str(tmp_path / f'{i}.pkl'))
        write_scores(files[-1], Scores(
            ['n7', *(f'v{n}' for n in range(1, 200))], scores, noisy.labels,
            'v'))
    with pytest.raises(ScoreError, match='1 clip: n7 would be searched on'):
        search_on(noisy, [1, 1], files)
    record = search_on(noisy, [1, 1], files, allow_test=True)[1]
    assert record['on'] == 'test'
