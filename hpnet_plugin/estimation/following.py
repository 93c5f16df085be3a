"""People, joints and features frame by frame, as a camera gives them.

:mod:`hpnet_plugin.estimation.assembly` looks at a whole clip and may look
back. Here nothing of a later frame is known: what is said of a frame depends
on it and those before alone, so that a camera and a file are told the same.
Detector, tracker, crops, pose net and pooling are those of the extraction.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .geometry import areas_in_crops, joints_to_box
from .people import People, PersonSource
from .tracking import Tracker

if TYPE_CHECKING:
    from .interfaces import Extractor
    from .video import FrameChunk

# Joints of at least this score say where the person is.
SURE = 0.3
# Of somebody who is followed by so few sure joints, the detector is asked.
FEWEST = 4
# Joints of two boxes that are nearer, in sizes (root of the area) of the box,
# are of one person.
SAME = 0.1
# A step so many times the usual one, and above max_gap, is an outage.
OUTAGE = 3
# A box does not change more than this from one frame to the next.
MOST_CHANGE = 1.5


class SeenFrame(NamedTuple):
    """A frame, and the K people in it.

    Attributes:
        number: In the video.
        time: In s from the first frame.
        image: (H, W, 3) uint8, RGB.
        boxes: (K, 5) float32, x1, y1, x2, y2 and score.
        tracks: (K,) int, the number of each person in this video.
        joints: (K, V, 2) float32 in pixels of the frame.
        scores: (K, V) float32.
        features: Feature to (K, V, C) float16.
        looked: Whether the detector looked at this frame.
    """
    number: int
    time: float
    image: np.ndarray
    boxes: np.ndarray
    tracks: np.ndarray
    joints: np.ndarray
    scores: np.ndarray
    features: dict[str, np.ndarray]
    looked: bool


class Follower:
    """Follows people through one video.

    The detector looks at every so many frames. Between two looks a person's
    box is that around the joints of the frame before, with the room around
    them that the detector's box had. Where the pose net is no longer sure of
    somebody, the detector is asked at once; where nobody is followed, as
    often as the source's ``search`` says, or at every ``every``-th frame.

    Args:
        source: The detector, or whoever knows who is where.
        extractor: Pose net, taps and pooling.
        every: Frames of the video from one look to the next; by default the
            source's.
        num_people: People followed at most, in the source's order.
        max_gap: A person who is absent for more frames of the video is another
            one afterwards.

    Attributes:
        tracker: Links the boxes.
    """

    def __init__(self,
                 source: PersonSource,
                 extractor: Extractor,
                 every: int | None = None,
                 num_people: int = 10,
                 max_gap: int = 30) -> None:
        self.source, self.extractor = source, extractor
        self.every = source.every if every is None else every
        self.num_people = num_people
        self.tracker = Tracker(max_gap)
        # numbers of frames
        self._last: int | None = None
        self._looked: int | None = None
        self._step: float = np.inf  # the shortest yet
        self._expected = np.zeros((0, 5), np.float32)
        self._sure = np.zeros(0, bool)
        self._room = np.zeros((0, 4), np.float32)

    def follow(self, name: str, chunks: Iterable[FrameChunk]
               ) -> Iterator[SeenFrame]:
        """Go through the frames of a video.

        Args:
            name: Of the video, for messages.
            chunks: ``numbers``, ``times`` and ``images`` of some frames.

        Yields:
            The frames, one by one.

        Raises:
            PeopleError: If the source cannot say who is where.
        """
        for chunk in chunks:
            for frame in zip(chunk.numbers, chunk.times, chunk.images):
                yield self._see(name, *frame)

    def _see(self, name: str, number: int, time: float, image: np.ndarray
             ) -> SeenFrame:
        looks = self._is_due(number)
        people = People(self._expected)
        posed = None if looks else self._pose(image, people)
        # who has gone out of sight, or behind something, is searched for in
        # the same frame
        looks = posed is None or bool(
            (self._sure & _few_sure(posed[1])).any())
        if posed is None or looks:
            found = self.source.people([image], name, [number])[0]
            people = people._make(None if part is None
                                  else part[:self.num_people]
                                  for part in found)
            posed = self._pose(image, people)
            self._looked = number
        joints, scores, features = posed
        boxes, slots = people.boxes, people.slots
        steps = 0 if self._last is None else number - self._last
        self._break(steps)
        tracks = self.tracker.update(boxes, steps) if slots is None else slots
        self._last = number
        self._expect(boxes, joints, scores, looks,
                     (image.shape[0], image.shape[1]))
        return SeenFrame(number, time, image, boxes, np.asarray(tracks),
                         joints, scores, features, looks)

    def _break(self, steps: int) -> None:
        """After an outage everybody is somebody else.

        The tracker forgives any step, since frames may be looked at rarely.
        """
        usual, self._step = self._step, min(steps or self._step, self._step)
        if steps > self.tracker.max_gap and steps > OUTAGE * usual:
            begun = self.tracker.begun
            self.tracker = Tracker(self.tracker.max_gap)
            self.tracker.begun = begun

    def _is_due(self, number: int) -> bool:
        if self._looked is None or self.source.slotted:
            return True
        every = self.every
        if not len(self._expected) and self.source.search is not None:
            every = min(every, self.source.search)
        return number - self._looked >= every

    def _pose(self, image: np.ndarray, people: People
              ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Joints, scores and features of people; their own where known."""
        if not len(people.boxes):
            number = self.extractor.net.num_joints
            return (np.zeros((0, number, 2), np.float32),
                    np.zeros((0, number), np.float32),
                    {tap: np.zeros((0, number, channels), np.float16)
                     for tap, channels in self.extractor.taps.items()})
        crops, matrices = zip(*(self.extractor.crop(image, box)
                                for box in people.boxes))
        joints, scores, features = self.extractor(
            np.stack(crops), np.stack(matrices), people.joints,
            areas_in_crops(np.stack(matrices), people.boxes,
                           image.shape[:2]))
        scores = scores if people.scores is None else people.scores
        if scores is None:
            raise ValueError(f'{self.source.name} gives joints without scores')
        return joints, scores, features

    def _expect(self, boxes: np.ndarray, joints: np.ndarray,
                scores: np.ndarray, looked: bool, shape: tuple[int, int]
                ) -> None:
        """Boxes for the next frame, where the detector does not look."""
        sure = ~_few_sure(scores)
        # two boxes of one person grow together once joints carry them
        alone = _first_of_each(joints, scores, boxes)
        if self.source.evidence > 0:  # it often sees who is not there
            alone &= sure
        self._expected = np.array(boxes[alone], np.float32)  # a copy, of ours
        self._sure = sure[alone] if looked else self._sure[alone]
        if self.every == 1 or not alone.any():
            return
        boxes, joints, scores, sure = (
            value[alone] for value in (boxes, joints, scores, sure))
        good = np.where(scores >= SURE, scores, 0)
        around, _ = joints_to_box(joints[:, None], good[:, None], shape)
        around = around[:, 0]
        if looked:
            # what the detector's box has beside the joints
            self._room = boxes[:, :4] - around
            return
        self._room = self._room[alone]
        new = around + self._room
        side = np.maximum(new[:, 2:] - new[:, :2], 1)
        before = boxes[:, 2:4] - boxes[:, :2]
        side = side.clip(before / MOST_CHANGE, before * MOST_CHANGE)
        centre = (new[:, :2] + new[:, 2:]) / 2
        # who is not seen well enough stays where the detector saw them
        self._expected[sure, :4] = np.concatenate(
            (centre - side / 2, centre + side / 2), 1)[sure]


def _first_of_each(joints: np.ndarray, scores: np.ndarray, boxes: np.ndarray
                   ) -> np.ndarray:
    """Which of K people are nobody before them, (K,) bool.

    Those whose sure joints lie within ``SAME`` of the size of the box, on
    the average, are one person.
    """
    alone = np.ones(len(boxes), bool)
    for k in range(1, len(boxes)):
        size = np.sqrt(np.prod(np.maximum(boxes[k, 2:4] - boxes[k, :2], 1)))
        for other in np.flatnonzero(alone[:k]):
            both = (scores[k] >= SURE) & (scores[other] >= SURE)
            if both.sum() >= FEWEST:
                way = joints[k, both] - joints[other, both]
                alone[k] &= np.linalg.norm(way, axis=1).mean() > SAME * size
    return alone


def _few_sure(scores: np.ndarray) -> np.ndarray:
    """Which of K people have too few sure joints (K, V) to be followed."""
    return (scores >= SURE).sum(-1) < min(FEWEST, scores.shape[-1])
