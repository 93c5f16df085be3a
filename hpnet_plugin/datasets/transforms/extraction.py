"""Pooled features in a pipeline, without a store."""
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...estimation import tracking
from ...estimation.detectors import build_detector
from ...estimation.extractor import build_extractor
from ...estimation.geometry import joints_to_box


@TRANSFORMS.register_module()
class PooledHeatmapExtraction(BaseTransform):
    """Estimate poses and pool the pose net's feature maps at the joints.

    For inference on a video, or to look at features; training reads them
    from a store (``LoadPooledFeature``), which ``tools/extract.py`` writes
    with the same code. The pose net is built in the process that first calls
    the transform, so it works with ``num_workers=0`` on any device and in
    CPU workers.

    Required Keys:

        - imgs (list of (H, W, 3) uint8, RGB, T of them)
        - person_boxes (optional; list over frames of (K, 4) or (K, 5), x1,
          y1, x2, y2 and score in pixels of the frame)
        - keypoint (optional; (M, T, V, 2) in pixels of the frame): joints to
          pool at, instead of the pose net's own; all-zero means absent

    Modified Keys:

        - keypoint ((M, T, V, 2), float32)
        - keypoint_score ((M, T, V), float32; 0 where a person is absent)

    Added Keys:

        - pooled_feat ((M, T, V, C), float16; several taps joined along C)

    Args:
        pose (str): mmpose config or ONNX file; see ``build_extractor``.
        taps (Sequence[str]): What to pool; see ``build_extractor``.
        checkpoint (str, optional): Weights of the mmpose net.
        detector (str, optional): Finds the people where the results have
            neither boxes nor joints; see ``build_detector``. Defaults to
            None: boxes or joints are required.
        region (int): R of Eq. 3. Defaults to 1.
        grid (str): See ``pool_at_joints``. Defaults to ``'exact'``.
        aspect (str): See ``PooledExtractor``. Defaults to ``'input'``.
        norm (str): See ``build_extractor``. Defaults to ``'eval'``.
        max_people (int): People kept. Defaults to 2.
        max_gap (int): Absence in frames that is bridged. Defaults to 30.
        batch (int): Crops a forward. Defaults to 32.
        device (str): Where the pose net runs. Defaults to ``'cpu'``.
    """

    def __init__(self,
                 pose,
                 taps,
                 checkpoint=None,
                 detector=None,
                 region=1,
                 grid='exact',
                 aspect='input',
                 norm='eval',
                 max_people=2,
                 max_gap=30,
                 batch=32,
                 device='cpu'):
        self.net_args = (pose, checkpoint, tuple(taps), device, norm)
        self.pool_args = (region, grid, aspect)
        self.detector_args = (detector, None, device)
        self.max_people, self.max_gap = max_people, max_gap
        self.batch = batch
        self._extractor = self._detector = None

    @property
    def extractor(self):
        """PooledExtractor: Built when it is first needed."""
        if self._extractor is None:
            self._extractor = build_extractor(*self.net_args, *self.pool_args)
        return self._extractor

    def transform(self, results):
        """Add joints and pooled features.

        Args:
            results (dict): The results dict.

        Returns:
            dict: The same, with the keys above.

        Raises:
            KeyError: If there are neither boxes, joints nor a detector.
            ValueError: If nobody is there.
        """
        frames = results['imgs']
        joints = results.get('keypoint')
        if joints is not None:
            present = np.any(joints != 0, axis=(2, 3))
            boxes = np.array([[joints_to_box(j) for j in person]
                              for person in joints], np.float32)
        else:
            boxes, present = self._people(results, frames)
        where = np.argwhere(present)
        if not len(where):
            raise ValueError(f'{results.get("frame_dir", "the clip")}: nobody '
                             f'found in {len(frames)} frames')
        keypoint = score = pooled = None
        for start in range(0, len(where), self.batch):
            m, t = where[start:start + self.batch].T
            cut = [self.extractor.crop(frames[j], boxes[i, j])
                   for i, j in zip(m, t)]
            at, confidence, maps = self.extractor(
                np.stack([crop for crop, _ in cut]),
                np.stack([matrix for _, matrix in cut]),
                None if joints is None else joints[m, t])
            feat = np.concatenate(list(maps.values()), -1)
            if keypoint is None:
                shape = (*present.shape, at.shape[1])
                keypoint = np.zeros((*shape, 2), np.float32)
                score = np.zeros(shape, np.float32)
                pooled = np.zeros((*shape, feat.shape[-1]), feat.dtype)
            keypoint[m, t], pooled[m, t] = at, feat
            score[m, t] = 1 if confidence is None else confidence
        results['keypoint'] = tracking.fill_gaps(keypoint, present,
                                                 self.max_gap)
        results['pooled_feat'] = tracking.fill_gaps(pooled, present,
                                                    self.max_gap)
        if joints is None or 'keypoint_score' not in results:
            results['keypoint_score'] = score
        return results

    def _people(self, results, frames):
        """Boxes (M, T, 4) of the tracked people and who is present."""
        found = results.get('person_boxes')
        if found is None:
            if self._detector is None:
                if self.detector_args[0] is None:
                    raise KeyError(
                        'PooledHeatmapExtraction needs person_boxes or '
                        'keypoint in the results, or a detector')
                self._detector = build_detector(*self.detector_args)
            found = self._detector.detect(
                list(frames), results.get('frame_dir', ''),
                list(range(len(frames))))
        found = [np.asarray(f, np.float32).reshape(len(f), -1) for f in found]
        found = [np.c_[f, np.ones(len(f), np.float32)] if f.shape[1] == 4
                 else f.reshape(-1, 5) for f in found]
        if len(found) != len(frames):
            raise ValueError(f'person_boxes has {len(found)} frames, the clip '
                             f'{len(frames)}')
        tracks = tracking.link(found, max_gap=self.max_gap)
        chosen = tracking.select(tracks, found, self.max_people)
        boxes = np.zeros((*chosen.shape, 4), np.float32)
        for m, t in np.argwhere(chosen >= 0):
            boxes[m, t] = found[t][chosen[m, t], :4]
        return boxes, chosen >= 0

    def __repr__(self):
        pose, checkpoint, taps, device, norm = self.net_args
        region, grid, aspect = self.pool_args
        return (f'{self.__class__.__name__}(pose={pose!r}, taps={taps}, '
                f'checkpoint={checkpoint!r}, '
                f'detector={self.detector_args[0]!r}, region={region}, '
                f'grid={grid!r}, aspect={aspect!r}, norm={norm!r}, '
                f'max_people={self.max_people}, max_gap={self.max_gap}, '
                f'batch={self.batch}, device={device!r})')
