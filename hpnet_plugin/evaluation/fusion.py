"""Late fusion: streams joined by clip name and summed with weights."""
from dataclasses import dataclass, replace
from os.path import splitext

import numpy as np

from ..datasets.sources import Clip, assign_labels, read_labels
from ..estimation.video import VIDEO_SUFFIXES
from .metrics import is_probability, softmax, summarize
from .scores import (
    ScoreError,
    Scores,
    check_labels,
    listed,
    parse_spec,
    read_scores,
)

# Factors by which tuning changes a weight: none at all, or by powers of the
# square root of two up to 16 either way.
_FACTORS = (0., *(2.**(k / 2) for k in range(-8, 9)))


@dataclass(frozen=True, eq=False)
class Joined:
    """Streams over the same clips in the same order.

    Args:
        names (list[str]): Clip names, in the order of the first stream.
        labels (np.ndarray): (N,) int64.
        scores (np.ndarray): (S, N, K), one row a stream.
        sources (list[str]): Where each stream comes from.
    """
    names: list
    labels: np.ndarray
    scores: np.ndarray
    sources: list


def read_streams(specs, labels=None, classes=None, prob=False):
    """Read and join score files.

    Args:
        specs (list[str]): ``FILE[:WEIGHT]``, see
            :func:`~hpnet_plugin.evaluation.scores.read_scores`.
        labels (str, optional): File of "clip label" lines, for score files
            that hold no labels.
        classes (list[str], optional): Class names, if the label file has
            names in place of numbers.
        prob (bool): Turn logits into probabilities. Default: False.

    Returns:
        tuple[Joined, list[float]]: The streams and their weights.

    Raises:
        ScoreError: Unusable files, or files that do not belong together.
        SourceError: An unusable label file.
    """
    files, weights = zip(*map(parse_spec, specs))
    streams = [read_scores(file) for file in files]
    if labels is not None:
        labels = labels_of(streams[0].names, labels, classes)
    joined = join(streams, labels)
    if prob:
        joined = replace(joined, scores=probabilities(joined.scores))
    return joined, list(weights)


def labels_of(names, path, classes=None):
    """Look up the labels of clips in a file of "clip label" lines.

    The file is the one that the extraction takes, and as there a video's
    suffix in a clip's name does not count.

    Args:
        names (list[str]): Clip names.
        path (str): The file.
        classes (list[str], optional): Class names in label order, needed if
            labels are names.

    Returns:
        dict[str, int]: Label of each of the clips.

    Raises:
        ScoreError: Labels that are names without ``classes``.
        SourceError: A broken file, or a clip without a label.
    """
    table = read_labels(path)
    bare = {name: splitext(name)[0]
            if name.lower().endswith(VIDEO_SUFFIXES) else name
            for name in names}
    named = [label for label in table.values() if not label.isdecimal()]
    if named and classes is None:
        raise ScoreError(f'{path}: {named[0]!r} is no label number; give the '
                         'class names in label order by --classes')
    labels, _ = assign_labels([Clip(name, '') for name in bare.values()],
                              table, classes)
    return {name: labels[bare[name]] for name in names}


def join(streams, labels=None):
    """Bring streams into one order of clips.

    Args:
        streams (list[Scores]): At least one.
        labels (dict[str, int], optional): Label of each clip, needed where
            no stream carries labels.

    Returns:
        Joined: The streams, aligned.

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
            present = set(b.names)
            missing = [n for n in a.names if n not in present]
            if missing:
                raise ScoreError(
                    f'{b.source} misses clips of {a.source}: '
                    f'{listed(missing)}. Only streams that scored the same '
                    'clips can be fused')
    known, origin = labels, 'the label file'
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
                         '"clip label" lines by --labels')
    order = np.array([known[n] for n in first.names], dtype=np.int64)
    check_labels(first.names, order, first.num_classes, origin)
    aligned = []
    for stream in streams:
        row = {n: i for i, n in enumerate(stream.names)}
        aligned.append(stream.scores[[row[n] for n in first.names]])
    return Joined(first.names, order, np.stack(aligned),
                  [s.source for s in streams])


def probabilities(scores):
    """Turn logits (S, N, K) into probabilities, stream by stream.

    A stream that holds probabilities already stays as it is, so that no
    softmax is taken twice.
    """
    return np.stack([s if is_probability(s) else softmax(s) for s in scores])


def fuse(scores, weights):
    """Weighted sum of streams: (S, N, K) and (S,) give (N, K)."""
    return np.einsum('s,snk->nk', np.asarray(weights, dtype=np.float64),
                     scores)


def fused(joined, weights):
    """The fusion of joined streams as scores of their own.

    Returns:
        Scores: With the labels of the streams.
    """
    return Scores(joined.names, fuse(joined.scores, weights), joined.labels,
                  'fusion')


def tune(joined, weights, metric='top1'):
    """Search weights for joined streams, meant for a validation split.

    One weight after the other is tried at zero and between a 16th and 16
    times its given value; what raises the metric stays, until a round over
    all weights changes nothing. Deterministic; a tie keeps the weight.

    Args:
        joined (Joined): The streams over the clips to tune on.
        weights (list[float]): Where to start, one a stream.
        metric (str): A key of :func:`metrics.summarize`.

    Returns:
        list[float]: The weights found.
    """
    given = [float(w) for w in weights]
    weights = given

    def value(candidate):
        return summarize(fuse(joined.scores, candidate),
                         joined.labels)[metric]

    best, before = value(weights), None
    while best != before:
        before = best
        for i, start in enumerate(given):
            for factor in _FACTORS:
                candidate = [*weights[:i], start * factor, *weights[i + 1:]]
                if any(candidate) and value(candidate) > best:
                    best, weights = value(candidate), candidate
    return weights


def assess(joined, weights):
    """Metrics of joined streams and of their fusion, in percent.

    Returns:
        dict: ``clips`` and ``classes`` (counts), ``streams`` (a dict a
        stream: ``file``, ``weight``, ``kind`` of its scores, ``top1``,
        ``top5``, ``mean_class_accuracy``) and ``fusion`` (the last three).
    """
    streams = [
        dict(file=source, weight=weight,
             kind='probabilities' if is_probability(scores) else 'logits',
             **summarize(scores, joined.labels))
        for source, weight, scores in zip(joined.sources, weights,
                                          joined.scores)]
    return dict(clips=len(joined.names), classes=joined.scores.shape[2],
                streams=streams,
                fusion=summarize(fuse(joined.scores, weights),
                                 joined.labels))


def tune_on(joined, weights, files, labels=None, classes=None, prob=False,
            metric='top1', allow_test=False):
    """Search weights for ``joined`` on score files of other clips.

    Args:
        joined (Joined): The streams that the weights are for.
        weights (list[float]): Where the search starts, one a stream.
        files (list[str]): Score files of the validation clips, one a stream
            in the same order.
        labels (str, optional): See :func:`read_streams`, as ``classes`` and
            ``prob``.
        metric (str): See :func:`tune`.
        allow_test (bool): Accept validation clips that are among those of
            ``joined``. Default: False.

    Returns:
        tuple[list[float], dict]: The weights and a record: ``on``
        ('validation' or 'test'), ``clips``, ``by``.

    Raises:
        ScoreError: Another number of files or classes, or clips in common.
    """
    if len(files) != len(weights):
        raise ScoreError(f'{len(files)} files to tune on for {len(weights)} '
                         'streams; give one a stream, in the same order')
    held, _ = read_streams(files, labels, classes, prob)
    if held.scores.shape[2] != joined.scores.shape[2]:
        raise ScoreError(
            f'{held.sources[0]} has {held.scores.shape[2]} classes, '
            f'{joined.sources[0]} {joined.scores.shape[2]}')
    common = sorted(set(held.names) & set(joined.names))
    if common and not allow_test:
        raise ScoreError(
            f'{listed(common)} would be tuned on and reported. Tune on a '
            'validation split, or ask for it by --tune-on-test')
    record = dict(on='test' if common else 'validation',
                  clips=len(held.names), by=metric)
    return tune(held, weights, metric), record
