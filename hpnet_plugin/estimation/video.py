"""Frames of a video: only what is wanted, a few at a time.

A file is read twice. The first time its packets are counted and nothing is
decoded, which tells how many frames there are, when each is shown and where
decoding can begin (:mod:`hpnet_plugin.estimation.frame_table`). The second
time the wanted frames are decoded, from key frame to key frame where the file
allows it (:mod:`hpnet_plugin.estimation.frame_decoding`).
"""
from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .frame_choice import check_choice, choose_frames
from .frame_decoding import FrameDecoder
from .frame_table import table_of_index, table_of_packets
from .video_file import (
    LIMITS,
    Limits,
    VideoError,
    VideoInfo,
    info_of,
    named_errors,
    open_video,
    probe,
)

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ['LIMITS', 'FrameChunk', 'Limits', 'VideoError', 'VideoInfo',
           'VideoReader', 'OpenedVideo', 'probe', 'read_frames',
           'read_frames_at']

DAMAGED = ('refuse', 'mark')
CHUNK_BYTES = 64 << 20


class FrameChunk(NamedTuple):
    """Some frames of a video.

    Attributes:
        numbers: Their numbers in the video.
        times: When they are shown, in seconds from the first frame of the
            video.
        images: RGB pixels (H, W, 3) uint8, upright.
    """
    numbers: list[int]
    times: list[float]
    images: list[np.ndarray]


class VideoReader:
    """The wanted frames of one video.

    Args:
        path: The video.
        max_frames: Keep at most so many frames, evenly spread over the video:
            by number, or by time where the frame rate is not constant.
            Defaults to None: all.
        length: Keep the frames that a linear resampling of all frames to this
            length would blend, at most twice as many. Defaults to None: all.
        fps: Keep the frames nearest to each of so many instants a second, see
            :func:`frames_at_rate`. Defaults to None: all. At most one of
            ``max_frames``, ``length`` and ``fps`` can be given.
        damaged: What becomes of a video that is cut off or holds frames that
            cannot be decoded. ``'refuse'``: a VideoError; ``'mark'``: what can
            be decoded is given out, broken frames as the decoder mended them,
            and ``damage`` says what is wrong. Damage is looked for where
            frames are decoded for a wanted one, and at the end of the file.
            Defaults to ``'refuse'``.
        limits: Above these it is refused.
        threads: Threads of the decoder, 0 for one a core. Changes nothing in
            what comes out. Defaults to 1.

    Attributes:
        info: What the container says.
        count: Frames that are in the file. Where packets and frames differ a
            little (5 % and two frames are forgiven: files that were edited are
            that inexact), the end of :meth:`chunks` puts ``count``,
            ``numbers`` and ``times`` right.
        numbers: (N,) int64, the wanted frames, ascending.
        times: (N,) float64, when they are shown, in seconds from the first
            frame of the video.
        damage: What is wrong with the video, as far as it was read.

    Raises:
        VideoError: If the file is no video, is above the limits, holds no
            frame, or is cut off.
        ValueError: If an option is out of range.
    """

    def __init__(self,
                 path: str,
                 max_frames: int | None = None,
                 length: int | None = None,
                 fps: float | None = None,
                 damaged: str = 'refuse',
                 limits: Limits = LIMITS,
                 threads: int = 1) -> None:
        check_choice(max_frames, length, fps)
        if damaged not in DAMAGED:
            raise ValueError(
                f'damaged must be one of {DAMAGED}, got {damaged!r}')
        self.path, self.damaged, self.limits = path, damaged, limits
        self.threads = threads
        self._frames: Generator[tuple[int, np.ndarray]] | None = None
        with open_video(path, limits) as opened, named_errors(path):
            self.info = info_of(opened[1])
            self._table = table = table_of_packets(path, *opened, limits)
        self.count, self.damage = table.count, table.cut or None
        if not self.count:
            raise VideoError(f'{path} holds no frame that can be decoded')
        if self.damage and damaged == 'refuse':
            raise VideoError(f'{path} is {self.damage}')
        self.choose(max_frames, length, fps)

    def choose(self,
               max_frames: int | None = None,
               length: int | None = None,
               fps: float | None = None) -> None:
        """Choose the wanted frames anew; the file is not looked at again.

        Args:
            max_frames: See the class.
            length: See the class.
            fps: See the class.

        Raises:
            ValueError: If one is out of range, or several are given.
        """
        table = self._table
        self.numbers = choose_frames(table.times, table.constant, max_frames,
                                     length, fps)
        self.times = table.times[self.numbers]

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget what was read; an iteration under way ends."""
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def chunks(self, chunk: int = 8) -> Iterator[FrameChunk]:
        """Decode the wanted frames, a few at a time.

        Args:
            chunk: Frames to hand out at once; fewer where frames are so large
                that they would exceed 64 MiB. Defaults to 8.

        Yields:
            Numbers, times, images.

        Raises:
            VideoError: If frames are broken or missing, unless
                ``damaged='mark'``.
        """
        self.close()
        decoding = FrameDecoder(self.path, self._table, self.numbers,
                             self.damaged, self.limits, self.threads)
        self._frames = decoding.frames()
        times, part, done = self._table.times, FrameChunk([], [], []), []
        for number, image in self._frames:
            part.numbers.append(number)
            part.times.append(_time(times, number))
            part.images.append(image)
            if len(part.images) >= min(chunk, CHUNK_BYTES // image.nbytes):
                done += part.numbers
                yield part
                part = FrameChunk([], [], [])
        if part.images:
            done += part.numbers
            yield part
        self._frames = None
        damages = [self._table.cut] * bool(self._table.cut) + decoding.damages
        self.damage = '; '.join(damages) or None
        self.count = decoding.count
        self.numbers = np.array(done, np.int64)
        self.times = np.array([_time(times, n) for n in done])


def _time(times: np.ndarray, number: int) -> float:
    """Also of frames that came without a packet of their own."""
    if number < len(times):
        return float(times[number])
    gap = float(times[-1] - times[-2]) if len(times) > 1 else 0
    return float(times[-1]) + (number - len(times) + 1) * gap


def read_frames(path: str, max_frames: int | None = None, chunk: int = 8
                ) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Decode a video a few frames at a time.

    Args:
        path: The video.
        max_frames: See :class:`VideoReader`.
        chunk: Frames to hand out at once. Defaults to 8.

    Yields:
        Numbers of the frames in the video, and the RGB frames, (H, W, 3)
        uint8, turned upright.

    Raises:
        VideoError: See :class:`VideoReader`.
    """
    with VideoReader(path, max_frames, threads=0) as reader:
        for part in reader.chunks(chunk):
            yield part.numbers, part.images


def read_frames_at(path: str, indices: Sequence[int]) -> list[np.ndarray]:
    """Decode chosen frames of a video, and little else.

    Where the file's index tells the number of each frame, as in the clips of
    ``CropRecorder``, not even its packets are counted.

    Args:
        path: The video.
        indices: Numbers of frames, in any order, also several times.

    Returns:
        RGB frames (H, W, 3) uint8 in the order asked, those of
        :func:`read_frames`.

    Raises:
        VideoError: If the file is no video, is damaged, or has no such frame.
    """
    return OpenedVideo(path).read(indices)


class Unread(NamedTuple):
    """A file of which nothing was read.

    Attributes:
        file: Closes it.
        container: Of the video.
        stream: The video.
    """
    file: ExitStack
    container: InputContainer
    stream: VideoStream


class OpenedVideo:
    """A video that is looked at before some of its frames are read.

    It stays open until its frames are read, or it is forgotten.

    Args:
        path: The video.

    Attributes:
        path: The same.
        info: What the container says.

    Raises:
        VideoError: If the file is no video.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._unread: Unread | None = self._open()
        with named_errors(path):
            self.info = info_of(self._unread.stream)

    def _open(self) -> Unread:
        file = ExitStack()
        return Unread(file, *file.enter_context(open_video(self.path, LIMITS)))

    def read(self, indices: Sequence[int]) -> list[np.ndarray]:
        """Decode chosen frames; see :func:`read_frames_at`.

        Args:
            indices: Numbers of frames, in any order, also several times.

        Returns:
            RGB frames (H, W, 3) uint8 in the order asked.

        Raises:
            VideoError: If the file is damaged, or has no such frame.
        """
        wanted = sorted({int(index) for index in indices})
        if wanted and wanted[0] < 0:
            raise VideoError(f'{self.path} has no frame {wanted[0]}: frames '
                             'are counted from 0')
        if not wanted:
            return []
        unread, self._unread = self._unread or self._open(), None
        with unread.file:
            opened = unread.container, unread.stream
            with named_errors(self.path):
                table = table_of_index(*opened)
                if table is None:
                    table = table_of_packets(self.path, *opened, LIMITS)
                    opened = None
            decoding = FrameDecoder(self.path, table, np.array(
                wanted, np.int64), 'refuse', LIMITS, 1)
            found = dict(decoding.frames(opened))
        for index in wanted:
            if index not in found:
                raise VideoError(f'{self.path} has no frame {index}: it ends '
                                 f'after {decoding.count} frames')
        return [found[int(index)] for index in indices]
