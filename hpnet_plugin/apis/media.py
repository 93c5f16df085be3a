"""Frames of one video, array, camera or stream."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from ..datasets.clips import SourceError
from ..estimation.frame_choice import choose_frames
from ..estimation.video import (
    CHUNK_BYTES,
    LIMITS,
    FrameChunk,
    Limits,
    VideoError,
    VideoReader,
)
from ..estimation.video_file import VideoInfo

CHUNK = 8  # frames handed out at once, fewer where they are very large


class MediaInfo(NamedTuple):
    """What is known of a medium; a number that is not known is 0.

    Attributes:
        fps: Frames a second.
        duration: In s; the last frame's own duration is included.
        frames: Number of frames.
        height: In pixels, upright.
        width: In pixels, upright.
    """
    fps: float = 0.
    duration: float = 0.
    frames: int = 0
    height: int = 0
    width: int = 0


class MediaReader(Protocol):
    """Chosen frames of a medium that has an end.

    Attributes:
        count: Frames of the video.
        damage: What is wrong with it, right at the end of :meth:`chunks`.
    """
    count: int
    damage: str | None

    @property
    def info(self) -> VideoInfo | MediaInfo:
        """What is known of the medium."""
        ...

    @property
    def numbers(self) -> Sequence[int] | np.ndarray:
        """Numbers of the chosen frames."""
        ...

    @property
    def times(self) -> Sequence[float] | np.ndarray:
        """When they are shown, in s."""
        ...

    def __enter__(self) -> Self:
        ...

    def __exit__(self, *error: Any) -> None:
        ...

    def chunks(self, chunk: int = ...) -> Iterator[FrameChunk]:
        """The frames, some at a time.

        Args:
            chunk: How many at most.

        Yields:
            Numbers, times and images.
        """
        ...


class Media(ABC):
    """Frames of one video, array, camera or stream.

    Nothing is opened before it is asked for: a file that cannot be read
    raises its error from ``info`` or :meth:`chunks`, and does not keep the
    other files of a folder from being read.

    Args:
        name: The source as the user named it; an address without the
            password.

    Attributes:
        name: Likewise.
        live: Whether frames come at their own pace and without an
            end.
        dropped: Frames of a live source that came while the caller
            was busy with others, and are lost; 0 of files and arrays.
        damage: What is wrong with the source, as far as it was
            read; right when :meth:`chunks` has ended.
    """
    live = False

    def __init__(self, name: str) -> None:
        self.name, self.dropped = name, 0
        self.damage: str | None = None

    def __enter__(self) -> Media:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.name!r})'

    @property
    @abstractmethod
    def info(self) -> MediaInfo:
        """What is known by now.

        Raises:
            VideoError: If a file is no video that can be read.
        """

    @abstractmethod
    def chunks(self, fps: float | None = None) -> Generator[FrameChunk]:
        """The frames, in order, a few at a time.

        Args:
            fps: Frames a second that are wanted: of a file
                or an array the frames nearest to 0, 1 / fps, 2 / fps, ... s,
                of a live source the first that comes near each of these
                times. Defaults to None: all.

        Yields:
            Numbers in the source, times in s from its first
            frame, and upright RGB images (H, W, 3) uint8.

        Raises:
            VideoError: If nothing (more) can be read.
            ValueError: If ``fps`` is not above 0.
        """

    def reader(self, max_frames: int | None = None,
               length: int | None = None) -> MediaReader:
        """What reads it as the extraction reads a clip.

        Args:
            max_frames: See
                :class:`hpnet_plugin.estimation.video.VideoReader`.
            length: Likewise.

        Returns:
            Or what has its ``chunks()``, ``numbers``, ``times``,
            ``count``, ``info`` and ``damage``.

        Raises:
            VideoError: If it cannot be read, or has no end.
        """
        raise VideoError(f'{self.name} has no end: it cannot be looked at as '
                         'a whole')

    def close(self) -> None:  # noqa: B027  a file needs nothing
        """Let go of what is open; an iteration under way ends."""


class VideoMedia(Media):
    """A video file.

    What can be decoded of a damaged or cut-off file is given out, and
    ``damage`` says what is wrong. A file never opens another file or the
    network, whatever is in it.

    Args:
        path: The file.
        limits: Above these it is refused.
    """

    def __init__(self, path: str, limits: Limits = LIMITS) -> None:
        super().__init__(path)
        self.limits = limits
        self._reader: VideoReader | None = None
        self._info = MediaInfo()

    @property
    def info(self) -> MediaInfo:
        """What is known of the file, which is opened."""
        self._opened()
        return self._info

    def chunks(self, fps: float | None = None) -> Generator[FrameChunk]:
        """The frames of the file; see :meth:`Media.chunks`.

        Args:
            fps: Frames a second that are wanted; None: all.

        Yields:
            Some frames each.
        """
        reader = self._opened()
        reader.choose(fps=fps)
        try:
            yield from reader.chunks(CHUNK)
        finally:
            self.damage = reader.damage

    def reader(self, max_frames: int | None = None,
               length: int | None = None) -> VideoReader:
        """What reads the file as the extraction reads a clip.

        Args:
            max_frames: See :meth:`Media.reader`.
            length: Likewise.

        Returns:
            The reader of the extraction itself.
        """
        reader = self._opened()
        reader.choose(max_frames, length)
        return reader

    def close(self) -> None:
        """Close the file."""
        if self._reader is not None:
            self._reader.close()

    def _opened(self) -> VideoReader:
        if self._reader is None:
            reader = VideoReader(self.name, damaged='mark',
                                 limits=self.limits)
            rate, count = _rate(reader), reader.count
            # how frames are turned is known when one is decoded
            first = next(reader.chunks(1)).images[0]
            reader.close()
            self._info = MediaInfo(*rate, count, *first.shape[:2])
            self._reader, self.damage = reader, reader.damage
        return self._reader


def _rate(reader: VideoReader) -> tuple[float, float]:
    """Frames a second and seconds of a video."""
    fps, (first, last) = reader.info.fps, reader.times[[0, -1]]
    if last > first:
        measured = (reader.count - 1) / (last - first)
        # times of files are rounded, and headers may be wrong
        if not fps or abs(measured / fps - 1) > 0.01:
            fps = measured
    return float(fps), float(last + (1 / fps if fps else 0))


class ArrayMedia(Media):
    """Frames that are in memory.

    Args:
        frames: (T, H, W, 3) uint8 RGB, upright.
        rate: Frames a second. Defaults to 30.

    Raises:
        SourceError: If the array is something else.
    """

    def __init__(self, frames: np.ndarray, rate: float = 30.) -> None:
        super().__init__('array')
        if frames.dtype != np.uint8 or frames.ndim != 4 or \
                frames.shape[-1] != 3:
            raise SourceError(
                f'an array of shape {frames.shape} and type {frames.dtype} '
                'holds no video: expected (frames, height, width, 3) uint8, '
                'RGB')
        if 0 in frames.shape:
            raise SourceError(
                f'an array of shape {frames.shape} holds no frame')
        if not 0 < rate < float('inf'):
            raise SourceError('the rate of an array must be above 0 frames a '
                              f'second, got {rate}')
        self.frames, self.rate = frames, rate

    @property
    def info(self) -> MediaInfo:
        """What is known of the array."""
        count, height, width = self.frames.shape[:3]
        return MediaInfo(float(self.rate), count / self.rate, count, height,
                         width)

    def chunks(self, fps: float | None = None) -> Generator[FrameChunk]:
        """The frames of the array; see :meth:`Media.chunks`.

        Args:
            fps: Frames a second that are wanted; None: all.

        Yields:
            Some frames each.
        """
        yield from _ArrayReader(self, fps=fps).chunks()

    def reader(self, max_frames: int | None = None,
               length: int | None = None) -> _ArrayReader:
        """What chooses frames as the extraction does.

        Args:
            max_frames: See :meth:`Media.reader`.
            length: Likewise.

        Returns:
            The reader.
        """
        return _ArrayReader(self, max_frames=max_frames, length=length)


class _ArrayReader:
    """Frames in memory, chosen as ``VideoReader`` chooses those of a file."""

    def __init__(self, media: ArrayMedia, **choice: Any) -> None:
        self.info = media.info
        self.damage: str | None = None
        self.count, self._frames = media.info.frames, media.frames
        times = np.arange(self.count) / media.rate
        self.numbers = choose_frames(times, **choice)
        self.times = times[self.numbers]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def chunks(self, chunk: int = CHUNK) -> Iterator[FrameChunk]:
        size = max(1, min(chunk, CHUNK_BYTES // self._frames[0].nbytes))
        for start in range(0, len(self.numbers), size):
            part = slice(start, start + size)
            yield FrameChunk(self.numbers[part].tolist(),
                             self.times[part].tolist(),
                             [self._frames[n] for n in self.numbers[part]])
