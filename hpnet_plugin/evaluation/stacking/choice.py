"""Which layer is learnt: kind and strength of L2 by cross-validation."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..calibration import fit_temperature
from ..fusion import Joined, fuse
from ..groups import divided, groups_of
from ..metrics import mean_class_accuracy, top_k_accuracy
from ..scores import ScoreError
from .layers import KINDS, Layer, Problem, logits_of
from .stacks import Stack, digest

FOLDS = 5
STRENGTHS = tuple(10.**(k / 2) for k in range(8, -5, -1))
# Of the fits that only choose; the last one is finer.
_ROUGH = 1e-6


def learn(held: Joined, weights: Sequence[float],
          searched: Sequence[float] | None = None, metric: str = 'top1',
          groups: str | None = None) -> Stack:
    """Learn a layer over streams, on validation clips.

    Layers of each kind, with L2 of many strengths towards the given weights,
    are fitted to four fifths of the clips and judged by the loss on the
    others, in turn. Of all layers whose loss is within one standard error of
    the least, the kind with the fewest numbers is taken, at its best
    strength, and fitted to all clips. Deterministic.

    Args:
        held: The validation clips.
        weights: The given weights, one a stream, towards which the layer is
            drawn. A stream of weight zero stays out.
        searched: Weights that were searched on the same clips, which the
            stack keeps for comparison.
        metric: ``'top1'``, or ``'mean_class_accuracy'``: then each class
            counts alike, whatever its clips.
        groups: Finds the group of a clip, such as its subject, in its name,
            see :func:`hpnet_plugin.evaluation.groups.groups_of`. The clips of
            a group stay together. By default the clips of each class are
            spread over the parts.

    Returns:
        The layer, and how it was chosen.

    Raises:
        ScoreError: A single clip, classes without a clip, clips without a
            group, or a single group.
    """
    _refuse_few(held)
    labels, count = held.labels, len(held.labels)
    places = np.arange(count) if groups is None else \
        groups_of(held.names, groups)
    parts = _parts(labels, None if groups is None else places)
    worth = np.ones(count)
    if metric == 'mean_class_accuracy':
        clips = np.bincount(labels)
        worth = count / len(clips) / clips[labels]
    tried = _judged(_tries(held, weights, worth, parts), places)
    chosen = next(row for row in tried if row['above'] <= row['error'])
    problem = Problem(held.scores, labels, weights, worth)
    layer = problem.layer('fixed') if chosen['kind'] == 'fixed' else \
        problem.layer(chosen['kind'], problem.fit(
            chosen['kind'], chosen['strength']))
    return _stack(held, layer, weights, searched, metric, dict(
        kind=layer.kind, strength=chosen['strength'],
        parameters=layer.parameters, folds=int(parts.max()) + 1,
        groups=None if groups is None else int(places.max()) + 1,
        by=metric, tried=tried))


def _refuse_few(held: Joined) -> None:
    """Refuse validation clips from which no layer can be learnt."""
    count, classes = len(held.labels), held.scores.shape[2]
    if count < 2:
        raise ScoreError(
            'nothing can be learnt from a single validation clip; give more, '
            'or fixed weights')
    absent = sorted(set(range(classes)) - set(held.labels.tolist()))
    if absent:
        shown = ', '.join(map(str, absent[:5])) + ', …' * (len(absent) > 5)
        raise ScoreError(
            f'{len(absent)} of {classes} classes have no validation clip '
            f'(label {shown}), so that a layer would never answer them: learn '
            'on clips of every class, or search the weights without --learn')


def _parts(labels: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """The part of each clip, from 0 on; at most FOLDS of them."""
    if groups is None:
        count = len(labels)
        parts = np.empty(count, int)
        order = np.random.default_rng(0).permutation(count)
        order = order[np.argsort(labels[order], kind='stable')]
        parts[order] = np.arange(count) % min(FOLDS, count)
        return parts
    return divided(groups, min(FOLDS, int(groups.max()) + 1))


def _tries(held: Joined, weights: Sequence[float], worth: np.ndarray,
           parts: np.ndarray) -> Iterator[tuple[str, float | None,
                                                np.ndarray]]:
    """Kind, strength and the losses of all clips, each left out once.

    Of each kind the strongest L2 comes first, from where the next one is
    found soon; where the loss has risen twice, weaker ones are left out.
    """
    labels, sides = held.labels, []
    for part in range(parts.max() + 1):
        out = parts == part
        sides.append((out, Problem(held.scores[:, ~out], labels[~out],
                                   weights, worth[~out])))

    def losses(layers: Sequence[Layer]) -> np.ndarray:
        found = np.empty(len(labels))
        for (out, _), layer in zip(sides, layers):
            found[out] = worth[out] * _losses(layer(held.scores[:, out]),
                                              labels[out])
        return found

    yield 'fixed', None, losses([one.layer('fixed') for _, one in sides])
    for kind in KINDS[1:]:
        found: list[np.ndarray | None] = [None] * len(sides)
        means: list[float] = []
        for strength in STRENGTHS:
            found = [one.fit(kind, strength, start, _ROUGH)
                     for (_, one), start in zip(sides, found)]
            left = losses([one.layer(kind, numbers) for (_, one), numbers
                           in zip(sides, found)])
            yield kind, strength, left
            means.append(left.mean())
            if len(means) > 2 and means[-1] > means[-2] > means[-3]:
                break


def _judged(tried: Iterator[tuple[str, float | None, np.ndarray]],
            places: np.ndarray) -> list[dict[str, Any]]:
    """The best of each kind, and how sure it is that another is better."""
    best: dict[str, tuple[float | None, np.ndarray]] = {}
    for kind, strength, losses in tried:
        if kind not in best or losses.mean() < best[kind][1].mean():
            best[kind] = strength, losses
    least = min((losses for _, losses in best.values()), key=np.mean)
    table = []
    for kind, (strength, losses) in best.items():
        apart, error = _apart(losses - least, places)
        table.append(dict(kind=kind, strength=strength,
                          loss=float(losses.mean()), above=apart,
                          error=error))
    return table


def _losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Negative log-likelihood of each clip's label."""
    shifted = logits - logits.max(1, keepdims=True)
    return np.log(np.exp(shifted).sum(1)) - shifted[
        np.arange(len(labels)), labels]


def _apart(more: np.ndarray, places: np.ndarray) -> tuple[float, float]:
    """Mean of the clips' differences, and its standard error by groups."""
    sums = np.bincount(places, weights=more)
    spread = sums - more.mean() * np.bincount(places)
    return float(more.mean()), float(
        np.sqrt(len(sums) / (len(sums) - 1) * (spread**2).sum()) / len(more))


def _stack(held: Joined, layer: Layer, weights: Sequence[float],
           searched: Sequence[float] | None, metric: str,
           record: dict[str, Any]) -> Stack:
    """The layer with all that is compared to it."""
    labels = held.labels
    measure = mean_class_accuracy if metric == 'mean_class_accuracy' else \
        lambda scores, labels: top_k_accuracy(scores, labels, 1)
    worths = [measure(scores, labels) for scores in held.scores]
    return Stack(
        layer=layer, weights=[float(w) for w in weights],
        searched=None if searched is None else [float(w) for w in searched],
        temperatures=[fit_temperature(logits_of(*one), labels)
                      for one in zip(held.scores, layer.probability)],
        weights_temperature=fit_temperature(
            fuse(held.scores, weights), labels),
        searched_temperature=None if searched is None else fit_temperature(
            fuse(held.scores, searched), labels),
        best=int(np.argmax(worths)),
        streams=list(held.sources), clips=sorted(map(digest, held.names)),
        record=record)
