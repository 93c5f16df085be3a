"""Frames of cameras and network streams: the newest, as they come."""
from __future__ import annotations

import glob
import os.path as osp
import sys
from collections.abc import Generator
from urllib.parse import urlsplit

from ..datasets.clips import SourceError
from ..estimation.frame_decoding import UprightImages
from ..estimation.video import LIMITS, FrameChunk, Limits
from ..estimation.video_file import FORMATS
from .media import Media, MediaInfo
from .reception import Reception

GIVE_UP = 300.  # s that a lost source is waited for
PROTOCOLS = dict(rtsp='rtp,tcp,udp', http='http,https,tcp,tls,crypto')
STREAM_FORMATS = dict(rtsp=('rtsp', 'sdp'), http=(
    *FORMATS, 'hls', 'mpjpeg', 'mjpeg', 'h264', 'hevc'))


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
        name: See :class:`Media`.
        file: What FFmpeg opens.
        format: FFmpeg's name of the device or format; by default it is
            found out.
        options: Of the demuxer.
        give_up: Seconds that a lost source is waited for.
        limits: Frames of more pixels are refused.
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
        self._reception: Reception | None = None

    @property
    def info(self) -> MediaInfo:
        """What is known by now: the size once a frame has come."""
        return self._info

    def chunks(self, fps: float | None = None) -> Generator[FrameChunk]:
        """The newest frame each time; see :meth:`Media.chunks`.

        Args:
            fps: Frames a second at most; None: all.

        Yields:
            One frame each.

        Raises:
            VideoError: If the source gives no frame.
            ValueError: If ``fps`` is not above 0.
        """
        if fps is not None and not 0 < fps < float('inf'):
            raise ValueError(f'fps must be above 0, got {fps}')
        self.close()
        # before the thread begins: it imports av, too, and two threads that
        # import parts of it at the same time may wait for each other
        upright = UprightImages(self.name, self.limits)
        self._reception = reception = Reception(self, fps)
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
        """Stop receiving; an iteration under way ends."""
        if self._reception is not None:
            self._reception.close()


def open_stream(address: str) -> LiveMedia:
    """A network stream.

    It may open what its kind needs (a playlist of http its segments, by http
    as well), and never a file of this computer.

    Args:
        address: Of ``rtsp://``, ``rtsps://``, ``http://`` or
            ``https://``; it may hold a user and a password.

    Returns:
        Nothing is opened yet.
    """
    scheme = address.partition('://')[0].lower()
    kind = scheme.removesuffix('s')
    options = dict(protocol_whitelist=PROTOCOLS[kind],
                   format_whitelist=','.join(STREAM_FORMATS[kind]))
    if kind == 'rtsp':
        # by UDP single packets are lost, and with them parts of frames
        options |= dict(rtsp_transport='tcp')
    return LiveMedia(_without_password(address), address, options=options)


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    _, at, host = parts.netloc.rpartition('@')
    return parts._replace(netloc=host).geturl() if at else address


def open_camera(which: int | str) -> LiveMedia:
    """A camera of this computer.

    Args:
        which: Its number, from 0, or its path.

    Returns:
        Nothing is opened yet.

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


def _no_camera(name: str, known: list[str]) -> str:
    return f'{name}: there is no such camera; ' + (
        f'there are: {", ".join(known)}' if known else
        'the system knows none on this computer')
