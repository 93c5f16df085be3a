"""Temperature, ECE, threshold and AUROC against closed forms and sklearn."""
import json

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.metrics import log_loss, roc_auc_score

from hpnet_plugin.evaluation.calibration import (
    CalibrationError,
    as_logits,
    auroc,
    calibrate,
    ece,
    fit_temperature,
    fit_threshold,
    left_out_auroc,
    nll,
    probabilities,
    reliability,
    summary,
)
from hpnet_plugin.evaluation.fusion import fuse_members
from hpnet_plugin.evaluation.metrics import softmax


def answers(clips, classes=5, seed=0):
    """Logits of a model that is as sure as it is right, and labels."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(clips, classes))
    labels = (softmax(logits).cumsum(1) < rng.random((clips, 1))).sum(1)
    return logits, labels


@pytest.mark.parametrize('factor', [0.2, 1, 3, 100])
def test_the_temperature_undoes_a_factor(factor):
    logits, labels = answers(20_000)
    assert fit_temperature(factor * logits, labels) == pytest.approx(
        factor, rel=.03)


def test_the_temperature_is_of_the_least_nll():
    logits, labels = answers(300)

    def loss(value):
        return log_loss(labels, softmax(3 * logits / value))

    best = minimize_scalar(loss, bounds=(.1, 20), method='bounded').x
    assert fit_temperature(3 * logits, labels) == pytest.approx(best, rel=1e-3)
    assert nll(softmax(logits), labels) == pytest.approx(loss(3))


@pytest.mark.parametrize('scale', [1e-3, 1, 1e3])
def test_all_right_is_not_always_right(scale):
    """No temperature is the likeliest: N clips count as N + 1 of N + 2."""
    labels = np.arange(60) % 3
    logits = scale * np.eye(3)[labels]
    found = softmax(logits / fit_temperature(logits, labels))
    np.testing.assert_allclose(found.max(1), 61 / 62, atol=1e-3)


def test_ece_by_hand():
    # two bins have clips: (0.8, 0.866…] and (0.933…, 1]
    probability = np.array([[.85, .15], [.15, .85], [.85, .15], [1, 0]])
    labels = np.array([0, 1, 1, 0])
    assert ece(probability, labels) == pytest.approx(
        3 / 4 * abs(2 / 3 - .85))
    assert [(b['clips'], b['confidence'], b['accuracy']) for b in
            reliability(probability, labels)] == [
        (3, pytest.approx(.85), pytest.approx(2 / 3)), (1, 1, 1)]


def test_ece_against_a_loop():
    logits, labels = answers(500)
    probability = softmax(2 * logits)
    sure, right = probability.max(1), probability.argmax(1) == labels
    total = 0
    for b in range(15):
        inside = (sure > b / 15) & (sure <= (b + 1) / 15)
        if inside.any():
            total += inside.sum() * abs(sure[inside].mean()
                                        - right[inside].mean())
    assert ece(probability, labels) == pytest.approx(total / 500)


def test_auroc_is_that_of_sklearn():
    rng = np.random.default_rng(0)
    # ties within and between both sides
    known, unknown = rng.integers(0, 9, 80) / 9, rng.integers(0, 7, 50) / 9
    assert auroc(known, unknown) == pytest.approx(roc_auc_score(
        np.repeat([1, 0], [80, 50]), np.concatenate([known, unknown])))


def test_the_threshold_loses_what_was_said():
    logits, labels = answers(400)
    probability = softmax(logits)
    right = probability.max(1)[probability.argmax(1) == labels]
    for lost in (0, .05, .3):
        threshold = fit_threshold(probability, labels, lost)
        below = (right < threshold).mean()
        assert lost - 1 / len(right) < below <= lost


def test_left_out():
    logits, labels = answers(300, classes=4)
    areas = []
    for label in range(4):
        rest = softmax(np.delete(logits, label, 1)).max(1)
        areas.append(roc_auc_score(labels != label, rest))
    found = left_out_auroc(logits, labels)
    assert found == dict(hold_out=1, groups=4, lowest=pytest.approx(
        min(areas)), auroc=pytest.approx(np.mean(areas)))
    assert left_out_auroc(logits, labels, 2)['groups'] == 2
    # one class left says nothing, nor does one that never occurs
    assert left_out_auroc(logits, labels, 3) is None
    assert left_out_auroc(logits, np.zeros(300, int)) is None


def test_calibrate():
    logits, labels = answers(2000)
    unknown = np.random.default_rng(1).normal(size=(300, 5))
    found = calibrate(3 * logits, labels, unknown=3 * unknown)
    assert json.loads(json.dumps(found)) == found
    assert found['temperature'] == pytest.approx(3, rel=.1)
    assert found['ece']['before'] == ece(softmax(3 * logits), labels)
    assert found['ece']['after'] < .03 < .1 < found['ece']['before']
    assert found['nll']['after'] < found['nll']['before']
    assert found['refused']['right'] <= .05 < found['refused']['wrong']
    known = probabilities(3 * logits, temperature=found['temperature'])
    others = probabilities(3 * unknown, temperature=found['temperature'])
    assert found['unknown']['clips'] == dict(
        clips=300, auroc=pytest.approx(roc_auc_score(
            np.repeat([1, 0], [2000, 300]),
            np.concatenate([known.max(1), others.max(1)]))),
        refused=pytest.approx(
            (others.max(1) < found['threshold']).mean()))
    shown = dict(summary(found))
    assert shown['temperature'] == f'{found["temperature"]:.4g}'
    assert any('300 unknown clips' in row for row in shown)
    assert any('each class out of the answer' in row for row in shown)


def test_what_a_temperature_is_worth_is_seen_on_other_clips():
    """Pure chance: a temperature fitted to the same clips would flatter."""
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
    found = calibrate(logits, labels)
    own = nll(softmax(logits / fit_temperature(logits, labels)), labels)
    assert found['nll']['after'] > own


@pytest.mark.parametrize('logits, labels', [
    (np.eye(2), np.array([1, 0])),
    (np.eye(2)[:1], np.array([0]))])
def test_nothing_to_fit(logits, labels):
    with pytest.raises(CalibrationError, match='are right'):
        calibrate(logits, labels)
    with pytest.raises(CalibrationError, match='lost=1'):
        calibrate(np.eye(3), np.arange(3), lost=1)


def test_probabilities_stay_what_they_are():
    given = softmax(np.random.default_rng(0).normal(size=(9, 4)))
    given[0] = [1, 0, 0, 0]
    np.testing.assert_allclose(probabilities(given, 'probability'), given,
                               atol=1e-9)
    np.testing.assert_allclose(
        probabilities(given[1:], 'probability', 2),
        softmax(log_softmax(np.log(given[1:]), 1) / 2))
    assert np.isfinite(as_logits(given, 'probability')).all()


def test_logits_of_streams_and_probabilities_of_hpnet():
    rng = np.random.default_rng(0)
    logits, others = rng.normal(size=(2, 6, 3))
    members = [dict(weight=.1, scores='logit'),
               dict(weight=6, scores='probability')]
    expected = .1 * logits + 6 * np.exp(log_softmax(others, 1))
    np.testing.assert_allclose(fuse_members(
        [logits, others], ['logit', 'logit'], members), expected)
    # no softmax twice
    np.testing.assert_allclose(fuse_members(
        [logits, softmax(others)], ['logit', 'probability'], members),
        expected)
