"""Scores as probabilities that can be believed, and when to say nothing.

A temperature divides the logits so that the softmax of the quotient is as
sure as it is right (Guo et al., On Calibration of Modern Neural Networks,
ICML 2017). Below a threshold of the highest probability the answer is
``unknown``. Both are fitted on clips that were neither trained nor are tested
on. Everywhere logits are (N, K) and labels (N,) ints in [0, K).
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .metrics import softmax
from .search import halves

UNKNOWN = 'unknown'  # the answer below the threshold
BINS = 15
LOST = 0.05  # share of right answers that the threshold costs
# temperatures that are tried, in spreads of the scores
_RANGE = 1e-3, 1e3
_TINY = 1e-12  # probability that stands for zero where a logarithm is taken


class CalibrationError(ValueError):
    """Scores that nothing can be fitted to; the message says why."""


def calibrate(logits: np.ndarray, labels: np.ndarray, lost: float = LOST,
              hold_out: int = 1, unknown: np.ndarray | None = None
              ) -> dict[str, Any]:
    """Fit a temperature and a threshold, and say what they are worth.

    Args:
        logits: Of clips of known classes; see :func:`as_logits`.
        labels: Their classes.
        lost: Share of the right answers that may fall below the threshold.
        hold_out: Classes that are left out of the answer at a time, see
            :func:`left_out_auroc`.
        unknown: Logits of clips of classes that the model was trained without,
            (N', K).

    Returns:
        JSON data: ``temperature``; ``threshold`` and ``lost``; ``clips``;
        ``accuracy``, a fraction; ``nll`` and ``ece``, each ``before`` and
        ``after``, where the temperature of each half of the clips comes from
        the other half; ``reliability``, ``before`` and ``after`` likewise, see
        :func:`reliability`; ``refused``, the shares of ``right`` and ``wrong``
        answers below the threshold; and under ``unknown`` what
        :func:`left_out_auroc` gives as ``left_out`` and, of the clips in
        ``unknown``, as ``clips``, their number, the ``auroc`` and the share
        that is ``refused``.

    Raises:
        CalibrationError: If there are too few clips, or none is right.
    """
    right = logits.argmax(1) == labels
    if len(labels) < 2 or not right.any():
        raise CalibrationError(
            f'{right.sum()} of {len(labels)} clips are right: a temperature '
            'and a threshold need clips that are, and at least two')
    if not 0 <= lost < 1:
        raise CalibrationError(f'lost={lost}: a share below 1 is needed')
    temperature = fit_temperature(logits, labels)
    before, crossed = softmax(logits), _crossed(logits, labels)
    known = softmax(logits / temperature)
    threshold = fit_threshold(known, labels, lost)
    below = known.max(1) < threshold
    others = dict(left_out=left_out_auroc(
        logits / temperature, labels, hold_out))
    if unknown is not None:
        sure = softmax(unknown / temperature).max(1)
        others['clips'] = dict(
            clips=len(sure), auroc=auroc(known.max(1), sure),
            refused=float((sure < threshold).mean()))
    return dict(
        temperature=temperature,
        threshold=threshold,
        lost=lost,
        clips=len(labels), accuracy=float(right.mean()),
        nll=dict(before=nll(before, labels), after=nll(crossed, labels)),
        ece=dict(before=ece(before, labels), after=ece(crossed, labels)),
        reliability=dict(before=reliability(before, labels),
                         after=reliability(crossed, labels)),
        refused=dict(right=float(below[right].mean()),
                     wrong=float(below[~right].mean())
                     if not right.all() else None),
        unknown=others)


def _crossed(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Probabilities of each half of the clips, by the other's temperature.

    What a temperature is worth shows on clips that it was not fitted on.
    """
    crossed = np.empty_like(logits)
    first, second = halves(labels, 0)
    for here, there in ((first, second), (second, first)):
        crossed[here] = softmax(
            logits[here] / fit_temperature(logits[there], labels[there]))
    return crossed


def probabilities(scores: np.ndarray, output: str = 'logit',
                  temperature: float = 1.) -> np.ndarray:
    """Calibrated probabilities of a model's scores, (N, K) float64.

    Args:
        scores: Of the model, (N, K).
        output: What they are: ``'logit'`` or ``'probability'``.
        temperature: Of :func:`calibrate`.

    Returns:
        Each row with the sum 1.
    """
    return softmax(as_logits(scores, output) / temperature)


def as_logits(scores: np.ndarray, output: str) -> np.ndarray:
    """Logits of a model's scores: of probabilities their logarithm.

    Args:
        scores: Of the model, (N, K).
        output: What they are: ``'logit'`` or ``'probability'``.

    Returns:
        (N, K) float64.
    """
    scores = np.asarray(scores, np.float64)
    return np.log(np.maximum(scores, _TINY)) if output == 'probability' \
        else scores


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of the least negative log-likelihood.

    Where every clip is right by far, ever smaller temperatures are likelier.
    Then the labels count as Platt's targets, (N + 1) / (N + 2), do: N clips
    that are all right do not show that none is ever wrong.

    Args:
        logits: (N, K).
        labels: (N,).

    Returns:
        Above 0.
    """
    from scipy.optimize import minimize_scalar
    spread = float(logits.std()) or 1.
    low, high = (np.log(spread * factor) for factor in _RANGE)
    targets = np.zeros_like(logits)
    targets[np.arange(len(labels)), labels] = 1

    def loss(value: float, targets: np.ndarray) -> float:
        scaled = logits / np.exp(value)
        scaled = scaled - scaled.max(1, keepdims=True)
        normal = np.log(np.exp(scaled).sum(1, keepdims=True))
        return -(targets * (scaled - normal)).sum(1).mean()

    def best(targets: np.ndarray) -> float:
        # convex in 1 / temperature, hence with one minimum in its logarithm
        return minimize_scalar(
            loss, args=(targets, ), bounds=(low, high), method='bounded',
            options=dict(xatol=1e-6)).x

    found = best(targets)
    if found - low < 0.1 or loss(found, targets) < 1 / (len(labels) + 2):
        rest = 1 / (len(labels) + 2)
        found = best(targets * (1 - rest) + (1 - targets) * rest
                     / max(1, logits.shape[1] - 1))
    return float(np.exp(found))


def fit_threshold(probability: np.ndarray, labels: np.ndarray,
                  lost: float = LOST) -> float:
    """The highest probability at which few right answers are lost.

    An answer is ``unknown`` where its probability is below the threshold.

    Args:
        probability: Calibrated, (N, K).
        labels: (N,).
        lost: Share of the right answers that may be below.

    Returns:
        The threshold.
    """
    right = np.sort(probability.max(1)[probability.argmax(1) == labels])
    return float(right[int(lost * len(right))])


def nll(probability: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log-likelihood of the labels.

    Args:
        probability: (N, K).
        labels: (N,).

    Returns:
        In nats.
    """
    own = probability[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(own, _TINY)).mean())


def reliability(probability: np.ndarray, labels: np.ndarray,
                bins: int = BINS) -> list[dict[str, float]]:
    """Answers by how sure they are: bins of equal width of the confidence.

    Args:
        probability: (N, K).
        labels: (N,).
        bins: Their number.

    Returns:
        Of each bin that has clips, ``low`` and ``high``, its limits,
        ``clips``, and the means ``confidence`` and ``accuracy``.
    """
    sure, right = probability.max(1), probability.argmax(1) == labels
    # (low, high]: a confidence of 1 belongs to the last bin
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    return [dict(low=b / bins, high=(b + 1) / bins,
                 clips=int((place == b).sum()),
                 confidence=float(sure[place == b].mean()),
                 accuracy=float(right[place == b].mean()))
            for b in np.unique(place).tolist()]


def ece(probability: np.ndarray, labels: np.ndarray, bins: int = BINS
        ) -> float:
    """Expected calibration error: how far confidence is from accuracy.

    Args:
        probability: (N, K).
        labels: (N,).
        bins: See :func:`reliability`.

    Returns:
        A fraction.
    """
    return float(sum(
        b['clips'] * abs(b['accuracy'] - b['confidence'])
        for b in reliability(probability, labels, bins)) / len(labels))


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """Area under the ROC curve: how well a score tells known from unknown.

    The share of pairs in which the known clip has the higher score; equal
    scores count half.

    Args:
        known: Scores of known clips, (N,).
        unknown: Scores of unknown clips, (N',).

    Returns:
        From 0 to 1.
    """
    from scipy.stats import rankdata
    ranks = rankdata(np.concatenate([known, unknown]))[:len(known)].sum()
    return float((ranks - len(known) * (len(known) + 1) / 2)
                 / (len(known) * len(unknown)))


def left_out_auroc(logits: np.ndarray, labels: np.ndarray,
                   hold_out: int = 1) -> dict[str, Any] | None:
    """An estimate of the AUROC without any unknown clip.

    Classes are left out of the answer in turn, each once: without their
    logits, their clips are unknown, those of all others known. The model was
    trained on these clips' classes all the same, so that this is an estimate
    of what real unknown actions give, not a measurement.

    Args:
        logits: Divided by the temperature.
        labels: (N,).
        hold_out: Classes that are left out at a time; several are drawn by
            chance, always alike.

    Returns:
        ``hold_out``, ``auroc``, the mean over the groups of classes,
        ``lowest`` of them, and their number ``groups``. None where there are
        too few classes.
    """
    classes = logits.shape[1]
    if not 0 < hold_out <= classes - 2:
        return None
    order = np.arange(classes) if hold_out == 1 else \
        np.random.default_rng(0).permutation(classes)
    areas = []
    for start in range(0, classes - hold_out + 1, hold_out):
        group = order[start:start + hold_out]
        out = np.isin(labels, group)
        if out.any() and not out.all():
            sure = softmax(np.delete(logits, group, 1)).max(1)
            areas.append(auroc(sure[~out], sure[out]))
    if not areas:
        return None
    return dict(hold_out=hold_out, auroc=float(np.mean(areas)),
                lowest=min(areas), groups=len(areas))


def summary(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows that say what a calibration found, for people.

    Args:
        found: What :func:`calibrate` returns.

    Returns:
        What a number is, and the number.
    """
    rows = [
        ('clips', f'{found["clips"]:,}'),
        ('top-1 in percent', f'{100 * found["accuracy"]:.2f}'),
        ('temperature', f'{found["temperature"]:.4g}'),
        ('ECE in percent, before', f'{100 * found["ece"]["before"]:.2f}'),
        ('ECE in percent, after', f'{100 * found["ece"]["after"]:.2f}'),
        ('threshold of "unknown"', f'{found["threshold"]:.4f}'),
        ('right answers below it, in percent',
         f'{100 * found["refused"]["right"]:.2f}')]
    if found['refused']['wrong'] is not None:
        rows.append(('wrong answers below it, in percent',
                     f'{100 * found["refused"]["wrong"]:.2f}'))
    left, clips = (found['unknown'].get(key) for key in ('left_out', 'clips'))
    if left:
        rows.append(('AUROC, known and unknown, estimated by leaving '
                     + ('each class' if left['hold_out'] == 1 else
                        f'{left["hold_out"]} classes at a time')
                     + ' out of the answer', f'{left["auroc"]:.4f}'))
    if clips:
        rows += [(f'AUROC, known and unknown, of {clips["clips"]:,} unknown '
                  'clips', f'{clips["auroc"]:.4f}'),
                 ('unknown clips below the threshold, in percent',
                  f'{100 * clips["refused"]:.2f}')]
    return rows
