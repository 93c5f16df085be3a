"""Pose nets and detectors by name: config, weights, tap.

A name stands for a config of ``configs/pose`` or ``configs/detectors`` and
for public weights, which are looked for in ``$HPNET_WEIGHTS`` and in torch
hub's ``checkpoints``, and downloaded where they are in neither. The names of
the published files end in the first digits of their sha256, which are
compared before anything is loaded.
"""
from __future__ import annotations

import difflib
import os.path as osp
from importlib.util import find_spec
from typing import NamedTuple

from ..files import sha256_of
from ..lazy import refuse_without
from ..own_files import is_own_name
from ..places import PACKAGE, configs_folder
from .detectors import MMDET, WITHOUT_MMDET
from .weight_files import (
    Model,
    WeightsError,
    digits_of,
    find_weights,
    get_weights,
    weight_folders,
)

__all__ = ['DETECTORS', 'POSES', 'Choice', 'Model', 'WeightsError',
           'best_installed', 'choose_detector', 'choose_pose', 'config_file',
           'find_pose', 'find_weights', 'get_weights', 'published_name',
           'weight_folders']

HRNET_TAP = 'backbone.stage4.0.branches.1'  # 96 x 32 x 24, H2 of the paper
_OPENMMLAB = 'https://download.openmmlab.com/'


# the best first
POSES = {
    'hrnet-w48-simcc': Model(
        'pose/hrnet-w48_simcc_coco-256x192.py',
        'hrnet-w48_simcc_coco-256x192.pth', 'mmpose',
        "HRNet-W48 with SimCC head, the paper's pose net; the authors' "
        'weights', (HRNET_TAP, ),
        "the authors share them by Google Drive, see their repository's "
        'README; convert them by `hpnet convert FILE '
        'hrnet-w48_simcc_coco-256x192.pth --from simcc`'),
    'hrnet-w48': Model(
        'pose/hrnet-w48_coco-256x192.py',
        _OPENMMLAB + 'mmpose/v1/body_2d_keypoint/topdown_heatmap/coco/'
        'td-hm_hrnet-w48_8xb32-210e_coco-256x192-0e67c616_20220913.pth',
        'mmpose', 'HRNet-W48 with heatmaps, 75.6 AP on COCO; mmpose, '
        'Apache-2.0', (HRNET_TAP, )),
    'rtmpose-m': Model(
        'pose/rtmpose-m_body8-256x192.py',
        _OPENMMLAB + 'mmpose/v1/projects/rtmposev1/rtmpose-m_simcc-body7_pt-'
        'body7_420e-256x192-e48f03d0_20230504.pth', 'mmpose',
        'RTMPose-m, the fast choice on a CPU; mmpose, Apache-2.0',
        # 192 x 32 x 24: the cells of the paper's map
        ('backbone.stage2', )),
    'tiny': Model(
        'pose/tiny_hrnet.py',
        str(PACKAGE / 'estimation/tiny_pose.pth'),
        'mmpose',
        'a tiny HRNet of this package, trained on synthetic people alone: '
        'for trying out the commands, not for results', (HRNET_TAP, )),
}
DETECTORS = {
    'rtmdet-m': Model(
        'detectors/rtmdet-m_person.py',
        _OPENMMLAB + 'mmpose/v1/projects/rtmpose/'
        'rtmdet_m_8xb32-100e_coco-obj365-person-235e8209.pth', 'mmdet',
        'RTMDet-m for persons, trained on Objects365 and COCO; mmpose, '
        'Apache-2.0'),
    'yolox-x': Model(
        'detectors/yolox-x.py',
        _OPENMMLAB + 'mmdetection/v2.0/yolox/yolox_x_8x8_300e_coco/'
        'yolox_x_8x8_300e_coco_20211126_140254-1ef88d67.pth', 'mmdet',
        'YOLOX-x, trained on COCO; mmdet, Apache-2.0'),
    'yolox-s': Model(
        'detectors/yolox-s.py',
        _OPENMMLAB + 'mmdetection/v2.0/yolox/yolox_s_8x8_300e_coco/'
        'yolox_s_8x8_300e_coco_20211121_095711-4592a793.pth', 'mmdet',
        'YOLOX-s, trained on COCO; mmdet, Apache-2.0'),
    'rtmdet-tiny': Model(
        'detectors/rtmdet-tiny.py',
        _OPENMMLAB + 'mmdetection/v3.0/rtmdet/rtmdet_tiny_8xb32-300e_coco/'
        'rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth', 'mmdet',
        'RTMDet-tiny, trained on COCO; mmdet, Apache-2.0'),
}


class Choice(NamedTuple):
    """What a name, or a file, stands for.

    Attributes:
        name: The name, or the file as it was given.
        file: What ``build_extractor`` or ``build_detector`` takes.
        checkpoint: Its weights, a file, or None.
        taps: Feature maps to pool by default; empty where it is not known.
        note: One line that says what it is, empty for a file.
    """
    name: str
    file: str
    checkpoint: str | None = None
    taps: tuple[str, ...] = ()
    note: str = ''


def choose_pose(spec: str | None = None,
                checkpoint: str | None = None) -> Choice:
    """The pose net that a name or a file stands for.

    Args:
        spec: A name of ``POSES``; an mmpose config or an ONNX file; or None:
            the best that is installed, that is whose weights are here.
        checkpoint: Weights to take instead of the named ones.

    Returns:
        What to build; weights of a name are here when this returns.

    Raises:
        WeightsError: If weights cannot be had, or are not whole.
        ValueError: If ``spec`` is neither a name nor a file.
    """
    return _choose(spec, checkpoint, POSES, 'tiny', 'pose net',
                   ('.py', '.onnx'))


def find_pose(spec: str) -> Choice:
    """The pose net that a name or a file stands for, without weights.

    Args:
        spec: See :func:`choose_pose`.

    Returns:
        Its config or ONNX file, and its default taps.

    Raises:
        ValueError: If ``spec`` is neither a name nor a file.
    """
    model = POSES.get(spec)
    if model:
        return Choice(spec, config_file(model.config), None, model.taps,
                      model.note)
    return _file_of(spec, POSES, 'pose net', ('.py', '.onnx'))


def choose_detector(spec: str | None = None,
                    checkpoint: str | None = None) -> Choice:
    """The detector that a name or a spec stands for.

    Args:
        spec: A name of ``DETECTORS``; what :func:`build_detector` takes; or
            None: the best that is installed, which may be ``'hog'``.
        checkpoint: Weights to take instead of the named ones.

    Returns:
        What to build; weights of a name are here when this returns.

    Raises:
        WeightsError: If weights cannot be had, or are not whole.
        ValueError: If ``spec`` is neither, or a net of mmdet where that is not
            installed.
    """
    if spec is not None and (spec in ('hog', 'frame')
                             or spec.startswith('boxes:')
                             or is_own_name(spec)):
        return Choice(spec, spec, checkpoint)
    if spec in DETECTORS:  # before weights are downloaded
        refuse_without(MMDET, f'the detector {spec}', WITHOUT_MMDET)
    return _choose(spec, checkpoint, DETECTORS, 'hog', 'detector',
                   ('.py', '.onnx'))


def published_name(sha256: str | None, models: dict[str, Model]
                   ) -> str | None:
    """The name under which weights are published.

    Args:
        sha256: Of the weights.
        models: ``POSES`` or ``DETECTORS``.

    Returns:
        The name, None if they are published under none.
    """
    for name, model in models.items():
        if osp.isabs(model.weights):
            known = osp.isfile(model.weights) and sha256_of(model.weights)
        else:
            known = digits_of(model.weights)
        if sha256 and known and sha256.startswith(known):
            return name
    return None


def best_installed(models: dict[str, Model], last: str) -> str:
    """The first of the models that can be run without a download.

    Args:
        models: ``POSES`` or ``DETECTORS``.
        last: The name if there is none.

    Returns:
        Its name.
    """
    for name, model in models.items():
        if find_spec('torch') and find_spec(model.package) and \
                find_weights(model):
            return name
    return last


def config_file(name: str) -> str:
    """Path of a config, in the working tree or in an installed package.

    Args:
        name: Its path in the folder of configs.

    Returns:
        Its path on this machine.

    Raises:
        FileNotFoundError: If it is in neither.
    """
    path = configs_folder() / name
    if path.is_file():
        return str(path)
    raise FileNotFoundError(f'{path}: no such file; install the package '
                            'again')


def _choose(spec: str | None, checkpoint: str | None, models: dict[str, Model],
            last: str, what: str, suffixes: tuple[str, ...]) -> Choice:
    name = best_installed(models, last) if spec is None else str(spec)
    model = models.get(name)
    if model:
        return Choice(name, config_file(model.config),
                      checkpoint or get_weights(name, model), model.taps,
                      model.note)
    if name == last:
        return Choice(name, name, checkpoint)
    return _file_of(name, models, what, suffixes, checkpoint)


def _file_of(name: str, models: dict[str, Model], what: str,
             suffixes: tuple[str, ...], checkpoint: str | None = None
             ) -> Choice:
    if not name.endswith(suffixes):
        close = difflib.get_close_matches(name, models, 1, .6)
        raise ValueError(
            f'unknown {what} {name!r}; known are {", ".join(models)}'
            f'{", hog, frame, boxes:FILE" if what == "detector" else ""} and '
            f'files ({", ".join(suffixes)})'
            + (f'; the closest: {close[0]}' if close else ''))
    # a file that is not there is refused, with its path, by who opens it
    return Choice(name, name, checkpoint)
