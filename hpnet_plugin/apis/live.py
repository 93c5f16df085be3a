"""Frames of cameras and network streams: the newest, as they come."""
from __future__ import annotations

import glob
import logging
import math
import os.path as osp
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

from ..datasets.clips import SourceError
from ..estimation.frame_decoding import UprightImages
from ..estimation.video import LIMITS, FrameChunk, Limits, VideoError
from ..estimation.video_file import FORMATS, any_metadata
from .media import Media, MediaInfo

OPENING, SILENCE = 10., 10.  # s that are waited for a stream, and for data
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.  # s between attempts to reconnect
GIVE_UP = 300.  # s that a lost source is waited for
# Streams send what they have buffered at once, HLS whole segments: only what
# is farther off the clock of this computer is a jump of the stream's clock.
ASTRAY = 30.  # s
PROTOCOLS = dict(rtsp='rtp,tcp,udp', http='http,https,tcp,tls,crypto')
STREAM_FORMATS = dict(rtsp=('rtsp', 'sdp'), http=(
    *FORMATS, 'hls', 'mpjpeg', 'mjpeg', 'h264', 'hevc'))

_log = logging.getLogger(__name__)


class LiveMedia(Media):
    """A camera or a stream.

    A thread decodes all that comes and keeps the newest frame alone, so that
    neither memory nor delay grows where the caller is slower than the
    source; what is passed over is counted in ``dropped``. Times are those of
    the source's clock, or of arrival where it has none.

    A source that is lost is opened again and again, at growing intervals.
    Times and numbers of its frames then go on where they would be had it not
    been lost, so that the gap is seen. Both are logged. :meth:`chunks` ends
    when the medium is closed, when a recording ends, and when a lost source
    has not come back within ``give_up``; ``damage`` says so then.

    Args:
        name (str): See :class:`Media`.
        file (str): What FFmpeg opens.
        format (str, optional): FFmpeg's name of the device or format.
            Defaults to None: found out.
        options (dict[str, str], optional): Of the demuxer.
        give_up (float): Seconds that a lost source is waited for.
        limits (Limits): Frames of more pixels are refused.
    """
    live = True

    def __init__(self,
                 name: str,
                 file: str,
                 format: str | None = None,
                 options: dict[str, str] | None = None,
                 give_up: float = GIVE_UP,
                 limits: Limits = LIMITS) -> None:
        super().__init__(name)
        self.file, self.format, self.options = file, format, options or {}
        self.give_up, self.limits = give_up, limits
        self._info = MediaInfo()
        self._reception: _Reception | None = None

    @property
    def info(self) -> MediaInfo:
        return self._info

    def chunks(self, fps: float | None = None) -> Iterator[FrameChunk]:
        if fps is not None and not 0 < fps < float('inf'):
            raise ValueError(f'fps must be above 0, got {fps}')
        self.close()
        # before the thread begins: it imports av, too, and two threads that
        # import parts of it at the same time may wait for each other
        upright = UprightImages(self.name, self.limits)
        self._reception = reception = _Reception(self, fps)
        self.dropped, self.damage = 0, None
        try:
            while (received := reception.newest()) is not None:
                image = upright(received.frame)
                self._info = MediaInfo(reception.rate, 0., 0,
                                       *image.shape[:2])
                self.dropped = reception.dropped
                yield FrameChunk([received.number], [received.time], [image])
        finally:
            reception.close()
            self.dropped = reception.dropped
            self.damage = reception.lost

    def close(self) -> None:
        if self._reception is not None:
            self._reception.close()


class _Received(NamedTuple):
    number: int
    time: float
    frame: object  # av.VideoFrame


class _Reception:
    """One run of a thread that receives frames.

    Attributes:
        dropped (int): Frames that nobody took.
        lost (str | None): Why it ended, if the source was lost.
        rate (float): Frames a second, as the source says; 0 if it does not.
    """

    def __init__(self, media, fps):
        self.media, self.fps = media, fps
        self.dropped, self.lost, self.rate = 0, None, 0.
        self._newest = self._error = None
        self._over, self._change = False, threading.Condition()
        self._clock, self._count, self._instant = _Clock(), 0, -1
        self._missed = False
        # a read under way ends within SILENCE; nobody has to wait for it
        threading.Thread(target=self._run, daemon=True,
                         name=f'frames of {media.name}').start()

    def newest(self) -> _Received | None:
        """Wait for a frame that was not given out yet; None at the end."""
        with self._change:
            while self._newest is None and not self._over:
                self._change.wait(1)  # forever would keep signals waiting
            received, self._newest = self._newest, None
            if received is None and self._error is not None:
                raise self._error
            return received

    def close(self):
        with self._change:
            self._over, self._newest = True, None
            self._change.notify_all()

    def _run(self):
        try:
            self._keep_receiving()
        except Exception as error:  # the caller has to know of any
            self._error = error
        with self._change:
            self._over = True
            self._change.notify_all()

    def _keep_receiving(self):
        name, pause, since = self.media.name, FIRST_PAUSE, None
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
    def _open(self):
        """Container and stream, for as long as they are there."""
        import av
        media = self.media
        container = av.open(
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

    def _frames(self, container, stream):
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

    def _take(self, stamp, frame):
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
            self._newest = _Received(number, now, frame)
            self._change.notify_all()


class _Clock:
    """Times in s from the first frame, ascending.

    Attributes:
        last (float): The time given out last; below 0 before the first.
    """

    def __init__(self):
        self.last = -1.
        self._begin = self._shift = None

    def restart(self):
        """What comes next has time stamps of another beginning."""
        self._shift = None

    def __call__(self, stamp: float | None, now: float) -> float:
        """Time of a frame.

        Args:
            stamp (float, optional): In s, of the source; None if it has no
                clock.
            now (float): In s, of this computer.
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


def _reason(error):
    """Not PyAV's own text, which names the address with its password."""
    return getattr(error, 'strerror', None) or type(error).__name__


def open_stream(address: str) -> LiveMedia:
    """A network stream.

    It may open what its kind needs (a playlist of http its segments, by http
    as well), and never a file of this computer.

    Args:
        address (str): Of ``rtsp://``, ``rtsps://``, ``http://`` or
            ``https://``; it may hold a user and a password.

    Returns:
        LiveMedia: Nothing is opened yet.
    """
    scheme = address.partition('://')[0].lower()
    kind = scheme.removesuffix('s')
    options = dict(protocol_whitelist=PROTOCOLS[kind],
                   format_whitelist=','.join(STREAM_FORMATS[kind]))
    if kind == 'rtsp':
        # by UDP single packets are lost, and with them parts of frames
        options |= dict(rtsp_transport='tcp')
    return LiveMedia(_without_password(address), address, options=options)


def _without_password(address):
    parts = urlsplit(address)
    _, at, host = parts.netloc.rpartition('@')
    return parts._replace(netloc=host).geturl() if at else address


def open_camera(which: int | str) -> LiveMedia:
    """A camera of this computer.

    Args:
        which (int | str): Its number, from 0, or its path.

    Returns:
        LiveMedia: Nothing is opened yet.

    Raises:
        SourceError: If there is no such camera.
    """
    name = f'camera {which}' if isinstance(which, int) else which
    if sys.platform == 'darwin':
        return LiveMedia(name, str(which), 'avfoundation',
                         dict(framerate='30'))
    if sys.platform == 'win32':
        import av
        known = [f'video={device.name}'
                 for device in av.enumerate_input_devices('dshow')
                 if 'video' in device.media_types]
        if which not in range(len(known)):
            raise SourceError(_no_camera(name, known))
        return LiveMedia(name, known[which], 'dshow')
    path = f'/dev/video{which}' if isinstance(which, int) else which
    if not osp.exists(path):
        raise SourceError(_no_camera(path, sorted(glob.glob('/dev/video*'))))
    return LiveMedia(name, path, 'v4l2')


def _no_camera(name, known):
    return f'{name}: there is no such camera; ' + (
        f'there are: {", ".join(known)}' if known else
        'the system knows none on this computer')
