"""Poses that somebody else estimated, in the files that they come in."""
import glob
import json
import os.path as osp
import pickle
from typing import NamedTuple

import numpy as np

from ..files import sha256_of, write_whole
from ..unpickling import unpickle
from .benchmarks import bare_name, label_of

LAYOUTS = {17: 'coco', 18: 'openpose', 25: 'nturgb+d'}
KINETICS_SIZE = (256, 340)  # height, width of Kinetics-Skeleton's videos


class ImportedPosesError(ValueError):
    """A file of poses that cannot be taken in; the message says why."""


class Poses(NamedTuple):
    """Poses of clips.

    Attributes:
        annotations (dict[str, dict]): Clip name to its annotation, as
            mmaction2's ``PoseDataset`` has them: ``frame_dir``,
            ``total_frames``, ``label``, ``keypoint`` (M, T, V, 2 or 3), and
            for 2D ``keypoint_score`` (M, T, V), ``img_shape`` and
            ``original_shape``, (height, width).
        splits (dict[str, list[str]]): Split to clip names; may be empty.
    """
    annotations: dict
    splits: dict


def read_poses(path):
    """Read a file of poses.

    Args:
        path (str): One of

            - ``.pkl`` of mmaction2 or pyskl, 2D or 3D: a dict with ``split``
              and ``annotations``, or a list of annotations. Nothing in it is
              run: it may hold arrays, numbers, text and containers only;
            - ``.json`` of NW-UCLA (``skeletons`` (T, 20, 3) of Kinect,
              labelled by the clip's name) or of Kinetics-Skeleton (``data``,
              OpenPose's 18 joints of several people);
            - a folder of such ``.json`` files.

    Returns:
        Poses: Float32 throughout.

    Raises:
        ImportedPosesError: If the file cannot be read, or is not so.
    """
    if osp.isdir(path):
        files = sorted(glob.glob(osp.join(glob.escape(path), '*.json')))
        if not files:
            raise ImportedPosesError(f'{path} holds no .json file')
        items = [_read_json(file) for file in files]
        return Poses(_by_name(items, path), {})
    if path.lower().endswith('.json'):
        return Poses(_by_name([_read_json(path)], path), {})
    return _read_pickle(path)


def write_poses(poses, path, splits=None):
    """Write poses as an ``annotations.pkl`` that stock configs train on.

    Args:
        poses (Poses): The poses.
        path (str): The file, written whole or not at all.
        splits (dict[str, list[str]], optional): Split to clip names, of
            which those without a pose are left out; clips get the names
            that they have here (NTU's ``_rgb``), so that scores join with
            those of other streams. Defaults to the poses' own; pyskl calls
            the test set ``val``.

    Returns:
        dict[str, int]: Split to number of clips.

    Raises:
        ImportedPosesError: If no clip of the splits has a pose.
    """
    splits = poses.splits if splits is None else splits
    by_bare = {bare_name(name): name for names in splits.values()
               for name in names}
    annotations = {}
    for name, annotation in poses.annotations.items():
        name = by_bare.get(bare_name(name), name)
        annotations[name] = dict(annotation, frame_dir=name)
    split = {key: [name for name in names if name in annotations]
             for key, names in splits.items()}
    if splits and not any(split.values()):
        raise ImportedPosesError(
            f'none of the clips of the splits, such as {next(iter(by_bare))}, '
            f'has a pose; there are poses of {next(iter(annotations))}, …')
    write_whole(path, pickle.dumps(
        dict(split=split, annotations=list(annotations.values())),
        protocol=4))
    return {key: len(names) for key, names in split.items()}


class GivenJoints:
    """Joints and boxes that drive the pooling, in place of a detector.

    Args:
        poses (Poses): In 2D.
        name (str): Where they come from, for records. Defaults to 'joints'.
        sha256 (str, optional): Of the file that they come from.
        margin (float): By which a box exceeds the joints at each side, as a
            share of their extent: the crown and the soles are no joints.
            Defaults to 0.1.

    Attributes:
        layout (str): Name of the joints' layout, told by their number.

    Raises:
        ImportedPosesError: If the poses are not in 2D, or the clips differ
            in their number of joints.
    """

    def __init__(self, poses, name='joints', sha256=None, margin=0.1):
        self.name, self.sha256, self.margin = name, sha256, margin
        self._splits = poses.splits
        self.annotations = {bare_name(name): annotation for name, annotation
                            in poses.annotations.items()}
        for name, annotation in self.annotations.items():
            if 'keypoint_score' not in annotation:
                raise ImportedPosesError(
                    f'{name}: joints in 3D have no place in the image; '
                    'joints in 2D are needed, with keypoint_score and '
                    'img_shape')
        counts = {annotation['keypoint'].shape[2]
                  for annotation in self.annotations.values()}
        if len(counts) > 1:
            raise ImportedPosesError(
                f'clips with {sorted(counts)} joints a person in one file')
        self.layout = LAYOUTS.get(*counts, 'unknown')

    @classmethod
    def read(cls, path):
        """The joints of a file; see :func:`read_poses`."""
        poses = read_poses(path)
        digest = None if osp.isdir(path) else sha256_of(path)
        return cls(poses, f'joints:{osp.basename(path)}', digest)

    def __contains__(self, clip):
        return bare_name(clip) in self.annotations

    def labels(self, clips):
        """dict[str, str]: Label of each clip, or None if some have none."""
        labels = {clip.name: self.annotations[bare_name(clip.name)]['label']
                  for clip in clips}
        if min(labels.values(), default=-1) < 0:
            return None
        return {name: str(label) for name, label in labels.items()}

    def splits(self, clips):
        """dict[str, list[str]]: The file's splits of these clips."""
        names = {bare_name(clip.name): clip.name for clip in clips}
        found = {split: [names[bare_name(name)] for name in members
                         if bare_name(name) in names]
                 for split, members in self._splits.items()}
        return {split: members for split, members in found.items() if members}

    def of(self, clip, shape, max_people=None):
        """Joints and boxes of a clip.

        Args:
            clip (str): Its name, with or without NTU's ``_rgb``.
            shape (tuple[int]): Height and width of its frames in pixels;
                joints are scaled if they were estimated at another size.
            max_people (int, optional): Keep so many people, those who are
                there the longest. Defaults to None, all.

        Returns:
            tuple[np.ndarray]: Joints (M, T, V, 2) in pixels, scores
            (M, T, V), boxes (M, T, 5) as x1, y1, x2, y2 and mean score, and
            who is there (M, T), bool: with a joint of positive score.

        Raises:
            ImportedPosesError: If there are no poses of this clip.
        """
        if clip not in self:
            raise ImportedPosesError(f'{clip}: no joints are given for it')
        annotation = self.annotations[bare_name(clip)]
        height, width = annotation['img_shape']
        joints = annotation['keypoint'] * np.float32(
            (shape[1] / width, shape[0] / height))
        scores = annotation['keypoint_score']
        seen = (scores > 0)[..., None]
        present = seen.any((2, 3))
        low = np.where(seen, joints, np.inf).min(2)
        high = np.where(seen, joints, -np.inf).max(2)
        low, high = (np.where(present[..., None], x, 0) for x in (low, high))
        pad = self.margin * (high - low)
        boxes = np.concatenate(
            [low - pad, high + pad, scores.mean(2)[..., None]], -1)
        kept = np.sort(np.argsort(-present.sum(1), kind='stable')[:max_people])
        return (joints[kept], scores[kept], boxes[kept].astype(np.float32),
                present[kept])


def _read_pickle(path):
    try:
        content = unpickle(path)
    except OSError as error:
        raise ImportedPosesError(f'{path}: {error.strerror}') from None
    except Exception as error:
        # a broken pickle may raise nearly anything
        raise ImportedPosesError(f'{path}: not a readable file of poses '
                                 f'({error})') from error
    splits = {}
    if isinstance(content, dict) and 'annotations' in content:
        splits = content.get('split') or {}
        content = content['annotations']
    if not isinstance(content, list) or not content or not all(
            isinstance(item, dict) for item in content):
        raise ImportedPosesError(
            f"{path}: expected {{'split': …, 'annotations': [dict, …]}} or "
            'a list of annotations')
    annotations = _by_name([_checked(item, path) for item in content], path)
    splits = {split: [osp.basename(name) for name in names]
              for split, names in splits.items()}
    for split, names in splits.items():
        unknown = [name for name in names if name not in annotations]
        if unknown:
            raise ImportedPosesError(
                f'{path}: split {split!r} names {len(unknown)} clips without '
                f'annotation: {", ".join(unknown[:3])}')
    return Poses(annotations, splits)


def _by_name(items, path):
    annotations = {}
    for item in items:
        if item['frame_dir'] in annotations:
            raise ImportedPosesError(f'{path}: {item["frame_dir"]!r} comes '
                                     'twice')
        annotations[item['frame_dir']] = item
    return annotations


def _checked(item, path):
    """An annotation with all that ``PoseDataset`` reads."""
    name = osp.basename(str(item.get('frame_dir', item.get('filename', ''))))
    if not name or 'keypoint' not in item:
        raise ImportedPosesError(f'{path}: an annotation ({name or "?"}) '
                                 'without frame_dir or keypoint')
    keypoint = np.asarray(item['keypoint'], np.float32)
    if keypoint.ndim != 4 or keypoint.shape[-1] not in (2, 3):
        raise ImportedPosesError(
            f'{path}: keypoint of {name} has the shape {keypoint.shape}; '
            'expected (people, frames, joints, 2 or 3)')
    found = dict(
        frame_dir=name,
        label=int(item.get('label', -1)),
        total_frames=int(item.get('total_frames', keypoint.shape[1])),
        keypoint=keypoint)
    if keypoint.shape[-1] == 2:
        score = item.get('keypoint_score')
        score = np.ones(keypoint.shape[:3], np.float32) if score is None \
            else np.asarray(score, np.float32)
        if score.shape != keypoint.shape[:3]:
            raise ImportedPosesError(
                f'{path}: {name} has keypoint_score {score.shape} for '
                f'keypoint {keypoint.shape}')
        if 'img_shape' not in item:
            raise ImportedPosesError(f'{path}: {name} has no img_shape')
        shape = tuple(int(side) for side in item['img_shape'])
        found.update(keypoint_score=score, img_shape=shape,
                     original_shape=tuple(item.get('original_shape', shape)))
    if found['total_frames'] != keypoint.shape[1]:
        raise ImportedPosesError(
            f'{path}: {name} has total_frames {found["total_frames"]} and '
            f'{keypoint.shape[1]} frames of joints')
    return found


def _read_json(path):
    name = osp.splitext(osp.basename(path))[0]
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
        if 'skeletons' in content:
            keypoint = np.asarray(content['skeletons'], np.float32)[None]
            item = dict(label=label_of('nw_ucla', name), keypoint=keypoint)
        else:
            item = _openpose(content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImportedPosesError(
            f'{path}: expected the skeletons of NW-UCLA or the data of '
            f'Kinetics-Skeleton ({type(error).__name__}: {error})') from None
    return _checked(dict(item, frame_dir=name), path)


def _openpose(content):
    """Kinetics-Skeleton: coordinates in [0, 1], frames from 1, 18 joints."""
    frames = content['data']
    people = max((len(frame['skeleton']) for frame in frames), default=0)
    length = max((frame['frame_index'] for frame in frames), default=0)
    keypoint = np.zeros((people, length, 18, 2), np.float32)
    score = np.zeros((people, length, 18), np.float32)
    for frame in frames:
        for m, person in enumerate(frame['skeleton']):
            at = m, frame['frame_index'] - 1
            keypoint[at] = np.reshape(person['pose'], (18, 2))
            score[at] = person['score']
    keypoint *= KINETICS_SIZE[::-1]
    return dict(label=content.get('label_index', -1), keypoint=keypoint,
                keypoint_score=score, img_shape=KINETICS_SIZE)
