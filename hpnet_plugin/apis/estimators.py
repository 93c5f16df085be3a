"""Detector and pose net as they were for the training of a model."""
from __future__ import annotations

import logging
import os.path as osp
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..estimation import zoo
from ..estimation.detectors import build_detector
from ..estimation.interfaces import Extractor
from ..estimation.people import PersonSource
from ..files import sha256_of
from ..lazy import refuse_without
from .description import ModelDescription

if TYPE_CHECKING:
    from ..estimation.extractor import PooledExtractor

# What of the record of features a new video's must be made with, too.
SAME = ('region', 'grid', 'aspect', 'padding', 'layout')

logger = logging.getLogger('hpnet')


class EstimatorError(ValueError):
    """No pose net as in the training; the message says what to do."""


class Estimators(NamedTuple):
    """Who finds people, and who finds their joints and features."""
    source: PersonSource
    extractor: Extractor


def build_estimators(description: ModelDescription,
                     taps: Iterable[str],
                     device: str = 'cpu',
                     pose: str | None = None,
                     pose_checkpoint: str | None = None,
                     detector: str | None = None,
                     det_checkpoint: str | None = None,
                     detect_every: int | None = None,
                     exported: str | None = None,
                     threads: int = 1) -> Estimators:
    """Build what made the features of a training.

    Args:
        description: Of the model; ``extraction`` says what it was.
        taps: Features that the model reads.
        device: Where nets run.
        pose: The pose net, where it is not found by its name or file.
        pose_checkpoint: Its weights.
        detector: In place of that of the training.
        det_checkpoint: Its weights.
        detect_every: See :func:`build_detector`.
        exported: Pose net, taps and pooling as one ONNX file.
        threads: Of the pose net on the CPU.

    Returns:
        Detector and extractor.

    Raises:
        EstimatorError: If the pose net is not here, or is another one.
        ValueError: If something else cannot be built.
    """
    record = description.extraction
    people = record.get('detector') or {}
    if exported and detector is None and people.get('file'):
        # a copy that hpnet export has put beside the pose net
        detector = osp.join(osp.dirname(exported),
                            osp.basename(people['file']))
    source = _detector(people, device, detector,
                       det_checkpoint, detect_every, description.name)
    if exported and pose is None:
        from ..estimation.onnx_extractor import OnnxExtractor
        return Estimators(source, OnnxExtractor(exported, device, threads))
    return Estimators(source, build_pose(description, taps, device, pose,
                                         pose_checkpoint, threads))


def build_pose(description: ModelDescription,
               taps: Iterable[str],
               device: str = 'cpu',
               pose: str | None = None,
               pose_checkpoint: str | None = None,
               threads: int = 1) -> PooledExtractor:
    """Build pose net and pooling as they were for a training.

    Args:
        description: See :func:`build_estimators`, as all others.
        taps: Likewise.
        device: Likewise.
        pose: Likewise.
        pose_checkpoint: Likewise.
        threads: Likewise.

    Returns:
        The extractor.

    Raises:
        EstimatorError: If the pose net is not here, or is another one.
        ValueError: If it cannot be built.
    """
    refuse_without(('torch', ), f'the pose net of {description.name}',
                   'hpnet export writes one beside a model that runs by '
                   'onnxruntime alone')
    from ..estimation.extractor import build_extractor
    record, name = description.extraction, description.name
    known = record.get('pose') or {}
    choice = _pose(known, pose, pose_checkpoint, name)
    # before its taps are looked for, which another net may not have
    weights = choice.checkpoint or choice.file
    if not weights.endswith('.py') and osp.isfile(weights):
        _compare_nets(known, sha256_of(weights), choice, name)
    # of what was stored, what the model reads; joints alone come with a tap
    wanted = list(taps) or list(record.get('taps') or choice.taps)[:1]
    extractor = build_extractor(
        choice.file, choice.checkpoint, wanted, device,
        known.get('norm', 'eval'), record.get('region', 1),
        record.get('grid', 'exact'), record.get('aspect', 'input'),
        threads=threads)
    _compare(record, extractor.record, choice, name)
    return extractor


def _pose(known: Mapping[str, Any], pose: str | None, checkpoint: str | None,
          name: str) -> zoo.Choice:
    if pose is not None:
        return zoo.choose_pose(pose, checkpoint)
    if known.get('zoo'):
        return zoo.choose_pose(known['zoo'], checkpoint)
    if not known:
        choice = zoo.choose_pose(None, checkpoint)
        logger.warning('%s does not say which pose net its features were '
                       'made with; taken is %s', name, choice.name)
        return choice
    file = known.get('onnx') or known.get('config') or ''
    for folder in ('.', *zoo.weight_folders()):
        path = osp.join(folder, file)
        if file.endswith('.onnx') and osp.isfile(path) and \
                sha256_of(path) == known.get('sha256'):
            return zoo.choose_pose(path, checkpoint)
    raise EstimatorError(
        f'the features of {name} were made with the pose net {file} '
        f'(sha256 {str(known.get("sha256"))[:8]}…), which is not here: name '
        'its file by pose (--pose), and the weights of a config by '
        'pose_checkpoint (--checkpoint)')


def _compare(record: dict[str, Any], own: dict[str, Any], choice: zoo.Choice,
             name: str) -> None:
    """Refuse features that are of another kind than those of the training."""
    _compare_nets(record.get('pose') or {}, own['pose'].get('sha256'), choice,
                  name)
    for key in SAME:
        if key in record and record[key] != own[key]:
            raise EstimatorError(
                f'{choice.name}: {key} is {own[key]!r}, the features of '
                f'{name} were made with {record[key]!r}')
    known = record.get('image_nets') or {}
    for title, net in (own.get('image_nets') or {}).items():
        expected = (known.get(title) or {}).get('sha256')
        if expected and net['sha256'] != expected:
            raise EstimatorError(
                f'{title} ({net["file"]}) is another image net than that of '
                f'the training of {name}: the sha256 of its weights begins '
                f'with {net["sha256"][:8]}, expected is {expected[:8]}')
    for tap, channels in own['taps'].items():
        before = (record.get('taps') or {}).get(tap, channels)
        if before != channels:
            raise EstimatorError(
                f'{choice.name}: {tap} has {channels} channels, {before} in '
                f'the training of {name}')


def _compare_nets(known: Mapping[str, Any], found: str | None,
                  choice: zoo.Choice, name: str) -> None:
    expected = known.get('sha256')
    if expected and found != expected:
        raise EstimatorError(
            f'{choice.name} is another pose net than that of the training of '
            f'{name} ({known.get("onnx") or known.get("config")}): the sha256 '
            f'of its weights begins with {str(found)[:8]}, expected is '
            f'{expected[:8]}; other features mean nothing to the model')


def _detector(known: Mapping[str, Any], device: str, detector: str | None,
              checkpoint: str | None, every: int | None, name: str
              ) -> PersonSource:
    if detector is None:
        detector = known.get('zoo') or known.get('name') or ''
        here = detector in (*zoo.DETECTORS, 'hog', 'frame') or (
            # a record may not name a config, which is a program
            detector.endswith('.onnx') and osp.isfile(detector))
        if not here:
            choice = zoo.choose_detector(None, checkpoint)
            logger.warning(
                'the people in the training clips of %s came from %s, which '
                'knows nothing of other videos; taken is %s', name,
                detector or 'a detector that is not named', choice.name)
            return build_detector(choice.file, choice.checkpoint, device,
                                  every=every)
        every = every or known.get('every')
    choice = zoo.choose_detector(detector, checkpoint)
    return build_detector(choice.file, choice.checkpoint, device, every=every)
