"""Poses that somebody else estimated, in the files that they come in."""
from __future__ import annotations

import glob
import json
import operator
import os.path as osp
import pickle
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..estimation.given_joints import ClipJoints, JointsSource
from ..facts import write_facts
from ..files import sha256_of, write_whole
from ..npy_files import numbers
from .annotations import AnnotationsError, read_annotations
from .benchmarks import bare_name, label_of
from .clips import SourceClip
from .folder import MOST_CLASSES, describe

LAYOUTS = {17: 'coco', 18: 'openpose', 25: 'nturgb+d'}
MOST_PLACES = 1_000_000  # people times frames of one file of Kinetics-Skeleton
KINETICS_SIZE = (256, 340)  # height, width of Kinetics-Skeleton's videos


class ImportedPosesError(ValueError):
    """A file of poses that cannot be taken in; the message says why."""


class Poses(NamedTuple):
    """Poses of clips.

    Attributes:
        annotations: Clip name to its annotation, as mmaction2's
            ``PoseDataset`` has them: ``frame_dir``, ``total_frames``,
            ``label``, ``keypoint`` (M, T, V, 2 or 3), and for 2D
            ``keypoint_score`` (M, T, V), ``img_shape`` and ``original_shape``,
            (height, width).
        splits: Split to clip names; may be empty.
        source: The file or folder, for messages.
    """
    annotations: dict[str, dict[str, Any]]
    splits: dict[str, list[str]]
    source: str = ''


def read_poses(path: str) -> Poses:
    """Read a file of poses.

    Args:
        path: One of

            - ``.pkl`` of mmaction2 or pyskl, 2D or 3D: a dict with ``split``
              and ``annotations``, or a list of annotations. Nothing in it is
              run: it may hold arrays, numbers, text and containers only;
            - ``.json`` of NW-UCLA (``skeletons`` (T, 20, 3) of Kinect,
              labelled by the clip's name) or of Kinetics-Skeleton (``data``,
              OpenPose's 18 joints of several people);
            - a folder of such ``.json`` files.

    Returns:
        Float32 throughout.

    Raises:
        ImportedPosesError: If the file cannot be read, or is not so.
    """
    if osp.isdir(path):
        files = sorted(glob.glob(osp.join(glob.escape(path), '*.json')))
        if not files:
            raise ImportedPosesError(f'{path} holds no .json file')
        items = [_read_json(file) for file in files]
        return Poses(_by_name(items, path), {}, path)
    if path.lower().endswith('.json'):
        return Poses(_by_name([_read_json(path)], path), {}, path)
    return _read_pickle(path)


def write_poses(poses: Poses, path: str,
                splits: dict[str, list[str]] | None = None) -> dict[str, int]:
    """Write poses as an ``annotations.pkl`` that stock configs train on.

    If it is called so and there are no features beside it, its folder is a
    dataset folder of poses alone and gets a ``dataset.json`` as well.

    Args:
        poses: The poses.
        path: The file, written whole or not at all.
        splits: Split to clip names, of which those without a pose are left
            out; clips get the names that they have here (NTU's ``_rgb``), so
            that scores join with those of other streams. Defaults to the
            poses' own; pyskl calls the test set ``val``.

    Returns:
        Split to number of clips.

    Raises:
        ImportedPosesError: If no clip of the splits has a pose, or a pose is
            not finite.
    """
    splits = poses.splits if splits is None else splits
    where = poses.source and f'{poses.source}: '
    for name, annotation in poses.annotations.items():
        for key in ('keypoint', 'keypoint_score'):
            value = annotation.get(key, 0.)
            if not np.isfinite(value).all():
                raise ImportedPosesError(
                    f'{where}{name}: {key} holds NaN or infinity; a joint '
                    'that is not seen has score 0 and coordinates 0')
    by_bare = {bare_name(name): name for names in splits.values()
               for name in names}
    annotations: dict[str, dict[str, Any]] = {}
    for name, annotation in poses.annotations.items():
        name = by_bare.get(bare_name(name), name)
        annotations[name] = dict(annotation, frame_dir=name)
    split = {key: [name for name in names if name in annotations]
             for key, names in splits.items()}
    if splits and not any(split.values()):
        raise ImportedPosesError(
            f'{where}none of the clips of the splits, such as '
            f'{next(iter(by_bare))}, has a pose; there are poses of '
            f'{next(iter(annotations))}, …')
    write_whole(path, pickle.dumps(
        dict(split=split, annotations=list(annotations.values())),
        protocol=4))
    folder = osp.dirname(path) or '.'
    if osp.basename(path) == 'annotations.pkl' and not osp.isdir(
            osp.join(folder, 'features')):
        # a dataset folder of poses alone
        labels = max(one['label'] for one in annotations.values()) + 1
        write_facts(folder, describe(
            folder, map(str, range(labels)) if labels else None,
            {key: len(names) for key, names in split.items()}, {},
            max(len(one['keypoint']) for one in annotations.values()),
            [one['total_frames'] for one in annotations.values()]),
            split_rule=dict(by='given'))
    return {key: len(names) for key, names in split.items()}


class GivenJoints(JointsSource):
    """Joints of a file that drive the pooling, in place of a detector.

    Args:
        poses: In 2D.
        name: Where they come from, for records. Defaults to 'joints'.
        sha256: Of the file that they come from.

    Attributes:
        layout: Name of the joints' layout, told by their number.

    Raises:
        ImportedPosesError: If the poses are not in 2D, or the clips differ in
            their number of joints.
    """

    def __init__(self,
                 poses: Poses,
                 name: str = 'joints',
                 sha256: str | None = None) -> None:
        self._splits, self._labels = poses.splits, {}
        clips = {}
        for clip, annotation in poses.annotations.items():
            if 'keypoint_score' not in annotation:
                raise ImportedPosesError(
                    f'{clip}: joints in 3D have no place in the image; '
                    'joints in 2D are needed, with keypoint_score and '
                    'img_shape')
            clip = bare_name(clip)
            clips[clip] = ClipJoints(
                annotation['keypoint'], annotation['keypoint_score'],
                annotation['img_shape'])
            self._labels[clip] = annotation['label']
        counts = {clip.joints.shape[2] for clip in clips.values()}
        if len(counts) > 1:
            raise ImportedPosesError(
                f'clips with {sorted(counts)} joints a person in one file')
        super().__init__(clips, name, sha256,
                         LAYOUTS.get(min(counts, default=0), 'unknown'))

    @classmethod
    def read(cls, path: str) -> GivenJoints:
        """Read a file.

        Args:
            path: See :func:`read_poses`.

        Returns:
            Its joints.
        """
        poses = read_poses(path)
        digest = None if osp.isdir(path) else sha256_of(path)
        return cls(poses, f'joints:{osp.basename(path)}', digest)

    def __contains__(self, clip: str) -> bool:
        return bare_name(clip) in self.clips

    def labels(self, clips: Iterable[SourceClip]) -> dict[str, str] | None:
        """Labels of clips.

        Args:
            clips: The clips, of the file.

        Returns:
            Name to label; None if some have none.
        """
        labels = {clip.name: self._labels[bare_name(clip.name)]
                  for clip in clips}
        if min(labels.values(), default=-1) < 0:
            return None
        return {name: str(label) for name, label in labels.items()}

    def splits(self, clips: Iterable[SourceClip]) -> dict[str, list[str]]:
        """The file's splits of some clips.

        Args:
            clips: The clips.

        Returns:
            Split to names, without splits that have none of them.
        """
        names = {bare_name(clip.name): clip.name for clip in clips}
        found = {split: [names[bare_name(name)] for name in members
                         if bare_name(name) in names]
                 for split, members in self._splits.items()}
        return {split: members for split, members in found.items() if members}


def _read_pickle(path: str) -> Poses:
    try:
        found = read_annotations(path, joints=True)
    except AnnotationsError as error:
        raise ImportedPosesError(
            f"{error}; a file of poses is a .pkl file of mmaction2 or pyskl, "
            "or NW-UCLA's or Kinetics-Skeleton's .json") from error
    annotations = _by_name(
        [_checked(clip, path) for clip in found.clips], path)
    splits = {split: [osp.basename(name) for name in names]
              for split, names in found.splits.items()}
    for split, names in splits.items():
        unknown = [name for name in names if name not in annotations]
        if unknown:
            raise ImportedPosesError(
                f'{path}: split {split!r} names {len(unknown)} clips without '
                f'annotation: {", ".join(unknown[:3])}')
    return Poses(annotations, splits, path)


def _by_name(items: Iterable[dict[str, Any]], path: str
             ) -> dict[str, dict[str, Any]]:
    annotations = {}
    for item in items:
        if item['frame_dir'] in annotations:
            raise ImportedPosesError(f'{path}: {item["frame_dir"]!r} comes '
                                     'twice')
        annotations[item['frame_dir']] = item
    return annotations


def _checked(item: Mapping[str, Any], path: str) -> dict[str, Any]:
    """An annotation with all that ``PoseDataset`` reads."""
    try:
        return _converted(item, path)
    except ImportedPosesError:
        raise
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ImportedPosesError(
            f'{path}: the annotation of {item.get("frame_dir", "?")!r} holds '
            f'values of another type than expected ({error})') from None


def _converted(item: Mapping[str, Any], path: str) -> dict[str, Any]:
    name = osp.basename(str(item.get('frame_dir', item.get('filename', ''))))
    if not name or 'keypoint' not in item:
        raise ImportedPosesError(f'{path}: an annotation ({name or "?"}) '
                                 'without frame_dir or keypoint')
    keypoint = _floats(item['keypoint'])
    if keypoint.ndim != 4 or keypoint.shape[-1] not in (2, 3) or \
            0 in keypoint.shape[1:]:
        raise ImportedPosesError(
            f'{path}: keypoint of {name} has the shape {keypoint.shape}; '
            'expected (people, frames, joints, 2 or 3)')
    found: dict[str, Any] = dict(
        frame_dir=name,
        label=operator.index(item.get('label', -1)),
        total_frames=operator.index(
            item.get('total_frames', keypoint.shape[1])),
        keypoint=keypoint)
    if not -1 <= found['label'] < MOST_CLASSES:
        raise ImportedPosesError(
            f'{path}: {name} has the label {found["label"]:.6g}; expected -1, '
            f'which stands for none, to {MOST_CLASSES - 1}')
    if keypoint.shape[-1] == 2:
        score = item.get('keypoint_score')
        score = np.ones(keypoint.shape[:3], np.float32) if score is None \
            else _floats(score)
        if score.shape != keypoint.shape[:3]:
            raise ImportedPosesError(
                f'{path}: {name} has keypoint_score {score.shape} for '
                f'keypoint {keypoint.shape}')
        if 'img_shape' not in item:
            raise ImportedPosesError(f'{path}: {name} has no img_shape')
        shapes = [tuple(map(operator.index, numbers(
            list(item.get(key, item['img_shape']))).ravel().tolist()))
            for key in ('img_shape', 'original_shape')]
        for shape in shapes:
            if len(shape) != 2 or not 1 <= min(shape) <= max(shape) < 1 << 20:
                raise ImportedPosesError(
                    f'{path}: {name} has img_shape {shape!r:.60}; expected '
                    'the height and width of its frames')
        # what is not seen has no place: some files write NaN there
        keypoint[(score == 0)[..., None] & np.isnan(keypoint)] = 0
        found.update(keypoint_score=score, img_shape=shapes[0],
                     original_shape=shapes[1])
    if found['total_frames'] != keypoint.shape[1]:
        raise ImportedPosesError(
            f'{path}: {name} has total_frames {found["total_frames"]:.6g} and '
            f'{keypoint.shape[1]} frames of joints')
    return found


def _floats(value: Any) -> np.ndarray:
    with np.errstate(over='ignore'):  # infinity is refused when it is used
        array = numbers(value).astype(np.float32, copy=False)
    return array if array.flags.writeable else array.copy()


def _read_json(path: str) -> dict[str, Any]:
    name = osp.splitext(osp.basename(path))[0]
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
        if 'skeletons' in content:
            keypoint = _floats(content['skeletons'])[None]
            item = dict(label=label_of('nw_ucla', name), keypoint=keypoint)
        else:
            item = _openpose(content)
    except (OSError, ValueError, KeyError, TypeError, IndexError,
            OverflowError, RecursionError) as error:
        raise ImportedPosesError(
            f'{path}: expected the skeletons of NW-UCLA or the data of '
            f'Kinetics-Skeleton ({type(error).__name__}: {error})') from None
    return _checked(dict(item, frame_dir=name), path)


def _openpose(content: Mapping[str, Any]) -> dict[str, Any]:
    """Kinetics-Skeleton: coordinates in [0, 1], frames from 1, 18 joints."""
    frames = content['data']
    people = max((len(frame['skeleton']) for frame in frames), default=0)
    length = max((frame['frame_index'] for frame in frames), default=0)
    if not all(type(frame['frame_index']) is int and frame['frame_index'] > 0
               for frame in frames) or people * length > MOST_PLACES:
        raise ValueError(
            f'{people} people in frames up to {length:.6g}; expected numbers '
            f'from 1, and at most {MOST_PLACES} people and frames')
    keypoint = np.zeros((people, length, 18, 2), np.float32)
    score = np.zeros((people, length, 18), np.float32)
    for frame in frames:
        for m, person in enumerate(frame['skeleton']):
            at = m, frame['frame_index'] - 1
            keypoint[at] = np.reshape(_floats(person['pose']), (18, 2))
            score[at] = np.reshape(_floats(person['score']), 18)
    keypoint *= KINETICS_SIZE[::-1]
    return dict(label=content.get('label_index', -1), keypoint=keypoint,
                keypoint_score=score, img_shape=KINETICS_SIZE)
