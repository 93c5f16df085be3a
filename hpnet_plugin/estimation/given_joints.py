"""Joints that somebody else estimated, in place of a detector."""
from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .geometry import joints_to_box
from .people import LARGEST, People, PeopleError, PersonSource, entry_of_clip


class ClipJoints(NamedTuple):
    """Joints of the M people of one clip of T frames.

    Attributes:
        joints: (M, T, V, 2) float32, in pixels of frames of ``shape``.
        scores: (M, T, V) float32; a joint of score 0 is not seen.
        shape: Height and width of the frames that they were estimated in.
    """
    joints: np.ndarray
    scores: np.ndarray
    shape: tuple[int, int]


# joints, boxes (M, T, 5) and presence (M, T)
_Placed = tuple[ClipJoints, np.ndarray, np.ndarray]


class JointsSource(PersonSource):
    """Joints that somebody else estimated, in place of a detector.

    They say who is where and who is who, are pooled at, and are stored.

    Args:
        clips: Clip name to its joints. A clip's name may lack the ``_rgb`` of
            NTU's video files.
        name: Where they come from, for records.
        sha256: Of the file that they come from.
        layout: Name of the joints' layout.
        margin: See :func:`joints_to_box`.
    """

    slotted = True

    def __init__(self,
                 clips: Mapping[str, ClipJoints],
                 name: str = 'joints',
                 sha256: str | None = None,
                 layout: str = 'unknown',
                 margin: float = 0.1) -> None:
        self.clips, self.name, self.sha256 = clips, name, sha256
        self.layout, self.margin = layout, margin
        self._loaded: tuple[str, _Placed] | None = None

    def people(self, frames: list[np.ndarray], clip: str,
               numbers: list[int]) -> list[People]:
        """Look up the people of some frames.

        See :meth:`PersonSource.people`.
        """
        (joints, scores, shape), boxes, present = self._of_clip(clip)
        if numbers[-1] >= joints.shape[1]:
            raise PeopleError(
                f'clip {clip!r} has more frames than the {joints.shape[1]} '
                f'that {self.name} gives joints for: they belong to another '
                'cut of this clip')
        found = []
        for frame, number in zip(frames, numbers):
            # joints are scaled if they were estimated at another size
            scale = np.array((frame.shape[1] / shape[1],
                              frame.shape[0] / shape[0]), np.float32)
            slots = np.flatnonzero(present[:, number])
            placed = boxes[slots, number] * np.r_[scale, scale, 1]
            found.append(People(placed.astype(np.float32),
                                joints[slots, number] * scale,
                                scores[slots, number], slots))
        return found

    def _of_clip(self, clip: str) -> _Placed:
        """Joints, boxes (M, T, 5) and presence (M, T) of a clip."""
        if self._loaded is None or self._loaded[0] != clip:
            known = entry_of_clip(self.clips, clip, self.name, 'joints')
            joints, scores = (np.asarray(x, np.float32) for x in known[:2])
            # what is not seen has no place: many files write NaN there
            unseen = (scores == 0)[..., None] & np.isnan(joints)
            joints = np.where(unseen, np.float32(0), joints)
            self._check(clip, joints, scores)
            boxes, present = joints_to_box(joints, scores, known.shape,
                                           self.margin)
            boxes = np.concatenate((boxes, scores.mean(2)[..., None]), -1)
            self._loaded = (clip, (ClipJoints(joints, scores, known.shape),
                                   boxes, present))
        return self._loaded[1]

    def _check(self, clip: str, joints: np.ndarray, scores: np.ndarray
               ) -> None:
        bad = ~np.isfinite(scores) | ~(np.abs(joints) <= LARGEST).all(-1)
        if bad.any():
            person, frame, joint = np.argwhere(bad)[0]
            at = person, frame, joint
            raise PeopleError(
                f'{self.name}, clip {clip!r}, frame {frame}: joint {joint} of '
                f'person {person} is at {joints[at].tolist()} with score '
                f'{scores[at]:g}; expected finite numbers: a joint that is '
                'not seen has score 0 and any place in the frame')
