"""People cut out of frames, as the RGB branch of the recogniser takes them."""
from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np

FITS = ('keep', 'stretch')
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95]
LARGEST = 1 << 14  # side in pixels of what is cut out before it is averaged


class CropPart(NamedTuple):
    """The part of a frame that shows its candidates.

    Attributes:
        corner: x and y of its upper left corner in the frame.
        data: The part as JPEG.
    """
    corner: tuple[int, int]
    data: bytes


class CropCutter:
    """Cuts people out of frames: one square window around all of them.

    Args:
        size: Side of the clips in pixels. Defaults to 256; HP-Net takes 224.
        margin: Factor by which the window exceeds the box around the people.
            Defaults to 1.1; the released code has 1.
        fit: ``'keep'``: the window is a square, so that people keep their
            shape; ``'stretch'``: it is the box, resized to a square without
            smoothing, as in the released code. Defaults to ``'keep'``.
        num_people: People kept a clip. Defaults to 2.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(self,
                 size: int = 256,
                 margin: float = 1.1,
                 fit: str = 'keep',
                 num_people: int = 2) -> None:
        if fit not in FITS:
            raise ValueError(f'crop fit must be one of {FITS}, got {fit!r}')
        if size < 16 or size % 2 or not 1 <= margin <= 3:
            raise ValueError(
                f'crops of {size} pixels with margin {margin}: the size must '
                'be even and at least 16, the margin between 1 and 3')
        self.size, self.margin, self.fit = size, margin, fit
        self.num_people = num_people

    def part(self, frame: np.ndarray, boxes: np.ndarray) -> CropPart:
        """The part of a frame that any choice of candidates needs.

        Args:
            frame: (H, W, 3) uint8, RGB.
            boxes: (K, 5), x1, y1, x2, y2, score; all of the frame is kept
                where K is 0.

        Returns:
            Its place, and its pixels as JPEG.
        """
        height, width = frame.shape[:2]
        x1, y1, x2, y2 = 0, 0, width, height
        if len(boxes):
            windows = np.array([
                self._window(_union(some))
                for number in range(1, self.num_people + 1)
                for some in combinations(boxes, number)])
            x1, y1 = np.maximum(
                np.floor(windows[:, :2].min(0)), 0).astype(int)
            x2, y2 = np.minimum(np.ceil(windows[:, 2:].max(0)),
                                (width, height)).astype(int)
        part = np.ascontiguousarray(frame[y1:y2, x1:x2, ::-1])
        _, data = cv2.imencode('.jpg', part, QUALITY)
        return CropPart((int(x1), int(y1)), data.tobytes())

    def windows(self, boxes: Sequence[np.ndarray], chosen: np.ndarray,
                shape: tuple[int, int]) -> np.ndarray:
        """What each of T frames shows.

        Frames without a chosen person show the window of the nearest frame
        that has one, so that crops and features keep one timeline; where
        nobody is in the clip they show the whole frame.

        Args:
            boxes: Candidates of each frame, (K, 5).
            chosen: (M, T) indices into ``boxes``, -1 if absent.
            shape: Height and width of the frames.

        Returns:
            (T, 4), x1, y1, x2, y2 in pixels of the frame.
        """
        present = np.flatnonzero((chosen >= 0).any(0))
        if not len(present):
            whole = self._window(np.array([0, 0, shape[1], shape[0]]))
            return np.tile(whole, (len(boxes), 1))
        unions = {t: self._window(_union([boxes[t][k] for k in chosen[:, t]
                                          if k >= 0])) for t in present}
        frames = np.arange(len(boxes))
        after = np.searchsorted(present, frames).clip(max=len(present) - 1)
        before = (after - 1).clip(0)
        earlier = frames - present[before] <= np.abs(present[after] - frames)
        near = present[np.where(earlier, before, after)]
        return np.array([unions[t] for t in near])

    def read(self, part: CropPart, window: np.ndarray) -> np.ndarray:
        """A window of a frame, of the part that was kept; see :meth:`cut`.

        Args:
            part: See :meth:`part`.
            window: x1, y1, x2, y2 in pixels of the frame.

        Returns:
            (size, size, 3) uint8, BGR.
        """
        image = cv2.imdecode(np.frombuffer(part.data, np.uint8),
                             cv2.IMREAD_COLOR)
        return self.cut(image, window - np.tile(part.corner, 2))

    def cut(self, image: np.ndarray, window: np.ndarray) -> np.ndarray:
        """A window of an image as a square.

        Args:
            image: (H, W, 3) uint8.
            window: x1, y1, x2, y2 in its pixels; what is beyond it is black.

        Returns:
            (size, size, 3) uint8.
        """
        zoom = self.size / (window[2:] - window[:2])
        # warpAffine has no averaging: it cuts out a multiple of the size
        times = 1 if self.fit == 'stretch' else math.ceil(1 / zoom.min())
        times = max(1, min(times, LARGEST // self.size))
        zoom = times * zoom
        shift = zoom * (0.5 - window[:2]) - 0.5  # of pixel centres
        matrix = np.column_stack((np.diag(zoom), shift))
        side = times * self.size
        image = cv2.warpAffine(image, matrix, (side, side))
        return cv2.resize(
            image, (self.size, self.size), interpolation=cv2.INTER_AREA)

    def _window(self, box: np.ndarray) -> np.ndarray:
        """Part of the frame that is shown, x1, y1, x2, y2."""
        centre, size = (box[:2] + box[2:]) / 2, (box[2:] - box[:2])
        if self.fit == 'keep':
            size = np.full(2, size.max())
        size = np.maximum(size * self.margin, 1)
        return np.concatenate((centre - size / 2, centre + size / 2))


class CutCrops:
    """Crops of a clip whose frames are not in a file; see ``Crops``.

    Args:
        cutter: How they are cut.
        parts: Of each of T frames.
        windows: (T, 4), of :meth:`CropCutter.windows`.

    Attributes:
        frames: Number of frames, T.
    """

    def __init__(self, cutter: CropCutter, parts: Sequence[CropPart],
                 windows: np.ndarray) -> None:
        self.cutter, self.parts, self.windows = cutter, parts, windows
        self.frames = len(parts)

    def read(self, frames: np.ndarray) -> list[np.ndarray]:
        """Chosen frames.

        Args:
            frames: (N,) int, in any order.

        Returns:
            (H, W, 3) uint8, RGB, in the order asked.
        """
        cut = {t: cv2.cvtColor(
            self.cutter.read(self.parts[t], self.windows[t]),
            cv2.COLOR_BGR2RGB)
            for t in dict.fromkeys(np.asarray(frames).tolist())}
        return [cut[t] for t in np.asarray(frames).tolist()]


def _union(boxes: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    boxes = np.asarray(boxes, np.float32)
    return np.concatenate((boxes[:, :2].min(0), boxes[:, 2:4].max(0)))
