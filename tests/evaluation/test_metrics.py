"""Metrics against closed forms and mmaction2's own."""
import numpy as np
import pytest
import torch
from mmaction.evaluation.functional import accuracy as stock
from sklearn.metrics import balanced_accuracy_score, recall_score

from hpnet_plugin.evaluation import metrics


@pytest.fixture
def random():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(400, 12))
    labels = np.concatenate([np.arange(12), rng.integers(0, 12, 388)])
    scores[np.arange(400), labels] += 1
    return scores, labels


@pytest.mark.parametrize('k', [1, 3, 5])
def test_top_k_equals_stock(random, k):
    scores, labels = random
    expected = stock.top_k_accuracy(list(scores), labels, (k, ))[0]
    assert metrics.top_k_accuracy(scores, labels, k) == expected


def test_confusions_and_means_equal_stock_where_all_classes_occur(random):
    scores, labels = random
    np.testing.assert_array_equal(
        metrics.confusion_matrix(scores, labels),
        stock.confusion_matrix(scores.argmax(1), labels))
    assert metrics.mean_class_accuracy(scores, labels) == pytest.approx(
        stock.mean_class_accuracy(list(scores), labels), abs=1e-12)


def test_class_metrics_equal_sklearn(random):
    scores, labels = random
    predicted = scores.argmax(1)
    assert metrics.mean_class_accuracy(scores, labels) == pytest.approx(
        balanced_accuracy_score(labels, predicted), abs=1e-12)
    found = metrics.class_metrics(scores, labels)
    np.testing.assert_allclose([c['accuracy'] for c in found],
                               100 * recall_score(labels, predicted,
                                                  average=None))
    assert [c['label'] for c in found] == list(range(12))
    # only classes with clips, with names where there are any
    labels = np.full(len(labels), 3)
    hits = int((predicted == 3).sum())
    assert metrics.class_metrics(scores, labels, list('abcdefghijkl')) == [
        dict(label=3, name='d', clips=400, accuracy=100 * hits / 400)]


def test_absent_classes_do_not_count():
    # Class 0: both right. Class 1: one of two, the other taken for class 2,
    # which has no clips. Class 3: neither label nor prediction.
    scores = np.eye(4)[[0, 0, 1, 2]]
    labels = np.array([0, 0, 1, 1])
    np.testing.assert_array_equal(
        metrics.per_class_accuracy(scores, labels), [1, .5, np.nan, np.nan])
    assert metrics.mean_class_accuracy(scores, labels) == 0.75
    # the trap: the stock metric counts class 2 as zero
    assert stock.mean_class_accuracy(list(scores), labels) == 0.5


def test_ties_go_to_the_lower_class():
    scores = np.zeros((3, 4))
    labels = np.array([0, 1, 3])
    assert metrics.top_k_accuracy(scores, labels, 1) == 1 / 3
    assert metrics.top_k_accuracy(scores, labels, 2) == 2 / 3
    assert metrics.top_k_accuracy(scores, labels, 3) == 2 / 3


def test_fewer_than_five_classes():
    summary = metrics.summarize(np.eye(3)[[0, 1]], np.array([0, 2]))
    assert summary == dict(top1=50, top5=100, mean_class_accuracy=50)


def test_softmax_and_probabilities():
    logits = np.log([[1., 2, 5], [3, 3, 2]])
    probs = metrics.softmax(logits + 1000)
    np.testing.assert_allclose(probs, [[1 / 8, 2 / 8, 5 / 8],
                                       [3 / 8, 3 / 8, 2 / 8]])
    assert metrics.is_probability(probs)
    assert not metrics.is_probability(logits)
    assert not metrics.is_probability(np.ones((2, 3)))
    # a sum that no softmax in half precision gives
    for total in (.98, 1.02):
        assert not metrics.is_probability(np.array([[.25, total - .25]]))


@pytest.mark.parametrize('dtype', ['float32', 'float16', 'bfloat16'])
def test_rounded_probabilities(dtype):
    logits = torch.randn(2000, 400, generator=torch.manual_seed(0)) * 3
    rounded = logits.softmax(1).to(getattr(torch, dtype)).double().numpy()
    assert metrics.is_probability(rounded)
    assert not metrics.is_probability(logits.relu().double().numpy())
    # logits that happen to be small and positive
    assert not metrics.is_probability(rounded + .01)
    assert not metrics.is_probability(2 * rounded)
