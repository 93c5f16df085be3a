"""Which tracks of a clip are people, and which of them are kept."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .boxes import area, centre_and_size

# of the longest presence, what a further person must have, apart from others
MIN_PRESENCE = 0.25
# share of the smaller of two boxes that is covered, from which on they may
# well be of one person
SAME_SHARE = 0.3
# how far somebody gets unseen, in sizes (root of the area) of the box: at
# once, and a frame
REACH, REACH_A_FRAME = 0.5, 0.15


def select(tracks: list[np.ndarray], boxes: list[np.ndarray],
           num_people: int, least: float = MIN_PRESENCE,
           numbers: Sequence[int] | None = None) -> np.ndarray:
    """Give the most present and largest people slots.

    A track's rank is the sum over its boxes of the root of their area, that
    is presence times mean size; of equal tracks the one that begins first
    comes first, then the one further left. A track is another person than
    those before it only if there is evidence: boxes that are apart from
    theirs, in ``least`` of the frames of the longest track. Apart means that
    less than ``SAME_SHARE`` of the smaller box is covered or, while the
    other is not seen, that it is farther than somebody gets in that time. A
    track without this evidence is a piece of a person before it that was
    lost and found again, and fills the frames in which that one is absent
    and which it can reach; or it is a mistake of the detector.

    Args:
        tracks: What :func:`link` gives.
        boxes: The boxes that were linked.
        num_people: Slots at most.
        least: Of the longest track's number of boxes.
        numbers: (T,) increasing, of the frames in the video; by default they
            follow each other.

    Returns:
        (M, T) int, M <= ``num_people``: index into the frame's boxes, -1 where
        the person is absent; highest rank first.
    """
    places = np.arange(len(boxes)) if numbers is None else np.array(numbers)
    need = least * max(map(len, tracks), default=0)
    ranked = []
    for track in tracks:
        own = np.array([boxes[t][k][:4] for t, k in track], float)
        rank = np.sqrt(area(own)).sum()
        ranked.append((-rank, track[0, 0], *own[0], _Person(track, own)))
    ranked.sort(key=lambda entry: entry[:-1])
    people = []
    for *_, one in ranked:
        apart = [one.apart(other, places) for other in people]
        counts = [frames.sum() for frames in apart]
        if not people or min(counts) >= need:
            people.append(one)
        elif min(counts) < need:
            nearest = int(np.argmin(counts))
            people[nearest].add(one, ~apart[nearest])
    chosen = np.full((min(len(people), num_people), len(boxes)), -1)
    for slot, person in enumerate(people[:num_people]):
        chosen[slot, person.frames] = person.index
    return chosen


class _Person:
    """A track, and pieces that were found to be of the same person."""

    def __init__(self, track: np.ndarray, boxes: np.ndarray) -> None:
        self.frames, self.index, self.boxes = track[:, 0], track[:, 1], boxes

    def apart(self, other: _Person, numbers: np.ndarray) -> np.ndarray:
        """Frames (N,) of this one in which it cannot be the other, bool."""
        after = np.searchsorted(other.frames, self.frames).clip(
            max=len(other.frames) - 1)
        before = (after - (other.frames[after] > self.frames)).clip(0)
        gaps = [np.abs(numbers[other.frames[at]] - numbers[self.frames])
                for at in (before, after)]
        nearest = np.where(gaps[0] <= gaps[1], before, after)
        gap, there = np.minimum(*gaps), other.boxes[nearest]
        inner = (np.minimum(self.boxes[:, 2:], there[:, 2:])
                 - np.maximum(self.boxes[:, :2], there[:, :2])).clip(0)
        smaller = np.minimum(area(self.boxes), area(there))
        share = inner.prod(1) / smaller.clip(1e-9)
        way = np.linalg.norm(centre_and_size(self.boxes)[0]
                             - centre_and_size(there)[0], axis=1)
        size = np.sqrt(np.maximum(area(self.boxes), area(there)))
        far = way > size * (REACH + REACH_A_FRAME * gap)
        return (share < SAME_SHARE) & ((gap == 0) | far)

    def add(self, other: _Person, fits: np.ndarray) -> None:
        """Take in those frames of a piece where this one is absent."""
        new = fits & ~np.isin(other.frames, self.frames)
        frames = np.concatenate((self.frames, other.frames[new]))
        order = np.argsort(frames)
        self.frames = frames[order]
        self.index = np.concatenate((self.index, other.index[new]))[order]
        self.boxes = np.concatenate((self.boxes, other.boxes[new]))[order]


def believed(scores: np.ndarray, least: float) -> np.ndarray:
    """Which tracked people the pose net takes for further people.

    A box beside a person, or on half of one, has joints of low scores. With
    a person's mean score q where present, and the share p of the longest
    presence, the best person has the largest q sqrt(p); another one stays
    if its own, times q of the best, is at least ``least``. Times the best's,
    since where the net is not sure of anybody the boxes are pieces of one
    person.

    Args:
        scores: (M, T, V), of joints, 0 where a person is absent.
        least: 0 believes in everybody.

    Returns:
        (M,) bool; the best is always among them.
    """
    present = scores.any(2).sum(1)
    mean = scores.mean(2, dtype=np.float64).sum(1) / present.clip(1)
    value = mean * np.sqrt(present / max(present.max(), 1))
    best = np.argmax(value)
    good = value * mean[best] >= least
    good[best] = True
    return good
