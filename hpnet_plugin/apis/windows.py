"""Windows of time over the frames of a video.

Imports neither torch nor mmaction. What a window holds depends on its own
frames alone.
"""
from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from ..estimation.following import SeenFrame
from ..extraction.crop_cutting import CropPart

EPSILON = 1e-6  # s, of rounding


class KeptFrame(NamedTuple):
    """A frame without its pixels.

    Attributes:
        seen: The frame; its image is empty.
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

    Raises:
        ValueError: If a window or a stride makes no sense.
    """

    def __init__(self,
                 window: float,
                 stride: float,
                 max_gap: int = 30) -> None:
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

        Args:
            frame: The next of the video.

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
        """Come to the end of the video.

        Yields:
            The last window, if there is something that none has shown.
        """
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

    def _cut(self, start: float, end: float,
             tracks: frozenset[int] | None = None, whole: bool = False
             ) -> Window:
        frames = [frame for frame in self._frames
                  if start - EPSILON <= frame.seen.time < end - EPSILON]
        return Window(start, end, frames, tracks, whole)
