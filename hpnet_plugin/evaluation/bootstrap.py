"""How sure a gain is: bootstrap over the clips that were tested."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

INTERVAL = [2.5, 97.5]  # percentiles of the draws


def bootstrap_gain(before: np.ndarray, after: np.ndarray, labels: np.ndarray,
                   resamples: int = 10_000, seed: int = 0
                   ) -> dict[str, dict[str, float]]:
    """Gain in accuracy, with its 95 % percentile interval.

    Clips are drawn again with replacement, each with what both sides say of
    it (paired), and as many of each class as there are (stratified). Drawing
    n clips of a class draws, by a multinomial distribution, how many of them
    are gained, lost or alike: the same interval in far less time.

    Args:
        before: (N,) bool, whether each clip was right.
        after: (N,) bool, whether it is now.
        labels: (N,) ints.
        resamples: Draws.
        seed: Seed of the draws.

    Returns:
        ``top1`` and ``mean_class_accuracy``, each with ``gain``, ``low`` and
        ``high``, in percentage points.
    """
    _, labels = np.unique(labels, return_inverse=True)
    counts = np.bincount(labels)
    change = np.stack([np.bincount(labels, weights=change)
                       for change in (after & ~before, before & ~after)])
    shares = np.vstack([change, counts - change.sum(0)]) / counts
    drawn = np.random.default_rng(seed).multinomial(
        counts, shares.T, size=(resamples, len(counts)))

    def statistics(gained: np.ndarray, lost: np.ndarray
                   ) -> dict[str, np.ndarray]:
        net = gained - lost
        return dict(top1=100 * net.sum(-1) / len(labels),
                    mean_class_accuracy=100 * (net / counts).mean(-1))

    gains = statistics(*change)
    spread = statistics(drawn[..., 0], drawn[..., 1])
    result = {}
    for key, gain in gains.items():
        low, high = np.percentile(spread[key], INTERVAL)
        result[key] = dict(gain=float(gain), low=float(low), high=float(high))
    return result


def clustered_gain(change: np.ndarray, clusters: Sequence[object],
                   resamples: int = 10_000, seed: int = 0
                   ) -> dict[str, float]:
    """Mean gain of clips, where some clips belong together.

    Clusters are drawn again with replacement, as many as there are, each
    with all its clips: clips that show the same recording, or the same
    person, tell less than as many clips of others.

    Args:
        change: (N,) gain of each clip, such as 1 for one that is right now
            and was wrong before, or a mean over seeds.
        clusters: Of each clip, what it belongs to.
        resamples: Draws.
        seed: Seed of the draws.

    Returns:
        ``gain``, ``low`` and ``high`` of the 95 % percentile interval, in
        percentage points, and ``p``, the share of draws without a gain; the
        data count as one of them.
    """
    _, places = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.stack([np.bincount(places, change), np.bincount(places)], 1)
    total = len(sums)
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([
        rng.multinomial(total, np.full(total, 1 / total), size=size) @ sums
        for size in _blocks(resamples)])
    spread = 100 * drawn[:, 0] / drawn[:, 1]
    low, high = np.percentile(spread, INTERVAL)
    return dict(
        gain=100 * float(np.mean(change)), low=float(low), high=float(high),
        # sums of equal shares differ from 0 by what floats round
        p=float((1 + np.count_nonzero(spread <= 1e-9)) / (resamples + 1)))


def _blocks(resamples: int, size: int = 1000) -> list[int]:
    """Draws at a time, so that memory does not grow with them."""
    return [min(size, resamples - start)
            for start in range(0, resamples, size)]
