"""Who is where in the frames of a clip: one interface for all who know it.

A :class:`PersonSource` says for each frame which boxes hold a person, and,
where it knows them, the joints of each and who is who. Everything after it
(tracking, crops, poses, gaps) is the same for every source, see
:mod:`hpnet_plugin.estimation.assembly`. Sources of detectors are in
:mod:`hpnet_plugin.estimation.detectors`.
"""
from __future__ import annotations

import difflib
import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .boxes import best_first
from .selection import MIN_PRESENCE
from .tracking import Tracker

if TYPE_CHECKING:
    from .video import FrameChunk

# number in the video, time in s, pixels
_Frame = tuple[int, float, np.ndarray]
# Coordinates beyond are no pixels; areas and distances stay finite.
LARGEST = 1e6
# Bytes of frames that wait for the next detection; more are detected sooner.
HELD_BYTES = 96 << 20
# Names among which a misspelt one is searched: more would take seconds.
SEARCHED = 1000


class PeopleError(ValueError):
    """The people of one clip cannot be had; the message says why."""


class People(NamedTuple):
    """The K people of one frame.

    Attributes:
        boxes: (K, 5) float32, x1, y1, x2, y2 in pixels of the frame and score,
            best score first unless the source has another order.
        joints: (K, V, 2) float32 in pixels of the frame, or None where the
            pose net finds them. K = 0 still tells V.
        scores: (K, V) float32, the joints' own, or None.
        slots: (K,) int, which person of the clip each is, or None where boxes
            have to be tracked.
    """
    boxes: np.ndarray
    joints: np.ndarray | None = None
    scores: np.ndarray | None = None
    slots: np.ndarray | None = None


class Sighting(NamedTuple):
    """One frame, and who is in it."""
    number: int
    time: float
    image: np.ndarray
    people: People


class PersonSource:
    """What all sources share.

    A source may cache what it read, but keeps nothing from one clip for the
    next: it gives the same answer in any process and any order of clips.

    Attributes:
        name: For the record of what made the features.
        sha256: Of the weights or the file, None where there are none.
        every: Only every so many frames of the video is looked at, see
            :meth:`follow`.
        search: Where two looks see nobody, frames between them are looked at
            until they are no more than this apart: of a detector that misses
            people in single frames. None trusts it.
        least: Evidence for a further person, see :func:`selection.select`:
            more where a detector often sees people who are not there.
        evidence: Of the pose net, for a further person, see
            :func:`selection.believed`; 0 where the source's word counts.
        slotted: Whether the source says who is who.
        layout: Name of the layout of the joints that it gives, or None.
    """

    name: str = ''
    sha256: str | None = None
    every: int = 1
    search: int | None = None
    least: float = MIN_PRESENCE
    evidence: float = 0.
    slotted: bool = False
    layout: str | None = None

    @property
    def record(self) -> dict:
        """What made the boxes, for the store."""
        every = dict(every=self.every) if self.every > 1 else {}
        return dict(name=self.name, sha256=self.sha256, **every)

    def people(self, frames: list[np.ndarray], clip: str,
               numbers: list[int]) -> list[People]:
        """Find the people in some frames of a clip.

        Args:
            frames: (H, W, 3) uint8, RGB.
            clip: The clip's name.
            numbers: The frames' numbers in the video, from 0.

        Returns:
            Who is in each of the frames.

        Raises:
            PeopleError: If they cannot be had.
        """
        raise NotImplementedError

    def follow(self, clip: str, chunks: Iterable[FrameChunk]
               ) -> Iterator[Sighting]:
        """All frames of a clip with the people in them, in order.

        With ``every`` = k > 1 only the first, the last and frames k apart
        are looked at. Between two of them each person's box moves linearly
        from the one to the other. Where people come or go between them, that
        is where the tracker does not find everybody of the one in the other,
        the frame in the middle is looked at as well, and so on: who is
        missed once is not lost for k frames. The same is done where nobody
        is seen in either, down to ``search``. Frames wait for the next look,
        but never more than ``HELD_BYTES`` of them.

        Args:
            clip: The clip's name.
            chunks: What :meth:`VideoReader.chunks` gives: ``numbers`` (in the
                video), ``times`` (s) and ``images`` of some frames.

        Yields:
            The frames, one by one.

        Raises:
            PeopleError: If the people of this clip cannot be had.
        """
        if self.every == 1:
            for chunk in chunks:
                found = self.people(chunk.images, clip, chunk.numbers)
                yield from map(Sighting, chunk.numbers, chunk.times,
                               chunk.images, found)
        else:
            yield from _Follower(self, clip).follow(chunks)


class _Follower:
    """Looks at some frames of one clip and interpolates between them."""

    def __init__(self, source: PersonSource, clip: str) -> None:
        self.source, self.clip = source, clip
        self.tracker = Tracker()

    def follow(self, chunks: Iterable[FrameChunk]) -> Iterator[Sighting]:
        # the last frame that was looked at, and those after it
        held: list[_Frame] = []
        first, ids = np.zeros((0, 5), np.float32), np.zeros(0, int)
        for chunk in chunks:
            for frame in zip(chunk.numbers, chunk.times, chunk.images):
                if not held:
                    first = self._look(frame)
                    ids = self.tracker.update(first)
                    yield Sighting(*frame, People(first))
                elif len(held) > 1 and (
                        frame[0] - held[0][0] > self.source.every
                        or sum(f[2].nbytes for f in held) > HELD_BYTES):
                    first, ids = yield from self._settle(held, first, ids)
                    held = held[-1:]
                held.append(frame)
        if len(held) > 1:
            yield from self._settle(held, first, ids)

    def _look(self, frame: _Frame) -> np.ndarray:
        number, _, image = frame
        return self.source.people([image], self.clip, [number])[0].boxes

    def _settle(self, frames: list[_Frame], first: np.ndarray, ids: np.ndarray,
                last: np.ndarray | None = None
                ) -> Generator[Sighting, None, tuple[np.ndarray, np.ndarray]]:
        """All frames after the first; the last one's boxes and their ids."""
        if last is None:
            last = self._look(frames[-1])
        before = self.tracker.copy()
        span = frames[-1][0] - frames[0][0]
        found = self.tracker.update(last, span)
        doubt = set(ids) != set(found) or (
            self.source.search is not None and not len(found)
            and span > self.source.search)
        if len(frames) > 2 and doubt:
            self.tracker = before
            middle = len(frames) // 2
            first, ids = yield from self._settle(frames[:middle + 1], first,
                                                 ids)
            return (yield from self._settle(frames[middle:], first, ids,
                                            last))
        _, a, b = np.intersect1d(ids, found, return_indices=True)
        for frame in frames[1:-1]:
            weight = np.float32((frame[0] - frames[0][0]) / span)
            boxes = (1 - weight) * first[a] + weight * last[b]
            number, time, image = frame
            yield Sighting(number, time, image, People(best_first(boxes)))
        number, time, image = frames[-1]
        yield Sighting(number, time, image, People(last))
        return last, found


class ListedPeople(PersonSource):
    """People who are known already, frame by frame, of one clip.

    Args:
        people: Number of a frame in the video to who is in it.
        name: For records.
        slotted: Whether ``slots`` say who is who.
    """

    def __init__(self,
                 people: Mapping[int, People],
                 name: str = 'given',
                 slotted: bool = False) -> None:
        self.known, self.name, self.slotted = people, name, slotted

    def people(self, frames: list[np.ndarray], clip: str,
               numbers: list[int]) -> list[People]:
        """Look up the people of some frames.

        See :meth:`PersonSource.people`.
        """
        return [self.known[number] for number in numbers]


def entry_of_clip(clips: Mapping[str, Any], clip: str, where: str, what: str
                  ) -> Any:
    """The entry of a clip, whose name may have NTU's ``_rgb`` or lack it.

    Args:
        clips: Entries by name.
        clip: The clip's name.
        where: The file they are from, for messages.
        what: What they are, for messages.

    Returns:
        The entry.

    Raises:
        PeopleError: If there is none, with the closest names.
    """
    for name in (clip, clip.removesuffix('_rgb'), f'{clip}_rgb'):
        if name in clips:
            return clips[name]
    close = difflib.get_close_matches(
        clip, clips, 3, 0.3) if len(clips) <= SEARCHED else []
    text = f'closest: {close}' if close else (
        f'some of them: {list(itertools.islice(clips, 3))}')
    raise PeopleError(f'{where} has no {what} of clip {clip!r} among its '
                      f'{len(clips)} clips; {text}')


def short(value: object) -> str:
    """A value as a message shows it.

    Args:
        value: Anything.

    Returns:
        At most 60 characters.
    """
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + '...'
