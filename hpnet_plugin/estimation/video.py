"""Frames of a video, decoded once, a few at a time (PyAV)."""
import os.path as osp
from bisect import bisect_right
from typing import NamedTuple

import numpy as np

VIDEO_SUFFIXES = ('.avi', '.mp4', '.mkv', '.mov', '.webm', '.m4v', '.mpg',
                  '.mpeg', '.wmv', '.flv')


class VideoError(ValueError):
    """A file cannot be read as a video; the message says why."""


class VideoInfo(NamedTuple):
    """What a container says of its video.

    Attributes:
        frames (int): Number of frames; 0 where the container does not say.
        fps (float): Frames a second; 0 where the container does not say.
        height (int): In pixels, as displayed.
        width (int): In pixels, as displayed.
    """
    frames: int
    fps: float
    height: int
    width: int


def _open(path):
    import av
    if not osp.isfile(path):
        raise VideoError(f'{path}: no such file')
    if not osp.getsize(path):
        raise VideoError(f'{path} is an empty file')
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f'{path} is no readable video: '
                         f'{error.strerror or error}') from None
    if not container.streams.video:
        container.close()
        raise VideoError(f'{path} holds no video stream')
    return container


def probe(path):
    """Read what the container says, without decoding.

    Args:
        path (str): The video.

    Returns:
        VideoInfo: Frames, rate and size.

    Raises:
        VideoError: If the file is no video.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        return VideoInfo(stream.frames, float(stream.average_rate or 0),
                         stream.height, stream.width)


def count_packets(path):
    """Number of frames of a video by reading its packets, not decoding."""
    with _open(path) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def spread(count, most):
    """Indices of at most ``most`` of ``count`` frames, evenly spread.

    Each index is the middle frame of one of ``most`` equal parts.
    """
    if most is None or count <= most:
        return np.arange(count)
    return ((np.arange(most) + 0.5) * count / most).astype(int)


def read_frames(path, max_frames=None, chunk=8):
    """Decode a video a few frames at a time.

    Args:
        path (str): The video.
        max_frames (int, optional): Keep at most so many frames, evenly
            spread over the video. Defaults to None: all.
        chunk (int): Frames to hand out at once. Defaults to 8.

    Yields:
        tuple[list]: Numbers of the frames in the video, and the RGB frames,
        (H, W, 3) uint8, turned upright.

    Raises:
        VideoError: If the file is no video, holds no frame, or ends before
            the frames that its header promises (5 % and two frames are
            forgiven: headers of edited files are that inexact).
    """
    import av
    promised = probe(path).frames
    wanted = None
    if max_frames is not None:
        count = promised or count_packets(path)
        if count > max_frames:
            wanted = set(spread(count, max_frames).tolist())
    decoded, numbers, frames = 0, [], []
    with _open(path) as container:
        container.streams.video[0].thread_type = 'AUTO'
        try:
            for frame in container.decode(video=0):
                if wanted is None or decoded in wanted:
                    numbers.append(decoded)
                    frames.append(_upright(frame))
                decoded += 1
                if len(frames) == chunk:
                    yield numbers, frames
                    numbers, frames = [], []
        except av.FFmpegError as error:
            raise VideoError(
                f'{path} is damaged after {decoded} frames: '
                f'{error.strerror or error}') from None
    if frames:
        yield numbers, frames
    if not decoded:
        raise VideoError(f'{path} holds no frame that can be decoded')
    if promised - decoded > max(2, 0.05 * promised):
        raise VideoError(f'{path} is cut off: its header promises {promised} '
                         f'frames, {decoded} could be decoded')


def read_frames_at(path, indices):
    """Decode chosen frames of a video, and little else.

    Where the file's index tells the number of each frame, as in the clips of
    ``CropRecorder``, the decoder jumps to the key frame before a wanted frame
    whenever that spares it frames. In any other file all frames up to the
    last one wanted are decoded and counted.

    Args:
        path (str): The video.
        indices (Sequence[int]): Numbers of frames, in any order, also
            several times.

    Returns:
        list[np.ndarray]: RGB frames (H, W, 3) uint8 in the order asked,
        those of :func:`read_frames`.

    Raises:
        VideoError: If the file is no video, is damaged, or has no such frame.
    """
    import av
    wanted = sorted({int(index) for index in indices})
    if wanted and wanted[0] < 0:
        raise VideoError(f'{path} has no frame {wanted[0]}: frames are '
                         'counted from 0')
    found, position = {}, -1  # of the frame decoded last
    try:
        with _open(path) as container:
            stream = container.streams.video[0]
            # a frame a thread would be decoded in vain at every jump
            stream.thread_count = 1
            times = _key_frames(stream)
            keys = sorted(times)
            frames = container.decode(stream)
            for index in wanted:
                key = keys[bisect_right(keys, index) - 1]
                if key > position + 1:
                    container.seek(times[key], stream=stream)
                    frames = container.decode(stream)
                    position = key - 1
                for frame in frames:
                    position += 1
                    if frame.is_corrupt:
                        raise VideoError(
                            f'{path} is damaged at frame {position}')
                    if position == index:
                        found[index] = _upright(frame)
                        break
                else:
                    raise VideoError(f'{path} has no frame {index}: it ends '
                                     f'after {position + 1} frames')
    except av.FFmpegError as error:
        raise VideoError(f'{path} is damaged after {position + 1} frames: '
                         f'{error.strerror or error}') from None
    return [found[int(index)] for index in indices]


def _key_frames(stream):
    """Number and time of the frames that can be jumped to.

    Only the first where the file's index lists other frames than those shown
    or in another order.
    """
    entries = list(stream.index_entries)
    if (len(entries) == stream.frames > 0
            and not stream.codec_context.has_b_frames
            and not any(entry.is_discard for entry in entries)):
        return {number: entry.timestamp
                for number, entry in enumerate(entries)
                if entry.is_keyframe or not number}
    return {0: 0}


def _upright(frame):
    """RGB pixels of a frame, turned as its display matrix says."""
    image = frame.to_ndarray(format='rgb24')
    turns = round(getattr(frame, 'rotation', 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
