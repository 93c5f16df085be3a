"""Intervals of gains against brute force, scipy and a published study."""
from itertools import product

import numpy as np
import pytest
from scipy import stats

from hpnet_plugin.evaluation.bootstrap import bootstrap_gain, clustered_gain


def test_all_resamples_of_a_small_case():
    labels = np.array([4, 4, 7, 7, 7])
    before = np.array([0, 1, 0, 0, 1], bool)
    after = np.array([1, 1, 1, 0, 0], bool)
    change = after.astype(int) - before
    sums = [(change[list(a)].mean(), change[list(b)].mean())
            for a in product((0, 1), repeat=2)
            for b in product((2, 3, 4), repeat=3)]
    sums = 100 * np.array(sums)
    every = dict(top1=sums @ [2 / 5, 3 / 5],
                 mean_class_accuracy=sums.mean(1))
    found = bootstrap_gain(before, after, labels)
    assert found['top1']['gain'] == pytest.approx(20)
    assert found['mean_class_accuracy']['gain'] == pytest.approx(25)
    for key, values in every.items():
        low, high = np.percentile(values, [2.5, 97.5])
        assert found[key]['low'] == pytest.approx(low)
        assert found[key]['high'] == pytest.approx(high)


def test_one_class_as_scipy_does_it():
    rng = np.random.default_rng(0)
    before, after = rng.random(400) < .6, rng.random(400) < .7
    change = after.astype(float) - before
    expected = stats.bootstrap(
        (change, ), np.mean, n_resamples=10_000, method='percentile',
        vectorized=True, batch=1000, random_state=1).confidence_interval
    found = bootstrap_gain(before, after, np.zeros(400, int))['top1']
    assert found['gain'] == pytest.approx(100 * change.mean())
    assert found['low'] == pytest.approx(100 * expected.low, abs=.3)
    assert found['high'] == pytest.approx(100 * expected.high, abs=.3)


def test_many_clips_as_the_normal_distribution_has_it():
    # Variance of the mean over classes: sum of v_c / n_c over C^2.
    rng = np.random.default_rng(2)
    labels = np.repeat(np.arange(4), [200, 400, 800, 1600])
    before, after = rng.random(3000) < .5, rng.random(3000) < .6
    change = after.astype(float) - before
    variance = sum(change[labels == c].var() / (labels == c).sum()
                   for c in range(4)) / 16
    found = bootstrap_gain(before, after, labels)['mean_class_accuracy']
    half = 100 * stats.norm.ppf(.975) * variance**.5
    assert (found['high'] - found['low']) / 2 == pytest.approx(half, rel=.05)


def test_seeded_and_nothing_gained():
    right = np.array([True, False, True])
    labels = np.array([0, 0, 1])
    zero = dict(gain=0, low=0, high=0)
    assert bootstrap_gain(right, right, labels) == dict(
        top1=zero, mean_class_accuracy=zero)
    before = np.arange(90) % 3 > 0
    runs = [bootstrap_gain(before, before[::-1], np.arange(90) % 2, 40, seed)
            for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_clusters_as_a_plain_loop_draws_them():
    """Clips of a recording move together; clusters differ in size."""
    rng = np.random.default_rng(3)
    clusters = rng.integers(0, 40, 150)
    effect = rng.normal(.1, .5, 40)
    change = np.round(effect[clusters] + rng.normal(0, .2, 150), 2)
    members = [np.flatnonzero(clusters == c) for c in np.unique(clusters)]
    spread = []
    for _ in range(4000):
        drawn = np.concatenate([members[i] for i in rng.integers(
            0, len(members), len(members))])
        spread.append(100 * np.mean(change[drawn]))
    found = clustered_gain(change, [f'take {c}' for c in clusters])
    low, high = np.percentile(spread, [2.5, 97.5])
    assert found['gain'] == pytest.approx(100 * change.mean())
    assert found['low'] == pytest.approx(low, abs=1)
    assert found['high'] == pytest.approx(high, abs=1)
    assert found['p'] == pytest.approx(np.mean(np.array(spread) <= 0),
                                       abs=.015)
    # were all clips independent, the interval would be too narrow
    alone = clustered_gain(change, range(150))
    assert alone['high'] - alone['low'] < .7 * (high - low)


def test_clusters_of_one_clip_each():
    """Two of four clips are gained: all 256 draws of four."""
    change = np.array([1., 1., 0., -1.])
    every = np.array([100 * np.mean(change[list(drawn)])
                      for drawn in product(range(4), repeat=4)])
    found = clustered_gain(change, [*'abcd'], resamples=20_000)
    assert found['gain'] == pytest.approx(25)
    low, high = np.percentile(every, [2.5, 97.5])
    assert (found['low'], found['high']) == pytest.approx((low, high))
    assert found['p'] == pytest.approx(np.mean(every <= 0), abs=.01)
    assert clustered_gain(np.zeros(4), [*'abcd'])['p'] == 1
    assert clustered_gain(np.ones(4), [*'abcd'], 999)['p'] == 1 / 1000
