"""Who is in a window of time, and what a model is shown of them."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..estimation import selection
from ..estimation.assembly import people_arrays
from ..estimation.following import SeenFrame
from ..extraction.crop_cutting import CropCutter, CutCrops
from .inputs import ClipInput
from .windows import Window

# A person is looked at in a window if seen in this share of its time, or if
# this is all that there is of the person.
LEAST_SHARE = 0.5


class Person(NamedTuple):
    """Somebody in a window, as a model sees it.

    Attributes:
        track: The person's number.
        together: Numbers of the others that the model sees.
        row: Which of the M people of ``arrays`` it is.
        start: Of the stretch that the clip shows, in s.
        end: Likewise.
        clip: What the model is given.
        numbers: (T,) int, frames of the video that the clip shows.
        times: (T,) of these frames, in s from the first frame.
        boxes: (T, 4), NaN where absent.
        arrays: ``keypoint``, … of the T frames, as they were seen.
    """
    track: int
    together: tuple[int, ...]
    row: int
    start: float
    end: float
    clip: ClipInput
    numbers: np.ndarray
    times: np.ndarray
    boxes: np.ndarray
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True)
class PeopleRules:
    """Who counts as a person, and how a model sees them.

    Attributes:
        taps: Feature to channels.
        num_joints: V.
        together: How many people a model sees at once, the most present
            first; 0: each person alone.
        max_people: People at most.
        max_gap: Longest absence in frames that is filled.
        least: See :func:`hpnet_plugin.estimation.selection.select`.
        evidence: See :func:`hpnet_plugin.estimation.selection.believed`;
            somebody whose joints have a lower mean score is nobody.
        cutter: Cuts crops, None if no model asks for them.
        name: Of the video, for messages.
    """
    taps: Mapping[str, int]
    num_joints: int
    together: int = 0
    max_people: int = 10
    max_gap: int = 30
    least: float = selection.MIN_PRESENCE
    evidence: float = 0.
    cutter: CropCutter | None = None
    name: str = ''


def people_of(window: Window, rules: PeopleRules,
              once: frozenset[int] = frozenset()) -> list[Person]:
    """Who is in a window, and what a model is shown of them.

    People are chosen as in the extraction of a clip that has the window's
    frames.

    Args:
        window: Its frames.
        rules: How people are chosen and shown.
        once: Tracks that were looked at before: they need to be seen in
            ``LEAST_SHARE`` of the window.

    Returns:
        The people, most present first.
    """
    chosen, arrays = _chosen(window, rules)
    if not len(chosen):
        return []
    ids = _ids(chosen, [frame.seen for frame in window.frames])
    rows = [range(min(rules.together, len(chosen)))] if rules.together else [
        range(m, m + 1) for m in range(len(chosen))]
    people: list[Person] = []
    for group in map(list, rows):
        tracks = [ids[m] for m in group]
        if window.tracks and window.tracks.isdisjoint(tracks):
            continue
        people += _shown(window, chosen[group],
                         {key: value[group] for key, value in arrays.items()},
                         tracks, rules, once)
    return people


def _chosen(window: Window, rules: PeopleRules
            ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Boxes (M, T) of the people and their arrays; M may be 0."""
    frames = [frame.seen for frame in window.frames]
    numbers = [seen.number for seen in frames]
    tracks = _tracks(frames)
    if not tracks:
        return np.zeros((0, len(frames)), int), {}
    chosen = selection.select(
        list(tracks.values()), [seen.boxes for seen in frames],
        rules.max_people, rules.least, numbers)
    poses = {(t, k): (seen.joints[k], seen.scores[k],
                      {tap: value[k] for tap, value in seen.features.items()})
             for t, seen in enumerate(frames) for k in chosen[:, t] if k >= 0}
    arrays = people_arrays(rules.name, chosen, poses, rules.taps,
                           rules.num_joints, numbers, rules.max_gap)
    if rules.evidence <= 0:
        return chosen, arrays
    # a clip of the training shows somebody; here there may be nobody
    scores = arrays['keypoint_score']
    good = selection.believed(scores, rules.evidence) & (
        _mean_score(scores) >= rules.evidence)
    return chosen[good], {key: value[good] for key, value in arrays.items()}


def _mean_score(scores: np.ndarray) -> np.ndarray:
    """Mean score (M,) of the joints (M, T, V) where a person is present."""
    present = scores.any(2)
    return scores.mean(2).sum(1) / present.sum(1).clip(1)


def _tracks(frames: Sequence[SeenFrame]) -> dict[int, np.ndarray]:
    """Track to its (N, 2) frames and boxes, in order of the first box."""
    tracks: dict[int, list[tuple[int, int]]] = {}
    for t, seen in enumerate(frames):
        for k, track in enumerate(seen.tracks.tolist()):
            tracks.setdefault(track, []).append((t, k))
    return {track: np.array(places) for track, places in tracks.items()}


def _ids(chosen: np.ndarray, frames: Sequence[SeenFrame]) -> list[int]:
    """The track of each row: that of most of its frames, each once."""
    ids: list[int] = []
    for row in chosen:
        count = Counter(int(frames[t].tracks[k])
                        for t, k in enumerate(row) if k >= 0)
        order = [track for track, _ in count.most_common()]
        ids.append(next((track for track in order if track not in ids),
                        order[0]))
    return ids


def _shown(window: Window, chosen: np.ndarray, arrays: dict[str, np.ndarray],
           tracks: Sequence[int], rules: PeopleRules, once: frozenset[int]
           ) -> Iterator[Person]:
    """The people of one input, cut to the frames that show any of them."""
    seen = np.flatnonzero((chosen >= 0).any(0))
    first, last = int(seen[0]), int(seen[-1])
    frames = window.frames[first:last + 1]
    start = window.start if not first else frames[0].seen.time
    end = window.end if last == len(window.frames) - 1 else \
        window.frames[last + 1].seen.time
    share = (end - start) / (window.end - window.start)
    if share < LEAST_SHARE and not (window.whole and any(
            track not in once for track in tracks)):
        return
    boxes = [frame.seen.boxes for frame in frames]
    chosen = chosen[:, first:last + 1]
    crops, cutter = None, rules.cutter
    if cutter:
        crops = CutCrops(cutter, [frame.part for frame in frames
                                  if frame.part is not None],
                         cutter.windows(boxes, chosen, frames[0].shape))
    clip = ClipInput({key: value[:, first:last + 1]
                      for key, value in arrays.items()},
                     frames[0].shape, crops, rules.name)
    numbers = np.array([frame.seen.number for frame in frames])
    times = np.array([frame.seen.time for frame in frames])
    for row, track in enumerate(tracks):
        together = tuple(
            other for n, other in enumerate(tracks) if n != row)
        yield Person(
            track, together, row, start, end, clip, numbers, times,
            boxes_of(boxes, chosen[row]), clip.arrays)


def boxes_of(boxes: Sequence[np.ndarray], chosen: np.ndarray) -> np.ndarray:
    """The boxes of one person.

    Args:
        boxes: (K, 5) of each of T frames.
        chosen: (T,) int, which box of a frame is the person's, -1 where
            absent.

    Returns:
        (T, 4) float32, NaN where absent.
    """
    found = np.full((len(boxes), 4), np.nan, np.float32)
    for t, k in enumerate(chosen):
        if k >= 0:
            found[t] = boxes[t][k, :4]
    return found
