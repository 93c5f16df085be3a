"""People in frames: HOG, given boxes, the whole frame, or mmdet."""
from __future__ import annotations

import json
import os
import os.path as osp

import numpy as np

from ..lazy import refuse_without
from ..own_files import is_own_name, own_name
from .onnx_detector import KINDS, OnnxDetector
from .people import (
    People,
    PeopleError,
    PersonSource,
    best_first,
    checked_boxes,
    named,
    short,
)

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


def _build(spec, checkpoint, device, known):
    if is_own_name(spec):
        return _of_own_file(spec, checkpoint, device, known)
    if spec.endswith('.py'):
        refuse_without(MMDET, f'the detector {spec}', WITHOUT_MMDET)
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
        """See :meth:`PersonSource.people`."""
        return [People(np.array(
            [[0, 0, frame.shape[1], frame.shape[0], 1]], np.float32))
            for frame in frames]


class GivenBoxes(PersonSource):
    """Boxes that were found before, in JSON.

    A frame's boxes are a list of ``[x1, y1, x2, y2, score]``, in pixels; a
    missing score is 1. A clip's are the list of its frames'. The file holds
    ``{clip: list}``, or one list alone, of the clip after which the file is
    named. A folder holds such files, ``CLIP_boxes.json`` or ``CLIP.json``. A
    clip's name may lack the ``_rgb`` of NTU's video files.

    Args:
        path: File or folder.
        score_thr: Boxes below are left out.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it does not hold boxes.
    """

    def __init__(self, path: str, score_thr: float = 0.):
        if not osp.exists(path):
            raise FileNotFoundError(f'{path}: no such file or folder of boxes')
        self.path, self.score_thr = path, score_thr
        self.name = 'boxes:' + osp.basename(osp.normpath(path))
        self._loaded = (None, None)
        if osp.isdir(path):
            # a clip's rows are read when it is its turn
            self.clips = {_stem(file): osp.join(path, file)
                          for file in sorted(os.listdir(path))
                          if file.endswith('.json')}
            if not self.clips:
                raise ValueError(f'{path} has no CLIP_boxes.json or CLIP.json')
            return
        content = _read_json(path)
        if isinstance(content, list):
            content = {_stem(osp.basename(path)): content}
        if not isinstance(content, dict):
            raise ValueError(
                f'{path} holds a {type(content).__name__}; expected '
                '{clip: [[[x1, y1, x2, y2, score], ...] of each frame]}, or '
                'the list of one clip in CLIP_boxes.json or CLIP.json')
        self.clips = content

    def people(self, frames: list[np.ndarray], clip: str,
               numbers: list[int]) -> list[People]:
        """See :meth:`PersonSource.people`."""
        rows = self._of_clip(clip)
        found = []
        for number in numbers:
            if number >= len(rows):
                raise PeopleError(
                    f'{self.path}, clip {clip!r}: boxes of {len(rows)} '
                    f'frames, but frame {number} is asked for (frames count '
                    'from 0): the boxes are of another or a shortened video')
            boxes = checked_boxes(
                rows[number], f'{self.path}, clip {clip!r}, frame {number}')
            found.append(People(boxes[boxes[:, 4] >= self.score_thr]))
        return found

    def _of_clip(self, clip):
        if self._loaded[0] == clip:
            return self._loaded[1]
        rows = named(self.clips, clip, self.path, 'boxes')
        if isinstance(rows, str) and osp.isdir(self.path):
            try:
                rows = _read_json(rows)
            except (OSError, ValueError) as error:
                raise PeopleError(str(error)) from None
        if not isinstance(rows, list):
            raise PeopleError(
                f'{self.path}, clip {clip!r}: expected the list of its '
                f"frames' boxes, found {short(rows)}")
        self._loaded = (clip, rows)
        return rows


def _stem(file):
    return file.removesuffix('.json').removesuffix('_boxes')


def _read_json(path):
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except (ValueError, RecursionError) as error:  # also of no text at all
        raise ValueError(f'{path} is no JSON file: {error}') from None


class HogDetector(PersonSource):
    """OpenCV's HOG people detector (Dalal and Triggs, CVPR 2005).

    For people who stand or walk, from about a quarter of the frame's height
    on. Frames are scaled so that their short side has 360 pixels, windows of
    64x128 pixels and more are judged by a support vector machine, and the
    windows on one person become one box: their mean, weighted by score. The
    score is the machine's margin, no probability.

    It is looked at every 12th frame, and every 3rd where it sees nobody. It
    sees people where there are none, so the pose net is asked whether it
    finds joints in a further person, see :func:`tracking.believed`.
    The least evidence is chosen for scores of pose nets that are 0.7 and
    more of people who are seen whole, as heatmaps' are.

    Measured (IoU from 0.5 with boxes of a modern detector, or of the
    drawing): recall 1.00 of one person of NTU RGB+D, 0.86 of two who punch,
    0.78 of drawn people of NW-UCLA, and, of margin 0.3 and more, 0.0, 0.15
    and 0.3 wrong boxes a frame. Of crowds, sport, people who sit or bend it
    finds next to nothing: that takes a detector of mmdet.

    Args:
        score_thr (float): Least margin. Defaults to 0.1.
    """

    name = 'hog'
    every = 12
    search = 3
    evidence = 0.33
    short_side = 360
    # The windows have wide borders. Centre x and y, width and height of the
    # person as shares of the window: medians over boxes of true people are
    # 0.5, 0.49, 0.47 (NTU RGB+D) to 0.66 (NW-UCLA) and 0.78; a little is
    # added above, for a head that is cut off costs more than a margin.
    person = np.array((0.5, 0.475, 0.52, 0.82))
    # share of the smaller box covered: above, two windows are on one person
    same_share = 0.5
    # IoU with the best window from which on a window is part of the mean
    mean_iou = 0.5

    def __init__(self, score_thr=0.1):
        import cv2
        self.score_thr = score_thr
        self.hog = cv2.HOGDescriptor()
        self.hog.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())

    @property
    def record(self) -> dict:
        """See :attr:`PersonSource.record`; earlier versions had no such rule.

        Stores that these made are so not continued under another.
        """
        return dict(super().record, score_thr=self.score_thr,
                    evidence=self.evidence, search=self.search)

    def people(self, frames: list[np.ndarray], clip: str,
               numbers: list[int]) -> list[People]:
        """See :meth:`PersonSource.people`."""
        return [People(self._detect(frame)) for frame in frames]

    def _detect(self, frame):
        import cv2
        height, width = frame.shape[:2]
        scale = self.short_side / min(height, width)
        small = cv2.resize(
            frame,
            None,
            fx=scale,
            fy=scale,
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        # gradients are taken of the strongest channel: RGB or BGR is one
        windows, margins = self.hog.detectMultiScale(
            small,
            hitThreshold=min(self.score_thr, 0),
            winStride=(8, 8),
            padding=(16, 16),
            scale=1.07,
            groupThreshold=0)
        if not len(windows):
            return np.zeros((0, 5), np.float32)
        centre = windows[:, :2] + windows[:, 2:] * self.person[:2]
        half = windows[:, 2:] * self.person[2:] / 2
        found = np.c_[np.c_[centre - half, centre + half] / scale,
                      np.ravel(margins)]
        boxes = self._merge(found)
        boxes[:, :4] = boxes[:, :4].clip(0, (width, height) * 2)
        return best_first(boxes)

    def _merge(self, found):
        """One box for the windows on one person."""
        # OpenCV's threads give the windows in any order
        found = found[np.lexsort((*found.T[:4], -found[:, 4]))]
        iou, share = _overlaps(found)
        left = np.ones(len(found), bool)
        boxes = []
        for i, best in enumerate(found):
            if best[4] < self.score_thr:
                break
            if left[i]:
                mean = found[left & (iou[i] >= self.mean_iou)]
                box = np.average(mean, 0, mean[:, 4].clip(1e-3))
                boxes.append([*box[:4], best[4]])
                left &= share[i] <= self.same_share
        return np.array(boxes).reshape(-1, 5)


def _overlaps(boxes):
    """IoU, and share of the smaller box covered, of each pair: (K, K)."""
    a, b = boxes[:, None], boxes[None]
    inner = (np.minimum(a[..., 2:4], b[..., 2:4])
             - np.maximum(a[..., :2], b[..., :2])).clip(0).prod(-1)
    area = (boxes[:, 2:4] - boxes[:, :2]).prod(-1)
    return (inner / (area[:, None] + area - inner),
            inner / np.minimum(area[:, None], area))


class MMDetDetector(PersonSource):
    """The persons of any detector of mmdet.

    It is looked at every 4th frame, like :class:`OnnxDetector`: boxes moved
    linearly between have a mean IoU of 0.97 (NTU RGB+D at 30 frames a
    second) and 0.92 (NW-UCLA at 15) with those of each frame.

    Args:
        config (str): Path of the config.
        checkpoint (str, optional): Weights; by default ``load_from``.
        device (str): Defaults to ``'cpu'``.
        score_thr (float): Least score. Defaults to 0.3.
    """

    every = 4

    def __init__(self, config, checkpoint=None, device='cpu', score_thr=0.3):
        # mmdet and what it imports cost seconds: only who needs it pays
        from mmcv.transforms import Compose
        from mmdet.apis import init_detector
        from mmdet.utils import get_test_pipeline_cfg, register_all_modules
        from mmengine import DefaultScope

        from ..config_text import read_config
        from .pose import check_weights, load_weights, local_file

        if not osp.isfile(config):
            raise FileNotFoundError(
                f'{config}: no such mmdet config; detectors are {SPECS}')
        path, config = config, read_config(config, imports=True)
        checkpoint = checkpoint or config.get('load_from')
        if not checkpoint:
            raise ValueError(f'{path} names no weights (load_from): give a '
                             'checkpoint of the detector')
        checkpoint = local_file(checkpoint)
        check_weights(checkpoint)
        register_all_modules(init_default_scope=False)
        # mmdet would make its scope the default of the whole process
        config.default_scope = None
        with DefaultScope.overwrite_default_scope('mmdet'):
            try:
                self.model = init_detector(
                    config, checkpoint, palette='coco', device=device)
            except Exception as error:
                raise ValueError(
                    f'{path} describes no detector that mmdet can build: '
                    f'{type(error).__name__}: {error}') from None
            self.sha256 = load_weights(self.model, checkpoint)
            steps = get_test_pipeline_cfg(config.copy())
            steps[0].type = 'mmdet.LoadImageFromNDArray'
            self.pipeline = Compose(steps)
        classes = self.model.dataset_meta['classes']
        if 'person' not in classes:
            raise ValueError(f"{path} detects no class 'person' but "
                             f'{short(list(classes))}')
        self.person = classes.index('person')
        self.name = osp.splitext(osp.basename(path))[0]
        self.score_thr = score_thr

    def people(self, frames: list[np.ndarray], clip: str,
               numbers: list[int]) -> list[People]:
        """See :meth:`PersonSource.people`."""
        import torch
        if not frames:
            return []
        # mmdet's own inference_detector goes image by image
        data = [self.pipeline(dict(img=frame[..., ::-1], img_id=0))
                for frame in frames]
        with torch.inference_mode():
            results = self.model.test_step(
                {key: [item[key] for item in data]
                 for key in ('inputs', 'data_samples')})
        return [People(self._persons(result.pred_instances, frame.shape))
                for result, frame in zip(results, frames)]

    def _persons(self, found, shape):
        found = found[(found.labels == self.person)
                      & (found.scores >= self.score_thr)].cpu()
        boxes = np.c_[found.bboxes.numpy(), found.scores.numpy()]
        boxes[:, :4] = boxes[:, :4].clip(0, (shape[1], shape[0]) * 2)
        return best_first(boxes[(boxes[:, 2:4] > boxes[:, :2]).all(1)])
