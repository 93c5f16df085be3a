"""A dataset folder with other splits, beside the data, which stay as they are.

It has the annotations of the clips of one fold alone; features, crops and all
else are links to the dataset folder. So every recipe trains on it as on any
folder, and clips that are held back cannot be read through its annotations.
"""
from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..datasets.annotations import pickled, read_annotations
from ..datasets.clip_list import (
    ClipList,
    OutdatedClipListError,
    read_clip_list,
    write_clip_list,
)
from ..facts import FILE, Facts, read_facts, read_record, write_facts
from ..files import locked, write_whole
from .folds import Clip, Fold
from .study_file import StudyError

ANNOTATIONS = 'annotations.pkl'


class Source:
    """The dataset folder of a study; it is only read.

    Args:
        root: The folder.

    Attributes:
        labels: Clip to class, in the order of the annotations.

    Raises:
        FileNotFoundError: If it is no dataset folder.
        FactsError: If its facts are damaged.
        AnnotationsError: If its annotations cannot be read.
    """

    def __init__(self, root: str) -> None:
        self.root = Path(root).absolute()
        self.facts = read_facts(root)
        path = self.root / ANNOTATIONS
        if not path.is_file():
            raise FileNotFoundError(
                f'{path}: no such file; a study derives its folds from it')
        self.labels = {clip['frame_dir']: int(clip['label'])
                       for clip in read_annotations(path).clips}
        self._read: dict[str, dict[str, dict]] = {}
        try:
            self._list: ClipList | None = read_clip_list(str(path))
        except (FileNotFoundError, OutdatedClipListError):
            self._list = None

    def digest(self, fold: Fold) -> str:
        """What tells a fold from others, of other clips or other contents.

        Args:
            fold: The fold.

        Returns:
            Eight hexadecimal digits.
        """
        sums: Mapping[str, int] = {}
        if self._list is not None and self._list.checksums is not None:
            sums = dict(zip(self._list.names, self._list.checksums))
        content = [[(clip.name, clip.label, sums.get(clip.name))
                    for clip in part] for part in (fold.train, fold.test)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]

    def view(self, folder: Path, fold: Fold) -> None:
        """Make a dataset folder of a fold, unless it is there.

        Its splits are ``train`` and ``test``. Several processes may do so at
        once.

        Args:
            folder: The folder.
            fold: Its clips.

        Raises:
            StudyError: If the folder is inside of the dataset folder.
            AnnotationsError: If the annotations cannot be read.
            OSError: If it cannot be written.
        """
        if self.root.resolve() in (folder.resolve(),
                                   *folder.resolve().parents):
            raise StudyError(f'{folder} is inside of the dataset folder '
                             f'{self.root}: give another --out')
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / '.lock'):
            self._link(folder)
            facts = self._facts(folder, fold)
            if not (folder / FILE).is_file():
                for path in sorted(self.root.glob('annotations*.pkl')):
                    self._annotations(folder, path.name, fold)
            elif read_facts(str(folder)) == facts:
                return
            # last: with it, the folder is complete
            write_facts(str(folder), facts, **self._notes())

    def _link(self, folder: Path) -> None:
        """Link what is not derived to what is in the dataset folder."""
        for entry in self.root.iterdir():
            if entry.name.startswith(('annotations', '.')) or \
                    entry.suffix == '.lock' or entry.name == FILE:
                continue
            link = folder / entry.name
            if link.is_symlink() and os.readlink(link) != str(entry):
                link.unlink()  # the data were elsewhere
            if not link.is_symlink():
                link.symlink_to(entry)

    def _facts(self, folder: Path, fold: Fold) -> Facts:
        name = f'fold {fold.name} of {self.facts.name}'
        return dataclasses.replace(
            self.facts, name=name, title=name, folder=str(folder),
            # nothing is validated: nothing is chosen by the tested clips
            splits=dict(train=len(fold.train), test=len(fold.test)),
            use=dict(train='train', test='test'), benchmark=None)

    def _notes(self) -> dict[str, Any]:
        """What else dataset.json holds; its splits are of other rules."""
        known = {field.name for field in dataclasses.fields(Facts)}
        return {key: value for key, value in
                read_record(str(self.root)).items() if key not in (
                    *known, 'format', 'version', 'split_rule')}

    def _annotations(self, folder: Path, name: str, fold: Fold) -> None:
        """The annotations of the clips of a fold, and their list."""
        if name not in self._read:
            found = read_annotations(self.root / name, joints=True)
            self._read[name] = {clip['frame_dir']: clip
                                for clip in found.clips}
        clips = self._read[name]
        splits = {part: _names(members, clips) for part, members in (
            ('train', fold.train), ('test', fold.test))}
        chosen = {*splits['train'], *splits['test']}
        path = folder / name
        write_whole(path, pickled(splits, (
            clip for key, clip in clips.items() if key in chosen)))
        if name == ANNOTATIONS and self._list is not None:
            write_clip_list(_chosen(self._list, splits), str(path))


def _names(members: Sequence[Clip], there: Mapping[str, Any]) -> list[str]:
    return [clip.name for clip in members if clip.name in there]


def _chosen(clips: ClipList, splits: Mapping[str, Sequence[str]]
            ) -> ClipList:
    """The list of some clips, with other splits."""
    wanted = {name for members in splits.values() for name in members}
    kept = [i for i, name in enumerate(clips.names) if name in wanted]
    places = {clips.names[i]: new for new, i in enumerate(kept)}
    return ClipList(
        [clips.names[i] for i in kept], [clips.labels[i] for i in kept],
        [clips.frames[i] for i in kept], [clips.shapes[i] for i in kept],
        frozenset(new for new, i in enumerate(kept) if i in clips.nobody),
        {split: sorted(places[name] for name in members)
         for split, members in splits.items()},
        None if clips.checksums is None else [
            clips.checksums[i] for i in kept])
