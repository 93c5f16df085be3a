"""People through time: boxes linked, ranked, and their gaps filled.

Pure functions of arrays. Nothing here knows the action, its label, or the
order in which a detector lists its boxes.
"""
import numpy as np
from scipy.optimize import linear_sum_assignment

# DIoU below which two boxes are not the same person: boxes side by side,
# their centres about one and a half widths of a standing person apart
MIN_DIOU = -0.1
# a person's box does not become three times as large at once
MAX_AREA_RATIO = 3.
# of a step's surprise, what goes into the velocity
VELOCITY_GAIN = 0.3
# what a frame of absence takes off the match, so that of two tracks that fit
# a box alike the one seen last takes it
ABSENCE_COST = 0.01
# of the longest presence among the tracks, what one must have for a slot
MIN_PRESENCE = 0.1


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
    inner = (np.minimum(a[..., 2:], b[..., 2:])
             - np.maximum(a[..., :2], b[..., :2])).clip(0).prod(-1)
    union = _area(a) + _area(b) - inner
    centres = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    around = (np.maximum(a[..., 2:], b[..., 2:])
              - np.minimum(a[..., :2], b[..., :2]))
    return (inner / union.clip(1e-9)
            - (centres**2).sum(-1) / (around**2).sum(-1).clip(1e-9))


def _area(boxes):
    return (boxes[..., 2:4] - boxes[..., :2]).prod(-1)


def link(boxes, max_gap=30):
    """Link the boxes of consecutive frames into tracks.

    Each track moves on with its velocity; tracks and boxes of a frame are
    paired at once (Hungarian method) so that the sum of the squared margins
    of their DIoU over the gate ``MIN_DIOU`` is largest. Squares prefer one
    sure pair to two doubtful ones. A box that no track takes begins one.

    Args:
        boxes (list[np.ndarray]): For each of T frames (K_t, 4 or more), x1,
            y1, x2, y2 in pixels first; K_t may be 0. Scores are not looked
            at.
        max_gap (int): A track that misses more frames than this ends.
            Defaults to 30.

    Returns:
        list[np.ndarray]: Tracks in order of their first box, each (N, 2)
        int: frame and index into that frame's boxes, frames increasing. Each
        box is in exactly one track.
    """
    tracks = []
    # of the tracks that may go on: number, last frame, box, velocity
    ids = np.zeros(0, int)
    seen = np.zeros(0, int)
    last = np.zeros((0, 4))
    velocity = np.zeros((0, 2))
    for t, found in enumerate(boxes):
        found = np.asarray(found, float)
        found = found.reshape(len(found), -1)[:, :4]
        if not len(found):
            continue
        alive = t - seen - 1 <= max_gap
        ids, seen, last, velocity = (
            x[alive] for x in (ids, seen, last, velocity))
        steps = (t - seen)[:, None]
        guess = last + np.tile(velocity * steps, 2)
        rows, columns = _pair(guess, found, t - seen - 1)
        for row, column in zip(rows, columns):
            tracks[ids[row]].append((t, column))
        surprise = (found[columns] - guess[rows]).reshape(-1, 2, 2).mean(1)
        velocity[rows] += VELOCITY_GAIN * surprise / steps[rows]
        last[rows], seen[rows] = found[columns], t
        new = np.setdiff1d(np.arange(len(found)), columns)
        ids = np.r_[ids, len(tracks) + np.arange(len(new))]
        seen = np.r_[seen, np.full(len(new), t)]
        last = np.r_[last, found[new]]
        velocity = np.r_[velocity, np.zeros((len(new), 2))]
        tracks.extend([(t, column)] for column in new)
    return [np.array(track, int) for track in tracks]


def _pair(guess, found, absent):
    """Rows of ``guess`` and of ``found`` that are the same person."""
    margin = diou(guess, found) - MIN_DIOU
    margin -= ABSENCE_COST * absent[:, None]
    ratio = _area(guess)[:, None] / _area(found)[None].clip(1e-9)
    margin[(ratio > MAX_AREA_RATIO) | (ratio * MAX_AREA_RATIO < 1)] = 0
    margin = margin.clip(0)
    rows, columns = linear_sum_assignment(margin**2, maximize=True)
    good = margin[rows, columns] > 0
    return rows[good], columns[good]


def select(tracks, boxes, max_people):
    """Give the tracks of the most present and largest people slots.

    A track's rank is the sum over its boxes of the root of their area, that
    is presence times mean size. A track with less than ``MIN_PRESENCE`` of
    the longest track's boxes is taken for a mistake of the detector and has
    no slot. Of equal tracks the one that begins first comes first.

    Args:
        tracks (list[np.ndarray]): What :func:`link` gives.
        boxes (list[np.ndarray]): The boxes that were linked.
        max_people (int): Slots at most.

    Returns:
        np.ndarray: (M, T) int, M <= ``max_people``: index into the frame's
        boxes, -1 where the person is absent; highest rank first.
    """
    least = MIN_PRESENCE * max(map(len, tracks), default=0)
    tracks = [track for track in tracks if len(track) >= least]
    ranks = [sum(np.sqrt(_area(np.asarray(boxes[t][k], float)))
                 for t, k in track) for track in tracks]
    order = sorted(range(len(tracks)), key=lambda i: -ranks[i])[:max_people]
    chosen = np.full((len(order), len(boxes)), -1)
    for slot, i in enumerate(order):
        chosen[slot, tracks[i][:, 0]] = tracks[i][:, 1]
    return chosen


def fill_gaps(values, present, limit):
    """Fill the frames without a person, linearly between the neighbours.

    Args:
        values (np.ndarray): (M, T, ...), floating point.
        present (np.ndarray): (M, T) bool, where ``values`` are known.
        limit (int): Longest gap in frames that is filled. Longer ones, and
            what is before the first and after the last presence, is zero.

    Returns:
        np.ndarray: A new array of the shape and dtype of ``values``.

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
    filled = values.copy()
    filled[~present] = 0
    frames = present.shape[1]
    t = np.arange(frames)
    before = np.maximum.accumulate(np.where(present, t, -1), axis=1)
    after = np.minimum.accumulate(
        np.where(present, t, frames)[:, ::-1], axis=1)[:, ::-1]
    m, t = np.nonzero(~present & (before >= 0) & (after < frames)
                      & (after - before - 1 <= limit))
    a, b = before[m, t], after[m, t]
    exact = np.result_type(values.dtype, np.float32)  # float16 would round
    weight = ((t - a) / (b - a)).astype(exact)
    weight = weight.reshape(-1, *[1] * (values.ndim - 2))
    filled[m, t] = (values[m, a] * (1 - weight)
                    + values[m, b] * weight).astype(values.dtype)
    return filled
