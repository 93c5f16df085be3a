"""What an extractor of pooled features offers, whichever library runs it."""
from __future__ import annotations

from typing import Any, Protocol

import numpy as np

# Joints (N, V, 2) in pixels of the frame, their scores (N, V), None where the
# joints were given, and feature to (N, V, C).
Features = tuple[np.ndarray, np.ndarray | None, dict[str, np.ndarray]]


class Pending(Protocol):
    """A batch that may still be worked on."""

    def result(self) -> Features:
        """Wait for the batch.

        Returns:
            Joints, scores and features.
        """
        ...


class Net(Protocol):
    """The pose net of an extractor."""

    @property
    def num_joints(self) -> int:
        """Number of joints, V."""
        ...


class Extractor(Protocol):
    """Pose net, taps and pooling."""

    taps: dict[str, int]

    @property
    def net(self) -> Net:
        """The pose net."""
        ...

    @property
    def record(self) -> dict[str, Any]:
        """What makes the features; ``meta`` of a feature store."""
        ...

    def crop(self, frame: np.ndarray,
             box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cut a person out.

        Args:
            frame: (H, W, 3) uint8, RGB.
            box: x1, y1, x2, y2 in pixels first.

        Returns:
            The crop (h, w, 3) and its matrix (2, 3).
        """
        ...

    def __call__(self, crops: np.ndarray, matrices: np.ndarray,
                 joints: np.ndarray | None = None,
                 areas: np.ndarray | None = None) -> Features:
        """Pose and pool a batch.

        Args:
            crops: RGB crops, (N, h, w, 3) uint8.
            matrices: From frame to crop, (N, 2, 3).
            joints: Joints to pool at, (N, V, 2) in pixels of the frame.
            areas: Where the people's boxes and the frame lie in the crops;
                see :func:`~hpnet_plugin.estimation.rings.areas_in_crops`.

        Returns:
            Joints, scores and features.
        """
        ...

    def submit(self, crops: np.ndarray, matrices: np.ndarray,
               joints: np.ndarray | None = None,
               areas: np.ndarray | None = None) -> Pending:
        """Start on a batch.

        Args:
            crops: See :meth:`__call__`.
            matrices: Likewise.
            joints: Likewise.
            areas: Likewise.

        Returns:
            Gives what :meth:`__call__` does.
        """
        ...
