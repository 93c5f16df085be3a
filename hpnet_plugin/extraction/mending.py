"""Drop what is damaged of a dataset folder; the extraction makes it again."""
from __future__ import annotations

import json
import os.path as osp
from collections.abc import Callable
from typing import Any, NamedTuple

from ..datasets.annotations import AnnotationsError, read_annotations
from ..datasets.clip_list import ClipList
from ..datasets.clips import SourceClip
from ..datasets.splitting import DIVIDED, SPLITS
from ..facts import FactsError, read_facts, read_record
from ..files import locked, remove_leftovers, write_whole
from ..store import FeatureStore, repair
from .checking import ERRORS, Noted, check_folder, noted
from .checksums import ANNOTATIONS, CLIPS, FILE, digits_of
from .crop_checking import MISSING, damaged_crops, remove_crops
from .crop_checksums import FILE as CROPS
from .crop_checksums import checksum_lines, read_checksums
from .dataset import RECORD, write_dataset
from .failures import FailureLog

# of extraction.json, what is counted anew
COUNTED = ('clips', 'frames', 'people', 'splits', 'failures')
Say = Callable[[str], None]


class Lists(NamedTuple):
    """What the clips of a folder are.

    Attributes:
        labels: Clip to class, of those that have one.
        splits: Split to clips.
        names: All clips.
    """
    labels: dict[str, int]
    splits: dict[str, list[str]]
    names: list[str]


def repair_folder(folder: str, say: Say = print) -> list[str]:
    """Make a dataset folder sound, without what is damaged of it.

    Damaged clips leave the features, and with them the annotations; damaged
    crops go. What is lost of the files beside the features is made again
    from its copy or from what is left.

    Args:
        folder: The dataset folder. Nobody may use it meanwhile.
        say: Is told what is done, a line each.

    Returns:
        What is still wrong, a line each.

    Raises:
        StoreError: If the features cannot be repaired, or are being written.
        OSError: If something cannot be written.
    """
    about = noted(folder)
    for place in (folder, osp.join(folder, 'crops')):
        if osp.isdir(place):
            remove_leftovers(place, lambda name: True)
    _restore(folder, about, say)
    known = about.checksums
    repair(osp.join(folder, 'features'), about.expected,
           known.meta if known else None, say)
    store = FeatureStore(osp.join(folder, 'features'))
    _mend_crops(folder, store, say)
    bad = FailureLog(folder).mend()
    if bad:
        say(f'{FailureLog(folder).path}: {bad} damaged '
            f'{"line was" if bad == 1 else "lines were"} taken out')
    left = check_folder(folder)
    if not left:
        say(f'{folder} is sound')
        return []
    lists = read_lists(folder, about)
    if lists is None:
        return [*left, f'{folder}: neither {ANNOTATIONS} nor {CLIPS} can be '
                'read, so labels and splits are unknown: run hpnet extract '
                'with the same arguments as before, which writes them']
    rewrite(folder, store, lists)
    say(f'{folder}: annotations and counts were written anew, of '
        f'{len(store)} clips')
    return [problem for problem in check_folder(folder)
            if not problem.endswith(MISSING)]


def read_lists(folder: str, about: Noted) -> Lists | None:
    """Labels and splits of a folder's clips.

    Args:
        folder: The dataset folder.
        about: What it says of itself.

    Returns:
        None if neither clip list nor annotations can be read.
    """
    splits, labels, names = {}, {}, []
    if about.clips is not None:
        clips: ClipList = about.clips
        names = clips.names
        labels = {name: label for name, label in zip(names, clips.labels)
                  if label >= 0}
        splits = {split: [names[i] for i in members]
                  for split, members in clips.splits.items()}
    else:
        try:
            _, infos, splits = read_annotations(
                osp.join(folder, ANNOTATIONS), joints=True)
            names = [info['frame_dir'] for info in infos]
            labels = {info['frame_dir']: int(info['label'])
                      for info in infos if int(info['label']) >= 0}
        except (AnnotationsError, *ERRORS):
            return None
    divided = osp.join(folder, SPLITS)
    known = about.checksums
    if _is_divided(folder) and osp.isfile(divided) and (
            known is None or known.files.get(SPLITS) == digits_of(divided)):
        try:
            with open(divided, encoding='utf-8') as file:
                splits = {str(split): [str(name) for name in members]
                          for split, members in json.load(file).items()}
        except ERRORS:
            pass  # those of the annotations count
    return Lists(labels, splits, list(names))


def _is_divided(folder: str) -> bool:
    try:
        rule = read_record(folder).get('split_rule') or {}
        return rule.get('by') in DIVIDED
    except (FactsError, OSError, AttributeError):
        return True  # then what stands in the file is all that is known


def read_extraction(folder: str) -> dict[str, Any]:
    """What extraction.json of a folder holds; empty if it cannot be read.

    Args:
        folder: The dataset folder.

    Returns:
        Its content.
    """
    try:
        with open(osp.join(folder, RECORD), encoding='utf-8') as file:
            content = json.load(file)
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def rewrite(folder: str, store: FeatureStore, lists: Lists) -> None:
    """Write the files of a folder anew, for the clips that it has.

    Args:
        folder: The dataset folder.
        store: Its features.
        lists: Labels and splits.

    Raises:
        OSError: If one cannot be written.
    """
    content = read_extraction(folder)
    record = {key: value for key, value in content.items()
              if key not in COUNTED} or dict(store.meta)
    classes, rule, facts = None, dict(by='given'), None
    try:
        facts = read_facts(folder)
        rule = read_record(folder).get('split_rule') or rule
        classes = facts.classes
    except (FactsError, OSError):
        classes = folder_names(folder)
    names = dict.fromkeys([*lists.names, *store.names,
                           *content.get('failures', {}),
                           *(name for members in lists.splits.values()
                             for name in members)])
    named = osp.isfile(osp.join(folder, 'classes.txt'))
    write_dataset(
        folder, [SourceClip(name, '') for name in names], lists.labels,
        list(classes) if classes and named else None, lists.splits,
        content.get('failures', {}), record, rule,
        facts if facts and facts.benchmark else None)


def folder_names(folder: str) -> tuple[str, ...] | None:
    """Names in classes.txt of a folder.

    Args:
        folder: The dataset folder.

    Returns:
        In label order; None without any.
    """
    try:
        with open(osp.join(folder, 'classes.txt'), encoding='utf-8') as file:
            return tuple(file.read().splitlines()) or None
    except (OSError, ValueError):
        return None


def _restore(folder: str, about: Noted, say: Say) -> None:
    """Put back small files, of which there are copies."""
    if about.checksums is None:
        return
    for name, text in about.checksums.copies.items():
        path = osp.join(folder, name)
        try:
            if digits_of(path) == about.checksums.files.get(name):
                continue
        except OSError:
            pass
        write_whole(path, text.encode())
        say(f'{path} was put back from its copy in {FILE}')


def _mend_crops(folder: str, store: FeatureStore, say: Say) -> None:
    crops = osp.join(folder, 'crops')
    damaged = damaged_crops(folder, store)
    gone = sorted(damaged.keys() - {''})
    if damaged:
        with locked(osp.join(folder, 'dataset.lock')):
            written, _ = read_checksums(crops)
            for name in gone:
                written.pop(name, None)
            write_whole(osp.join(crops, CROPS), checksum_lines(written))
    for name in gone:
        remove_crops(folder, name)
        say(f'crops of {name} are damaged or missing; the extraction with '
            '--crops makes them again')
