"""What joints cannot tell: the thing held by one of a pair of actions."""
import numpy as np

from .actors import PAIRS


def pair_accuracy(scores: np.ndarray, labels: np.ndarray) -> list[float]:
    """Choose between the two actions of each pair; chance is 50.

    Args:
        scores: (N, K) of all clips of the synthetic dataset.
        labels: (N,).

    Returns:
        list[float]: For each of `PAIRS`, the share in percent of its clips
        whose own class scores above the other one of the pair.
    """
    found = []
    for pair in PAIRS:
        chosen = np.isin(labels, pair)
        best = scores[chosen][:, pair].argmax(-1)
        found.append(100 * float(np.mean(
            np.array(pair)[best] == labels[chosen])))
    return found
