"""Linear layers over the scores of several streams, and how one is fitted.

Everywhere S is the number of streams, N that of clips, K that of classes.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..calibration import fit_temperature
from ..fusion import fuse
from ..metrics import is_probability

# From few numbers to many.
KINDS = ('fixed', 'stream', 'class', 'full')
# The same for people.
MEANINGS = {
    'fixed': 'the given weights, with a temperature: no layer was better on '
    'clips that were left out by more than a standard error',
    'stream': 'a weight for each stream',
    'class': 'a weight for each stream and class, and a bias for each class',
    'full': 'a matrix for each stream, and a bias for each class'}
# Where a logarithm is taken, smaller probabilities count as this one.
_LEAST = 1e-6
_ITERATIONS = 500


@dataclass(frozen=True, eq=False)
class Layer:
    """Logits of clips from the scores of several streams.

    The sum of the scores as they are stored, with one weight a stream, and of
    what was learnt over their logits; see :func:`logits_of`.

    Args:
        kind: ``'fixed'``: nothing was learnt over the logits; or what weighs
            them: ``'stream'``, one number a stream; ``'class'``, one a stream
            and class; ``'full'``, a matrix a stream.
        base: (S,) weights of the scores as they are stored.
        weights: Of the logits: (S,), (S, K) or (S, K, K), whose first K is
            that of the stream's classes. Zero in a fixed layer, (S,).
        bias: (K,).
        probability: S, whether a stream's scores are probabilities.
    """
    kind: str
    base: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    probability: tuple[bool, ...]

    @property
    def parameters(self) -> int:
        """How many numbers were learnt, the scale of the base among them."""
        learnt = 0 if self.kind == 'fixed' else self.weights.size
        return 1 + learnt + self.bias.size * (self.kind in ('class', 'full'))

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Fuse.

        Args:
            scores: (S, N, K), as they are stored.

        Returns:
            Logits, (N, K).
        """
        total = fuse(scores, list(self.base)) + self.bias
        if self.kind == 'fixed':
            return total
        for stream, weights, probability in zip(
                scores, self.weights, self.probability):
            logits = logits_of(stream, probability)
            total += logits @ weights if weights.ndim == 2 \
                else logits * weights
        return total


def logits_of(scores: np.ndarray, probability: bool) -> np.ndarray:
    """What a layer is learnt over: logits with mean zero in each clip.

    Args:
        scores: (N, K) of one stream.
        probability: Whether they are probabilities, whose logarithm is taken.

    Returns:
        (N, K) float64.
    """
    found = np.asarray(scores, np.float64)
    if probability:
        found = np.log(np.maximum(found, _LEAST))
    return found - found.mean(1, keepdims=True)


class Problem:
    """Clips to which layers are fitted.

    The fixed layer is the sum with the given weights, divided by the
    temperature of least loss. What is added to it is learnt in units of the
    spread of each stream's logits, which makes one strength of L2 fit all.
    All numbers of a smaller kind are learnt in a larger one as well: what a
    stream's weight explains costs less there than K numbers of its classes,
    and these less than a matrix.

    Args:
        scores: (S, N, K), as they are stored.
        labels: (N,).
        weights: The given weights, one a stream. A stream of weight zero
            stays out.
        worth: (N,) what each clip counts.
    """

    def __init__(self, scores: np.ndarray, labels: np.ndarray,
                 weights: Sequence[float], worth: np.ndarray) -> None:
        self.labels, self.worth = labels, worth
        self.probability = tuple(is_probability(s) for s in scores)
        given = np.asarray(weights, np.float64)
        fused = fuse(scores, list(given))
        self.base = given / fit_temperature(fused, labels)
        self._fixed = fuse(scores, list(self.base))
        self._spread = _spread(self._fixed)
        logits = np.stack([logits_of(*one) for one in zip(
            scores, self.probability)], 1)
        units = np.array([_spread(one) for one in logits.swapaxes(0, 1)])
        self._per_unit = (given != 0) / units
        self._inputs = logits * self._per_unit[:, None]  # (N, S, K)

    def size(self, kind: str) -> int:
        """How many numbers are fitted.

        Args:
            kind: One of ``KINDS`` but ``'fixed'``.

        Returns:
            Their number.
        """
        _, streams, classes = self._inputs.shape
        return 1 + streams + (kind != 'stream') * (streams + 1) * classes + \
            (kind == 'full') * streams * classes**2

    def fit(self, kind: str, strength: float, start: np.ndarray | None = None,
            tolerance: float = 1e-9) -> np.ndarray:
        """Fit a layer by its likelihood and an L2 norm.

        Args:
            kind: One of ``KINDS`` but ``'fixed'``.
            strength: Half of it times the sum of squares is added to the sum
                of the clips' losses.
            start: Numbers from which to start. Defaults to the fixed layer.
            tolerance: Relative change of the loss at which it ends.

        Returns:
            The numbers, see :meth:`layer`.
        """
        from scipy.optimize import minimize
        if start is None:
            start = np.zeros(self.size(kind))
        return minimize(
            self._loss, start, args=(kind, strength), jac=True,
            method='L-BFGS-B', options=dict(
                maxiter=_ITERATIONS, ftol=tolerance, gtol=1e-6)).x

    def layer(self, kind: str, found: np.ndarray | None = None) -> Layer:
        """The layer that numbers stand for.

        Args:
            kind: One of ``KINDS``.
            found: What :meth:`fit` found; nothing of the fixed layer.

        Returns:
            A function of scores as they are stored.
        """
        _, streams, classes = self._inputs.shape
        if found is None:
            return Layer('fixed', self.base, np.zeros(streams),
                         np.zeros(classes), self.probability)
        scale, weights, bias = self._split(kind, found)
        if kind == 'stream':
            weights = found[1:1 + streams]
        units = self._per_unit.reshape(-1, *[1] * (weights.ndim - 1))
        return Layer(kind, self.base * (1 + scale / self._spread),
                     weights * units, bias, self.probability)

    def _split(self, kind: str, found: np.ndarray
               ) -> tuple[float, np.ndarray, np.ndarray]:
        """Scale of the base, weights (S, K) or (S, K, K), and bias."""
        _, streams, classes = self._inputs.shape
        many = streams * classes
        weights = np.repeat(found[1:1 + streams, None], classes, 1)
        if kind == 'stream':
            return found[0], weights, np.zeros(classes)
        rest = found[1 + streams:]
        weights = weights + rest[:many].reshape(streams, classes)
        bias = rest[many:many + classes]
        if kind == 'full':
            diagonal = weights
            weights = rest[many + classes:].reshape(
                streams, classes, classes).copy()
            weights[:, range(classes), range(classes)] += diagonal
        return found[0], weights, bias

    def _loss(self, found: np.ndarray, kind: str, strength: float
              ) -> tuple[float, np.ndarray]:
        """The loss and its gradient."""
        inputs, fixed = self._inputs, self._fixed
        count, streams, classes = inputs.shape
        scale, weights, bias = self._split(kind, found)
        flat = inputs.reshape(count, -1)
        added = flat @ weights.reshape(-1, classes) if kind == 'full' \
            else np.einsum('sk,nsk->nk', weights, inputs)
        logits = fixed * (1 + scale / self._spread) + added + bias
        logits -= logits.max(1, keepdims=True)
        odds = np.exp(logits)
        normal = odds.sum(1)
        rows = np.arange(count)
        losses = np.log(normal) - logits[rows, self.labels]
        errors = odds / normal[:, None]
        errors[rows, self.labels] -= 1
        errors *= self.worth[:, None]
        gradient = [[(errors * fixed).sum() / self._spread]]
        matrix = np.empty((streams, 0, 0))
        if kind == 'full':
            matrix = (flat.T @ errors).reshape(streams, classes, classes)
            diagonal = matrix[:, range(classes), range(classes)]
        else:
            diagonal = np.einsum('nk,nsk->sk', errors, inputs)
        gradient.append(diagonal.sum(1))
        if kind != 'stream':
            gradient += [diagonal.ravel(), errors.sum(0), matrix.ravel()]
        return (float(self.worth @ losses + strength / 2 * found @ found),
                np.concatenate(gradient) + strength * found)


def _spread(logits: np.ndarray) -> float:
    """A unit of logits: their standard deviation, 1 where all are alike."""
    return float((logits - logits.mean(1, keepdims=True)).std()) or 1.
