"""Pooled features in a pipeline, without a store."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...estimation.assembly import ClipAssembler
from ...estimation.detectors import build_detector
from ...estimation.extractor import build_extractor
from ...estimation.given_boxes import checked_boxes
from ...estimation.given_joints import ClipJoints, JointsSource
from ...estimation.people import ListedPeople, People
from ...estimation.video import FrameChunk
from ...estimation.zoo import choose_detector, choose_pose

if TYPE_CHECKING:
    from ...estimation.extractor import PooledExtractor
    from ...estimation.people import PersonSource


@TRANSFORMS.register_module()
class PooledHeatmapExtraction(BaseTransform):
    """Estimate poses and pool the pose net's feature maps at the joints.

    For inference on a video, or to look at features; training reads them
    from a store (``LoadPooledFeature``), which ``hpnet extract`` writes
    with the same code, :class:`ClipAssembler`. The pose net is built in the
    process that first calls the transform, so it works with
    ``num_workers=0`` on any device and in CPU workers.

    Required Keys:

        - imgs (list of (H, W, 3) uint8, RGB, T of them)
        - person_boxes (optional; list over frames of (K, 4) or (K, 5), x1,
          y1, x2, y2 and score in pixels of the frame)
        - keypoint (optional; (M, T, V, 2) in pixels of the frame): joints to
          pool at, instead of the pose net's own
        - keypoint_score (optional; (M, T, V)): of those joints; a joint of
          score 0 is not seen. Without it those at (0, 0) are not seen.
        - frame_inds (optional; (T,)): numbers of the frames in the video.
          A file of boxes and gaps between frames go by them.
        - frame_dir (optional): name of the clip

    Modified Keys:

        - keypoint ((M, T, V, 2), float32)
        - keypoint_score ((M, T, V), float32; 0 where a person is absent)

    Added Keys:

        - pooled_feat ((M, T, V, C), float16; several taps joined along C)

    Args:
        pose: A name such as ``'rtmpose-m'``, an mmpose config or an ONNX file;
            see ``choose_pose`` and ``build_extractor``.
        taps: What to pool; see ``build_extractor``. Defaults to those of a
            pose net with a name.
        checkpoint: Weights of the mmpose net.
        detector: Finds the people where the results have neither boxes nor
            joints; see ``choose_detector``. Defaults to None: boxes or joints
            are required.
        det_checkpoint: Weights of the detector.
        region: R of Eq. 3. Defaults to 1.
        grid: See ``pool_at_joints``. Defaults to ``'exact'``.
        aspect: See ``PooledExtractor``. Defaults to ``'input'``.
        norm: See ``build_extractor``. Defaults to ``'eval'``.
        num_person: People kept. Defaults to 2.
        max_gap: Absence in frames that is bridged. Defaults to 30.
        nobody: What becomes of a clip without anyone; see
            :class:`ClipAssembler`. Defaults to ``'fail'``.
        batch: Crops a forward. Defaults to 32.
        device: Where the pose net runs. Defaults to ``'cpu'``.
        max_people: The former name of ``num_person``.
    """

    def __init__(self,
                 pose: str,
                 taps: Sequence[str] = (),
                 checkpoint: str | None = None,
                 detector: str | None = None,
                 det_checkpoint: str | None = None,
                 region: int = 1,
                 grid: str = 'exact',
                 aspect: str = 'input',
                 norm: str = 'eval',
                 num_person: int = 2,
                 max_gap: int = 30,
                 nobody: str = 'fail',
                 batch: int = 32,
                 device: str = 'cpu',
                 max_people: int | None = None) -> None:
        self.net_args = (pose, checkpoint, tuple(taps), device, norm)
        self.pool_args = (region, grid, aspect)
        self.detector_args = (detector, det_checkpoint, device)
        self.assembler_args = dict(
            num_people=max_people or num_person, max_gap=max_gap,
            nobody=nobody, batch=batch)
        self._extractor: PooledExtractor | None = None
        self._detector: PersonSource | None = None

    @property
    def extractor(self) -> PooledExtractor:
        """Built when it is first needed."""
        if self._extractor is None:
            pose, checkpoint, taps, device, norm = self.net_args
            pose, checkpoint, known = choose_pose(pose, checkpoint)[1:4]
            self._extractor = build_extractor(
                pose, checkpoint, taps or known, device, norm,
                *self.pool_args)
        return self._extractor

    def transform(self, results: dict) -> dict:
        """Add joints and pooled features.

        Raises:
            KeyError: If there are neither boxes, joints nor a detector.
            ValueError: If the clip cannot be extracted, or nobody is there and
                ``nobody`` is ``'fail'``.
        """
        frames = list(results['imgs'])
        numbers = np.ravel(results.get('frame_inds', ()))
        if len(numbers) != len(frames) or (np.diff(numbers) <= 0).any():
            numbers = np.arange(len(frames))
        numbers = numbers.tolist()
        clip = str(results.get('frame_dir', 'the clip'))
        assemble = ClipAssembler(
            self._source(results, clip, frames, numbers), self.extractor,
            **self.assembler_args)
        arrays = assemble(clip, [FrameChunk(
            numbers, list(map(float, numbers)), frames)]).arrays
        results['keypoint'] = arrays.pop('keypoint')
        results['keypoint_score'] = arrays.pop('keypoint_score')
        results['pooled_feat'] = np.concatenate(list(arrays.values()), -1)
        return results

    def _source(self, results: Mapping[str, Any], clip: str,
                frames: list[np.ndarray], numbers: list[int]) -> PersonSource:
        """Who says where the people of these results are."""
        if results.get('keypoint') is not None:
            return _joints_source(results, clip, frames, numbers)
        if results.get('person_boxes') is not None:
            return _boxes_source(results['person_boxes'], clip, numbers)
        if self._detector is None:
            if self.detector_args[0] is None:
                raise KeyError(
                    'PooledHeatmapExtraction needs person_boxes or keypoint '
                    'in the results, or a detector')
            detector, checkpoint, device = self.detector_args
            detector, checkpoint = choose_detector(detector, checkpoint)[1:3]
            self._detector = build_detector(detector, checkpoint, device)
        return self._detector

    def __repr__(self) -> str:
        pose, checkpoint, taps, device, norm = self.net_args
        region, grid, aspect = self.pool_args
        return (f'{self.__class__.__name__}(pose={pose!r}, taps={taps}, '
                f'checkpoint={checkpoint!r}, '
                f'detector={self.detector_args[0]!r}, '
                f'det_checkpoint={self.detector_args[1]!r}, '
                f'region={region}, grid={grid!r}, aspect={aspect!r}, '
                f'norm={norm!r}, device={device!r}, '
                + ', '.join(f'{key}={value!r}' for key, value
                            in self.assembler_args.items()) + ')')


def _boxes_source(found: Sequence[np.ndarray], clip: str, numbers: list[int]
                  ) -> ListedPeople:
    if len(found) != len(numbers):
        raise ValueError(f'person_boxes has {len(found)} frames, the clip '
                         f'{len(numbers)}')
    return ListedPeople({
        number: People(checked_boxes(np.asarray(rows).tolist(),
                                     f'{clip}, person_boxes of frame '
                                     f'{number}'))
        for number, rows in zip(numbers, found)})


def _joints_source(results: Mapping[str, Any], clip: str,
                   frames: list[np.ndarray], numbers: list[int]
                   ) -> ListedPeople:
    joints = np.asarray(results['keypoint'], np.float32)
    if joints.ndim != 4 or joints.shape[1] != len(frames):
        raise ValueError(
            f'keypoint has the shape {joints.shape}; expected (people, '
            f'{len(frames)} frames, joints, 2)')
    scores = results.get('keypoint_score')
    if scores is None:
        scores = joints.any(-1)
    height, width = frames[0].shape[:2]
    source = JointsSource({clip: ClipJoints(
        joints, np.asarray(scores, np.float32), (height, width))})
    found = source.people(frames, clip, list(range(len(frames))))
    return ListedPeople(dict(zip(numbers, found)), slotted=True)
