"""A folder of one's own: labelled by subfolders or lists, and divided."""
from __future__ import annotations

import os.path as osp
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..benchmark_files import PARTS, read_json
from ..facts import read_record
from .benchmarks import TRAIN_FULL, bare_name
from .clips import SourceClip, SourceError
from .labelling import assign_labels
from .lists import (
    PreparationError,
    bare_names,
    divide_by_lists,
    label_by_lists,
)
from .prepared import Preparation, result
from .sources import find, find_clips
from .splitting import SPLITS, Division, choose_share, divide

RANDOM, NAMES, FOLDERS = 'random', 'names', 'folders'


class Shares(NamedTuple):
    """How clips are divided where nobody says which is where.

    Attributes:
        test: Share of a class that tests.
        val: Share of a class's training clips that validates.
        seed: Of chance.
    """
    test: float
    val: float
    seed: int


def prepare_folder(rule: str,
                   lists: Mapping[str, Mapping[str, str | None]],
                   source: str | list[SourceClip],
                   leave_out: Iterable[str],
                   expected: Iterable[str] | None,
                   shares: Shares,
                   earlier: str | None) -> Preparation:
    """Label and divide the clips of a folder.

    Args:
        rule: ``'random'``, ``'names'`` or ``'folders'``.
        lists: Name of a split to the clips that a list names, with labels;
            where there are any, they divide.
        source: See :func:`hpnet_plugin.datasets.sources.find`.
        leave_out: Clips to leave out.
        expected: Clips that should be there, by default those of the lists.
        shares: Of chance.
        earlier: A folder that was prepared before.

    Returns:
        The preparation.

    Raises:
        PreparationError: If labels or folders are missing.
    """
    _check(shares)
    if rule == FOLDERS and not lists:
        clips, parts = _by_folders(str(source))
    else:
        clips, parts = find(source, earlier), None
    notes = [f'{len(clips)} clips found']
    leave_out = bare_names(leave_out)
    kept = [clip for clip in clips if bare_name(clip.name) not in leave_out]
    if len(kept) < len(clips):
        notes.append(f'{len(clips) - len(kept)} left out (list given)')
        clips = kept
    names = [clip.name for clip in clips]
    counts: dict[str, int | None] = {}
    if lists:
        parts, wanted = divide_by_lists(lists, names)
        expected = expected or wanted
        counts = {name: len(lists[name]) for name in lists}
        clips = label_by_lists(clips, lists)
    labels, classes = assign_labels(clips)
    if not labels:
        raise PreparationError(
            f'{source} says nowhere what its clips show: give one subfolder '
            'a class, or a list file with "video label" a line')
    how: dict[str, Any] = dict(by='given')
    if parts is None:
        divided = _divide(names, labels, shares, rule == NAMES, earlier)
        parts, how = dict(divided.splits), divided.rule
        notes.append(divided.text)
        if 'val' in parts:
            parts[TRAIN_FULL] = sorted(parts['train'] + parts['val'])
    parts = _complete(parts, set(names), labels, shares, counts)
    rows = [(name, len(parts[name]), counts.get(name)) for name in parts]
    return result(clips, labels, classes, parts, rows,
                  bare_names(expected or ()) - leave_out,
                  notes)._replace(rule=how)


def _check(shares: Shares) -> None:
    for name, share in (('test', shares.test), ('val', shares.val)):
        if not 0 <= share < 1:
            raise PreparationError(f'the share that forms {name} must be '
                                   f'from 0 to below 1, got {share}')


def _complete(parts: Mapping[str, list[str]], inside: set[str],
              labels: Mapping[str, int], shares: Shares,
              counts: dict[str, int | None]) -> dict[str, list[str]]:
    """Splits of the clips that are there; val is cut from train."""
    parts = {part: [name for name in members if name in inside]
             for part, members in parts.items()}
    if 'train' in parts and not {'val', TRAIN_FULL} & parts.keys():
        full = parts['train']
        cut = choose_share(full, labels, shares.val, f'{shares.seed} val')
        parts.update({'train': [n for n in full if n not in cut],
                      'val': [n for n in full if n in cut],
                      TRAIN_FULL: full})
        counts[TRAIN_FULL] = counts.pop('train', None)
    order = [*PARTS, TRAIN_FULL]
    return {name: parts[name] for name in sorted(
        parts, key=lambda n: (order.index(n) if n in order else -1, n))}


def _divide(names: list[str], labels: Mapping[str, int], shares: Shares,
            by_name: bool, earlier: str | None) -> Division:
    """Divide a folder; clips that were divided so before stay."""
    rule = read_record(earlier).get('split_rule', {}) if earlier else {}
    before = None
    if earlier and rule.get('seed') == shares.seed and rule['by'] in (
            ('name', 'chance') if by_name else ('chance', )):
        before = read_json(osp.join(earlier, SPLITS))
    return divide(names, labels, shares.seed, shares.test, shares.val,
                  by_name, before, rule if before is not None else None)


def _by_folders(source: str
                ) -> tuple[list[SourceClip], dict[str, list[str]]]:
    """Clips and splits of train/, val/ and test/."""
    clips, parts = [], {}
    for part in PARTS:
        folder = osp.join(source, part)
        if osp.isdir(folder):
            members = find_clips(folder)
            parts[part] = [clip.name for clip in members]
            clips += members
    if 'train' not in parts or len(parts) < 2:
        raise PreparationError(f'{source}: expected folders train and test '
                               f'(or val), each with one subfolder a class')
    if 'test' not in parts:
        # Kinetics publishes no labels of its test set: val is reported
        parts['test'] = parts.pop('val')
    twice = {clip.name for clip in clips}
    if len(twice) < len(clips):
        names = sorted(clip.name for clip in clips)
        name = next(a for a, b in zip(names, names[1:]) if a == b)
        raise SourceError(f'two videos of {source} are named {name!r}; names '
                          'must be unique in a dataset: rename one')
    return sorted(clips), parts
