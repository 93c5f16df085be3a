"""Scores in what ``.pkl`` and ``.json`` files hold."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .named_scores import ScoreError, Scores, listed, stream_of
from .regular import Regular


def from_content(content: object, stream: str | None,
                 clips: Mapping[str, int | None] | None, source: str
                 ) -> Scores:
    """Scores of the content of a file.

    Args:
        content: A list of dicts, one a clip, a dict of clip name to scores,
            or a list of scores.
        stream: One of several streams of a list of dicts.
        clips: See :func:`.reading.read_scores`.
        source: Path of the file, for messages.

    Returns:
        With labels where the content, or else ``clips``, has them.

    Raises:
        ScoreError: Other or incomplete content.
    """
    if isinstance(content, dict):
        if stream is not None:
            raise ScoreError(f'{source}: a dict of clip name to scores has '
                             f'no stream {stream!r}')
        return stream_of([str(name) for name in content], content.values(),
                         None, source)
    if not isinstance(content, (list, tuple)):
        raise ScoreError(
            f'{source}: holds a {type(content).__name__}, expected the dump '
            'of mim test (a list of dicts), a dict of clip name to scores, '
            'or a list of scores')
    if content and all(isinstance(sample, dict) for sample in content):
        return _from_samples(content, stream, clips, source)
    if content and clips is None:
        raise ScoreError(
            f'{source}: holds scores without clip names, as pyskl writes '
            'them; name the annotation file and the split that was tested '
            'by --annotations and --split')
    return _nameless(content, None, clips or {}, source)


def from_regular(found: Regular, source: str) -> Scores:
    """Scores of a dump whose samples look alike.

    Args:
        found: What it holds.
        source: Path of the file, for messages.

    Returns:
        With labels unless all are -1, which stands for none.

    Raises:
        ScoreError: See :class:`Scores`.
    """
    labels = None if (found.labels == -1).all() else found.labels
    return stream_of(found.names, found.scores, labels, source)


def _from_samples(samples: Sequence[dict], stream: str | None,
                  clips: Mapping[str, int | None] | None, source: str
                  ) -> Scores:
    """Scores of a list of dicts, one a clip."""
    named = ['frame_dir' in sample for sample in samples]
    rows, labels = [], []
    for index, sample in enumerate(samples):
        name = sample.get('frame_dir', f'sample {index}')
        rows.append(_pick(sample, stream, name, source))
        label = _label(sample, name, source)
        if label is not None:
            labels.append(label)
    if set(labels) == {-1}:  # of a folder without labels
        labels = []
    if labels and len(labels) != len(samples):
        raise ScoreError(f'{source}: {len(samples) - len(labels)} of '
                         f'{len(samples)} clips have no gt_label')
    if all(named):
        return stream_of([sample['frame_dir'] for sample in samples], rows,
                         labels or None, source)
    if clips is None or any(named):
        raise ScoreError(
            f'{source}: sample {named.index(False)} has no frame_dir, so its '
            'clip is unknown. Set PackActionInputs(meta_keys=("frame_dir", '
            '"img_shape")) in the test pipeline and test again, or name the '
            'annotation file and split by --annotations and --split')
    return _nameless(rows, labels, clips, source)


def _label(sample: dict, name: str, source: str) -> int | None:
    """The label of a sample."""
    # Release candidates of mmaction2 1.0 nest and say it in the plural.
    label = sample.get('gt_label', sample.get('gt_labels'))
    if isinstance(label, dict):
        label = label.get('item')
    if label is None:
        return None
    if type(label) is not np.ndarray:
        label = np.asarray(label)
    if label.size != 1:
        raise ScoreError(f'{source}: {name} has {label.size} labels, '
                         'expected one')
    return int(label.item())


def _pick(sample: dict, stream: str | None, name: str, source: str) -> Any:
    """The scores of a sample, of one stream if it has several."""
    main, prefix = 'pred_score', 'pred_score_'
    found = sample.get(main, sample.get('pred_scores'))
    if stream is None and found is not None and not isinstance(found, dict):
        return found
    several = {key[len(prefix):]: value for key, value in sample.items()
               if key.startswith(prefix)}
    if isinstance(found, dict):
        several.update(found)
        found = found.get('item')
    if stream is not None:
        if stream not in several:
            raise ScoreError(
                f'{source}: {name} has no stream {stream!r}; it has '
                f'{", ".join(sorted(several)) or "none"}')
        return several[stream]
    if found is None:
        raise ScoreError(f'{source}: {name} has no pred_score' + (
            f', but several streams ({", ".join(sorted(several))}); name '
            f'one: {source}#{min(several)}' if several else ''))
    return found


def _nameless(rows: Sequence, labels: list[int] | None,
              clips: Mapping[str, int | None], source: str) -> Scores:
    """Scores in the order of the annotation file."""
    if len(rows) != len(clips):
        raise ScoreError(
            f'{source}: holds scores of {len(rows)} clips without their '
            f'names, and the annotations name {len(clips)}; is it another '
            'split?')
    known = [label for label in clips.values() if label is not None]
    if len(known) < len(clips):
        known = labels
    elif labels and labels != known:
        wrong = [f'{name} ({label} and {own})' for name, label, own
                 in zip(clips, labels, known) if label != own]
        raise ScoreError(
            f'{source} and the annotations contradict each other in the '
            f'labels of {listed(wrong)}; it tested other clips, or in '
            'another order')
    return stream_of(clips, rows, known or None, source)
