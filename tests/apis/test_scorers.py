"""Sums of scores: what each member gives, and what its weight is of."""
import numpy as np
import pytest

from hpnet_plugin.apis import ClipInput, ModelDescription, OnnxScorer
from hpnet_plugin.apis.predictor import Predictor
from hpnet_plugin.apis.scorers import FusedScorer
from hpnet_plugin.apis.window_people import Person

LOGITS = np.array([[2., 0., -1.], [0., 1., 3.]], np.float32)
CHANCES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
CLIPS = [ClipInput({}, (4, 4)), ClipInput({}, (4, 4))]


class Given:
    """A model that gives scores that are known."""

    pose = None

    def __init__(self, scores, output='logit', needs=('features', ),
                 taps=('tap', )):
        self.scores, self.needs, self.taps = scores, frozenset(needs), taps
        self.description = ModelDescription('given', ('a', 'b', 'c'),
                                            output=output)

    def __call__(self, clips):
        return self.scores[:len(clips)]


def fusion(*kinds):
    return ModelDescription('both', ('a', 'b', 'c'), members=[
        dict(path='x', weight=weight, scores=kind)
        for weight, kind in zip((2., 3.), kinds)])


def test_logits_and_probabilities_are_weighed_as_asked():
    models = [Given(LOGITS), Given(LOGITS, needs=('crops', ), taps=('t2', ))]
    fused = FusedScorer(models, fusion('logit', 'probability'))
    np.testing.assert_allclose(fused(CLIPS), 2 * LOGITS + 3 * CHANCES,
                               atol=1e-6)
    assert fused.needs == {'features', 'crops'} and fused.taps == ('tap',
                                                                   't2')
    # what is a probability already is not put through the softmax again
    models[1] = Given(CHANCES, 'probability')
    np.testing.assert_allclose(FusedScorer(models, fused.description)(CLIPS),
                               2 * LOGITS + 3 * CHANCES, atol=1e-6)
    assert fused([]).shape == (0, 3)


def test_onnx_weighs_in_the_same_way():
    scorer = OnnxScorer.__new__(OnnxScorer)
    scorer.description, scorer._batch = fusion('logit', 'probability'), 1
    rows = iter(LOGITS.repeat(2, 0)[:, None])
    model = Given(None)
    model.__class__ = type('Rows', (Given, ), dict(
        __call__=lambda self, clips: next(rows)))
    scorer._models, scorer._layer = [model, model], None
    np.testing.assert_allclose(scorer(CLIPS), 2 * LOGITS + 3 * CHANCES,
                               atol=1e-6)


def person(clip, row=0):
    arrays = dict(keypoint=np.zeros((2, 3, 17, 2), np.float32),
                  keypoint_score=np.zeros((2, 3, 17), np.float32),
                  tap=np.zeros((2, 3, 17, 4), np.float16))
    arrays['keypoint_score'][0, 1:] = .5
    arrays['tap'][0, 1, 3] = 2
    return Person(row, (), row, 0., 1., clip, np.arange(3), np.arange(3) / 3,
                  np.zeros((3, 4)), arrays)


def test_a_prediction_says_what_the_scores_say():
    model = Given(LOGITS)
    predict = Predictor(model, None, 2, 'tap')
    assert predict.threshold == 0 and predict('v.mp4', []) == []
    one, other, again = predict('v.mp4', [
        person(CLIPS[0]), person(CLIPS[1], 1), person(CLIPS[0])])
    np.testing.assert_allclose(one.probabilities, CHANCES[0], atol=1e-6)
    assert (one.label, one.label_id, other.label) == ('a', 0, 'c')
    assert [name for name, _ in other.topk] == ['c', 'b']
    np.testing.assert_array_equal(again.raw, LOGITS[0])
    # of the frames that show the person
    assert one.pose_score == pytest.approx(.5) and other.pose_score == 0
    assert one.energy[1, 3] == 4 and one.energy.sum() == 4
    sure = Predictor(model, .9, 2, None)('v.mp4', [
        person(CLIPS[0]), person(CLIPS[1])])
    assert [p.label for p in sure] == ['unknown', 'unknown']
    assert [p.label_id for p in sure] == [-1, -1] and sure[0].energy is None


def test_calibration_divides_by_the_temperature():
    model = Given(LOGITS)
    model.description = ModelDescription(
        'given', ('a', 'b', 'c'),
        calibration=dict(temperature=2., threshold=.7))
    predict = Predictor(model, None, 1, None)
    one, = predict('v.mp4', [person(CLIPS[0])])
    cooled = np.exp(LOGITS[0] / 2)
    np.testing.assert_allclose(one.probabilities, cooled / cooled.sum(),
                               atol=1e-6)
    assert predict.threshold == .7 and one.label == 'unknown'
