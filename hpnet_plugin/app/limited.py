"""A visitor's video, decoded by a child process with limits."""
from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..apis.media import Media, MediaInfo
from ..estimation.video import CHUNK_BYTES, FrameChunk, VideoError

HEAD_BYTES = 16 << 20
# What the child needs of the environment, and no secret of the server.
ENVIRONMENT = ('PATH', 'PYTHONPATH', 'LD_LIBRARY_PATH', 'LANG')
ONE_THREAD = dict.fromkeys(
    ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'), '1')


class DecodingLimits(NamedTuple):
    """What decoding a visitor's video may take.

    Attributes:
        seconds: Of the video; later frames are left out.
        pixels: Of a frame. Defaults to those of 4K (4096 x 2304).
        frames: Of the whole file. Defaults to an hour at 60 a second.
        memory: Address space of the child in bytes. Defaults to 2 GiB;
            Python, NumPy and FFmpeg take a quarter of it.
        processor: Processor time of the child in s. Defaults to 300.
        wait: How long the child may take for the next frames, in s.
            Defaults to 60: the packets of the whole file are read first.
    """
    seconds: float = 60.
    pixels: int = 4096 * 2304
    frames: int = 216_000
    memory: int = 2 << 30
    processor: int = 300
    wait: float = 60.


class LimitedVideo(Media):
    """A video file that nobody trusts.

    The frames are those of :class:`hpnet_plugin.apis.media.VideoMedia`, to
    the bit, but for those after ``limits.seconds``.

    Args:
        path: The file.
        name: What the visitor calls it.
        limits: See there.

    Attributes:
        whole: Seconds of the whole video, those that are left out
            included; known with ``info``.
    """

    def __init__(self, path: str, name: str,
                 limits: DecodingLimits | None = None) -> None:
        super().__init__(name)
        self.path, self.limits = path, limits or DecodingLimits()
        self.whole = 0.
        self._info: MediaInfo | None = None
        self._child: _Child | None = None

    @property
    def info(self) -> MediaInfo:
        if self._info is None:
            try:
                head = self.begin(images=False)
            finally:
                self.close()
            fps, self.whole, frames, height, width = map(float, head['info'])
            cut = min(1, self.limits.seconds / max(self.whole, 1e-9))
            self._info = MediaInfo(fps, self.whole * cut, round(frames * cut),
                                   int(height), int(width))
        return self._info

    def chunks(self, fps: float | None = None) -> Generator[FrameChunk]:
        if fps is not None and not 0 < fps < float('inf'):
            raise ValueError(f'fps must be above 0, got {fps}')
        with LimitedReader(self, fps=fps) as reader:
            yield from reader.chunks()

    def reader(self, max_frames: int | None = None,
               length: int | None = None) -> LimitedReader:
        """All frames, or some that stand for the whole video.

        Args:
            max_frames: See :class:`hpnet_plugin.estimation.video.VideoReader`.
            length: Likewise.

        Raises:
            VideoError: If some shall stand for a video that is longer than
                ``limits.seconds``.
        """
        if self.info.duration < self.whole and (max_frames or length):
            raise VideoError(f'{self.name} has {self.whole:.0f} s; the limit '
                             f'is {self.limits.seconds:g} s')
        return LimitedReader(self, max_frames=max_frames, length=length)

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def begin(self, **job: Any) -> dict[str, Any]:
        """Start a child, in place of the last one; its first message."""
        self.close()
        self._child = _Child(dict(
            self.limits._asdict(), path=os.path.abspath(self.path), **job),
            self.limits.wait)
        return self.read()[0]

    def read(self) -> tuple[dict[str, Any], bytearray]:
        """The next message of the child, and its pixels.

        Raises:
            VideoError: What the child says is wrong; or it ended, or hangs.
        """
        if self._child is None:
            raise VideoError(f'{self.name} is closed')
        try:
            return self._child.read()
        except VideoError as error:
            raise VideoError(self.named(str(error))) from None

    def named(self, text: str) -> str:
        """Messages name the file as the visitor does."""
        return text.replace(os.path.abspath(self.path), self.name)


class LimitedReader:
    """Wanted frames of a :class:`LimitedVideo`.

    Args:
        video: The video; it has one reader at a time.
        **choice: See
            :meth:`hpnet_plugin.estimation.video.VideoReader.choose`.

    Attributes:
        info: What is known of the video.
        numbers: The wanted frames.
        times: When they are shown, in s.
        count: Frames of the video; right at the end of :meth:`chunks`.
        damage: What is wrong with it, likewise.
    """

    def __init__(self, video: LimitedVideo, **choice: Any) -> None:
        self.video, self.info = video, video.info
        self.damage: str | None = None
        head = video.begin(images=True, choice=choice)
        self.numbers: list[int] = head['numbers']
        self.times: list[float] = head['times']
        self.count = len(self.numbers)

    def __enter__(self) -> LimitedReader:
        return self

    def __exit__(self, *error: object) -> None:
        self.video.close()

    def chunks(self, chunk: int = 8) -> Iterator[FrameChunk]:
        """The frames, a few at a time.

        Args:
            chunk: Of no use here, where the child says how many come.

        Raises:
            VideoError: If nothing (more) can be read.
        """
        while True:
            message, pixels = self.video.read()
            if 'damage' in message:
                break
            yield _chunk(message, pixels)
        self.count = message['count']
        self.damage = message['damage'] and self.video.named(
            message['damage'])
        self.video.damage = self.damage


class _Child:
    """The process, and the messages it sends."""

    def __init__(self, job: dict[str, Any], wait: float) -> None:
        self.path, self.wait = job['path'], wait
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'hpnet_plugin.app.decoder',
             json.dumps(job)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, bufsize=0, start_new_session=True,
            env={**{key: os.environ[key] for key in ENVIRONMENT
                    if key in os.environ}, **ONE_THREAD})
        assert isinstance(self.process.stdout, io.FileIO)
        self.pipe = self.process.stdout

    def read(self) -> tuple[dict[str, Any], bytearray]:
        """The next message, and its pixels.

        Raises:
            VideoError: What the child says is wrong; or it ended, or hangs.
        """
        length, = struct.unpack('>I', self._bytes(4))
        if length > HEAD_BYTES:
            raise VideoError(f'{self.path}: its decoder gave no message')
        message = json.loads(self._bytes(length))
        if 'error' in message:
            raise VideoError(str(message['error']))
        size = int(message['bytes'])
        # frames larger than a chunk come one by one
        if not 0 <= size <= max(CHUNK_BYTES, 3 * 8192 * 4320):
            raise VideoError(f'{self.path}: its decoder gave {size} bytes')
        return message, self._bytes(size)

    def _bytes(self, count: int) -> bytearray:
        pipe, data, done = self.pipe, bytearray(count), 0
        view = memoryview(data)
        while done < count:
            if not select.select([pipe], [], [], self.wait)[0]:
                raise VideoError(f'{self.path} takes more than '
                                 f'{self.wait:.0f} s to decode')
            got = pipe.readinto(view[done:])
            if not got:
                raise VideoError(
                    f'{self.path} takes more time or memory to decode than '
                    'it may')
            done += got
        return data

    def kill(self) -> None:
        """End it and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.pipe.close()


def _chunk(message: Mapping[str, Any], pixels: bytearray) -> FrameChunk:
    """The frames of a message."""
    height, width = message['shape']
    images = np.frombuffer(pixels, np.uint8).reshape(
        len(message['numbers']), height, width, 3)
    return FrameChunk(message['numbers'], message['times'], list(images))
