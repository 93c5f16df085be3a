"""Which clips there are, what they show, and who trains on them."""
import difflib
import json
import os
import os.path as osp
import re
from collections import Counter
from itertools import combinations
from typing import NamedTuple

from ..estimation.video import VIDEO_SUFFIXES

# protocol and part of a split's name
_PART = re.compile(r'(|.+_)(train|train_full|val|test)')


class SourceError(ValueError):
    """Clips, labels or splits do not fit together; the message says where."""


class Clip(NamedTuple):
    """One video.

    Attributes:
        name (str): Name that is unique in the dataset, ``frame_dir`` of the
            annotations: the file's name without its suffix.
        path (str): The video.
        label (str, optional): What the source says that it shows, a class
            name or a number.
    """
    name: str
    path: str
    label: str | None = None


def find_clips(source):
    """Clips of a video, a folder or a list file.

    Args:
        source (str): A video; a folder of videos; a folder with one
            subfolder of videos a class; or a text file with a video's path
            (relative to the file), and if known its label, a line.

    Returns:
        list[Clip]: In order of name.

    Raises:
        SourceError: If there is no video, or two have one name.
    """
    if osp.isdir(source):
        clips = list(_walk(source))
    elif _is_video(source):
        clips = [_clip(source)]
    elif osp.isfile(source):
        clips = list(_read_list(source))
    else:
        raise SourceError(f'{source}: no such video, folder or list file')
    if not clips:
        raise SourceError(f'{source} holds no video; looked for files '
                          f'ending in {", ".join(VIDEO_SUFFIXES)}')
    by_name = {}
    for clip in clips:
        if clip.name in by_name:
            raise SourceError(
                f'two videos are named {clip.name!r}: '
                f'{by_name[clip.name].path} and {clip.path}; names must be '
                'unique in a dataset: rename one')
        by_name[clip.name] = clip
    return [by_name[name] for name in sorted(by_name)]


def _is_video(path):
    return osp.isfile(path) and path.lower().endswith(VIDEO_SUFFIXES)


def _clip(path, label=None):
    return Clip(osp.splitext(osp.basename(path))[0], path, label)


def _walk(folder):
    """Videos of a folder; those of a subfolder carry its name as label."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            for path in sorted(os.listdir(entry.path)):
                path = osp.join(entry.path, path)
                if _is_video(path):
                    yield _clip(path, entry.name)
        elif _is_video(entry.path):
            yield _clip(entry.path)


def _read_list(path):
    for number, line in _lines(path):
        video, label = line, None
        if not line.lower().endswith(VIDEO_SUFFIXES):
            video, _, label = line.rpartition(' ')
        if not video.lower().endswith(VIDEO_SUFFIXES):
            raise SourceError(
                f'{path}, line {number}: {line!r} is neither "video" nor '
                f'"video label"; a video ends in {", ".join(VIDEO_SUFFIXES)}')
        yield _clip(osp.join(osp.dirname(path), video.strip()), label)


def _lines(path):
    try:
        with open(path, encoding='utf-8') as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise SourceError(f'{path}: {error.strerror}') from None
    except UnicodeDecodeError:
        raise SourceError(f'{path} is no text file') from None
    return [(number, line.strip()) for number, line in enumerate(lines, 1)
            if line.strip()]


def read_classes(path):
    """Class names, one a line, in label order.

    Raises:
        SourceError: If the file cannot be read or repeats a name.
    """
    names = [line for _, line in _lines(path)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated or not names:
        raise SourceError(f'{path}: ' + (
            f'classes are repeated: {repeated}' if names else 'no class'))
    return names


def read_labels(path):
    """Labels of a file with "clip label" a line.

    Returns:
        dict[str, str]: Clip name (without a video suffix) to label.

    Raises:
        SourceError: If a line is malformed, or two lines contradict.
    """
    labels = {}
    for number, line in _lines(path):
        name, _, label = line.partition(' ')
        if not label:
            raise SourceError(f'{path}, line {number}: expected "clip label", '
                              f'found {line!r}')
        if name.lower().endswith(VIDEO_SUFFIXES):
            name = osp.splitext(name)[0]
        label = label.strip()
        if labels.setdefault(name, label) != label:
            raise SourceError(f'{path}, line {number}: {name!r} is labelled '
                              f'{label!r} here and {labels[name]!r} before')
    return labels


def assign_labels(clips, labels=None, classes=None):
    """Number of the class of each clip.

    Args:
        clips (list[Clip]): The clips.
        labels (dict[str, str], optional): Of :func:`read_labels`; by default
            the clips' own labels.
        classes (list[str], optional): Class names in label order; by default
            the labels' own names in alphabetical order, if they are names.

    Returns:
        tuple: Clip name to label (empty if the source has no labels) and the
        class names (None if nobody gave any).

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
            f'{_few(missing)}')
    used = {clip.name: labels[clip.name] for clip in clips}
    numbers = all(label.isdecimal() for label in used.values())
    if classes is None and not numbers:
        classes = sorted(set(used.values()))
    by_class = {name: i for i, name in enumerate(classes or ())}
    assigned = {}
    for name, label in used.items():
        if label in by_class:
            assigned[name] = by_class[label]
        elif label.isdecimal() and (classes is None
                                    or int(label) < len(classes)):
            assigned[name] = int(label)
        elif label.isdecimal():
            raise SourceError(
                f'clip {name!r} has label {label}, out of range: there are '
                f'{len(classes)} classes, 0 to {len(classes) - 1}')
        else:
            close = difflib.get_close_matches(label, by_class, n=3)
            raise SourceError(f'clip {name!r} has label {label!r}, which is '
                              f'no class; closest: {close}')
    return assigned, classes


def read_splits(path, clips):
    """Splits of a JSON file: {"train": [clip, ...], "test": [...], ...}.

    Args:
        path (str): The file.
        clips (list[Clip]): The clips that there are.

    Returns:
        dict[str, list[str]]: Split to clip names.

    Raises:
        SourceError: If the file is malformed, names an unknown clip, names
            a clip twice, or trains or validates on a clip that it tests on.
            Splits of one protocol, ``xsub_train`` and ``xsub_test`` for
            example, are disjoint, but for ``train_full``, which holds the
            clips of ``val`` as well; several protocols share their clips.
    """
    try:
        with open(path, encoding='utf-8') as file:
            splits = json.load(file)
    except (OSError, ValueError) as error:
        raise SourceError(f'{path}: {error}') from None
    if not isinstance(splits, dict) or not splits or not all(
            isinstance(names, list) and all(isinstance(n, str) for n in names)
            for names in splits.values()):
        raise SourceError(f'{path}: expected {{"train": [clip, ...], "test": '
                          '[...]}')
    known = {clip.name for clip in clips}
    for split, names in splits.items():
        unknown = [name for name in names if name not in known]
        if unknown:
            close = difflib.get_close_matches(unknown[0], known, n=1)
            raise SourceError(
                f'{path}: split {split!r} names {len(unknown)} unknown clips: '
                f'{_few(unknown)}' + (f'; did you mean {close[0]!r}?'
                                      if close else ''))
        twice = [name for name, n in Counter(names).items() if n > 1]
        if twice:
            raise SourceError(f'{path}: split {split!r} names clips twice: '
                              f'{_few(twice)}')
    for (one, names), (other, others) in combinations(splits.items(), 2):
        parts = [_PART.fullmatch(split) for split in (one, other)]
        if not all(parts) or parts[0][1] != parts[1][1] or \
                'train_full' in (parts[0][2], parts[1][2]) and \
                'test' not in (parts[0][2], parts[1][2]):
            continue
        both = sorted(set(names) & set(others))
        if both:
            raise SourceError(f'{path}: clip {both[0]!r} is in split '
                              f'{other!r}, and already in {one!r}')
    return splits


def _few(names):
    return ', '.join(names[:5]) + (', …' if len(names) > 5 else '')
