"""Late fusion: streams joined by clip name and summed with weights."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..datasets.clips import SourceClip
from ..datasets.labelling import assign_labels, read_labels
from .annotations import read_clips
from .bootstrap import bootstrap_gain
from .metrics import class_metrics, is_probability, softmax, summarize
from .scores import (
    ScoreError,
    Scores,
    check_labels,
    listed,
    parse_spec,
    read_scores,
)

# Clips whose scores are cast and summed at a time.
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Joined:
    """Streams over the same clips in the same order.

    Args:
        names: Clip names, in the order of the first stream.
        labels: (N,) int64.
        scores: (S, N, K), one row a stream; float32 or float64, see
            :class:`~hpnet_plugin.evaluation.scores.Scores`.
        sources: Where each stream comes from.
    """
    names: list[str]
    labels: np.ndarray
    scores: np.ndarray
    sources: list[str]

    def take(self, rows: np.ndarray | Sequence[int]) -> Joined:
        """The same streams over some of the clips.

        Args:
            rows: Their indices.

        Returns:
            In the order of the indices.
        """
        return Joined([self.names[i] for i in rows], self.labels[rows],
                      self.scores[:, rows], self.sources)


def read_streams(specs: Sequence[str], labels: str | None = None,
                 classes: Sequence[str] | None = None, prob: bool = False,
                 annotations: str | None = None, split: str | None = None
                 ) -> tuple[Joined, list[float]]:
    """Read and join score files.

    Labels are those of ``labels`` if it is given, else of ``annotations``,
    else of the files, else by the class names that begin the clips' names.
    Contradictions are refused.

    Args:
        specs: ``FILE[:WEIGHT]``, see
            :func:`~hpnet_plugin.evaluation.scores.read_scores`.
        labels: File of "clip label" lines, for score files that hold no
            labels.
        classes: Class names in label order.
        prob: Whether to turn logits into probabilities.
        annotations: Annotation file of the clips, for score files without clip
            names or labels.
        split: The split of it that was tested.

    Returns:
        The streams and their weights.

    Raises:
        ScoreError: Unusable files, or files that do not belong together.
        SourceError: An unusable label file.
    """
    files, weights = zip(*map(parse_spec, specs))
    if not any(weights):
        raise ScoreError('all weights are zero, so nothing is left to fuse')
    clips = read_clips(annotations, split) if annotations else None
    streams = [read_scores(file, clips) for file in files]
    names = streams[0].names
    if classes is not None and len(classes) != streams[0].num_classes:
        raise ScoreError(f'{len(classes)} class names for the '
                         f'{streams[0].num_classes} classes of {files[0]}')
    known = None
    if labels is not None:
        known = labels_of(names, labels, classes)
    elif clips is not None:
        known = {n: label for n, label in clips.items() if label is not None}
        bare = [n for n in names if n not in known]
        if bare:
            raise ScoreError(f'{annotations} has no label of {listed(bare)}'
                             f' of {files[0]}')
    elif classes is not None and all(s.labels is None for s in streams):
        known = labels_by_class(names, classes)
    joined = join(streams, known)
    del streams  # their scores are copied
    if prob:
        joined = replace(joined, scores=probabilities(joined.scores))
    return joined, list(weights)


def labels_of(names: Sequence[str], path: str,
              classes: Sequence[str] | None = None) -> dict[str, int]:
    """Look up the labels of clips in a file of "clip label" lines.

    The file is the one that the extraction takes.

    Args:
        names: Clip names, without a video's suffix.
        path: The file.
        classes: Class names in label order, needed if labels are names.

    Returns:
        Label of each of the clips.

    Raises:
        ScoreError: Labels that are names without ``classes``.
        SourceError: A broken file, or a clip without a label.
    """
    table = read_labels(path)
    named = [label for label in table.values() if not label.isdecimal()]
    if named and classes is None:
        raise ScoreError(f'{path}: {named[0]!r} is no label number; give the '
                         'class names in label order by --classes')
    return assign_labels([SourceClip(name, '') for name in names], table,
                         None if classes is None else list(classes))[0]


def labels_by_class(names: Sequence[str], classes: Sequence[str]
                    ) -> dict[str, int]:
    """Labels of clips whose names begin with that of their class.

    As in Toyota-Smarthome, where ``Drink.Fromcup_p02_r00_v02_c03`` shows
    Drink.Fromcup. Of several such classes the longest counts, and a class
    is no part of a longer word: Cut does not begin Cutbread_p02.

    Args:
        names: Clip names.
        classes: Class names in label order.

    Returns:
        Label of each clip.

    Raises:
        ScoreError: Clips that no class begins; names them.
    """
    # The longest first, so that it is the one that is found.
    order = sorted(enumerate(classes), key=lambda item: -len(item[1]))

    def begins(name: str, label: str) -> bool:
        return name.startswith(label) and not (
            label[-1:].isalpha() and name[len(label):][:1].isalpha())

    labels = {}
    for name in names:
        for i, label in order:
            if begins(name, label):
                labels[name] = i
                break
    bare = [name for name in names if name not in labels]
    if bare:
        raise ScoreError(f'no class name begins the name of {listed(bare)}; '
                         'give their labels by --labels')
    return labels


def join(streams: Sequence[Scores], labels: Mapping[str, int] | None = None
         ) -> Joined:
    """Bring streams into one order of clips.

    Args:
        streams: At least one.
        labels: Label of each clip, needed where no stream carries labels.

    Returns:
        The streams, aligned to the first.

    Raises:
        ScoreError: Streams with other clips, other numbers of classes,
            contradicting labels, or no labels at all.
    """
    first = streams[0]
    for other in streams[1:]:
        if other.num_classes != first.num_classes:
            raise ScoreError(
                f'{other.source} has {other.num_classes} classes, '
                f'{first.source} {first.num_classes}')
        for a, b in ((first, other), (other, first)):
            if a.names == b.names:
                continue
            present = set(b.names)
            missing = [n for n in a.names if n not in present]
            if missing:
                raise ScoreError(
                    f'{b.source} misses clips of {a.source}: '
                    f'{listed(missing)}. Only streams that scored the same '
                    'clips can be fused')
    known, origin = labels, 'the labels given'
    for stream in streams:
        if stream.labels is None:
            continue
        found = dict(zip(stream.names, stream.labels.tolist()))
        if known is None:
            known, origin = found, stream.source
        wrong = [f'{n} ({found[n]} and {known[n]})' for n in stream.names
                 if known[n] != found[n]]
        if wrong:
            raise ScoreError(f'{stream.source} and {origin} contradict each '
                             f'other in the labels of {listed(wrong)}')
    if known is None:
        raise ScoreError(f'{first.source}: holds no labels; name a file of '
                         '"clip label" lines by --labels, an annotation '
                         'file by --annotations, or the class names by '
                         '--classes if they begin the names of the clips')
    order = np.array([known[n] for n in first.names], dtype=np.int64)
    check_labels(first.names, order, first.num_classes, origin)
    aligned = np.empty((len(streams), *first.scores.shape),
                       np.result_type(*(s.scores for s in streams)))
    for scores, stream in zip(aligned, streams):
        if stream.names == first.names:
            scores[:] = stream.scores
            continue
        row = {n: i for i, n in enumerate(stream.names)}
        scores[:] = stream.scores[[row[n] for n in first.names]]
    return Joined(first.names, order, aligned, [s.source for s in streams])


def probabilities(scores: np.ndarray, which: Sequence[bool] | None = None
                  ) -> np.ndarray:
    """Turn logits into probabilities, stream by stream.

    A stream that holds probabilities already stays as it is, so that no
    softmax is taken twice.

    Args:
        scores: (S, N, K).
        which: The streams to turn, S of them; all if not given.

    Returns:
        (S, N, K).
    """
    wanted = [True] * len(scores) if which is None else which
    found = np.array(scores, np.float64)
    for stream, turn in zip(found, wanted):
        if turn and not is_probability(stream):
            stream[:] = softmax(stream)
    return found


def fuse(scores: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Weighted sum of streams.

    Args:
        scores: (S, N, K).
        weights: S of them.

    Returns:
        (N, K).
    """
    fusion = np.empty(scores.shape[1:])
    for start in range(0, len(fusion), _BLOCK):
        block = slice(start, start + _BLOCK)
        np.einsum('s,snk->nk', np.asarray(weights, dtype=np.float64),
                  scores[:, block].astype(np.float64), out=fusion[block])
    return fusion


def fuse_members(scores: Sequence[np.ndarray], outputs: Sequence[str],
                 members: Sequence[Mapping[str, Any]],
                 layer: Callable[[np.ndarray], np.ndarray] | None = None
                 ) -> np.ndarray:
    """The fused scores of a fusion's members.

    Args:
        scores: (N, K) of each member, as it gives them.
        outputs: What they are, ``'logit'`` or ``'probability'``.
        members: ``weight`` of each, and ``scores``, what the weight is of; see
            :class:`hpnet_plugin.apis.description.ModelDescription`.
        layer: What was learnt over the members, in place of the weights, see
            :class:`hpnet_plugin.evaluation.stacking.Layer`.

    Returns:
        (N, K), their weighted sum, or the logits of the layer.
    """
    given = np.stack([
        softmax(s) if (member['scores'], output) == (
            'probability', 'logit') else s
        for s, output, member in zip(scores, outputs, members)])
    return fuse(given, [member['weight'] for member in members]) \
        if layer is None else layer(given)


def fused(joined: Joined, weights: Sequence[float], source: str = 'fusion'
          ) -> Scores:
    """The fusion of joined streams as scores of their own.

    Args:
        joined: The streams.
        weights: One a stream.
        source: What the fusion is called.

    Returns:
        With the labels of the streams.
    """
    return Scores(joined.names, fuse(joined.scores, weights), joined.labels,
                  source)


def assess(joined: Joined, weights: Sequence[float],
           classes: Sequence[str] | None = None,
           given: Sequence[float] | None = None) -> dict[str, Any]:
    """Metrics of joined streams and of their fusion, in percent.

    Args:
        joined: The streams.
        weights: One a stream.
        classes: Class names in label order.
        given: The weights from which those were searched.

    Returns:
        ``clips`` and ``classes`` (counts), ``streams`` (a dict a stream:
        ``file``, ``weight``, ``kind`` of its scores, ``top1``, ``top5``,
        ``mean_class_accuracy``, ``per_class``, see
        :func:`metrics.class_metrics`, and, of several streams, the
        ``fusion_gain`` over it, see :func:`bootstrap.bootstrap_gain`) and
        ``fusion`` (``top1`` to ``per_class``); if asked for, also ``given``
        (``weights``, ``top1``, ``top5``, ``mean_class_accuracy`` and the
        ``fusion_gain`` over the fusion by these).
    """
    labels, fusion = joined.labels, fuse(joined.scores, weights)

    def metrics(scores: np.ndarray) -> dict[str, Any]:
        return dict(**summarize(scores, labels),
                    per_class=class_metrics(scores, labels, classes))

    def gain(scores: np.ndarray) -> dict[str, dict[str, float]]:
        return bootstrap_gain(scores.argmax(1) == labels,
                              fusion.argmax(1) == labels, labels)

    streams = []
    for source, weight, scores in zip(joined.sources, weights,
                                      joined.scores):
        kind = 'probabilities' if is_probability(scores) else 'logits'
        stream = dict(file=source, weight=weight, kind=kind,
                      **metrics(scores))
        if len(weights) > 1:
            stream['fusion_gain'] = gain(scores)
        streams.append(stream)
    result = dict(clips=len(joined.names), classes=joined.scores.shape[2],
                  streams=streams, fusion=metrics(fusion))
    if given is not None:
        before = fuse(joined.scores, given)
        result['given'] = dict(weights=given, **summarize(before, labels),
                               fusion_gain=gain(before))
    return result
