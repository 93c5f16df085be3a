"""From the frames of one clip to its arrays: who, where, joints, features.

No files and no stores: frames come in, arrays go out. What is computed for a
clip depends on its frames and the settings alone, never on other clips.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import gaps, selection, tracking
from .crop_batches import CropBatches, Key, Pose
from .people import People, PersonSource

if TYPE_CHECKING:
    from .interfaces import Extractor
    from .video import FrameChunk

PERSONS = ('tracked', 'released')
NOBODY = ('zeros', 'frame', 'fail')
# Names of NTU RGB+D, of which the released extraction knows the action.
NTU_NAME = re.compile(r'S\d{3}C\d{3}P\d{3}R\d{3}A(\d{3})(_rgb)?')
# NTU's mutual actions, which the released extraction takes two people for.
TWO_PERSON_ACTIONS = frozenset((*range(50, 61), *range(106, 121)))


class NoPersonError(ValueError):
    """Nobody was found in a clip."""


class NotFiniteError(ValueError):
    """Joints or features of a clip are no numbers that float16 can hold."""


class AssembledClip(NamedTuple):
    """What is known of one clip of T frames, with M people.

    Attributes:
        arrays: ``keypoint`` (M, T, V, 2) float32 in pixels of the frame,
            ``keypoint_score`` (M, T, V) float32, 0 where a person is absent,
            and each tap by its name, (M, T, V, C) float16.
        boxes: The candidates of each frame, (K_t, 5) float32.
        chosen: (M, T) int, index into the frame's ``boxes``, -1 where the
            person is absent.
        shape: Height and width of the frames.
        numbers: (T,) of the frames in the video.
        times: (T,) in s from the video's first frame.
        nobody: Nobody was found; see ``nobody`` of the assembler.
    """
    arrays: dict[str, np.ndarray]
    boxes: list[np.ndarray]
    chosen: np.ndarray
    shape: tuple[int, int]
    numbers: list[int]
    times: list[float]
    nobody: bool


class _Watched(NamedTuple):
    """What was seen of the T frames of a clip, and crops of its people."""
    people: list[People]
    numbers: list[int]
    times: list[float]
    shape: tuple[int, int]
    crops: CropBatches


class ClipAssembler:
    """Turns the frames of a clip into its joints and pooled features.

    Candidates are cut out of each frame and held until the whole clip has
    been seen and it is known who stays: only those go through the pose net,
    in batches of this clip alone. If the crops held exceed ``budget`` bytes,
    all of them go through at once: work is wasted, but memory is bounded.

    Args:
        source: Says who is where.
        extractor: Pose net, taps and pooling.
        num_people: People kept, M at most.
        max_gap: Longest absence in frames of the video that is bridged when
            people are tracked, and filled linearly in their joints and
            features.
        persons: ``'tracked'``: people are tracked through the clip and ranked
            by presence and size; ``'released'``: in the source's order, two
            for NTU's mutual actions (known from NTU's names), else one, copied
            to the second slot. A source that says who is who is followed; of
            its people the most present are kept.
        nobody: What becomes of a clip in which nobody is found. ``'zeros'``:
            one person, absent, all zero; ``'frame'``: one person who fills the
            whole frame; ``'fail'``: :class:`NoPersonError`.
        batch: Crops a forward of the pose net.
        budget: Bytes of crops that are held.

    Raises:
        ValueError: If an option is unknown.
    """

    def __init__(self,
                 source: PersonSource,
                 extractor: Extractor,
                 num_people: int = 2,
                 max_gap: int = 30,
                 persons: str = 'tracked',
                 nobody: str = 'zeros',
                 batch: int = 32,
                 budget: int = 256 << 20) -> None:
        for key, value, known in (('persons', persons, PERSONS),
                                  ('nobody', nobody, NOBODY)):
            if value not in known:
                raise ValueError(f'{key} must be one of {known}, got '
                                 f'{value!r}')
        if source.slotted and persons != 'tracked':
            raise ValueError(f'{source.name} says who is who: leave '
                             f'persons={persons!r} out')
        if source.layout and nobody == 'frame':
            raise ValueError(f'{source.name} gives joints, a whole frame has '
                             "none: take nobody='zeros' or 'fail'")
        self.source, self.extractor = source, extractor
        self.num_people, self.max_gap = num_people, max_gap
        self.persons, self.nobody = persons, nobody
        self.batch, self.budget = batch, budget
        # a few more than are kept, since who stays is known at the end only
        self.candidates = num_people + 2

    @property
    def record(self) -> dict:
        """What made the features; ``meta`` of the store."""
        record = dict(self.extractor.record)
        if self.source.layout:
            record['layout'] = self.source.layout
        # what came later is named where it is not at its default only: stores
        # that were written before can be resumed
        nobody = {} if self.nobody == 'zeros' else dict(nobody=self.nobody)
        return dict(
            **record,
            detector=self.source.record,
            persons='given' if self.source.slotted else self.persons,
            max_people=self.num_people,
            max_gap=self.max_gap,
            **nobody)

    def __call__(
        self,
        clip: str,
        chunks: Iterable[FrameChunk],
        on_frame: Callable[[np.ndarray, np.ndarray], None] | None = None,
        pose: bool = True
    ) -> AssembledClip:
        """Assemble one clip.

        Args:
            clip: Its name.
            chunks: Its frames, as :meth:`VideoReader.chunks` gives them:
                ``numbers``, ``times`` and ``images`` of some at a time.
            on_frame: Called with each frame (H, W, 3) uint8 and the boxes of
                its candidates (K, 5), in order.
            pose: Whether joints and features are wanted; if not, the arrays
                are empty, and who is where is all that is found out.

        Returns:
            Its arrays.

        Raises:
            PeopleError: If the source cannot say who is in it.
            NoPersonError: If nobody is, and that is to fail.
            NotFiniteError: If a joint or feature is not finite.
            ValueError: If the clip has no frame.
        """
        doubted = self.persons == 'tracked' and self.source.evidence > 0
        seen = self._watch(clip, chunks, on_frame, pose or doubted)
        count = len(seen.people)
        chosen = self._choose(clip, seen.people, seen.numbers)
        nobody = not (chosen >= 0).any()
        if nobody and self.nobody == 'fail':
            raise NoPersonError(f'{clip}: nobody found in {count} frames')
        if nobody:
            chosen = np.full((1, count), -1)
        if nobody and self.nobody == 'frame':
            chosen = np.zeros_like(chosen)
            seen = seen._replace(
                people=[People(_whole(seen.shape))] * count)
        doubted = doubted and len(chosen) > 1
        arrays = self._arrays(clip, seen, chosen) if pose or doubted else {}
        if doubted:
            good = selection.believed(arrays['keypoint_score'],
                                      self.source.evidence)
            chosen = chosen[good]
            arrays = {key: value[good] for key, value in arrays.items()}
        return AssembledClip(arrays if pose else {},
                             [found.boxes for found in seen.people], chosen,
                             seen.shape, seen.numbers, seen.times, nobody)

    def _watch(self, clip: str, chunks: Iterable[FrameChunk],
               on_frame: Callable[[np.ndarray, np.ndarray], None] | None,
               posed: bool) -> _Watched:
        """Go through the frames; hold the crops that may be posed."""
        crops = CropBatches(self.extractor, self.batch, self.budget)
        numbers, times, people, shape = [], [], [], None
        empty = self.nobody == 'frame' and posed  # so far
        for sighting in self.source.follow(clip, chunks):
            image, found = sighting.image, sighting.people
            if not self.source.slotted:
                found = _first(found, self.candidates)
            shape = shape or (image.shape[0], image.shape[1])
            if empty and len(found.boxes):
                # whole frames were held for as long as nobody was seen
                empty = False
                crops = CropBatches(self.extractor, self.batch, self.budget)
            for k, box in enumerate(found.boxes if posed else ()):
                crops.add((len(people), k), image, box,
                          None if found.joints is None else found.joints[k])
            if empty:
                crops.add((len(people), 0), image, _whole(shape)[0])
            if on_frame:
                on_frame(image, found.boxes)
            numbers.append(sighting.number)
            times.append(sighting.time)
            people.append(found)
        if shape is None:
            raise ValueError(f'{clip}: the clip has no frame')
        return _Watched(people, numbers, times, shape, crops)

    def _choose(self, clip: str, people: list[People], numbers: list[int]
                ) -> np.ndarray:
        """Who is in which slot: (M, T) indices into each frame's boxes."""
        boxes = [found.boxes for found in people]
        if self.source.slotted:
            slots = np.concatenate([found.slots for found in people
                                    if found.slots is not None])
            known, count = np.unique(slots, return_counts=True)
            kept = known[np.sort(np.argsort(
                -count, kind='stable')[:self.num_people])]
            chosen = np.full((len(kept), len(people)), -1)
            for t, found in enumerate(people):
                slot, at = np.nonzero(kept[:, None] == found.slots)
                chosen[slot, t] = at
            return chosen
        if self.persons == 'tracked':
            tracks = tracking.link(boxes, self.max_gap, numbers)
            return selection.select(tracks, boxes, self.num_people,
                                    self.source.least, numbers)
        action = NTU_NAME.fullmatch(clip)
        two = action is not None and int(
            action[1]) in TWO_PERSON_ACTIONS
        last = np.array([len(found) - 1 for found in boxes])
        return np.stack((np.minimum(last, 0), np.minimum(last, int(two))))

    def _arrays(self, clip: str, seen: _Watched, chosen: np.ndarray
                ) -> dict[str, np.ndarray]:
        """Joints, scores and features of the chosen, gaps filled."""
        where = [(t, chosen[m, t]) for t, m in np.argwhere(chosen.T >= 0)]
        poses = seen.crops.pose(where)
        given = seen.people[0].joints
        for t, k in where:
            joints, scores, pooled = poses[t, k]
            known = seen.people[t].scores
            if scores is None and known is not None:
                poses[t, k] = joints, known[k], pooled
        tracked = self.source.slotted or self.persons == 'tracked'
        return people_arrays(
            clip, chosen, poses, self.extractor.taps,
            self.extractor.net.num_joints if given is None
            else given.shape[1], seen.numbers,
            self.max_gap if tracked else 0)


def people_arrays(clip: str,
                  chosen: np.ndarray,
                  poses: Mapping[Key, Pose],
                  taps: Mapping[str, int],
                  num_joints: int,
                  numbers: Sequence[int],
                  max_gap: int) -> dict[str, np.ndarray]:
    """Joints, scores and features of people who were chosen.

    Args:
        clip: Its name, for messages.
        chosen: (M, T) int, which box of the frame each person is, -1 where
            absent.
        poses: Frame, from 0, and box to joints (V, 2) in pixels of the frame,
            scores (V,) and a dict of feature to (V, C).
        taps: Feature to channels, C.
        num_joints: V.
        numbers: (T,) of the frames in the video.
        max_gap: Longest absence, in frames of the video, that is filled.

    Returns:
        ``keypoint`` (M, T, V, 2) float32, ``keypoint_score`` (M, T, V)
        float32, 0 where a person is absent, and each feature (M, T, V, C)
        float16.

    Raises:
        NotFiniteError: If a joint or feature is not finite.
    """
    present = chosen >= 0
    shape = (*chosen.shape, num_joints)
    arrays: dict[str, np.ndarray] = dict(
        keypoint=np.zeros((*shape, 2), np.float32),
        keypoint_score=np.zeros(shape, np.float32))
    for tap, channels in taps.items():
        arrays[tap] = np.zeros((*shape, channels), np.float16)
    for m, t in np.argwhere(present):
        keypoint, score, pooled = poses[t, chosen[m, t]]
        arrays['keypoint'][m, t] = keypoint
        arrays['keypoint_score'][m, t] = score
        for tap, value in pooled.items():
            arrays[tap][m, t] = value
    for key, value in arrays.items():
        good = np.isfinite(value).reshape(*chosen.shape, -1).all(-1)
        if not good.all():
            t = numbers[int(np.argmin(good.all(0)))]
            raise NotFiniteError(
                f'{clip}: {key} of frame {t} is not finite: the pose net '
                'gives NaN, or more than float16 holds (65504); another '
                'tap or another pose net may do')
    if max_gap:
        for key in arrays:
            if key != 'keypoint_score':
                arrays[key] = gaps.fill_gaps(
                    arrays[key], present, max_gap, numbers)
    return arrays


def _first(found: People, count: int) -> People:
    """The first people of a frame."""
    return found._make(None if part is None else part[:count]
                       for part in found)


def _whole(shape: tuple[int, int]) -> np.ndarray:
    """The whole frame as the only box, of score 1."""
    return np.array([[0, 0, shape[1], shape[0], 1]], np.float32)
