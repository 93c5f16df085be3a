"""annotations.pkl: the toolbox's PoseDataset format, from a feature store."""
from __future__ import annotations

import io
import os
import pickle
import reprlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..files import write_whole
from ..store import FeatureStore, clip_checksums
from ..unpickling import unpickle
from .clip_list import (
    ClipList,
    OutdatedClipListError,
    read_clip_list,
    write_clip_list,
)

# bytes are plain from 3 on; 4 would put the items into frames
PROTOCOL = 3


def write_annotations(store: FeatureStore, path: str, labels: dict[str, int],
                      splits: dict[str, list[str]]) -> None:
    """Write what mmaction2's ``PoseDataset`` reads, and the clip list.

    Each clip becomes one annotation, with ``keypoint`` (M, T, V, 2) in
    pixels of the original frame and ``keypoint_score`` (M, T, V), float32.
    One clip's joints are in memory at a time. A clip in which nobody was
    found has one person, all zero, and ``nobody=True``: it is trained on and
    tested like any other.

    The clip list beside it (:mod:`.clip_list`) is what ``PooledDataset``
    reads. It is written last: if the program ends in between, the list is
    older than the annotations and not used.

    Args:
        store: The clips.
        path: The file, written whole or not at all.
        labels: Clip name to class; clips that are not there get -1 and can be
            predicted but not scored.
        splits: Split to clip names; clips that the store does not have are
            left out.
    """
    names = list(store.names)
    places = {name: i for i, name in enumerate(names)}
    splits = {split: [name for name in members if name in places]
              for split, members in splits.items()}
    infos = [store.info(name) for name in names]
    clips = ClipList(
        names=names,
        labels=[int(labels.get(name, -1)) for name in names],
        frames=[int(store.shape(name, 'keypoint')[1]) for name in names],
        shapes=[(int(info['img_shape'][0]), int(info['img_shape'][1]))
                for info in infos],
        nobody=frozenset(i for i, info in enumerate(infos)
                         if info.get('nobody')),
        splits={split: sorted({places[name] for name in members})
                for split, members in splits.items()},
        checksums=[*clip_checksums(store).values()]
        if isinstance(store, FeatureStore) else None)
    annotations = (_with_joints(store, info) for info in clips.infos())
    write_whole(path, pickled(splits, annotations))
    write_clip_list(clips, path)


def _with_joints(store: FeatureStore, info: dict[str, Any]
                 ) -> dict[str, Any]:
    nobody = dict(nobody=True) if info.pop('nobody', False) else {}
    name = info['frame_dir']
    return dict(info, keypoint=store.read(name, 'keypoint'),
                keypoint_score=store.read(name, 'keypoint_score'), **nobody)


class AnnotationsError(ValueError):
    """An annotations file that cannot be used; the message says why."""


class Annotations(NamedTuple):
    """What an annotations file holds.

    Attributes:
        path: The file.
        clips: The annotation of each clip, in the order of the file. Those of
            a clip list have neither ``keypoint`` nor ``keypoint_score``.
        splits: Split to names of clips; empty of a plain list of annotations.
    """
    path: str
    clips: list[dict[str, Any]]
    splits: dict[str, list[str]]

    def of_split(self, split: str | None) -> list[dict[str, Any]]:
        """Annotations of a split, in the order in which they are tested.

        That is the order of the file, as ``PoseDataset`` of pyskl and of
        mmaction2 keeps it, not the order of the names in the split.

        Args:
            split: Its name; None for all clips.

        Returns:
            The annotations.

        Raises:
            AnnotationsError: If there is no such split.
        """
        if split is None:
            return self.clips
        if split not in self.splits:
            raise AnnotationsError(
                f'{self.path}: no split {split!r}; it has '
                f'{", ".join(sorted(self.splits)) or "none"}')
        key = 'frame_dir'
        if any('filename' in clip for clip in self.clips[:1]):
            key = 'filename'  # as PoseDataset has it
        chosen = set(self.splits[split])
        return [clip for clip in self.clips if clip[key] in chosen]


def read_annotations(path: str | os.PathLike[str],
                     joints: bool = False) -> Annotations:
    """Read an annotations file, without running code.

    Where a clip list belongs to it (:mod:`.clip_list`), that is read in its
    place: in seconds instead of minutes.

    Args:
        path: A pickle of ``{'split': …, 'annotations': […]}``, or of the list
            of annotations alone.
        joints: Whether ``keypoint`` and ``keypoint_score`` are wanted: then
            the file itself is read.

    Returns:
        The annotations.

    Raises:
        AnnotationsError: If it cannot be read, or holds something else.
        ClipListError: If its clip list is damaged.
    """
    path = os.fspath(path)
    try:
        clips = None if joints else read_clip_list(path)
    except (FileNotFoundError, OutdatedClipListError):
        clips = None
    if clips is not None:
        return Annotations(path, clips.infos(), {
            split: [clips.names[i] for i in members]
            for split, members in clips.splits.items()})
    try:
        content = unpickle(path)
    except Exception as error:
        # a broken pickle may raise nearly anything
        why = error.strerror if isinstance(error, OSError) else \
            str(error).removeprefix(f'{path}: ')
        raise AnnotationsError(f'{path}: not a readable annotations file '
                               f'({why})') from error
    splits = {}
    if isinstance(content, dict) and 'annotations' in content:
        splits, content = content.get('split') or {}, content['annotations']
    if not isinstance(content, list) or not content or not all(
            isinstance(clip, dict) and isinstance(clip.get(
                # as PoseDataset has it, of the first for all
                'filename' if 'filename' in content[0] else 'frame_dir'), str)
            and isinstance(clip.get('frame_dir', ''), str)
            for clip in content):
        raise AnnotationsError(
            f"{path}: expected {{'split': …, 'annotations': [dict, …]}} or a "
            'list of annotations, each with frame_dir or filename')
    if not isinstance(splits, dict) or not all(
            isinstance(split, str) and
            isinstance(names, (list, tuple, np.ndarray)) and
            np.ndim(names if isinstance(names, np.ndarray) else ()) == 1 and
            all(isinstance(name, str) for name in names)
            for split, names in splits.items()):
        raise AnnotationsError(f'{path}: expected the split {{name: [clip, '
                               f'…]}}, found {reprlib.repr(splits)}')
    return Annotations(path, content, {
        split: list(names) for split, names in splits.items()})


def pickled(splits: dict[str, list[str]],
            annotations: Iterable[dict]) -> Iterator[bytes]:
    """Pickle annotations one by one, as they come.

    ``pickle.dumps`` would keep all of them, and a copy, until its end.

    Args:
        splits: Split to clip names.
        annotations: Of the clips.

    Yields:
        The pieces of a pickle of ``dict(split=splits,
        annotations=list(annotations))``.
    """
    yield pickle.PROTO + bytes([PROTOCOL]) + pickle.EMPTY_DICT + pickle.MARK
    yield _operations('split') + _operations(splits)
    yield _operations('annotations') + pickle.EMPTY_LIST + pickle.MARK
    for annotation in annotations:
        yield _operations(annotation)
    yield pickle.APPENDS + pickle.SETITEMS + pickle.STOP


def _operations(value: object) -> bytes:
    """What puts a value on the stack of whoever reads a pickle."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, PROTOCOL)
    # no references to earlier values, which would count from 0 in each piece
    pickler.fast = True
    pickler.dump(value)
    return buffer.getvalue()[2:-1]  # without PROTO, its number, and STOP
