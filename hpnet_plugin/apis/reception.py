"""A thread that receives the frames of a live source, and their clock."""
from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ..estimation.video import VideoError
from ..estimation.video_file import any_metadata

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer

    from .live import LiveMedia

OPENING, SILENCE = 10., 10.  # s that are waited for a stream, and for data
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.  # s between attempts to reconnect
# Streams send what they have buffered at once, HLS whole segments: only what
# is farther off the clock of this computer is a jump of the stream's clock.
ASTRAY = 30.  # s

_log = logging.getLogger(__name__)


class Received(NamedTuple):
    """A frame, its number and its time in s from the first."""
    number: int
    time: float
    frame: VideoFrame


class Reception:
    """One run of a thread that receives frames.

    Args:
        media: The source.
        fps: Frames a second at most; None: all.

    Attributes:
        dropped: Frames that nobody took.
        lost: Why it ended, if the source was lost.
        rate: Frames a second, as the source says; 0 if it does not.
    """

    def __init__(self, media: LiveMedia, fps: float | None) -> None:
        self.media, self.fps = media, fps
        self.dropped, self.rate = 0, 0.
        self.lost: str | None = None
        self._newest: Received | None = None
        self._error: Exception | None = None
        self._over, self._change = False, threading.Condition()
        self._clock, self._count, self._instant = Clock(), 0, -1
        self._missed = False
        # a read under way ends within SILENCE; nobody has to wait for it
        threading.Thread(target=self._run, daemon=True,
                         name=f'frames of {media.name}').start()

    def newest(self) -> Received | None:
        """Wait for a frame that was not given out yet.

        Returns:
            The frame, None at the end.

        Raises:
            VideoError: If the source gives no frame.
        """
        with self._change:
            while self._newest is None and not self._over:
                self._change.wait(1)  # forever would keep signals waiting
            received, self._newest = self._newest, None
            if received is None and self._error is not None:
                raise self._error
            return received

    def close(self) -> None:
        """End it; nothing is given out any more."""
        with self._change:
            self._over, self._newest = True, None
            self._change.notify_all()

    def _run(self) -> None:
        try:
            self._keep_receiving()
        except Exception as error:  # the caller has to know of any
            self._error = error
        with self._change:
            self._over = True
            self._change.notify_all()

    def _keep_receiving(self) -> None:
        name, pause = self.media.name, FIRST_PAUSE
        since: float | None = None
        while not self._over:
            before, reason, whole = self._count, 'it ended', False
            try:
                with self._open() as (container, stream):
                    # one that knows how long it is is no live stream
                    whole = bool(container.duration)
                    for stamp, frame in self._frames(container, stream):
                        if since is not None:
                            _log.warning('%s is back after %.1f s', name,
                                         time.monotonic() - since)
                            since, pause = None, FIRST_PAUSE
                        self._take(stamp, frame)
                        if self._over:
                            return
            except VideoError:
                raise
            except Exception as error:  # PyAV's, and Python's of bad names
                whole, reason = False, _reason(error)
            if not self._count:
                raise VideoError(f'{name} gives no frame: {reason}')
            if whole or self._over:
                return
            now = time.monotonic()
            if self._count > before or since is None:
                since = now
                _log.warning('%s is lost: %s; trying to open it again', name,
                             reason)
            if now - since + pause > self.media.give_up:
                self.lost = (f'lost after {self._clock.last:.1f} s ({reason})'
                             f' and not back within {self.media.give_up:g} s')
                _log.warning('%s was %s', name, self.lost)
                return
            with self._change:
                self._change.wait_for(lambda: self._over, pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    @contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        """Container and stream, for as long as they are there."""
        import av
        media = self.media
        container: InputContainer = av.open(  # pyrefly: ignore[no-matching-overload]
            media.file, format=media.format, container_options=media.options,
            timeout=(OPENING, SILENCE), **any_metadata())
        with container:
            stream = next(iter(container.streams.video), None)
            if stream is None or stream.codec_context is None:
                raise VideoError(
                    f'{media.name} sends no video that can be decoded')
            # frames of a file would come faster than at their own pace
            if media.file.startswith('http') and (
                    container.duration or container.size > 0
                    and container.format.name != 'hls'):
                raise VideoError(f'{media.name} is a recording and no live '
                                 'stream: download it, and give the file')
            yield container, stream

    def _frames(self, container: InputContainer, stream: VideoStream
                ) -> Iterator[tuple[float | None, VideoFrame]]:
        """Yield time stamp (None if there is no clock) and frame."""
        import av
        from av.format import Flags
        timed = not container.format.flags & Flags.no_timestamps.value
        context = stream.codec_context
        # threads that take a frame each would delay it by their number
        context.thread_type = 'SLICE'
        context.options = dict(max_pixels=str(
            2 * self.media.limits.pixels + (1 << 20)))
        self.rate = float(stream.average_rate or 0) if timed else 0.
        self._clock.restart()
        self._missed = self._count > 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue  # lost on the way; the next may be whole
            for frame in frames:
                # FFmpeg does not know when the first frame of RTSP is shown
                if not frame.is_corrupt and not (timed
                                                 and frame.time is None):
                    yield frame.time if timed else None, frame

    def _take(self, stamp: float | None, frame: VideoFrame) -> None:
        """Keep a frame in place of the one before."""
        last, now = self._clock.last, self._clock(stamp, time.monotonic())
        if self._missed:  # as many as came in such a time before
            rate = self.rate or self._count / max(last, 1.)
            self._count += max(0, round((now - last) * rate) - 1)
            self._missed = False
        number, self._count = self._count, self._count + 1
        if self.fps is not None:
            instant = math.floor(now * self.fps + 0.5)
            if instant <= self._instant:
                return
            self._instant = instant
        with self._change:
            if self._over:
                return
            self.dropped += self._newest is not None
            self._newest = Received(number, now, frame)
            self._change.notify_all()


class Clock:
    """Times in s from the first frame, ascending.

    Attributes:
        last: The time given out last; below 0 before the first.
    """

    def __init__(self) -> None:
        self.last = -1.
        self._begin: float | None = None
        self._shift: float | None = None

    def restart(self) -> None:
        """What comes next has time stamps of another beginning."""
        self._shift = None

    def __call__(self, stamp: float | None, now: float) -> float:
        """Time of a frame.

        Args:
            stamp: In s, of the source; None if it has no clock.
            now: In s, of this computer.

        Returns:
            In s from the first frame.
        """
        if self._begin is None:
            self._begin = now
        elapsed = now - self._begin
        if stamp is None:
            found = elapsed
        else:
            if self._shift is None or \
                    abs(stamp + self._shift - elapsed) > ASTRAY:
                self._shift = max(elapsed, self.last) - stamp
            found = stamp + self._shift
        # what was buffered comes at once, which is no sign of the future
        self._begin = min(self._begin, now - found)
        # stamps may repeat or go back a little
        self.last = max(found, self.last + 0.001, 0.)
        return self.last


def _reason(error: Exception) -> str:
    """Not PyAV's own text, which names the address with its password."""
    return getattr(error, 'strerror', None) or type(error).__name__
