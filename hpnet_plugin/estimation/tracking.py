"""People through time: boxes linked, ranked, and their gaps filled.

Pure functions of arrays. Nothing here knows the action, its label, or the
order in which a detector lists its boxes.
"""
import copy
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

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
# of the longest presence, what a further person must have, apart from others
MIN_PRESENCE = 0.25
# share of the smaller of two boxes that is covered, from which on they may
# well be of one person
SAME_SHARE = 0.3
# how far somebody gets unseen, in sizes (root of the area) of the box: at
# once, and a frame
REACH, REACH_A_FRAME = 0.5, 0.15


def diou(a, b):
    """Distance IoU of two sets of boxes.

    IoU less the squared distance of the centres over the squared diagonal of
    the box around both (Zheng et al., AAAI 2020): 1 for equal boxes, and
    unlike IoU graded where boxes no longer touch.

    Args:
        a (np.ndarray): (N, 4), x1, y1, x2, y2.
        b (np.ndarray): (K, 4).

    Returns:
        np.ndarray: (N, K), in (-1, 1].
    """
    a, b = a[:, None], b[None]
    # a frame has so few boxes that calls cost, not numbers: sums and
    # products of two are written out
    low_a, high_a, low_b, high_b = (
        a[..., :2], a[..., 2:], b[..., :2], b[..., 2:])
    side = np.maximum(
        np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0)
    inner = side[..., 0] * side[..., 1]
    union = _area(a) + _area(b) - inner
    centres = (low_a + high_a - low_b - high_b) / 2
    around = np.maximum(high_a, high_b) - np.minimum(low_a, low_b)
    return (inner / np.maximum(union, 1e-9)
            - _squared(centres) / np.maximum(_squared(around), 1e-9))


def _squared(vectors):
    return (vectors[..., 0] * vectors[..., 0]
            + vectors[..., 1] * vectors[..., 1])


def _area(boxes):
    return ((boxes[..., 2] - boxes[..., 0])
            * (boxes[..., 3] - boxes[..., 1]))


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

    def __init__(self, max_gap: int = 30):
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

    def copy(self) -> 'Tracker':
        """One that goes on from here by itself."""
        return copy.deepcopy(self)


def link(
        boxes: list[np.ndarray],
        max_gap: int = 30,
        numbers: Sequence[int] | None = None) -> list[np.ndarray]:
    """Link the boxes of the frames of a clip into tracks.

    Args:
        boxes: For each of T frames (K_t, 4 or more), as
            :meth:`Tracker.update` takes them.
        max_gap: See :class:`Tracker`.
        numbers: (T,) increasing, of the frames in the video; by default they
            follow each other.

    Returns:
        Tracks in order of their first box, each (N, 2) int: frame, from 0 to
        T - 1, and index into that frame's boxes, frames increasing. Each box
        is in exactly one track.
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

    def __init__(self):
        # absence in frames, and in frames that were looked at
        self.number, self.count, self.absent, self.missed = np.zeros(
            (4, 0), int)
        self.size = np.zeros((0, 2))  # width and height
        self.centre = np.zeros((0, 2))
        self.velocity = np.zeros((0, 2))
        self.covariance = np.zeros((0, 2, 2))  # of place and velocity
        self.seen = np.zeros((0, 2))  # the centre when last seen

    def step(self, max_gap, frames):
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

    def pair(self, found):
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

    def see(self, rows, boxes, quality):
        """Correct tracks by the boxes (P, 4) that they were paired with.

        A doubtful box, perhaps another thing beside a hidden person, moves
        its track less.
        """
        centre, size = _centre_and_size(boxes)
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

    def begin(self, numbers, boxes):
        """Add tracks at boxes (P, 4)."""
        centre, size = _centre_and_size(boxes)
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


def _centre_and_size(boxes):
    return ((boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2])


def _without(values, taken):
    """Values (N,) without those at some places."""
    if len(taken) == len(values):  # nearly always
        return values[:0]
    return np.delete(values, taken)


def _pair(guess, found, cost):
    """Rows of ``guess`` (N, 4) and ``found`` (K, 4) that match, how well."""
    margin = diou(guess, found) - MIN_DIOU - cost[:, None]
    ratio = _area(guess)[:, None] / np.maximum(_area(found), 1e-9)
    margin[(ratio > MAX_AREA_RATIO) | (ratio * MAX_AREA_RATIO < 1)] = 0
    margin = np.maximum(margin, 0)
    rows, columns = linear_sum_assignment(margin * margin, maximize=True)
    good = margin[rows, columns] > 0
    rows, columns = rows[good], columns[good]
    return rows, columns, margin[rows, columns] / (1 - MIN_DIOU)


def select(tracks: list[np.ndarray], boxes: list[np.ndarray],
           max_people: int, least: float = MIN_PRESENCE,
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
        max_people: Slots at most.
        least: Of the longest track's number of boxes.
        numbers: (T,) increasing, of the frames in the video; by default they
            follow each other.

    Returns:
        (M, T) int, M <= ``max_people``: index into the frame's boxes, -1
        where the person is absent; highest rank first.
    """
    numbers = np.arange(len(boxes)) if numbers is None else np.array(numbers)
    need = least * max(map(len, tracks), default=0)
    ranked = []
    for track in tracks:
        own = np.array([boxes[t][k][:4] for t, k in track], float)
        rank = np.sqrt(_area(own)).sum()
        ranked.append((-rank, track[0, 0], *own[0], _Person(track, own)))
    ranked.sort(key=lambda entry: entry[:-1])
    people = []
    for *_, one in ranked:
        apart = [one.apart(other, numbers) for other in people]
        counts = [frames.sum() for frames in apart]
        if not people or min(counts) >= need:
            people.append(one)
        elif min(counts) < need:
            nearest = int(np.argmin(counts))
            people[nearest].add(one, ~apart[nearest])
    chosen = np.full((min(len(people), max_people), len(boxes)), -1)
    for slot, person in enumerate(people[:max_people]):
        chosen[slot, person.frames] = person.index
    return chosen


class _Person:
    """A track, and pieces that were found to be of the same person."""

    def __init__(self, track, boxes):
        self.frames, self.index, self.boxes = track[:, 0], track[:, 1], boxes

    def apart(self, other, numbers):
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
        smaller = np.minimum(_area(self.boxes), _area(there))
        share = inner.prod(1) / smaller.clip(1e-9)
        way = np.linalg.norm(_centre_and_size(self.boxes)[0]
                             - _centre_and_size(there)[0], axis=1)
        size = np.sqrt(np.maximum(_area(self.boxes), _area(there)))
        far = way > size * (REACH + REACH_A_FRAME * gap)
        return (share < SAME_SHARE) & ((gap == 0) | far)

    def add(self, other, fits):
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


def fill_gaps(
        values: np.ndarray,
        present: np.ndarray,
        limit: int,
        numbers: Sequence[int] | None = None) -> np.ndarray:
    """Fill the frames without a person, linearly between the neighbours.

    Args:
        values: (M, T, ...), floating point.
        present: (M, T) bool, where ``values`` are known.
        limit: Longest gap in frames of the video that is filled. Longer
            ones, and what is before the first and after the last presence,
            is zero.
        numbers: (T,) increasing, of the frames in the video; by default they
            follow each other.

    Returns:
        A new array of the shape and dtype of ``values``.

    Raises:
        ValueError: If the shapes do not fit, or ``values`` are integers.
    """
    values, present = np.asarray(values), np.asarray(present, bool)
    if values.shape[:2] != present.shape or present.ndim != 2:
        raise ValueError(f'present must be (M, T) of values (M, T, ...), got '
                         f'{present.shape} and {values.shape}')
    if not np.issubdtype(values.dtype, np.floating):
        raise ValueError('values must be floating point to be filled '
                         f'linearly, got {values.dtype}')
    frames = present.shape[1]
    numbers = np.arange(frames) if numbers is None else np.asarray(numbers)
    if numbers.shape != (frames, ) or (np.diff(numbers) <= 0).any():
        raise ValueError(f'numbers must be {frames} that increase, got '
                         f'{numbers}')
    filled = values.copy()
    filled[~present] = 0
    t = np.arange(frames)
    before = np.maximum.accumulate(np.where(present, t, -1), axis=1)
    after = np.minimum.accumulate(
        np.where(present, t, frames)[:, ::-1], axis=1)[:, ::-1]
    m, t = np.nonzero(~present & (before >= 0) & (after < frames))
    a, b = before[m, t], after[m, t]
    near = numbers[b] - numbers[a] - 1 <= limit
    m, t, a, b = m[near], t[near], a[near], b[near]
    exact = np.result_type(values.dtype, np.float32)  # float16 would round
    weight = ((numbers[t] - numbers[a])
              / (numbers[b] - numbers[a])).astype(exact)
    weight = weight.reshape(-1, *[1] * (values.ndim - 2))
    filled[m, t] = (values[m, a] * (1 - weight)
                    + values[m, b] * weight).astype(values.dtype)
    return filled
