"""Which clips there are, what they show, and who trains on them."""
from __future__ import annotations

import difflib
import json
import os
import os.path as osp
import re
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

from ..files import VIDEO_SUFFIXES
from .clips import SourceClip, SourceError, printable
from .names import name_clips

# protocol and part of a split's name
_PART = re.compile(r'(|.+_)(train|train_full|val|test)')


class Listing(NamedTuple):
    """What a source holds.

    Attributes:
        clips (list[SourceClip]): The videos, in order of name.
        skipped (dict[str, str]): Every other file and folder, and why it is
            no clip.
    """
    clips: list[SourceClip]
    skipped: dict[str, str]


def describe_skipped(skipped: dict[str, str], most: int = 20) -> str:
    """What :func:`list_clips` left out, in lines for a terminal.

    Args:
        skipped (dict[str, str]): See :class:`Listing`.
        most (int): Files that are named. Defaults to 20.

    Returns:
        str: Empty, or lines that end in a line break.
    """
    if not skipped:
        return ''
    lines = [f'{len(skipped)} of the files and folders are left out:']
    lines += [f'  {printable(path)}: {why}'
              for path, why in list(skipped.items())[:most]]
    if len(skipped) > most:
        lines.append(f'  and {len(skipped) - most} more')
    return '\n'.join(lines) + '\n'


def find_clips(source: str) -> list[SourceClip]:
    """The clips of :func:`list_clips`."""
    return list_clips(source).clips


def list_clips(source: str,
               known: Mapping[tuple[str, str], str] | None = None) -> Listing:
    """Clips of a video, a folder or a list file, and what is no clip.

    A clip is called like its file, without the suffix. Where files of
    several folders are called the same, each gets the name of its folder
    before it, ``FOLDER__FILE``; a file in ``source`` itself keeps its name,
    and so does a clip that was in the dataset before.

    A list file holds the path of a video (relative to the file), and if
    known its label, a line::

        # lines like this one, and empty ones, are passed over
        wave/a.mp4 3
        wave/b.mp4 wave hello
        "wave/take 2.mp4"       3

    Quotes are needed only where a path ends in a space or begins with ``#``.

    Args:
        source (str): A video; a folder of videos; a folder with one
            subfolder of videos a class; or a list file, UTF-8.
        known (Mapping, optional): What clips of the dataset folder are
            called, of :func:`names.read_names`.

    Returns:
        Listing: The clips, and what was skipped: hidden files, files that do
        not end like a video, links that lead nowhere, folders in a class's
        folder, and what else there is.

    Raises:
        SourceError: If there is no video, or two have one name.
    """
    skipped = {}
    if osp.isdir(source):
        clips = list(_walk(source, skipped))
    elif _is_video(source):
        clips = [_clip(source)]
    elif osp.isfile(source):
        clips = list(read_list(source))
    else:
        raise SourceError(f'{source}: no such video, folder or list file')
    if not clips:
        reasons = [f'{path}: {why}' for path, why in skipped.items()]
        raise SourceError(
            f'{source} holds no video; looked for files ending in '
            f'{", ".join(VIDEO_SUFFIXES)}'
            + (f'; skipped: {"; ".join(reasons[:3])}' if reasons else '')
            + ('; ...' if len(reasons) > 3 else ''))
    return Listing(name_clips(clips, source, known), skipped)


def _is_video(path):
    return osp.isfile(path) and path.lower().endswith(VIDEO_SUFFIXES)


def _clip(path, label=None):
    return SourceClip(osp.splitext(osp.basename(path))[0], path, label)


def _walk(folder, skipped):
    """Videos of a folder; those of a subfolder carry its name as label."""
    seen = {osp.realpath(folder)}
    for name in _names(folder, skipped):
        path = osp.join(folder, name)
        if not osp.isdir(path):
            if _is_clip(path, skipped):
                yield _clip(path)
        elif name.startswith('.'):
            skipped[path] = 'hidden'
        elif osp.realpath(path) in seen:
            skipped[path] = 'a link to a folder that is read already'
        else:
            seen.add(osp.realpath(path))
            for inner in _names(path, skipped):
                inner = osp.join(path, inner)
                if osp.isdir(inner):
                    skipped[inner] = ('a folder in a subfolder: videos stand '
                                      'in the folder or one level below it')
                elif _is_clip(inner, skipped):
                    yield _clip(inner, name)


def _names(folder, skipped):
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        skipped[folder] = f'cannot be read: {error.strerror}'
        return []


def _is_clip(path, skipped):
    """Whether a file is a video by its name; if not, why is noted."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        skipped[path] = (
            f'a link to {os.readlink(path)}: {error.strerror}'
            if osp.islink(path) else f'cannot be read: {error.strerror}')
        return False
    if osp.basename(path).startswith('.'):
        skipped[path] = 'hidden'
    elif not stat.S_ISREG(mode):
        skipped[path] = 'no ordinary file'
    elif not path.lower().endswith(VIDEO_SUFFIXES):
        suffix = osp.splitext(path)[1]
        skipped[path] = (f'{suffix} is no suffix of a video' if suffix else
                         'its name has no suffix')
    else:
        return True
    return False


def read_list(path: str) -> Iterator[SourceClip]:
    """Videos of a list file, in its order; see :func:`list_clips`.

    Args:
        path (str): The list file.

    Yields:
        SourceClip: A video, whether it exists or not; relative paths have the
        folder of the list file before them.

    Raises:
        SourceError: If a line names no video, or the file is no text.
    """
    for number, line in _lines(path):
        if line.startswith('#'):
            continue
        video, label = _split(line)
        if not video.lower().endswith(VIDEO_SUFFIXES):
            raise SourceError(
                f'{path}, line {number}: {line!r} is neither "video" nor '
                f'"video label"; a video ends in {", ".join(VIDEO_SUFFIXES)}')
        yield _clip(osp.join(osp.dirname(path), video), label)


def _split(line):
    """Video and label of a line; the video is empty if there is none."""
    quoted = re.fullmatch(r"""(["'])(.+)\1(?:\s+(.+))?""", line)
    if quoted:
        return quoted[2], quoted[3]
    if line.lower().endswith(VIDEO_SUFFIXES):
        return line, None
    # a label of one word after the last video, else of several after the
    # first
    suffixes = '|'.join(map(re.escape, VIDEO_SUFFIXES))
    found = re.fullmatch(rf'(.+(?:{suffixes}))\s+(\S+)', line, re.I) or \
        re.fullmatch(rf'(.+?(?:{suffixes}))\s+(.+)', line, re.I)
    return (found[1], found[2]) if found else ('', None)


def _lines(path):
    """Numbered lines of a text file, without those that are empty."""
    try:
        # also of editors that put a mark of their own before the first
        with open(path, encoding='utf-8-sig') as file:
            lines = file.read().split('\n')
    except OSError as error:
        raise SourceError(f'{path}: {error.strerror}') from None
    except UnicodeDecodeError:
        raise SourceError(f'{path} is no text file (UTF-8)') from None
    return [(number, line.strip()) for number, line in enumerate(lines, 1)
            if line.strip()]


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
        clips (list[SourceClip]): The clips.
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


def read_split_lists(path: str) -> dict[str, list[str]]:
    """A file of splits, whatever clips there are.

    Args:
        path (str): JSON, ``{"train": [clip, ...], "test": [...]}``.

    Raises:
        SourceError: If it is none.
    """
    expected = 'expected JSON, {"train": [clip, ...], "test": [...]}'
    try:
        with open(path, encoding='utf-8') as file:
            splits = json.load(file)
    except OSError as error:
        raise SourceError(f'{path}: {error.strerror}; {expected}') from None
    except ValueError as error:
        raise SourceError(f'{path} is no JSON file ({error}); {expected}'
                          ) from None
    if not isinstance(splits, dict) or not splits or not all(
            isinstance(names, list) and all(isinstance(n, str) for n in names)
            for names in splits.values()):
        raise SourceError(f'{path} holds other things than splits; '
                          f'{expected}')
    return splits


def read_splits(path, clips):
    """Splits of a JSON file: {"train": [clip, ...], "test": [...], ...}.

    Args:
        path (str): The file.
        clips (list[SourceClip]): The clips that there are.

    Returns:
        dict[str, list[str]]: Split to clip names.

    Raises:
        SourceError: If the file is malformed, names an unknown clip, names
            a clip twice, or trains or validates on a clip that it tests on.
            Splits of one protocol, ``xsub_train`` and ``xsub_test`` for
            example, are disjoint, but for ``train_full``, which holds the
            clips of ``val`` as well; several protocols share their clips.
    """
    splits = read_split_lists(path)
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
