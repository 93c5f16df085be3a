"""Windows of time over the frames of a video, and timelines of windows.

Pure: imports neither torch nor mmaction. What a window holds depends on its
own frames alone.
"""
from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..estimation import selection
from ..estimation.assembly import people_arrays
from ..estimation.following import SeenFrame
from ..evaluation.calibration import UNKNOWN
from ..extraction.crop_cutting import CropCutter, CropPart, CutCrops
from .results import ClipInput, Prediction, Segment, Timeline

# A person is looked at in a window if seen in this share of its time, or if
# this is all that there is of the person.
LEAST_SHARE = 0.5
EPSILON = 1e-6  # s, of rounding
LEAST_CHANCE = 1e-4  # one window alone rules nothing out


class KeptFrame(NamedTuple):
    """A frame without its pixels.

    Attributes:
        seen: The frame; its image is None.
        shape: Height and width of the image.
        part: What crops of its people are cut from; None where no model
            asks for them.
    """
    seen: SeenFrame
    shape: tuple[int, int]
    part: CropPart | None


class Window(NamedTuple):
    """Some time of a video.

    Attributes:
        start: In s.
        end: In s.
        frames: Those in it.
        tracks: The people who are asked for; None for all.
        whole: Whether the video or the people end with it, so that no later
            window shows them.
    """
    start: float
    end: float
    frames: list[KeptFrame]
    tracks: frozenset[int] | None = None
    whole: bool = False


class Windows:
    """Cuts a stream of frames into windows as they end.

    Windows begin every ``stride`` s, from the first frame. When a person
    has gone, or the stream ends, one more window shows the last ``window`` s
    of what no window has shown yet.

    Args:
        window: Length in s.
        stride: From one beginning to the next, in s.
        max_gap: Frames of the video after which who is absent has gone.
    """

    def __init__(self, window: float, stride: float, max_gap: int = 30):
        if window <= 0 or not 0 < stride <= window:
            raise ValueError(f'a window of {window:g} s every {stride:g} s: '
                             'both must be positive, and the stride no '
                             'longer than the window')
        self.window, self.stride, self.max_gap = window, stride, max_gap
        self._frames: deque[KeptFrame] = deque()
        self._next = 0  # number of the next window
        self._shown = 0.  # up to here windows have shown everything
        self._alive: dict[int, tuple[int, float]] = {}  # when last seen
        self._gap = 0.  # s from frame to frame

    def add(self, frame: KeptFrame) -> Iterator[Window]:
        """Go on to another frame.

        Yields:
            Windows that end with it, and those of people who have gone.
        """
        seen = frame.seen
        if self._frames:
            gap = seen.time - self._frames[-1].seen.time
            # after a pause the usual distance still holds
            self._gap = min(gap, self._gap) if self._gap else gap
        yield from self._gone(seen.number)
        # a pause longer than the window ends windows without this frame
        yield from self._ended(seen.time)
        self._frames.append(frame)
        for track in seen.tracks.tolist():
            self._alive[track] = seen.number, seen.time
        yield from self._ended(seen.time + self._gap)
        # those who may have gone are shown once more
        last = min((time for _, time in self._alive.values()),
                   default=seen.time)
        while self._frames[0].seen.time < last - self.window - EPSILON:
            self._frames.popleft()

    def end(self) -> Iterator[Window]:
        """The last window, if there is something that none has shown."""
        if not self._frames:
            return
        end = self._frames[-1].seen.time + self._gap
        if end > self._shown + EPSILON:
            yield self._cut(max(0., end - self.window), end, whole=True)

    def _ended(self, time: float) -> Iterator[Window]:
        while True:
            start = self._next * self.stride
            end = start + self.window
            if time < end - EPSILON:
                return
            self._next += 1
            found = self._cut(start, end)
            if found.frames:
                yield found
            self._shown = end

    def _gone(self, number: int) -> Iterator[Window]:
        gone = [track for track, (last, _) in self._alive.items()
                if number - last > self.max_gap]
        for track in gone:
            _, time = self._alive.pop(track)
            end = time + self._gap
            if end > self._shown + EPSILON:
                yield self._cut(max(0., end - self.window), end,
                                frozenset((track, )), True)

    def _cut(self, start, end, tracks=None, whole=False):
        frames = [frame for frame in self._frames
                  if start - EPSILON <= frame.seen.time < end - EPSILON]
        return Window(start, end, frames, tracks, whole)


class Person(NamedTuple):
    """Somebody in a window, as a model sees it.

    Attributes:
        track: The person's number.
        together: Numbers of the others that the model sees.
        row: Which of the M people of ``arrays`` it is.
        first: First frame of the window that the clip shows.
        start: Of the stretch that the clip shows, in s.
        end: Likewise.
        clip: What the model is given.
        boxes: (T, 4), NaN where absent.
        arrays: ``keypoint``, … of the T frames, as they were seen.
    """
    track: int
    together: tuple[int, ...]
    row: int
    first: int
    start: float
    end: float
    clip: ClipInput
    boxes: np.ndarray
    arrays: dict[str, np.ndarray]


def people_of(window: Window,
              taps: dict[str, int],
              num_joints: int,
              together: int,
              max_people: int,
              max_gap: int,
              least: float,
              evidence: float,
              cutter: CropCutter | None,
              once: frozenset[int] = frozenset(),
              name: str = '') -> list[Person]:
    """Who is in a window, and what a model is shown of them.

    People are chosen as in the extraction of a clip that has the window's
    frames.

    Args:
        window: Its frames.
        taps: Feature to channels.
        num_joints: V.
        together: How many people a model sees at once, the most present
            first; 0: each person alone.
        max_people: People at most.
        max_gap: Longest absence in frames that is filled.
        least: See :func:`selection.select`.
        evidence: See :func:`selection.believed`; somebody whose joints have a
            lower mean score is nobody.
        cutter: Cuts crops, None if no model asks for them.
        once: Tracks that were looked at before: they need to be seen in
            ``LEAST_SHARE`` of the window.
        name: Of the video, for messages.

    Returns:
        The people, most present first.
    """
    frames = [frame.seen for frame in window.frames]
    boxes = [seen.boxes for seen in frames]
    numbers = [seen.number for seen in frames]
    tracks = _tracks(frames)
    if not tracks:
        return []
    chosen = selection.select(list(tracks.values()), boxes, max_people, least,
                             numbers)
    poses = {(t, k): (seen.joints[k], seen.scores[k],
                      {tap: value[k] for tap, value in seen.features.items()})
             for t, seen in enumerate(frames) for k in chosen[:, t] if k >= 0}
    arrays = people_arrays(name, chosen, poses, taps, num_joints, numbers,
                           max_gap)
    if evidence > 0:
        # a clip of the training shows somebody; here there may be nobody
        scores = arrays['keypoint_score']
        good = selection.believed(scores, evidence) & (
            _mean_score(scores) >= evidence)
        if not good.any():
            return []
        chosen = chosen[good]
        arrays = {key: value[good] for key, value in arrays.items()}
    ids = _ids(chosen, frames)
    rows = [range(min(together, len(chosen)))] if together else [
        range(m, m + 1) for m in range(len(chosen))]
    people = []
    for group in rows:
        if window.tracks and not window.tracks & {ids[m] for m in group}:
            continue
        people += _shown(window, chosen, arrays, ids, list(group), cutter,
                         once, name)
    return people


def _mean_score(scores):
    """Mean score (M,) of the joints (M, T, V) where a person is present."""
    present = scores.any(2)
    return scores.mean(2).sum(1) / present.sum(1).clip(1)


def _tracks(frames):
    """Track to its (N, 2) frames and boxes, in order of the first box."""
    tracks: dict[int, list] = {}
    for t, seen in enumerate(frames):
        for k, track in enumerate(seen.tracks.tolist()):
            tracks.setdefault(track, []).append((t, k))
    return {track: np.array(places) for track, places in tracks.items()}


def _ids(chosen, frames):
    """The track of each row: that of most of its frames, each once."""
    ids = []
    for row in chosen:
        count = Counter(int(frames[t].tracks[k])
                        for t, k in enumerate(row) if k >= 0)
        order = [track for track, _ in count.most_common()]
        ids.append(next((track for track in order if track not in ids),
                        order[0]))
    return ids


def _shown(window, chosen, arrays, ids, group, cutter, once, name):
    """The people of one input."""
    present = chosen[group] >= 0
    seen = np.flatnonzero(present.any(0))
    first, last = seen[0], seen[-1]
    frames = window.frames[first:last + 1]
    start = window.start if not first else frames[0].seen.time
    end = window.end if last == len(window.frames) - 1 else \
        window.frames[last + 1].seen.time
    share = (end - start) / (window.end - window.start)
    if share < LEAST_SHARE and not (window.whole and any(
            ids[m] not in once for m in group)):
        return []
    cut = slice(first, last + 1)
    crops = None
    if cutter:
        crops = CutCrops(cutter, [frame.part for frame in frames],
                         cutter.windows(
                             [frame.seen.boxes for frame in frames],
                             chosen[group, cut], frames[0].shape))
    clip = ClipInput({key: value[group, cut]
                      for key, value in arrays.items()},
                     frames[0].shape, crops, name)
    people = []
    for row, m in enumerate(group):
        boxes = np.full((len(frames), 4), np.nan, np.float32)
        for t, k in enumerate(chosen[m, cut]):
            if k >= 0:
                boxes[t] = frames[t].seen.boxes[k, :4]
        others = tuple(ids[n] for n in group if n != m)
        people.append(Person(ids[m], others, row, int(first), start, end,
                             clip, boxes, clip.arrays))
    return people


def timelines(predictions: Iterable[Prediction], classes: Sequence[str],
              threshold: float = 0.) -> list[Timeline]:
    """What each person does when, of overlapping windows.

    The likeliest sequence of labels, one a window (Viterbi's algorithm): an
    action lasts about a window, as the training clips do, so that the next
    window shows another one with the probability stride / window (one half
    at most), any other one alike. Windows that share frames say the same
    twice: each counts with stride / window. Two labels meet midway between
    the middles of their windows. Where no window shows the person there is a
    gap, and after it everything is open again.

    Args:
        predictions: Of one video.
        classes: Class names in label order.
        threshold: ``'unknown'`` is a label of this probability in each
            window.

    Returns:
        In order of the track.
    """
    people: dict[int, list[Prediction]] = {}
    for prediction in predictions:
        people.setdefault(prediction.track, []).append(prediction)
    return [Timeline(track, [
        segment for windows in _unbroken(people[track])
        for segment in _segments(windows, classes, threshold)])
        for track in sorted(people)]


def _unbroken(windows):
    """Windows in order of time, those that meet or overlap together."""
    runs = []
    for window in sorted(windows, key=lambda w: (w.start, w.end)):
        if runs and window.start <= runs[-1][-1].end + EPSILON:
            runs[-1].append(window)
        else:
            runs.append([window])
    return runs


def _segments(windows, classes, threshold):
    chances = np.stack([w.probabilities for w in windows]).astype(np.float64)
    labels = _likeliest(windows, np.column_stack((
        chances, np.full(len(chances), threshold))))
    middles = np.array([(w.start + w.end) / 2 for w in windows])
    borders = [windows[0].start, *(middles[1:] + middles[:-1]) / 2,
               max(w.end for w in windows)]
    segments, first = [], 0
    for i in range(1, len(labels) + 1):
        if i < len(labels) and labels[i] == labels[first]:
            continue
        best = int(labels[first])
        known = best < len(classes)
        some = chances[first:i]
        score = some[:, best] if known else some.max(1)
        segments.append(Segment(
            float(borders[first]), float(borders[i]),
            classes[best] if known else UNKNOWN, best if known else -1,
            float(score.mean())))
        first = i
    return segments


def _likeliest(windows, chances):
    """The likeliest sequence of labels (N,) of probabilities (N, K)."""
    if len(windows) == 1:
        return chances.argmax(1)
    length = np.median([w.end - w.start for w in windows])
    stride = np.median(np.diff([w.start for w in windows]))
    share = float(np.clip(stride / length, 0.01, 1))
    change = min(share, 0.5)
    cost = np.log((1 - change) * max(chances.shape[1] - 1, 1) / change)
    evidence = share * np.log(np.maximum(chances, LEAST_CHANCE))
    total, before = evidence[0], []
    for row in evidence[1:]:
        best = int(total.argmax())
        stays = total >= total[best] - cost
        before.append(np.where(stays, np.arange(len(row)), best))
        total = np.where(stays, total, total[best] - cost) + row
    labels = [int(total.argmax())]
    for row in before[::-1]:
        labels.append(int(row[labels[-1]]))
    return np.array(labels[::-1])
