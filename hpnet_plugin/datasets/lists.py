"""Lists of clips, as benchmarks publish them."""
from __future__ import annotations

import csv
import json
import os.path as osp
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TextIO

from ..files import VIDEO_SUFFIXES
from .benchmarks import bare_name
from .clips import SourceClip


class PreparationError(ValueError):
    """A download that cannot be prepared as asked; the message says why."""


def read_named_clips(path: str) -> dict[str, str | None]:
    """Clips that a list names.

    Args:
        path: One of

            - text: a clip, with or without folder and suffix, and if known
              its label, a line (UCF101's lists, for instance);
            - ``.csv`` with the columns ``youtube_id``, ``time_start``,
              ``time_end`` and perhaps ``label`` (Kinetics): the clips are
              ``ID_SSSSSS_EEEEEE``, or ``ID`` if there are no times;
            - ``.json``: a list of dicts with ``id`` and perhaps
              ``template`` (Something-Something).

    Returns:
        Clip name to label.

    Raises:
        PreparationError: If the file cannot be read, or holds no clip.
    """
    readers = {'.csv': _read_csv, '.json': _read_json}
    reader = readers.get(osp.splitext(path)[1].lower(), _read_text)
    try:
        with open(path, encoding='utf-8', newline='') as file:
            names = dict(reader(file))
    except OSError as error:
        raise PreparationError(f'{path}: {error.strerror}') from None
    except (ValueError, KeyError, TypeError, AttributeError,
            OverflowError, RecursionError, csv.Error) as error:
        raise PreparationError(f'{path} is no list of clips '
                               f'({type(error).__name__}: {error})') from None
    if not names:
        raise PreparationError(f'{path} names no clip')
    return names


def bare_names(names: Iterable[str]) -> set[str]:
    """Names as lists and folders have in common.

    Args:
        names: Names of clips.

    Returns:
        Each as :func:`hpnet_plugin.datasets.benchmarks.bare_name` has it.
    """
    return set(map(bare_name, names))


def divide_by_lists(lists: Mapping[str, Mapping[str, str | None]],
                    names: Sequence[str]
                    ) -> tuple[dict[str, list[str]], list[str]]:
    """Divide clips as lists have them.

    Args:
        lists: Split to the clips that its list names.
        names: Clips that are there.

    Returns:
        Splits of the clips that are there, and the bare names of all that the
        lists name.

    Raises:
        PreparationError: If none of a list's clips is there, or one is in a
            test split and in another.
    """
    by_bare = {bare_name(name): name for name in names}
    splits, owner = {}, {}
    for split, listed in lists.items():
        bare = list(map(bare_name, listed))
        for name in bare:
            other = owner.setdefault(name, split)
            if other != split and split.endswith('test') != other.endswith(
                    'test'):
                raise PreparationError(f'clip {name!r} is in {other!r} and '
                                       f'in {split!r}')
        splits[split] = [by_bare[name] for name in bare if name in by_bare]
        if not splits[split]:
            raise PreparationError(
                f'split {split!r}: none of its {len(bare)} clips is there; '
                f'it names {bare[0]!r}, the source has {names[0]!r}')
    return splits, list(owner)


def label_by_lists(clips: Iterable[SourceClip],
                   lists: Mapping[str, Mapping[str, str | None]]
                   ) -> list[SourceClip]:
    """Clips that lists name, with the lists' labels.

    Args:
        clips: The clips.
        lists: Split to the clips that its list names, with labels.

    Returns:
        Those that a list names; labels of their own hold.
    """
    known = {bare_name(name): label
             for listed in lists.values() for name, label in listed.items()}
    return [clip if clip.label is not None else
            clip._replace(label=known[bare]) for clip in clips
            if (bare := bare_name(clip.name)) in known]


def _read_text(file: TextIO) -> Iterator[tuple[str, str | None]]:
    for line in file:
        name, label = line.strip(), None
        if not name.lower().endswith(VIDEO_SUFFIXES) and ' ' in name:
            name, label = name.rsplit(' ', 1)
        if name:
            yield _stem(name), label


def _read_csv(file: TextIO) -> Iterator[tuple[str, str | None]]:
    for row in csv.DictReader(file):
        name = row['youtube_id']
        if row.get('time_start'):
            name += (f'_{int(float(row["time_start"])):06d}'
                     f'_{int(float(row["time_end"])):06d}')
        yield name, row.get('label')


def _read_json(file: TextIO) -> Iterator[tuple[str, str | None]]:
    for item in json.load(file):
        label = item.get('template', '').replace('[', '').replace(']', '')
        yield str(item['id']), label or None


def _stem(path: str) -> str:
    name = osp.basename(path)
    stem, suffix = osp.splitext(name)
    return stem if suffix.lower() in (*VIDEO_SUFFIXES, '.npy') else name
