"""Sources of people by a short text: build_detector."""
from __future__ import annotations

import os.path as osp

import numpy as np

from ..lazy import refuse_without
from ..own_files import is_own_name, own_name
from .given_boxes import GivenBoxes
from .hog_detector import HogDetector
from .mmdet_detector import MMDetDetector
from .onnx_detector import KINDS, OnnxDetector
from .people import People, PersonSource

MMDET = 'torch', 'mmcv', 'mmdet'
WITHOUT_MMDET = ('name another by detector (--detector): hog, frame, '
                 'boxes:FILE and ONNX files of YOLOX and RTMDet need neither')
SPECS = ("'hog' (OpenCV's people detector, needs no weights), 'frame' (the "
         "whole frame), 'boxes:FILE' (a JSON file, or a folder of them), the "
         'path of an mmdet config (.py, with a checkpoint) or of YOLOX or '
         'RTMDet in an ONNX file (.onnx), or FILE.py:NAME, one of your own')


def build_detector(spec: str, checkpoint: str | None = None,
                   device: str = 'cpu', score_thr: float | None = None,
                   every: int | None = None) -> PersonSource:
    """Build the source of people that a short text names.

    Args:
        spec: ``'hog'``, ``'frame'``, ``'boxes:FILE'``, the path of an mmdet
            config, or that of an ONNX file, ``'yolox:FILE'`` or
            ``'rtmdet:FILE'`` where its name does not tell; see the classes.
            Or ``'FILE.py:NAME'``, which is called with ``device``, and with
            ``checkpoint`` and ``score_thr`` if they are given.
        checkpoint: Weights of an mmdet detector, file or address; by default
            the config's ``load_from``.
        device: Where a net runs.
        score_thr: Boxes below are left out. By default the detector's own.
        every: Frames of the video from one detection to the next, see
            :meth:`PersonSource.follow`. By default the detector's own.

    Returns:
        The detector.

    Raises:
        ValueError: If ``spec`` names no detector, with what it may name, or
            the detector cannot be built of what was given.
        FileNotFoundError: If a file is not there.
    """
    source = _build(str(spec), checkpoint, device,
                    {} if score_thr is None else dict(score_thr=score_thr))
    if every is not None:
        if every < 1:
            raise ValueError(f'every must be at least 1, got {every}')
        source.every = every
    return source


def _build(spec: str, checkpoint: str | None, device: str,
           known: dict[str, float]) -> PersonSource:
    if is_own_name(spec):
        return _of_own_file(spec, checkpoint, device, known)
    if spec.endswith('.py'):
        refuse_without(MMDET, f'the detector {spec}', WITHOUT_MMDET)
        if not osp.isfile(spec):
            raise FileNotFoundError(
                f'{spec}: no such mmdet config; detectors are {SPECS}')
        return MMDetDetector(spec, checkpoint, device, **known)
    if checkpoint:
        raise ValueError(f'the detector {spec!r} has no weights of its own: '
                         f'leave the checkpoint {checkpoint} out')
    if spec.endswith('.onnx'):
        kind, _, path = spec.rpartition(':')
        if kind not in KINDS:
            kind, path = None, spec
        return OnnxDetector(path, kind, device, **known)
    if spec == 'hog':
        return HogDetector(**known)
    if spec == 'frame':
        return FrameDetector()
    if spec.startswith('boxes:') and len(spec) > len('boxes:'):
        return GivenBoxes(spec[len('boxes:'):], **known)
    raise ValueError(f'unknown detector {spec!r}; possible are {SPECS}')


def _of_own_file(spec: str, checkpoint: str | None, device: str,
                 known: dict[str, float]) -> PersonSource:
    """A detector of the user's own, of ``FILE.py:NAME``."""
    weights = {} if checkpoint is None else dict(checkpoint=checkpoint)
    source = own_name(spec)(device=device, **weights, **known)
    if not isinstance(source, PersonSource):
        raise ValueError(
            f'the detector {spec} is a {type(source).__name__}; expected a '
            'PersonSource of hpnet_plugin.estimation.people')
    source.name = source.name or spec.rpartition(':')[2]
    return source


class FrameDetector(PersonSource):
    """One box, the whole frame, of score 1: for clips cut to one person."""

    name = 'frame'

    def people(self, frames: list[np.ndarray], clip: str,
               numbers: list[int]) -> list[People]:
        """Find one person in each frame, who fills it.

        See :meth:`PersonSource.people`.
        """
        return [People(np.array(
            [[0, 0, frame.shape[1], frame.shape[0], 1]], np.float32))
            for frame in frames]
