"""Files of splits: which clips train, validate and test."""
from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from itertools import combinations

from .clips import SourceClip, SourceError, few

# protocol and part of a split's name
_PART = re.compile(r'(|.+_)(train|train_full|val|test)')


def read_split_lists(path: str) -> dict[str, list[str]]:
    """A file of splits, whatever clips there are.

    Args:
        path: JSON, ``{"train": [clip, ...], "test": [...]}``.

    Returns:
        Split to clip names.

    Raises:
        SourceError: If it is none.
    """
    expected = 'expected JSON, {"train": [clip, ...], "test": [...]}'
    try:
        with open(path, encoding='utf-8') as file:
            splits = json.load(file)
    except OSError as error:
        raise SourceError(f'{path}: {error.strerror}; {expected}') from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f'{path} is no JSON file ({error}); {expected}'
                          ) from None
    if not isinstance(splits, dict) or not splits or not all(
            isinstance(names, list) and all(isinstance(n, str) for n in names)
            for names in splits.values()):
        raise SourceError(f'{path} holds other things than splits; '
                          f'{expected}')
    return splits


def read_splits(path: str, clips: list[SourceClip]) -> dict[str, list[str]]:
    """Splits of a JSON file: {"train": [clip, ...], "test": [...], ...}.

    Args:
        path: The file.
        clips: The clips that there are.

    Returns:
        Split to clip names.

    Raises:
        SourceError: If the file is malformed, names an unknown clip, names a
            clip twice, or trains or validates on a clip that it tests on.
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
                f'{few(unknown)}' + (f'; did you mean {close[0]!r}?'
                                      if close else ''))
        twice = [name for name, n in Counter(names).items() if n > 1]
        if twice:
            raise SourceError(f'{path}: split {split!r} names clips twice: '
                              f'{few(twice)}')
    for (one, names), (other, others) in combinations(splits.items(), 2):
        first, second = _PART.fullmatch(one), _PART.fullmatch(other)
        if not first or not second or first[1] != second[1]:
            continue  # of other protocols
        if 'train_full' in (first[2], second[2]) and \
                'test' not in (first[2], second[2]):
            continue
        both = sorted(set(names) & set(others))
        if both:
            raise SourceError(f'{path}: clip {both[0]!r} is in split '
                              f'{other!r}, and already in {one!r}')
    return splits
