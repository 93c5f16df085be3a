"""What clips show: labels of files, and the numbers of their classes."""
from __future__ import annotations

import difflib
import os.path as osp
from collections.abc import Mapping, Sequence

from ..files import VIDEO_SUFFIXES
from .clips import SourceClip, SourceError, few, numbered_lines

DIGITS = 9  # of a label that is a number; more fit no array of labels


def read_labels(path: str) -> dict[str, str]:
    """Labels of a file with "clip label" a line.

    Args:
        path: The file.

    Returns:
        Clip name (without a video suffix) to label.

    Raises:
        SourceError: If a line is malformed, or two lines contradict.
    """
    labels = {}
    for number, line in numbered_lines(path):
        name, _, label = line.partition(' ')
        if not label:
            raise SourceError(f'{path}, line {number}: expected "clip label", '
                              f'found {line!r:.80}')
        if name.lower().endswith(VIDEO_SUFFIXES):
            name = osp.splitext(name)[0]
        label = label.strip()
        if labels.setdefault(name, label) != label:
            raise SourceError(
                f'{path}, line {number}: {name!r:.80} is labelled '
                f'{label!r:.80} here and {labels[name]!r:.80} before')
    return labels


def assign_labels(clips: Sequence[SourceClip],
                  labels: Mapping[str, str] | None = None,
                  classes: list[str] | None = None
                  ) -> tuple[dict[str, int], list[str] | None]:
    """Number of the class of each clip.

    Args:
        clips: The clips.
        labels: Of :func:`read_labels`; by default the clips' own labels.
        classes: Class names in label order; by default the labels' own names
            in alphabetical order, if they are names.

    Returns:
        Clip name to label (empty if the source has no labels) and the class
        names (None if nobody gave any).

    Raises:
        SourceError: If a clip has no label, or one that is no class.
    """
    own = {clip.name: clip.label for clip in clips if clip.label is not None}
    if labels is None:
        if not own:
            return {}, classes
        labels = own
    missing = [clip.name for clip in clips if clip.name not in labels]
    if missing:
        raise SourceError(
            f'{len(missing)} of {len(clips)} clips have no label: '
            f'{few(missing)}')
    used = {clip.name: labels[clip.name] for clip in clips}
    numbers = all(map(_is_number, used.values()))
    if classes is None and not numbers:
        classes = sorted(set(used.values()))
    by_class = {name: i for i, name in enumerate(classes or ())}
    assigned = {}
    for name, label in used.items():
        if label in by_class:
            assigned[name] = by_class[label]
        elif _is_number(label) and (classes is None
                                    or int(label) < len(classes)):
            assigned[name] = int(label)
        elif classes is not None and _is_number(label):
            raise SourceError(
                f'clip {name!r} has label {label}, out of range: there are '
                f'{len(classes)} classes, 0 to {len(classes) - 1}')
        else:
            close = difflib.get_close_matches(label, by_class, n=3)
            raise SourceError(f'clip {name!r} has label {label!r}, which is '
                              f'no class; closest: {close}')
    return assigned, classes


def _is_number(label: str) -> bool:
    return label.isdecimal() and len(label) <= DIGITS
