"""People through time: boxes linked to tracks.

Nothing here knows the action, its label, or the order in which a detector
lists its boxes.
"""
from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from .boxes import area, centre_and_size, diou

# DIoU below which two boxes are not the same person: boxes side by side,
# their centres about one and a half widths of a standing person apart
MIN_DIOU = -0.1
# a person's box does not become three times as large at once
MAX_AREA_RATIO = 3.
# how a person moves and how well boxes lie, standard deviations as parts of
# the box's size (root of its area): change of velocity in a frame, place,
# velocity of who comes into view
ACCELERATION = 0.01
PLACE_NOISE = 0.03
FIRST_VELOCITY = 0.1
# what a frame of absence takes off the match, so that of two tracks that fit
# a box alike the one seen last takes it
ABSENCE_COST = 0.01
# boxes after which a track is no longer held for a detector's mistake
TRUSTED = 3


class Tracker:
    """Links the boxes of frames into tracks, frame by frame.

    What it says of a frame depends on that frame and those before alone, so
    it follows a camera as well as a file.

    A Kalman filter of constant velocity says where each track goes on;
    tracks and boxes of a frame are paired at once (Hungarian method) so that
    the sum of the squared margins of their DIoU over the gate ``MIN_DIOU``
    is largest. Squares prefer one sure pair to two doubtful ones. Who is
    left over may have stopped or turned: these tracks are paired with the
    boxes left over from where they were last seen. Tracks of fewer than
    ``TRUSTED`` boxes come after the others; a box that no track takes begins
    one.

    Args:
        max_gap: A track that misses more frames than this ends.
    """

    def __init__(self, max_gap: int = 30) -> None:
        self.max_gap = max_gap
        self.begun = 0
        self._motion = _Motion()

    def update(self, boxes: np.ndarray, frames: int = 1) -> np.ndarray:
        """Go on to another frame.

        Args:
            boxes: (K, 4 or more), x1, y1, x2, y2 in pixels first; K may be
                0. Scores are not looked at.
            frames: How many frames it is after the one before.

        Returns:
            (K,) int, the track of each box. Tracks count from 0 in the order
            of their first box.
        """
        motion = self._motion
        motion.step(self.max_gap, frames)
        ids = np.full(len(boxes), -1)
        if len(boxes):
            found = np.asarray(boxes, float)[:, :4]
            rows, columns, quality = motion.pair(found)
            motion.see(rows, found[columns], quality)
            ids[columns] = motion.number[rows]
            new = np.flatnonzero(ids < 0)
            ids[new] = self.begun + np.arange(len(new))
            self.begun += len(new)
            if len(new):
                motion.begin(ids[new], found[new])
        return ids

    def copy(self) -> Tracker:
        """One that goes on from here by itself.

        Returns:
            It has the tracks of this one.
        """
        return copy.deepcopy(self)


def link(
        boxes: list[np.ndarray],
        max_gap: int = 30,
        numbers: Sequence[int] | None = None) -> list[np.ndarray]:
    """Link the boxes of the frames of a clip into tracks.

    Args:
        boxes: For each of T frames (K_t, 4 or more), as :meth:`Tracker.update`
            takes them.
        max_gap: See :class:`Tracker`.
        numbers: (T,) increasing, of the frames in the video; by default they
            follow each other.

    Returns:
        Tracks in order of their first box, each (N, 2) int: frame, from 0 to T
        - 1, and index into that frame's boxes, frames increasing. Each box is
        in exactly one track.
    """
    tracker, tracks = Tracker(max_gap), []
    if numbers is None:
        numbers = range(len(boxes))
    steps = np.diff(numbers, prepend=0)
    for t, (found, step) in enumerate(zip(boxes, steps)):
        ids = tracker.update(found, step)
        tracks.extend([] for _ in range(len(tracks), tracker.begun))
        for k, track in enumerate(ids):
            tracks[track].append((t, k))
    return [np.array(track, int) for track in tracks]


class _Motion:
    """Where the N tracks that may go on are: N Kalman filters at once.

    x and y are filtered apart, with the same gains.
    """

    def __init__(self) -> None:
        # absence in frames, and in frames that were looked at
        self.number, self.count, self.absent, self.missed = np.zeros(
            (4, 0), int)
        self.size = np.zeros((0, 2))  # width and height
        self.centre = np.zeros((0, 2))
        self.velocity = np.zeros((0, 2))
        self.covariance = np.zeros((0, 2, 2))  # of place and velocity
        self.seen = np.zeros((0, 2))  # the centre when last seen

    def step(self, max_gap: int, frames: int) -> None:
        """Go on some frames, without the tracks that have ended."""
        alive = self.absent <= max_gap
        if not alive.all():
            for key, value in vars(self).items():
                setattr(self, key, value[alive])
        self.absent += frames
        self.missed += 1
        self.centre += frames * self.velocity
        move = np.array([[1., frames], [0., 1.]])
        # as so many steps of one frame
        noise = np.array([[frames**3 / 3 - frames / 12, frames**2 / 2],
                          [frames**2 / 2, frames]]) * ACCELERATION**2
        self.covariance = (move @ self.covariance @ move.T
                           + noise * self.size.prod(1)[:, None, None])

    def pair(self, found: np.ndarray) -> list[np.ndarray]:
        """P tracks and boxes (of K, 4) that are one person, how surely."""
        tracks, free = np.arange(len(self.size)), np.arange(len(found))
        trusted = self.count >= TRUSTED
        none = np.zeros(0, int)
        pairs = [(none, none, np.zeros(0))]
        half = self.size / 2
        for group in (tracks[trusted], tracks[~trusted]):
            for centre in (self.centre, self.seen):
                if not len(group) or not len(free):
                    break
                rows, columns, quality = _pair(
                    np.concatenate((centre - half, centre + half), 1)[group],
                    found[free],
                    ABSENCE_COST * (self.missed[group] - 1))
                pairs.append((group[rows], free[columns], quality))
                group, free = _without(group, rows), _without(free, columns)
        return [np.concatenate(parts) for parts in zip(*pairs)]

    def see(self, rows: np.ndarray, boxes: np.ndarray, quality: np.ndarray
            ) -> None:
        """Correct tracks by the boxes (P, 4) that they were paired with.

        A doubtful box, perhaps another thing beside a hidden person, moves
        its track less.
        """
        centre, size = centre_and_size(boxes)
        covariance = self.covariance[rows]
        noise = (PLACE_NOISE / quality)**2 * size.prod(1).clip(1)
        gain = covariance[:, 0] / (covariance[:, 0, 0] + noise)[:, None]
        surprise = centre - self.centre[rows]
        self.centre[rows] += gain[:, :1] * surprise
        self.velocity[rows] += gain[:, 1:] * surprise
        self.covariance[rows] -= gain[:, :, None] * covariance[:, :1]
        self.size[rows] = (self.size[rows] + size) / 2
        self.seen[rows] = centre
        self.absent[rows] = self.missed[rows] = 0
        self.count[rows] += 1

    def begin(self, numbers: np.ndarray, boxes: np.ndarray) -> None:
        """Add tracks at boxes (P, 4)."""
        centre, size = centre_and_size(boxes)
        spread = np.diag([PLACE_NOISE**2, FIRST_VELOCITY**2])
        new = dict(
            number=numbers,
            count=np.ones_like(numbers),
            absent=np.zeros_like(numbers),
            missed=np.zeros_like(numbers),
            size=size,
            centre=centre,
            velocity=np.zeros_like(centre),
            covariance=spread * size.prod(1)[:, None, None],
            seen=centre)
        for key, value in new.items():
            setattr(self, key, np.concatenate((getattr(self, key), value)))


def _without(values: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Values (N,) without those at some places."""
    if len(taken) == len(values):  # nearly always
        return values[:0]
    return np.delete(values, taken)


def _pair(guess: np.ndarray, found: np.ndarray, cost: np.ndarray
          ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of ``guess`` (N, 4) and ``found`` (K, 4) that match, how well."""
    margin = diou(guess, found) - MIN_DIOU - cost[:, None]
    ratio = area(guess)[:, None] / np.maximum(area(found), 1e-9)
    margin[(ratio > MAX_AREA_RATIO) | (ratio * MAX_AREA_RATIO < 1)] = 0
    margin = np.maximum(margin, 0)
    rows, columns = linear_sum_assignment(margin * margin, maximize=True)
    good = margin[rows, columns] > 0
    rows, columns = rows[good], columns[good]
    return rows, columns, margin[rows, columns] / (1 - MIN_DIOU)
