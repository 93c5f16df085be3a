"""A layer learnt over streams: what it finds, when it holds back, refusals."""
import json

import numpy as np
import pytest
from scipy.optimize import check_grad

from hpnet_plugin.evaluation.fusion import Joined, fuse
from hpnet_plugin.evaluation.groups import divided, groups_of
from hpnet_plugin.evaluation.metrics import softmax
from hpnet_plugin.evaluation.scores import ScoreError
from hpnet_plugin.evaluation.search import held_half
from hpnet_plugin.evaluation.stacking import (
    assess_stack,
    learn,
    read_stack,
    refuse_other_streams,
    weights_of,
    write_stack,
)
from hpnet_plugin.evaluation.stacking.layers import KINDS, Problem


def joined(*scores, labels, prefix='n'):
    names = [f'{prefix}{i}_s{i % 7}' for i in range(len(labels))]
    return Joined(names, labels, np.stack(scores).astype(float),
                  [f'{i}.pkl' for i in range(len(scores))])


def drawn(seed, count=600, classes=4, prefix='n'):
    """Labels drawn by known logits, which two streams hold mixed up.

    What the labels follow is the sum of the first stream, whose classes 0 and
    1 are exchanged, and of twice the second one; the third is noise.
    """
    rng = np.random.default_rng(seed)
    first, second, noise = rng.normal(size=(3, count, classes))
    truth = 2 * first + 2 * second
    labels = (truth + rng.gumbel(size=truth.shape)).argmax(1)
    return joined(first[:, [1, 0, *range(2, classes)]], second / 2, noise,
                  labels=labels, prefix=prefix), truth


@pytest.fixture(scope='module')
def known():
    return drawn(0)


@pytest.fixture(scope='module')
def stack(known):
    return learn(known[0], [1, 1, 1], [1, 4, 0])


@pytest.mark.parametrize('kind', KINDS[1:])
def test_gradient(kind):
    """Against differences, at numbers that are all different."""
    held, _ = drawn(3, 12)
    problem = Problem(held.scores, held.labels, [1, .5, 0],
                      np.linspace(.5, 2, 12))
    at = np.random.default_rng(1).normal(size=problem.size(kind)) / 3
    assert check_grad(
        lambda x: problem._loss(x, kind, .7)[0],
        lambda x: problem._loss(x, kind, .7)[1], at) < 1e-4


@pytest.mark.parametrize('kind', KINDS[1:])
def test_a_layer_gives_what_was_fitted(kind):
    """The loss of its logits, by their softmax, and the L2 norm."""
    held, _ = drawn(3, 30)
    held.scores[1] = softmax(held.scores[1])
    worth = np.linspace(.5, 2, 30)
    problem = Problem(held.scores, held.labels, [1, 5, 2], worth)
    at = np.random.default_rng(1).normal(size=problem.size(kind))
    layer = problem.layer(kind, at)
    assert layer.parameters == dict(
        stream=1 + 3, full=1 + 3 * 16 + 4).get(kind, 1 + 3 * 4 + 4)
    own = softmax(layer(held.scores))[range(30), held.labels]
    assert problem._loss(at, kind, 3.)[0] == pytest.approx(
        -(worth * np.log(own)).sum() + 1.5 * (at**2).sum())


def test_endless_regularisation_gives_the_fixed_weights(known):
    held, _ = known
    weights = [1., .3, 0]
    problem = Problem(held.scores, held.labels, weights, np.ones(600))
    fixed = problem.layer('fixed')(held.scores)
    ratio = fixed / fuse(held.scores, weights)
    np.testing.assert_allclose(ratio, ratio[0, 0])
    for kind in KINDS[1:]:
        layer = problem.layer(kind, problem.fit(kind, 1e12))
        np.testing.assert_allclose(layer(held.scores), fixed, atol=1e-6)


def test_finds_the_known_optimum(stack):
    """On new clips, nearly the loss of the logits that drew the labels."""
    assert stack.record['kind'] == 'full'
    other, truth = drawn(1, 4000, prefix='t')
    rows = {row['what']: row for row in assess_stack(stack, other)['rows']}
    own = softmax(truth)[range(4000), other.labels]
    best = -np.log(own).mean()
    assert best < rows['learnt']['nll'] < best + .05
    assert rows['fixed weights']['nll'] > best + .3
    assert rows['learnt']['top1'] == pytest.approx(
        100 * (truth.argmax(1) == other.labels).mean(), abs=2)
    assert rows['learnt']['ece'] < 5
    layer, eye = stack.layer, np.eye(4)
    found = layer.weights + layer.base[:, None, None] * eye
    truth = 2 * eye[[1, 0, 2, 3]], 4 * eye, 0 * eye
    for matrix, wanted in zip(found, truth):
        # means over classes say nothing
        apart = matrix - wanted
        apart = apart - apart.mean(0) - apart.mean(1)[:, None] + apart.mean()
        assert abs(apart).max() < 1.2 and (apart**2).mean() < .15


def test_gains_are_paired_and_over_all(stack):
    other, _ = drawn(1, 300, prefix='t')
    found = assess_stack(stack, other)
    assert [row['what'] for row in found['rows']] == [
        '0.pkl', '1.pkl', '2.pkl', 'fixed weights', 'searched weights',
        'learnt']
    assert [gain['best'] for gain in found['gains']] == [
        False, True, False, False, False]
    for gain, row in zip(found['gains'], found['rows']):
        assert gain['top1']['gain'] == pytest.approx(
            found['rows'][-1]['top1'] - row['top1'])
        assert gain['top1']['low'] < gain['top1']['gain'] < \
            gain['top1']['high']
    assert found['gains'][3]['top1']['low'] > 0


def test_few_clips_keep_the_weights():
    """The fixed weights are the truth: nothing else is taken for better."""
    rng = np.random.default_rng(5)
    for count in (8, 40):
        logits = 2 * rng.normal(size=(2, count, 4))
        labels = (logits.sum(0) + rng.gumbel(size=(count, 4))).argmax(1)
        labels[:4] = range(4)
        found = learn(joined(*logits, labels=labels), [1, 1])
        assert found.record['kind'] == 'fixed', count
        assert found.layer(logits).argmax(1).tolist() == \
            logits.sum(0).argmax(1).tolist()


def test_a_stream_of_no_weight_stays_out(known):
    layer = learn(known[0], [1, 1, 0]).layer
    assert not layer.weights[2].any() and layer.weights[0].any()


def test_classes_count_alike_if_asked():
    """Clips of a rare class, which a bias for the frequent one hides."""
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], [360, 40])
    rng.shuffle(labels)
    scores = np.eye(2)[labels] + rng.normal(size=(400, 2))
    held = joined(scores, labels=labels)
    rows = {by: assess_stack(learn(held, [1], metric=by), held)['rows'][-1]
            for by in ('top1', 'mean_class_accuracy')}
    assert rows['top1']['top1'] > rows['mean_class_accuracy']['top1'] + 5
    assert rows['mean_class_accuracy']['mean_class_accuracy'] > \
        rows['top1']['mean_class_accuracy'] + 10


def test_groups_stay_together():
    """Of streams that know the subject alone, nothing is learnt by groups.

    Spread over the parts, clips of a subject tell its label.
    """
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(8), 20)
    labels = np.array([0, 1, 2, 3, 0, 1, 2, 3])[subjects]
    looks = rng.normal(size=(8, 4))[subjects] + .01 * rng.normal(
        size=(160, 4))
    held = Joined([f'c{i}_s{s}' for i, s in enumerate(subjects)], labels,
                  looks[None], ['looks'])
    spread, apart = learn(held, [1]), learn(held, [1], groups=r'_s(\d)')
    assert spread.record['kind'] == 'full' and spread.record['folds'] == 5
    assert apart.record['kind'] == 'fixed' and apart.record['groups'] == 8


def test_groups_of_names():
    names = ['a_s1_x', 'b_s2_x', 'c_s1_y']
    assert groups_of(names, r'_(s\d)_').tolist() == [0, 1, 0]
    assert groups_of(names, '[xy]$').tolist() == [0, 0, 1]
    for pattern, message in (
            ('(', 'no regular expression'), ('a_', '2 clips: b_s2_x, c_'),
            ('_s', "one group only, '_s', in the names of 3 clips")):
        with pytest.raises(ScoreError, match=message):
            groups_of(names, pattern)
    groups = np.repeat(range(5), [9, 1, 5, 2, 3])
    parts = divided(groups, 2)
    assert np.bincount(parts).tolist() == [10, 10]
    assert all(len(set(parts[groups == g])) == 1 for g in range(5))


def test_halves_by_groups(known):
    found = [held_half(known[0], seed, r'_s(\d)') for seed in range(6)]
    for held, other, record in found:
        assert record['groups'] == r'_s(\d)'
        here, there = ({name[-1] for name in half.names}
                       for half in (held, other))
        assert here | there == set('0123456') and not here & there
    assert len({held.names[0] for held, _, _ in found}) > 1


@pytest.mark.parametrize('rows, message', [
    ([0], 'a single validation clip'),
    ([i for i in range(20) if i % 4], r'1 of 4 classes .*\(label 0\)')])
def test_too_little_to_learn_from(rows, message):
    labels = np.arange(20) % 4
    held = joined(np.eye(4)[labels], labels=labels)
    with pytest.raises(ScoreError, match=message):
        learn(held.take(np.array(rows)), [1])


def test_file(stack, tmp_path):
    path = tmp_path / 'o' / 'layer.json'
    write_stack(path, stack)
    again = read_stack(path)
    other, _ = drawn(1, 50, prefix='t')
    np.testing.assert_array_equal(again.layer(other.scores),
                                  stack.layer(other.scores))
    assert assess_stack(again, other) == assess_stack(stack, other)
    assert again.record == stack.record
    assert 'n0_s0' not in path.read_text()  # names may be private
    assert refuse_other_streams(again, other, 'f') is False
    assert weights_of(again, [1, 1, 1], 'f') == [1, 1, 1]


@pytest.mark.parametrize('change, why', [
    (dict(format='x'), "expected the format 'hpnet_plugin stack'"),
    (dict(version=2), 'version 2'), (dict(weights=[1, 2]), 'weights'),
    (dict(weights=[1, 2, float('nan')]), 'finite'),
    (dict(layer=[]), 'TypeError'), (dict(best=3), 'best is 3'),
    (dict(temperatures=[1, 1, 0]), 'no number above 0'),
    (dict(searched=None), 'temperature'), (dict(clips=[1]), 'clips'),
    (dict(record=dict(kind='fixed')), 'record'), (None, 'record is missing'),
    ('[' * 100_000, 'RecursionError'), ('nothing', 'JSONDecodeError')])
def test_broken_files(stack, tmp_path, change, why):
    path = tmp_path / 'x.json'
    write_stack(path, stack)
    content = json.loads(path.read_text())
    if isinstance(change, str):
        path.write_text(change)
    else:
        if change is None:
            del content['record']
        path.write_text(json.dumps({**content, **(change or {})}))
    with pytest.raises(ScoreError, match=f'x.json: not what .*{why}'):
        read_stack(path)


def test_other_scores_than_learnt_for(stack, known):
    other, _ = drawn(1, 50, prefix='t')
    with pytest.raises(ScoreError, match='3 streams of 4 .*found 1 of 4'):
        refuse_other_streams(stack, joined(
            other.scores[0], labels=other.labels), 'f')
    swapped = joined(softmax(other.scores[0]), *other.scores[1:],
                     labels=other.labels, prefix='t')
    with pytest.raises(ScoreError, match='0.pkl holds probabilities, and f'):
        refuse_other_streams(stack, swapped, 'f')
    with pytest.raises(ScoreError, match='learnt on 600 clips: n0_s0'):
        refuse_other_streams(stack, known[0], 'f')
    assert refuse_other_streams(stack, known[0], 'f', True)
    with pytest.raises(ScoreError, match='from the weights 1, 1, 1'):
        weights_of(stack, [1, 1, 2], 'f')
