"""Opening a video file, within limits and without harm (PyAV)."""
from __future__ import annotations

import os
import os.path as osp
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Demuxers that read one file and nothing else. Playlists (concat, hls, dash,
# sdp, ...) open other files and are none of them, whatever a file is called.
FORMATS = ('mov', 'mp4', 'matroska', 'webm', 'avi', 'flv', 'asf', 'mpeg',
           'mpegts', 'mpegvideo', 'm4v', 'gif')


class VideoError(ValueError):
    """A file cannot be read as a video.

    Args:
        message: Says why.
    """

    def __init__(self, message: str) -> None:
        # the name of a file need not be text
        super().__init__(message.encode('utf-8', 'backslashreplace').decode())


class AstrayError(Exception):
    """A file breaks the promises that a way of reading relies on."""


class VideoInfo(NamedTuple):
    """What a container says of its video.

    Attributes:
        frames: Number of frames; 0 where the container does not say.
        fps: Frames a second; 0 where the container does not say.
        height: In pixels, before a display matrix turns it.
        width: In pixels, before a display matrix turns it.
    """
    frames: int
    fps: float
    height: int
    width: int


class Limits(NamedTuple):
    """Above these a video is refused.

    Attributes:
        pixels: Of a frame. Defaults to those of 8K (8192 x 4320), which no
            camera that films people exceeds; a frame is 100 MB then, and a
            decoder holds up to 16 of half that size.
        frames: Of a video. Defaults to 1,000,000, nine hours at 30 frames a
            second: 20 bytes a frame are kept.
    """
    pixels: int = 8192 * 4320
    frames: int = 1_000_000


LIMITS = Limits()


@contextmanager
def named_errors(path: str, trouble: str = 'is no readable video'
                 ) -> Iterator[None]:
    """Whatever PyAV raises becomes a VideoError that names the file.

    Besides its own errors it raises what Python does with what is in the
    file: names of codecs, titles, sizes, pixel formats.

    Args:
        path: Of the video.
        trouble: What the message says of it, before the reason.

    Raises:
        VideoError: In place of any other error but AstrayError.
    """
    try:
        yield
    except (VideoError, AstrayError):
        raise
    except Exception as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise VideoError(f'{path} {trouble}: '
                         f'{reason or type(error).__name__}') from error


def any_metadata() -> dict[str, Any]:
    """What ``av.open`` has to be told to accept titles that are no UTF-8.

    Returns:
        Arguments of ``av.open``.
    """
    import av

    # PyAV 19 replaces by itself what is no UTF-8
    old = int(av.__version__.partition('.')[0]) < 19
    return dict(metadata_errors='replace') if old else {}


@contextmanager
def open_video(path: str, limits: Limits = LIMITS
               ) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Container and stream of a video, within limits.

    Args:
        path: The video.
        limits: Above these it is refused.

    Yields:
        Both, nothing read; closed at the end of the context.

    Raises:
        VideoError: If the file is no video, or above the limits.
    """
    import av
    if not osp.isfile(path):
        raise VideoError(f'{path}: no such file')
    if not osp.getsize(path):
        raise VideoError(f'{path} is an empty file')
    name = os.fspath(path)
    try:
        with named_errors(path):
            container = av.open(
                # else a colon in a name would make a protocol of it
                'file:' + name,
                container_options=dict(protocol_whitelist='file',
                                       format_whitelist=','.join(FORMATS)),
                **any_metadata())
    except VideoError as error:
        if isinstance(error.__cause__, av.ArgumentError):
            raise VideoError(
                f'{path} is no video but a list of other files, or of a kind '
                f'that is not read; kinds: {", ".join(FORMATS)}') from None
        raise
    with container:
        with named_errors(path):
            stream = next((
                stream for stream in container.streams.video
                if not stream.disposition & stream.disposition.attached_pic),
                None)
            if stream is None:
                raise VideoError(f'{path} holds no video stream')
            if stream.codec_context is None:
                raise VideoError(f'{path} has a codec that is not known')
            width, height = stream.codec_context.width, \
                stream.codec_context.height
        check_size(path, width, height, limits)
        yield container, stream


def check_size(path: str, width: int, height: int, limits: Limits) -> None:
    """Refuse frames that are too large.

    Args:
        path: Of the video, for messages.
        width: Of its frames, in pixels.
        height: Of its frames, in pixels.
        limits: Above these it is refused.

    Raises:
        VideoError: If there are more pixels than allowed.
    """
    if width * height > limits.pixels:
        raise VideoError(
            f'{path} has frames of {width}x{height} pixels; the limit is '
            f'{limits.pixels:,} pixels a frame')


def info_of(stream: VideoStream) -> VideoInfo:
    """What a container says of one of its streams.

    Args:
        stream: The video.

    Returns:
        Frames, rate and size.
    """
    context = stream.codec_context
    return VideoInfo(stream.frames, float(stream.average_rate or 0),
                     context.height, context.width)


def probe(path: str, limits: Limits = LIMITS) -> VideoInfo:
    """Read what the container says, without decoding.

    Args:
        path: The video.
        limits: Above these it is refused.

    Returns:
        Frames, rate and size.

    Raises:
        VideoError: If the file is no video.
    """
    with open_video(path, limits) as (_, stream), named_errors(path):
        return info_of(stream)
