"""Crops of a clip, held until it is known who stays, posed in batches."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .geometry import areas_in_crops

if TYPE_CHECKING:
    from .interfaces import Extractor, Pending

Key = tuple[int, int]
Waiting = tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray]
Pose = tuple[np.ndarray, np.ndarray | None, dict[str, np.ndarray]]

# Batches are filled up to a multiple of this: few sizes, little waste.
PADDED_TO = 8


class CropBatches:
    """Crops of one clip that wait for the pose net.

    Args:
        extractor: Cuts, poses and pools.
        batch: Crops a forward of the pose net.
        budget: Bytes of crops that are held; if there are more, all of them
            are posed.
    """

    def __init__(self, extractor: Extractor, batch: int,
                 budget: int) -> None:
        self.extractor, self.batch, self.budget = extractor, batch, budget
        self.bytes = 0
        self.waiting: dict[Key, Waiting] = {}
        self.done: dict[Key, Pose] = {}

    def add(self, key: Key, image: np.ndarray, box: np.ndarray,
            joints: np.ndarray | None = None) -> None:
        """Cut a person out of a frame.

        Args:
            key: Frame, counted from 0, and box in it.
            image: (H, W, 3) uint8, RGB.
            box: x1, y1, x2, y2 in pixels first.
            joints: (V, 2) in pixels of the frame, to pool at, if they are
                known.
        """
        crop, matrix = self.extractor.crop(image, box)
        area, = areas_in_crops(matrix[None], box[None], image.shape[:2])
        self.waiting[key] = crop, matrix, joints, area
        self.bytes += crop.nbytes
        if self.bytes >= self.budget:
            self._run(list(self.waiting))
            self.waiting, self.bytes = {}, 0

    def pose(self, keys: Iterable[Key]) -> dict[Key, Pose]:
        """Pose some of the people who were added.

        Args:
            keys: Frame and box of each.

        Returns:
            Frame and box to joints (V, 2) in pixels of the frame, scores (V,)
            or None where joints were given, and feature to (V, C).
        """
        # one that fills two slots is posed once
        self._run([key for key in dict.fromkeys(keys)
                   if key not in self.done])
        return self.done

    def _run(self, keys: Sequence[Key]) -> None:
        pending: tuple[list[Key], Pending] | None = None
        for start in range(0, len(keys), self.batch):
            some = list(keys[start:start + self.batch])
            full = min(self.batch, -(-len(some) // PADDED_TO) * PADDED_TO)
            items = [self.waiting[key] for key in
                     some + some[-1:] * (full - len(some))]
            crops, matrices, joints, areas = zip(*items)
            begun = self.extractor.submit(
                np.stack(crops), np.stack(matrices),
                None if joints[0] is None else np.stack(joints),
                np.stack(areas))
            # a GPU works on this batch while the one before is taken and
            # the next is put together
            if pending:
                self._take(*pending)
            pending = some, begun
        if pending:
            self._take(*pending)

    def _take(self, keys: Sequence[Key], begun: Pending) -> None:
        at, scores, pooled = begun.result()
        for i, key in enumerate(keys):
            self.done[key] = (at[i], None if scores is None else scores[i],
                              {tap: value[i]
                               for tap, value in pooled.items()})
