"""OpenCV's people detector, which needs no weights."""
from __future__ import annotations

import numpy as np

from .boxes import best_first, overlaps
from .people import People, PersonSource


class HogDetector(PersonSource):
    """OpenCV's HOG people detector (Dalal and Triggs, CVPR 2005).

    For people who stand or walk, from about a quarter of the frame's height
    on. Frames are scaled so that their short side has 360 pixels, windows of
    64x128 pixels and more are judged by a support vector machine, and the
    windows on one person become one box: their mean, weighted by score. The
    score is the machine's margin, no probability.

    It is looked at every 12th frame, and every 3rd where it sees nobody. It
    sees people where there are none, so the pose net is asked whether it
    finds joints in a further person, see :func:`selection.believed`.
    The least evidence is chosen for scores of pose nets that are 0.7 and
    more of people who are seen whole, as heatmaps' are.

    Measured (IoU from 0.5 with boxes of a modern detector, or with the true
    ones): recall 1.00 of one person of NTU RGB+D, 0.86 of two who punch, 0.78
    of synthetic people in the form of NW-UCLA, and, of margin 0.3 and more,
    0.0, 0.15 and 0.3 wrong boxes a frame. Of crowds, sport, people who sit or
    bend it finds next to nothing: that takes a detector of mmdet.

    Args:
        score_thr: Least margin. Defaults to 0.1.
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

    def __init__(self, score_thr: float = 0.1) -> None:
        import cv2
        self.score_thr = score_thr
        self.hog = cv2.HOGDescriptor()
        self.hog.setSVMDetector(
            np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))

    @property
    def record(self) -> dict:
        """See :attr:`PersonSource.record`; earlier versions had no such rule.

        Stores that these made are so not continued under another.
        """
        return dict(super().record, score_thr=self.score_thr,
                    evidence=self.evidence, search=self.search)

    def people(self, frames: list[np.ndarray], clip: str,
               numbers: list[int]) -> list[People]:
        """Look at each of some frames.

        Args:
            frames: (H, W, 3) uint8, RGB.
            clip: The clip's name.
            numbers: The frames' numbers in the video, from 0.

        Returns:
            Who is in each of the frames.
        """
        return [People(self._detect(frame)) for frame in frames]

    def _detect(self, frame: np.ndarray) -> np.ndarray:
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
        found, margins = self.hog.detectMultiScale(
            small,
            hitThreshold=min(self.score_thr, 0),
            winStride=(8, 8),
            padding=(16, 16),
            scale=1.07,
            groupThreshold=0)
        windows = np.asarray(found)
        if not len(windows):
            return np.zeros((0, 5), np.float32)
        centre = windows[:, :2] + windows[:, 2:] * self.person[:2]
        half = windows[:, 2:] * self.person[2:] / 2
        boxes = self._merge(np.c_[
            np.c_[centre - half, centre + half] / scale, np.ravel(margins)])
        boxes[:, :4] = boxes[:, :4].clip(0, (width, height) * 2)
        return best_first(boxes)

    def _merge(self, found: np.ndarray) -> np.ndarray:
        """One box for the windows on one person."""
        # OpenCV's threads give the windows in any order
        found = found[np.lexsort((*found.T[:4], -found[:, 4]))]
        iou, share = overlaps(found)
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
