"""Make a dataset folder from files that the paper's authors released.

    hpnet import-released NPY_FOLDER --out data/ntu120_released \\
        --benchmark ntu120 --crops CROP_FOLDER

The configs of configs/released train on the folder. Feature files hold 64
frames and no joints: streams of pooled features and the recogniser train on
it, streams of 2D pose only with --poses. Run the same command again to
continue where it was stopped; --crops can be added later, --poses cannot.

Exit status: 0 done, 3 some files were refused (each is named with its
reason, here and in extraction.json), 2 the usage is wrong or a file cannot be
used, 1 nothing can be written (the disk is full).
"""
from __future__ import annotations

import argparse
import os
import os.path as osp
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .command import Command
from .options import output_folder

if TYPE_CHECKING:
    import numpy as np

    from ..datasets.clips import SourceClip
    from ..datasets.prepared import Preparation
    from ..store import FeatureStore


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add = parser.add_argument
    add('source', nargs='+', metavar='NPY',
        help='.npy files, or folders that hold them, directly or in one '
        'subfolder for each class')
    add('--out', required=True, metavar='DIR', type=output_folder,
        help='dataset folder to write or to resume')
    add('--benchmark', nargs='+', metavar=('NAME', 'SPLIT'),
        help='labels, class names and splits are those of ntu60, ntu120, '
        'smarthome, uav_human, nw_ucla or ucf101, read from the names of the '
        'files: all splits, or those named (smarthome: cs, or cv1 cv2, which '
        'have other classes); see hpnet prepare')
    add('--labels', metavar='FILE',
        help='file with "clip label" in each line')
    add('--classes', metavar='FILE',
        help='file with one class name in each line, in label order')
    add('--splits', metavar='FILE',
        help='JSON file: {"train": [clip, ...], "test": [...]}; without it '
        'the clips are divided as hpnet extract divides them')
    add('--crops', metavar='FOLDER',
        help="person crops for the recogniser: the authors' folders of "
        'images, CLIP/NUMBER.jpg, or CLIP.mp4 of hpnet extract; they are '
        'linked, not copied')
    add('--poses', metavar='FOLDER',
        help='joints in pixels of the frame, CLIP.npy (frames, people, '
        'joints, 2), which some of the released scripts write')


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    if args.benchmark and (args.labels or args.classes or args.splits):
        parser.error('--benchmark gives labels, class names and splits: give '
                     'either it, or --labels, --classes and --splits')


def run(args: argparse.Namespace) -> int:
    """Import, and say what was imported; the exit status."""
    from ..datasets import crops, sources
    from ..evaluation.tables import format_table
    from ..extraction.dataset import write_dataset
    from ..store import FeatureStore, StoreError

    lacking = 0
    clips = sources.find_features(args.source)
    if not clips:
        raise StoreError(f'{", ".join(args.source)}: no .npy file')
    dataset = _prepare(args, clips)
    meta, failures = _store(dataset.clips, args.out, args.poses)
    store = FeatureStore(osp.join(args.out, 'features'))
    if args.crops:
        lacking = crops.import_crops(
            args.crops, args.out, store.names,
            lambda name: bool(store.read(name, 'keypoint_score').any()))
    content = write_dataset(
        args.out, dataset.clips, dataset.labels, dataset.classes,
        dataset.splits, failures,
        dict(meta, length=_length(store), crops=crops.read_settings(args.out)),
        dataset.rule, dataset.benchmark)
    for note in dataset.notes:
        print(note)
    if dataset.counts:
        print(format_table(dataset.table))
    empty = sum(store.info(name).get('nobody', False) for name in store.names)
    if empty:
        print(f'clips without a person: {empty}; their features are zero, '
              'as in the released files')
    if lacking:
        print(f'clips without a person and without crops: {lacking}; their '
              'images are black')
    print(f'{content["clips"]["stored"]} of {content["clips"]["found"]} clips '
          f'in {osp.abspath(args.out)}')
    for name, why in failures.items():
        print(f'refused: {name}: {why}')
    return 3 if failures else 0


def _prepare(args: argparse.Namespace, clips: list[SourceClip]) -> Preparation:
    """Preparation: Labels, class names and splits of the clips."""
    from ..datasets.classes import read_classes
    from ..datasets.labelling import assign_labels, read_labels
    from ..datasets.preparation import Preparation, prepare
    from ..datasets.split_lists import read_splits
    from ..datasets.splitting import divide_folder
    if args.benchmark:
        return prepare(args.benchmark[0], args.benchmark[1:], clips)
    classes = read_classes(args.classes) if args.classes else None
    labels, classes = assign_labels(
        clips, read_labels(args.labels) if args.labels else None,
        classes)
    names = None if classes is None else list(classes)
    if args.splits:
        return Preparation(
            clips, labels, names, read_splits(args.splits, clips),
            [], [], [], {'by': 'given', 'from': osp.basename(args.splits)})
    divided = divide_folder(args.out, [clip.name for clip in clips], labels)
    return Preparation(clips, labels, names, divided.splits, [], [],
                       [divided.text], divided.rule)


def _length(store: FeatureStore) -> int | None:
    """The length that all clips have; None if they differ."""
    lengths = {store.shape(name, 'keypoint')[1] for name in store.names}
    return lengths.pop() if len(lengths) == 1 else None


def _store(clips: list[SourceClip], out: str,
           poses: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Put the features into the store; its meta, and files refused."""
    from tqdm import tqdm

    from ..datasets.sources import find_features
    from ..store import StoreError, StoreWriter
    from ..store.released import TAP, read_released
    meta = dict(
        taps={TAP: _first(clips, read_released)[TAP].shape[-1]},
        layout='coco', grid='corners', region=1, persons='released')
    failures = {}
    pose_of = {clip.name: clip.path for clip in find_features([poses])} \
        if poses else {}
    os.makedirs(out, exist_ok=True)
    with StoreWriter(osp.join(out, 'features'), meta) as writer:
        done = set(writer.names)
        for clip in tqdm(clips, unit='clip'):
            if clip.name in done:
                continue
            # the frame's size is not in the files: NTU's
            info: dict[str, Any] = dict(img_shape=[1080, 1920])
            try:
                if poses and clip.name not in pose_of:
                    raise StoreError(f'{poses} has no {clip.name}.npy')
                arrays = read_released(clip.path, pose_of.get(clip.name))
                if not arrays['keypoint_score'].any():
                    info['nobody'] = True
                writer.add(clip.name, arrays, info)
            except StoreError as error:
                failures[clip.name] = str(error)
    return meta, failures


def _first(clips: list[SourceClip],
           read: Callable[[str], dict[str, np.ndarray]]
          ) -> dict[str, np.ndarray]:
    """The first file that can be read; the first error if none can."""
    errors = []
    for clip in clips:
        try:
            return read(clip.path)
        except ValueError as error:
            errors.append(error)
    raise errors[0]


main = Command('import-released', __doc__, run, add_options, check)
