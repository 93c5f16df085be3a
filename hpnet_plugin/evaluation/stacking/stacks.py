"""What was learnt over streams, and what it is worth on other clips."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bootstrap import bootstrap_gain
from ..calibration import ece, nll
from ..fusion import Joined, fuse
from ..metrics import is_probability, softmax, summarize
from ..scores import ScoreError, listed
from .layers import Layer, logits_of


@dataclass(frozen=True, eq=False)
class Stack:
    """A layer with all that it is compared to, from the validation clips.

    Args:
        layer: What was learnt.
        weights: The given weights, one a stream.
        searched: Searched weights, if any were.
        temperatures: Of each stream's logits.
        weights_temperature: Of the sum with the given weights.
        searched_temperature: Of that with the searched ones.
        best: The stream that is most often right.
        streams: What the streams were called.
        clips: A digest of the name of each clip, see :func:`digest`.
        record: How the layer was chosen: ``kind``, ``strength`` of L2 (None
            of a fixed layer), ``parameters``, ``folds``, ``groups`` (None
            without), ``by``, and ``tried``, the best of each kind: its
            ``kind``, ``strength``, ``loss`` on clips that were left out, by
            how much it is ``above`` the least, and the standard ``error`` of
            that.
    """
    layer: Layer
    weights: list[float]
    searched: list[float] | None
    temperatures: list[float]
    weights_temperature: float
    searched_temperature: float | None
    best: int
    streams: list[str]
    clips: list[str]
    record: dict[str, Any]


def digest(name: str) -> str:
    """What stands for a clip's name in a file that may be shared.

    Args:
        name: Of the clip.

    Returns:
        16 hexadecimal digits of its sha256.
    """
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def refuse_other_streams(stack: Stack, joined: Joined, source: str,
                         allow_learnt: bool = False) -> bool:
    """Refuse scores for which a layer was not learnt.

    Args:
        stack: The layer.
        joined: The scores to which it is to be applied.
        source: Where the layer comes from, for messages.
        allow_learnt: Whether clips on which it was learnt will do.

    Returns:
        Whether it was learnt on some of the clips.

    Raises:
        ScoreError: Another number of streams or classes, logits in place of
            probabilities or the reverse, or clips on which it was learnt.
    """
    streams, _, classes = joined.scores.shape
    layer = stack.layer
    if (streams, classes) != (len(layer.base), len(layer.bias)):
        raise ScoreError(
            f'{source} was learnt for {len(layer.base)} streams of '
            f'{len(layer.bias)} classes ({", ".join(stack.streams)}), found '
            f'{streams} of {classes}; give the same streams in this order')
    words = {True: 'probabilities', False: 'logits'}
    for name, scores, learnt in zip(joined.sources, joined.scores,
                                    layer.probability):
        found = is_probability(scores)
        if found != learnt:
            raise ScoreError(
                f'{name} holds {words[found]}, and {source} was learnt for '
                f'{words[learnt]} there; are the streams in the order '
                f'{", ".join(stack.streams)}, and is --prob as it was?')
    known = set(stack.clips)
    common = [name for name in joined.names if digest(name) in known]
    if common and not allow_learnt:
        raise ScoreError(
            f'{source} was learnt on {listed(common)}, which would be '
            'reported; give scores of other clips, or ask for it by '
            '--tune-on-test')
    return bool(common)


def assess_stack(stack: Stack, joined: Joined) -> dict[str, Any]:
    """What a layer is worth on clips, beside streams and weights.

    Probabilities are compared with a temperature each, which was fitted on
    the validation clips: the sum of scores with any weights has none of its
    own.

    Args:
        stack: The layer.
        joined: The clips to report.

    Returns:
        ``rows``, one for each stream, for the given weights, the searched ones
        if there are any, and the layer: ``what``, ``top1``, ``top5``,
        ``mean_class_accuracy``, ``ece``, all in percent, ``nll``; and
        ``gains`` of the layer over each row before it, see
        :func:`hpnet_plugin.evaluation.bootstrap.bootstrap_gain`, with
        ``over`` and whether it is the ``best`` stream of the validation clips.
    """
    labels, layer = joined.labels, stack.layer
    found: list[tuple[str, np.ndarray, float]] = [
        (name, logits_of(scores, probability), temperature)
        for name, scores, probability, temperature in zip(
            joined.sources, joined.scores, layer.probability,
            stack.temperatures)]
    found.append(('fixed weights', fuse(joined.scores, stack.weights),
                  stack.weights_temperature))
    if stack.searched is not None and stack.searched_temperature is not None:
        found.append(('searched weights', fuse(joined.scores, stack.searched),
                      stack.searched_temperature))
    found.append(('learnt', layer(joined.scores), 1.))
    rows = []
    for what, logits, temperature in found:
        probability = softmax(logits / temperature)
        rows.append(dict(
            what=what, **summarize(logits, labels),
            nll=nll(probability, labels), ece=100 * ece(probability, labels)))
    right = [logits.argmax(1) == labels for _, logits, _ in found]
    gains = [dict(over=what, best=i == stack.best,
                  **bootstrap_gain(right[i], right[-1], labels))
             for i, (what, _, _) in enumerate(found[:-1])]
    return dict(rows=rows, gains=gains)


def weights_of(stack: Stack, given: Sequence[float], source: str
               ) -> list[float]:
    """The fixed weights of a stack, of which the given ones may say nothing.

    Args:
        stack: The layer.
        given: One a stream; 1 where none is given.
        source: Where the layer comes from, for messages.

    Returns:
        Those of the stack.

    Raises:
        ScoreError: If others were given.
    """
    if any(w != 1 for w in given) and list(given) != stack.weights:
        raise ScoreError(
            f'{source} was learnt from the weights '
            f'{", ".join(f"{w:g}" for w in stack.weights)}; leave the '
            'weights out')
    return stack.weights
