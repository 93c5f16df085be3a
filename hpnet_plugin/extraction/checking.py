"""Check a dataset folder: its features and every file beside them."""
from __future__ import annotations

import json
import os.path as osp
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..datasets.annotations import read_annotations
from ..datasets.clip_list import ClipList, read_clip_list
from ..datasets.clips import SourceError
from ..facts import FILE as FACTS
from ..facts import Facts, FactsError, read_facts
from ..store import FeatureStore, StoreError, fingerprint, verify
from ..store.files import TABLE
from .checksums import (
    ANNOTATIONS,
    CLIPS,
    FILE,
    FILES,
    Checksums,
    ChecksumsError,
    digits_of,
    read_checksums,
)
from .crop_checking import crop_problems
from .dataset import RECORD
from .failures import FailureLog

SHOWN = 5  # names in a line
# what files that may hold anything end in when they are read
ERRORS = (OSError, ValueError, KeyError, TypeError, AttributeError,
          IndexError, RecursionError, OverflowError, MemoryError)


class Noted(NamedTuple):
    """What a dataset folder says of itself, as far as it can be trusted.

    Attributes:
        checksums: Of its files; None if there are none, or damaged ones.
        clips: Its clip list, if that is what was written.
        problems: What is wrong with these.
    """
    checksums: Checksums | None
    clips: ClipList | None
    problems: list[str]

    @property
    def expected(self) -> dict[str, int] | None:
        """Clip to its checksum, None where that was not noted."""
        if self.clips is None or self.clips.checksums is None:
            return None
        return dict(zip(self.clips.names, self.clips.checksums))


def noted(folder: str) -> Noted:
    """Read what a dataset folder says of itself.

    Args:
        folder: The dataset folder.

    Returns:
        What it says.
    """
    problems, checksums, clips = [], None, None
    try:
        checksums = read_checksums(folder)
    except (ChecksumsError, OSError) as error:
        problems.append(str(error))
    path = osp.join(folder, CLIPS)
    if osp.isfile(path):
        try:
            if checksums is None or CLIPS not in checksums.files or \
                    digits_of(path) == checksums.files[CLIPS]:
                clips = read_clip_list(osp.join(folder, ANNOTATIONS),
                                       outdated=True)
        except ERRORS as error:
            problems.append(str(error))
    return Noted(checksums, clips, problems)


def check_folder(folder: str, progress: Callable | None = None) -> list[str]:
    """Read every file of a dataset folder and compare it with the others.

    Args:
        folder: With ``features/``; what else there is of a dataset folder is
            checked as well.
        progress: Wraps the list of shards.

    Returns:
        What is wrong, a line each; empty if nothing is.
    """
    about = noted(folder)
    root = osp.join(folder, 'features')
    problems = verify(root, progress, about.expected)
    problems += about.problems + list(_file_problems(folder, about.checksums))
    try:
        store = FeatureStore(root)
    except (StoreError, OSError) as error:
        text = str(error)
        return problems if text in problems else [*problems, text]
    problems += _store_problems(folder, store, about)
    problems += _annotation_problems(folder, store, about)
    problems += _fact_problems(folder, store, about.clips)
    problems += _record_problems(folder, store, about.clips)
    problems += crop_problems(folder, store)
    return list(dict.fromkeys(problems))


def _file_problems(folder: str, checksums: Checksums | None
                   ) -> Iterator[str]:
    """Files that are not what they were when the folder was written."""
    if checksums is None:
        if osp.isfile(osp.join(folder, RECORD)) and \
                not osp.isfile(osp.join(folder, FILE)) and _is_new(folder):
            yield (f'{osp.join(folder, FILE)} is missing: nothing covers the '
                   'files beside the features; the extraction writes it')
        return
    for name in FILES:
        path, expected = osp.join(folder, name), checksums.files.get(name)
        try:
            if expected is None:
                if osp.exists(path):
                    yield (f'{path} was not there when the folder was '
                           'written; run the extraction again if it belongs '
                           'to it')
            elif digits_of(path) != expected:
                yield (f'{path} is not the file that was written: it is '
                       'damaged, was changed, or an extraction was '
                       'interrupted')
        except FileNotFoundError:
            yield f'{path} is missing'
        except OSError as error:
            yield f'{path} cannot be read: {error.strerror}'


def _is_new(folder: str) -> bool:
    """Whether the clip list is of a version that notes checksums."""
    try:
        with open(osp.join(folder, CLIPS), encoding='utf-8') as file:
            return 'checksums' in json.load(file)
    except ERRORS:
        return False


def _some(names: Any) -> str:
    names = sorted(names)
    return ', '.join(map(repr, names[:SHOWN])) + (
        f' and {len(names) - SHOWN} more' if len(names) > SHOWN else '')


def _store_problems(folder: str, store: FeatureStore, about: Noted
                    ) -> Iterator[str]:
    """Clips that came or went since the folder was written."""
    root = store.root
    if about.checksums is not None and len(store) and \
            not osp.isfile(osp.join(root, TABLE)):
        yield (f'{osp.join(root, TABLE)} is missing; hpnet verify --upgrade '
               'makes it again')
    if about.clips is not None:
        there, listed = set(store.names), set(about.clips.names)
        if listed - there:
            yield (f'{folder}: {_some(listed - there)}: in the annotations '
                   'and not in the features; run the extraction again')
        if there - listed:
            yield (f'{folder}: {_some(there - listed)}: in the features and '
                   'not in the annotations: an extraction was interrupted, '
                   'or a shard of another dataset was put in; run the '
                   'extraction again')
        if there == listed and about.checksums is not None and \
                about.checksums.store != fingerprint(store):
            yield (f'{root} does not hold what was noted: its fingerprint is '
                   f'{fingerprint(store)}, that of {osp.join(folder, FILE)} '
                   f'{about.checksums.store}')


def _annotation_problems(folder: str, store: FeatureStore, about: Noted
                         ) -> Iterator[str]:
    """Compare the annotations with the clip list and with the store."""
    path = osp.join(folder, ANNOTATIONS)
    if not osp.isfile(path):
        if about.checksums is None and about.clips is None and any(
                osp.isfile(osp.join(folder, name)) for name in FILES):
            yield f'{path} is missing; the extraction writes it'
        return
    known = about.checksums
    if known is not None and digits_of(path) == known.files.get(ANNOTATIONS):
        return  # written of this store, and the same since
    try:
        annotations = read_annotations(path, joints=True)
        if about.clips is not None:
            listed = {info['frame_dir']: info for info in
                      about.clips.infos()}
            parts = {split: {about.clips.names[i] for i in members}
                     for split, members in about.clips.splits.items()}
            if {split: set(names) for split, names in
                    annotations.splits.items()} != parts:
                yield f'{path}: its splits are not those of {CLIPS}'
        else:
            listed = None
        names = [clip['frame_dir'] for clip in annotations.clips]
        if len(set(names)) < len(names):
            yield f'{path}: a clip is there twice'
        gone = {name for members in annotations.splits.values()
                for name in members} - set(names)
        if gone:
            yield f'{path}: {_some(gone)}: in a split, and no annotation'
        for clip in annotations.clips:
            yield from _clip_problems(path, clip, store, listed)
    except ERRORS as error:
        yield f'{path} cannot be read: {error}'


def _clip_problems(path: str, clip: dict[str, Any], store: FeatureStore,
                   listed: dict[str, dict] | None) -> Iterator[str]:
    name = clip['frame_dir']
    if name not in store:
        yield f'{path}: {name!r} is not in the features'
        return
    for key in ('keypoint', 'keypoint_score'):
        try:
            same = np.array_equal(clip[key], store.read(name, key))
        except StoreError:
            continue  # it is named already
        if not same:
            yield f'{path}: {name!r}, {key} is not that of the features'
    if listed is not None:
        for key, value in listed.get(name, {}).items():
            if not np.array_equal(clip.get(key, ()), value):
                yield (f'{path}: {name!r}, {key} is {clip.get(key)!r}, in '
                       f'{CLIPS} {value!r}')


def _fact_problems(folder: str, store: FeatureStore,
                   clips: ClipList | None) -> Iterator[str]:
    """Compare classes, taps and counts with what is there."""
    path = osp.join(folder, FACTS)
    if not osp.isfile(path):
        return
    try:
        facts: Facts = read_facts(folder)
        names = osp.join(folder, 'classes.txt')
        if osp.isfile(names) and facts.classes is not None:
            with open(names, encoding='utf-8') as file:
                found = tuple(file.read().splitlines())
            if found != facts.classes:
                yield (f'{names}: {len(found)} classes, not the '
                       f'{len(facts.classes)} of {path}')
        if facts.taps != store.taps:
            yield f'{path}: taps {facts.taps}, the features {store.taps}'
        if clips is not None:
            counts = {split: len(members)
                      for split, members in clips.splits.items()}
            if counts != facts.splits:
                yield (f'{path}: splits {facts.splits}, the annotations '
                       f'{counts}')
            highest = max(clips.labels, default=-1)
            if facts.classes is not None and highest >= len(facts.classes):
                yield (f'{path}: {len(facts.classes)} classes, and a clip '
                       f'of class {highest}')
    except (FactsError, *ERRORS) as error:
        yield f'{path} cannot be read: {error}'


def _record_problems(folder: str, store: FeatureStore,
                     clips: ClipList | None) -> Iterator[str]:
    """extraction.json, splits.json and failures.jsonl."""
    path = osp.join(folder, RECORD)
    if osp.isfile(path):
        try:
            with open(path, encoding='utf-8') as file:
                counts = json.load(file)['clips']
            if clips is not None and counts['stored'] != len(clips.names):
                yield (f'{path}: {counts["stored"]} clips are stored, the '
                       f'annotations have {len(clips.names)}')
        except ERRORS as error:
            yield f'{path} cannot be read: {error}'
    path = osp.join(folder, 'splits.json')
    if osp.isfile(path) and clips is not None:
        try:
            with open(path, encoding='utf-8') as file:
                splits = json.load(file)
            for split, members in clips.splits.items():
                here = {clips.names[i] for i in members}
                if here != set(splits.get(split, ())) & set(clips.names):
                    yield f'{path}: {split} is not that of the annotations'
        except (SourceError, *ERRORS) as error:
            yield f'{path} cannot be read: {error}'
    bad = FailureLog(folder).damaged()
    if bad:
        yield (f'{FailureLog(folder).path}: {bad} of its lines '
               f'{"is" if bad == 1 else "are"} damaged; the clips of them '
               'are tried again')
