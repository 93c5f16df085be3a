"""Which clips of a dataset train and test in each fold of a study."""
from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..evaluation.scores import listed
from .study_file import WHOLE, Study, StudyError, plain

HELD_BACK = 'held_back'  # the name of the fold of what is held back


@dataclass(frozen=True)
class Clip:
    """A clip of a study.

    Attributes:
        name: Its name.
        label: Its class.
        group: Of a person, say: a group tests as a whole.
        variant: Of a look, say; '' where there are none.
        take: The same for all variants of one recording.
    """
    name: str
    label: int
    group: str
    variant: str
    take: str


@dataclass(frozen=True)
class Fold:
    """A division of clips.

    Attributes:
        name: Of its groups.
        train: Clips that train.
        test: Clips that test.
    """
    name: str
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]

    def part(self, percent: int) -> Fold:
        """The fold with fewer training clips.

        Of each class the same share of takes stays, one at least: those of
        the lowest hashes of their names. A smaller part is contained in a
        larger one.

        Args:
            percent: Of the training takes, 1 to 100.

        Returns:
            It tests the same clips.
        """
        if percent == WHOLE:
            return self
        takes = defaultdict(set)
        for clip in self.train:
            takes[clip.label].add(clip.take)
        kept = set()
        for label, found in takes.items():
            order = sorted(found, key=lambda take: (hashlib.sha256(
                take.encode()).digest(), take))
            count = max(1, (2 * len(order) * percent + WHOLE) // (2 * WHOLE))
            kept |= {(label, take) for take in order[:count]}
        return Fold(self.name, tuple(
            clip for clip in self.train if (clip.label, clip.take) in kept),
            self.test)


def describe_clips(study: Study, labels: Mapping[str, int]) -> list[Clip]:
    """What the names of clips, or the study's JSON file, say of them.

    Args:
        study: The study.
        labels: Clip to class.

    Returns:
        The clips, in the same order.

    Raises:
        StudyError: If a clip has no group, no variant or no label.
    """
    unlabelled = [name for name, label in labels.items() if label < 0]
    if unlabelled:
        raise StudyError(f'{study.data_root}: no label of '
                         f'{listed(unlabelled)}; a study needs all labels')
    if study.groups_file:
        return _by_file(study, labels)
    found, unknown = [], []
    for name, label in labels.items():
        match = re.search(study.pattern or '', name)
        if match is None or None in match.groupdict().values():
            unknown.append(name)
            continue
        said, take = match.groupdict(), name
        if 'variant' in said:
            start, end = match.span('variant')
            take = f'{name[:start]}*{name[end:]}'
        found.append(Clip(name, label, plain(said['group']),
                          plain(said.get('variant', '')), take))
    if unknown:
        raise StudyError(
            f'{study.path}: clips.pattern {study.pattern!r} does not match '
            f'the names of {listed(unknown)}')
    return found


def _by_file(study: Study, labels: Mapping[str, int]) -> list[Clip]:
    path = study.groups_file or ''
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except (ValueError, RecursionError) as error:
        raise StudyError(f'{path} is no JSON file: {error}') from None
    if not isinstance(content, dict):
        raise StudyError(f'{path}: expected an object of clip to group')
    missing = [name for name in labels if name not in content]
    if missing:
        raise StudyError(f'{path} does not name {listed(missing)}')
    keys = ('group', 'variant', 'take') if study.train_variants else (
        'group', )
    found = []
    for name, label in labels.items():
        entry = content[name]
        if keys == ('group', ) and isinstance(entry, (str, int)):
            entry = dict(group=entry)
        if not isinstance(entry, dict) or not all(
                isinstance(entry.get(key), (str, int)) for key in keys):
            raise StudyError(f'{path}: {name} has {entry!r:.80}; expected '
                             f'an object with {", ".join(keys)}')
        found.append(Clip(name, label, plain(entry['group']),
                          plain(entry.get('variant', '')),
                          str(entry.get('take', name))))
    return found


def folds_of(study: Study, clips: Sequence[Clip]) -> list[Fold]:
    """The folds of a study; what is held back is in none of them.

    Args:
        study: The study.
        clips: Of its dataset.

    Returns:
        In the order of the study.

    Raises:
        StudyError: If a group or a variant has no clip, or a tested class no
            training clip.
    """
    _refuse_unknown(study, clips)
    held = set(study.held_groups)
    return [_fold(study, '+'.join(groups), [
        clip for clip in clips if clip.group not in held], set(groups),
        study.test_variants) for groups in study.folds]


def held_back_fold(study: Study, clips: Sequence[Clip]) -> Fold:
    """What is held back, and what is trained for it.

    Args:
        study: The study; it holds something back.
        clips: Of its dataset.

    Returns:
        All other groups train.

    Raises:
        StudyError: If nothing is held back, or a group or a variant has no
            clip, or a tested class no training clip.
    """
    if not study.held_groups:
        raise StudyError(f'{study.path} holds nothing back: it has no '
                         'held_back: {groups: […]}')
    _refuse_unknown(study, clips)
    return _fold(study, HELD_BACK, clips, set(study.held_groups),
                 study.held_variants or study.test_variants)


def _fold(study: Study, name: str, clips: Sequence[Clip], groups: set[str],
          variants: Sequence[str]) -> Fold:
    train = tuple(clip for clip in clips if clip.group not in groups
                  and clip.variant in (study.train_variants or ('', )))
    test = tuple(clip for clip in clips if clip.group in groups
                 and clip.variant in (variants or ('', )))
    if not train or not test:
        raise StudyError(
            f'{study.path}: fold {name} has {len(train)} clips to train and '
            f'{len(test)} to test; each needs at least one')
    unseen = {clip.label for clip in test} - {clip.label for clip in train}
    if unseen:
        raise StudyError(
            f'{study.path}: fold {name} tests class {min(unseen)}, which '
            'none of its training clips shows: put other groups together')
    return Fold(name, train, test)


def _refuse_unknown(study: Study, clips: Sequence[Clip]) -> None:
    groups = {clip.group for clip in clips}
    variants = {clip.variant for clip in clips}
    asked = [(group, 'group', groups) for groups_ in
             (*study.folds, study.held_groups) for group in groups_]
    asked += [(variant, 'variant', variants) for variant in (
        *study.train_variants, *study.test_variants, *study.held_variants)]
    for name, what, known in asked:
        if name not in known:
            raise StudyError(
                f'{study.path}: no clip of {study.data_root} has the {what} '
                f'{name!r}; there are {", ".join(sorted(known)[:20])}')
