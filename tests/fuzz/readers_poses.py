"""Poses, boxes, features and scores that somebody else computed."""
from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np

from fuzz.engine import Reader
from hpnet_plugin.datasets.annotations import (
    AnnotationsError,
    read_annotations,
)
from hpnet_plugin.datasets.imports import (
    GivenJoints,
    ImportedPosesError,
    read_poses,
    write_poses,
)
from hpnet_plugin.estimation.given_boxes import GivenBoxes
from hpnet_plugin.estimation.people import PeopleError
from hpnet_plugin.evaluation.scores import ScoreError, read_scores
from hpnet_plugin.store.errors import StoreError
from hpnet_plugin.store.released import read_released

NAMES = [f'S001C001P{p:03d}R001A{a:03d}' for p in (1, 2) for a in (7, 8)]
FRAMES = [np.zeros((48, 64, 3), np.uint8)] * 3


def _annotations(dims: int = 2) -> dict:
    rng = np.random.default_rng(0)
    clips = []
    for label, name in enumerate(NAMES):
        clip = dict(frame_dir=name, label=label, total_frames=3,
                    keypoint=rng.uniform(1, 40, (2, 3, 17, dims)).astype(
                        np.float16 if label % 2 else np.float32))
        if dims == 2:
            clip.update(img_shape=(48, 64), original_shape=(48, 64),
                        keypoint_score=rng.random((2, 3, 17), np.float32))
        clips.append(clip)
    return dict(split=dict(xsub_train=NAMES[:2], xsub_val=NAMES[2:]),
                annotations=clips)


def _pickles(folder: Path) -> list[Path]:
    contents = (_annotations(), _annotations(3),
                _annotations()['annotations'])
    paths = []
    for number, content in enumerate(contents):
        for protocol in (2, 4, 5):
            path = folder / f'p{number}{protocol}.pkl'
            path.write_bytes(pickle.dumps(content, protocol))
            paths.append(path)
    return paths


def _taken(path: Path) -> None:
    """Poses as hpnet import-poses and hpnet extract --poses use them."""
    poses = read_poses(str(path))
    out = path.parent / 'out'
    out.mkdir()
    write_poses(poses, str(out / 'annotations.pkl'))
    read_annotations(out / 'annotations.pkl', joints=True)
    if any('keypoint_score' not in one
           for one in poses.annotations.values()):
        return  # in 3D
    source = GivenJoints.read(str(path))
    for name in poses.annotations:
        try:
            source.people(FRAMES[:1], name, [0])
        except PeopleError as error:
            # its clip is refused when it is its turn, by name
            if name not in str(error):
                raise


def _pose_jsons(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / 'a01_s01_e00_v01.json', folder / 'abc.json']
    paths[0].write_text(json.dumps(dict(
        skeletons=rng.uniform(-1, 1, (3, 20, 3)).round(3).tolist())))
    person = [dict(pose=rng.random(36).round(3).tolist(),
                   score=rng.random(18).round(3).tolist())]
    paths[1].write_text(json.dumps(dict(label='run', label_index=3, data=[
        dict(frame_index=1, skeleton=person),
        dict(frame_index=3, skeleton=person * 2)])))
    return paths


def _box_files(folder: Path) -> list[Path]:
    boxes = [[[1, 2, 30, 40, .9], [5, 5, 20.5, 40, .5]], [],
             [[1, 2, 30, 40]]]
    paths = [folder / 'all.json', folder / 'x_boxes.json']
    paths[0].write_text(json.dumps({'x': boxes, 'y': boxes[:1] * 3}))
    paths[1].write_text(json.dumps(boxes))
    return paths


def _boxes(path: Path) -> None:
    GivenBoxes(str(path)).people(FRAMES, 'x', [0, 1, 2])


def _features(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    for name, shape, kind in (('a', (4, 2, 17, 6), '<f4'),
                              ('b', (4, 1, 17, 6), '<f8'),
                              ('c', (4, 2, 17, 6), '>f2')):
        np.save(folder / f'{name}.npy', rng.random(shape).astype(kind))
    return sorted(folder.glob('*.npy'))


def _dumps(folder: Path) -> list[Path]:
    import torch
    rng = np.random.default_rng(0)
    rows = rng.random((4, 3)).astype(np.float32)
    samples = [dict(frame_dir=name, img_shape=(48, 64), gt_label=torch.tensor(
        [i % 3]), pred_score=torch.tensor(row), pred_label=torch.tensor(
            [0]), num_clips=1) for i, (name, row) in enumerate(
                zip(NAMES, rows))]
    contents = {
        'dump': samples, 'dict': dict(zip(NAMES, rows)),
        'arrays': [dict(frame_dir=name, pred_score=row, gt_label=0)
                   for name, row in zip(NAMES, rows)],
        'rows': list(rows),
        'streams': [dict(sample, pred_score={'j': row, 'b': row})
                    for sample, row in zip(samples, rows)]}
    for name, content in contents.items():
        for protocol in (2, 4, 5):
            (folder / f'{name}{protocol}.pkl').write_bytes(
                pickle.dumps(content, protocol))
    return sorted(folder.glob('*.pkl'))


def _scores(path: Path) -> None:
    """Scores, also of streams and of files that lack names."""
    clips = dict.fromkeys(NAMES, 0)
    try:
        read_scores(str(path), clips)
    except ScoreError:
        read_scores(f'{path}#j', clips)


def _score_jsons(folder: Path) -> list[Path]:
    rows = [[.1, .7, .2], [.3, .3, .4], [1., 0, 0], [0, 1, 2.5]]
    (folder / 'd.json').write_text(json.dumps(dict(zip(NAMES, rows))))
    (folder / 'r.json').write_text(json.dumps(rows))
    return [folder / 'd.json', folder / 'r.json']


def _score_arrays(folder: Path) -> list[Path]:
    np.save(folder / 'x_score.npy', np.random.default_rng(0).random((4, 3)))
    (folder / 'x_name.txt').write_text('\n'.join(NAMES))
    return [folder / 'x_score.npy', folder / 'x_name.txt']


def _array_scores(path: Path) -> None:
    read_scores(str(path.parent / 'x_score.npy'))


def npy_repaired(data: bytes) -> bytes:
    """The length of a .npy header made that of its text."""
    end = data.find(b'\n', 10)
    if len(data) < 12 or end < 0 or end > 60000:
        return data
    size = 2 if data[6:7] == b'\x01' else 4
    start = 8 + size
    return data[:8] + (end + 1 - start & (1 << 8 * size) - 1).to_bytes(
        size, 'little') + data[start:]


READERS = {
    'poses-pkl': Reader(_pickles, _taken, (ImportedPosesError, )),
    'poses-json': Reader(_pose_jsons, _taken, (ImportedPosesError, ),
                         beside=True),
    'annotations': Reader(_pickles, lambda path: read_annotations(
        path, joints=True), (AnnotationsError, )),
    'boxes': Reader(_box_files, _boxes, (ValueError, ), beside=True),
    'features-npy': Reader(_features, lambda path: read_released(str(path)),
                           (StoreError, ), repair=npy_repaired),
    'scores-pkl': Reader(_dumps, _scores, (ScoreError, )),
    'scores-json': Reader(_score_jsons, _scores, (ScoreError, )),
    'scores-npy': Reader(_score_arrays, _array_scores, (ScoreError, ),
                         beside=True, repair=npy_repaired,
                         named=lambda path: 'x_score.npy'),
}
