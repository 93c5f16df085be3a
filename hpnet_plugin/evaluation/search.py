"""Search of fusion weights, on clips other than those reported."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .fusion import Joined, read_streams
from .groups import divided, groups_of
from .scores import ScoreError, listed

# Factors by which a weight is changed: none at all, or by powers of the
# square root of two up to 256 either way.
_FACTORS = (0., *(2.**(k / 2) for k in range(-16, 17)))


def search(joined: Joined, weights: Sequence[float], metric: str = 'top1'
           ) -> list[float]:
    """Search weights for joined streams, meant for a validation split.

    One weight after the other is tried at zero and between a 256th and 256
    times its start; what raises the metric stays, until a round over all
    weights changes nothing. That starts twice: at the given weights, and at
    weights by which all streams spread alike, since logits and probabilities
    differ in scale. Deterministic; a tie keeps the weights as given, and a
    weight of zero stays zero.

    Args:
        joined: The streams over the clips to search on.
        weights: Where to start, one a stream.
        metric: 'top1' or 'mean_class_accuracy'.

    Returns:
        The weights found.
    """
    labels, count = joined.labels, len(joined.labels)
    scores = joined.scores.astype(np.float32, copy=False)
    worth = np.full(count, 1 / count)
    if metric == 'mean_class_accuracy':
        # Each class that occurs counts alike, whatever its clips.
        worth = 1 / np.bincount(labels)[labels]

    def value(total: np.ndarray) -> float:
        return worth[total.argmax(1) == labels].sum()

    def climb(start: list[float]) -> tuple[float, list[float]]:
        found, best, before = list(start), -1., None
        while best != before:
            before = best
            for i, unit in enumerate(start):
                others = sum(w * s for j, (w, s) in enumerate(
                    zip(found, scores)) if j != i)
                for weight in (found[i], *(unit * f for f in _FACTORS)):
                    if not (weight or any(found[:i] + found[i + 1:])):
                        continue
                    # Sums of many terms may differ in the last digit.
                    reached = value(others + weight * scores[i])
                    if reached > best + 1e-9:
                        best, found[i] = reached, weight
        return best, found

    spread = scores.std(2).mean(1)
    even = [float(np.sign(w) / s) if s else w
            for w, s in zip(weights, spread)]
    tries = [climb([float(w) for w in weights]), climb(even)]
    return max(tries, key=lambda result: result[0])[1]


def halves(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split clips in two halves with as many clips of each class.

    Args:
        labels: (N,) ints.
        seed: Seed of the choice.

    Returns:
        Row numbers of either half, sorted.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    # Every other clip, class by class: odd classes take turns.
    order = order[np.argsort(labels[order], kind='stable')]
    return np.sort(order[::2]), np.sort(order[1::2])


def search_half(joined: Joined, weights: Sequence[float], seed: int,
                metric: str = 'top1'
                ) -> tuple[Joined, list[float], dict[str, Any]]:
    """Search weights on half of the clips, for the other half.

    Args:
        joined: The streams.
        weights: Where the search starts, one a stream.
        seed: See :func:`halves`.
        metric: See :func:`search`.

    Returns:
        The other half, the weights, and a record: ``on`` ('half'), ``clips``
        (searched on), ``by``, ``seed``.

    Raises:
        ScoreError: If there is one clip only.
    """
    held, other, record = held_half(joined, seed)
    return other, search(held, weights, metric), dict(record, by=metric)


def held_half(joined: Joined, seed: int, groups: str | None = None
              ) -> tuple[Joined, Joined, dict[str, Any]]:
    """The half of the clips to search on, and the other half.

    Args:
        joined: The streams.
        seed: See :func:`halves`.
        groups: Finds the group of a clip in its name, see
            :func:`~hpnet_plugin.evaluation.groups.groups_of`. Then the halves
            have other groups, and not as many clips of each class.

    Returns:
        Both halves, and a record: ``on`` ('half'), ``clips`` (in the first),
        ``seed``, and ``groups`` if they are given.

    Raises:
        ScoreError: If there is one clip or one group only.
    """
    if groups is None:
        first, second = halves(joined.labels, seed)
    else:
        part = divided(groups_of(joined.names, groups), 2, seed)
        first, second = np.flatnonzero(part == 0), np.flatnonzero(part == 1)
    if not len(second):
        raise ScoreError('one clip cannot be halved')
    return joined.take(first), joined.take(second), dict(
        on='half', clips=len(first), seed=seed,
        **({} if groups is None else dict(groups=groups)))


def search_on(joined: Joined, weights: Sequence[float],
              files: Sequence[str] | None = None, metric: str = 'top1',
              allow_test: bool = False, **source: Any
              ) -> tuple[list[float], dict[str, Any]]:
    """Search weights for ``joined`` on score files of other clips.

    Args:
        joined: The streams that the weights are for.
        weights: Where the search starts, one a stream.
        files: See :func:`held_clips`.
        metric: See :func:`search`.
        allow_test: See :func:`held_clips`.
        **source: Of :func:`~hpnet_plugin.evaluation.fusion.read_streams`.

    Returns:
        The weights and a record: ``on`` ('validation' or 'test'), ``clips``,
        ``by``.

    Raises:
        ScoreError: Another number of files or classes, or clips in common.
    """
    held, record = held_clips(joined, files, allow_test, **source)
    return search(held, weights, metric), dict(record, by=metric)


def held_clips(joined: Joined, files: Sequence[str] | None = None,
               allow_test: bool = False, **source: Any
               ) -> tuple[Joined, dict[str, Any]]:
    """The clips to search on: validation clips in score files of their own.

    Args:
        joined: The streams over the clips that are reported.
        files: Score files of the validation clips, one a stream in the same
            order; ``joined`` itself if not given.
        allow_test: Whether to accept clips that are among those of ``joined``.
        **source: Of :func:`~hpnet_plugin.evaluation.fusion.read_streams`.

    Returns:
        The streams over the validation clips, and a record: ``on``
        ('validation' or 'test'), ``clips``.

    Raises:
        ScoreError: Another number of files or classes, or clips in common.
    """
    held, count = joined, len(joined.sources)
    if files is not None:
        if len(files) != count:
            raise ScoreError(
                f'--tune has {len(files)} score '
                f'{"file" if len(files) == 1 else "files"} for {count} '
                'streams; give one file for each stream, in the same order')
        held, _ = read_streams(files, **source)
    if held.scores.shape[2] != joined.scores.shape[2]:
        raise ScoreError(
            f'{held.sources[0]} has {held.scores.shape[2]} classes, '
            f'{joined.sources[0]} {joined.scores.shape[2]}')
    common = sorted(set(held.names) & set(joined.names))
    if common and not allow_test:
        raise ScoreError(
            f'{listed(common)} would be searched on and reported. Search on '
            'a validation split or on half of the clips (--tune-half), or '
            'ask for it by --tune-on-test')
    return held, dict(on='test' if common else 'validation',
                      clips=len(held.names))
