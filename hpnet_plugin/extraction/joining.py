"""What dataset folders say, joined: classes, labels, splits, clips."""
from __future__ import annotations

import os.path as osp
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..datasets.clips import count
from ..facts import Facts, FactsError, read_facts, read_record
from ..store import FeatureStore, clip_checksums, fingerprint
from .checking import noted
from .crops import crop_settings
from .failures import FailureLog
from .mending import COUNTED, folder_names, read_extraction, read_lists

NAMED = 5  # clips that a message names


class JoinError(ValueError):
    """Folders that cannot be joined, or split so; the message says why."""


@dataclass
class Source:
    """A dataset folder, or some of its clips.

    Attributes:
        folder: It.
        store: Its features.
        names: Clips that are taken, sorted.
        labels: Clip to class.
        classes: Their names.
        splits: Split to clips.
        facts: What training knows of it; None if it does not say it.
        rule: How it was split.
        record: What made it.
        failures: Clips that failed, and why.
        crops: How crops were cut; None without any.
    """
    folder: str
    store: FeatureStore
    names: list[str]
    labels: dict[str, int]
    classes: tuple[str, ...] | None
    splits: dict[str, list[str]]
    facts: Facts | None
    rule: dict[str, Any]
    record: dict[str, Any]
    failures: dict[str, str]
    crops: dict[str, Any] | None
    found: list[str] = field(default_factory=list)

    @property
    def parts(self) -> dict[str, set[str]]:
        """Clip to the splits that it is in."""
        found: dict[str, set[str]] = {}
        for split, members in self.splits.items():
            for name in members:
                found.setdefault(name, set()).add(split)
        return found


def read_source(folder: str) -> Source:
    """Read what a dataset folder says.

    Args:
        folder: The dataset folder.

    Returns:
        It, with all of its clips.

    Raises:
        JoinError: If its clips cannot be read.
        StoreError: If its features cannot be read.
    """
    store = FeatureStore(osp.join(folder, 'features'))
    about = noted(folder)
    lists = read_lists(folder, about)
    if lists is None:
        raise JoinError(f'{folder}: its annotations cannot be read; hpnet '
                        'verify says what is wrong')
    if set(lists.names) != set(store.names):
        raise JoinError(
            f'{folder}: annotations and features do not have the same clips; '
            'run hpnet extract on it again, or hpnet verify --repair')
    facts, classes, rule = None, folder_names(folder), dict(by='given')
    try:
        facts = read_facts(folder)
        classes = facts.classes
        rule = read_record(folder).get('split_rule') or rule
    except (FactsError, OSError):
        pass
    content = read_extraction(folder)
    record = {key: value for key, value in content.items()
              if key not in COUNTED} or dict(store.meta)
    failures = FailureLog(folder).read()
    return Source(
        folder, store, store.names, lists.labels, classes, lists.splits,
        facts, rule, record, failures, crop_settings(folder),
        sorted({*lists.names, *failures, *(
            name for members in lists.splits.values() for name in members)}))


def join_classes(sources: Sequence[Source]
                 ) -> tuple[list[str] | None, dict[str, int]]:
    """Class names of all sources, and the labels of their clips by them.

    Args:
        sources: The folders.

    Returns:
        Names in label order, those of the first source first; None where
        nothing is labelled. Clip to label.
    """
    names: dict[str, int] = {}
    for source in sources:
        for name in source.classes or ():
            names.setdefault(name, len(names))
    labels = {}
    for source in sources:
        known = source.classes
        for name, label in source.labels.items():
            if known is not None and label < len(known):
                labels[name] = names[known[label]]
    return list(names) or None, labels


def refuse_collisions(sources: Sequence[Source]) -> list[list[str]]:
    """Clips of each source that no source before it has.

    Args:
        sources: The folders.

    Returns:
        Clips for each source.

    Raises:
        JoinError: If a clip of one name is another one in another source, or
            of another class or split.
    """
    owner: dict[str, int] = {}
    kept, other, moved = [], {}, {}
    checks: dict[int, dict[str, int]] = {}

    def number(index: int, name: str) -> int:
        if index not in checks:
            checks[index] = clip_checksums(sources[index].store)
        return checks[index][name]

    parts = [source.parts for source in sources]
    for index, source in enumerate(sources):
        mine = []
        for name in source.names:
            first = owner.setdefault(name, index)
            if first == index:
                mine.append(name)
            elif number(first, name) != number(index, name) or \
                    _class_of(sources[first], name) != _class_of(
                        source, name):
                other[name] = sources[first].folder, source.folder
            elif parts[first].get(name) != parts[index].get(name):
                moved[name] = parts[first].get(name), parts[index].get(name)
        kept.append(mine)
    if other:
        raise JoinError(
            f'{count(len(other), "clip")} of one name '
            f'{"is" if len(other) == 1 else "are"} not the same in two '
            f'folders: {_listed(other)}. Extract one folder again from '
            'videos of other names')
    if moved:
        texts = {name: (sorted(one or ()), sorted(two or ()))
                 for name, (one, two) in moved.items()}
        raise JoinError(
            f'{count(len(moved), "clip")} would be trained on and tested: '
            f'{_listed(texts)}. Give both folders the same splits')
    return kept


def _class_of(source: Source, name: str) -> str | int | None:
    label = source.labels.get(name)
    if label is None or source.classes is None:
        return label
    return source.classes[label] if label < len(source.classes) else label


def _listed(names: Mapping[str, tuple]) -> str:
    some = [f'{name} ({one or "no split"} and {two or "no split"})'
            for name, (one, two) in sorted(names.items())[:NAMED]]
    more = len(names) - NAMED
    return ', '.join(some) + (f' and {more} more' if more > 0 else '')


def join_splits(sources: Sequence[Source], kept: Iterable[str]
                ) -> dict[str, list[str]]:
    """Splits of all sources, with the clips that are kept.

    Args:
        sources: The folders.
        kept: Clips; others are left out, and splits that then have none.

    Returns:
        Split to clips, each once.
    """
    wanted, found = set(kept), {}
    for source in sources:
        for split, members in source.splits.items():
            found.setdefault(split, {}).update(
                dict.fromkeys(name for name in members if name in wanted))
    return {split: list(members) for split, members in found.items()
            if members}


def join_records(sources: Sequence[Source], meta: Mapping[str, Any],
                 how: str) -> dict[str, Any]:
    """What made the features of a joined folder, for its extraction.json.

    Args:
        sources: The folders.
        meta: meta.json of the joined features.
        how: The command.

    Returns:
        What all sources say, and each of them in ``sources``.
    """
    first = sources[0].record
    same = {key: value for key, value in first.items() if all(
        source.record.get(key) == value for source in sources)}
    return {**same, **meta, 'made_by': how, 'sources': [dict(
        folder=osp.basename(osp.abspath(source.folder)),
        store=fingerprint(source.store), clips=len(source.names),
        record=source.record) for source in sources]}
