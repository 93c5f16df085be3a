"""Crops of a clip, held until it is known who stays, posed in batches."""
from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .extractor import PendingFeatures, PooledExtractor

# Batches are filled up to a multiple of this: few sizes, little waste.
PADDED_TO = 8


class CropBatches:
    """Crops of one clip that wait for the pose net."""

    def __init__(self, extractor, batch, budget) -> None:
        self.extractor, self.batch, self.budget = extractor, batch, budget
        self.waiting, self.bytes, self.done = {}, 0, {}

    def add(self, key, image, box, joints=None) -> None:
        """Cut a person out of a frame."""
        crop, matrix = self.extractor.crop(image, box)
        self.waiting[key] = crop, matrix, joints
        self.bytes += crop.nbytes
        if self.bytes >= self.budget:
            self._run(list(self.waiting))
            self.waiting, self.bytes = {}, 0

    def pose(self, keys):
        """Joints, scores and features of the keys."""
        # one that fills two slots is posed once
        self._run([key for key in dict.fromkeys(keys)
                   if key not in self.done])
        return self.done

    def _run(self, keys) -> None:
        pending = None
        for start in range(0, len(keys), self.batch):
            some = keys[start:start + self.batch]
            full = min(self.batch, -(-len(some) // PADDED_TO) * PADDED_TO)
            items = [self.waiting[key] for key in
                     some + some[-1:] * (full - len(some))]
            crops, matrices, joints = zip(*items)
            begun = self.extractor.submit(
                np.stack(crops), np.stack(matrices),
                None if joints[0] is None else np.stack(joints))
            # a GPU works on this batch while the one before is taken and
            # the next is put together
            if pending:
                self._take(*pending)
            pending = some, begun
        if pending:
            self._take(*pending)

    def _take(self, keys, begun) -> None:
        at, scores, pooled = begun.result()
        for i, key in enumerate(keys):
            self.done[key] = (at[i], None if scores is None else scores[i],
                              {tap: value[i]
                               for tap, value in pooled.items()})
