"""What the packets of a video tell of its frames; nothing is decoded."""
from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .video_file import Limits, VideoError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

NOTHING = -1 << 63  # in place of a time stamp that is not there


class FrameTable(NamedTuple):
    """What the packets tell of the frames of a video.

    Attributes:
        count: Frames.
        rank: Number of the frame of each packet, in the order of the file,
            int32; -1 where none is shown.
        pts: (count,) int64, ascending: the time stamp by which a frame is
            known. Empty where stamps cannot be relied on.
        times: (count,) float64, seconds from the first frame.
        keys: Numbers of the key frames, ascending.
        key_packets: Which packet each of them is.
        key_stamps: What to seek for to find each of them.
        constant: Whether the frame rate is.
        scanned: Whether packets were looked at, not an index alone.
        late: Whether the file begins before its first key frame, with frames
            that need others which are not there: they are no frames.
        cut: What is missing at the end; empty if nothing is.
    """
    count: int
    rank: np.ndarray
    pts: np.ndarray
    times: np.ndarray
    keys: list[int]
    key_packets: list[int]
    key_stamps: list[int]
    constant: bool
    scanned: bool
    late: bool
    cut: str

    def number(self, frame: VideoFrame) -> int | None:
        """Number of a decoded frame.

        Args:
            frame: As the decoder gives it.

        Returns:
            Its number, None if its time is not in the table.
        """
        if frame.pts is None:
            return None
        i = int(np.searchsorted(self.pts, frame.pts))
        return i if i < self.count and self.pts[i] == frame.pts else None


def table_of_index(container: InputContainer, stream: VideoStream
                   ) -> FrameTable | None:
    """Table of a file whose index lists all frames, in their order.

    Args:
        container: Of the video; only mp4 and its kin have such an index.
        stream: The video.

    Returns:
        The table; None where the index lists other frames than those shown, or
        in another order.
    """
    context, entries = stream.codec_context, stream.index_entries
    if (not container.format.name.startswith('mov')
            or not len(entries) == stream.frames > 0 or context.has_b_frames):
        return None
    entries = list(entries)
    if any(entry.is_discard for entry in entries):
        return None
    stamps = np.array([entry.timestamp for entry in entries], np.int64)
    keys = [i for i, entry in enumerate(entries) if entry.is_keyframe or not i]
    if (np.diff(stamps) <= 0).any():
        return None
    return FrameTable(len(stamps), np.arange(len(stamps)), stamps, stamps * 0.,
                  keys, keys, stamps[keys].tolist(), True, False, False, '')


def table_of_packets(path: str, container: InputContainer,
                     stream: VideoStream, limits: Limits) -> FrameTable:
    """Count the packets of a video.

    Args:
        path: For messages.
        container: Its container, read to the end.
        stream: Its stream.
        limits: Above these it is refused.

    Returns:
        What they tell.

    Raises:
        VideoError: If there are more frames than allowed.
    """
    promised = _promise(container, stream)
    pts, dts, flags = array('q'), array('q'), bytearray()
    shows_all = stream.codec_context.name != 'vp8'
    end = 0.
    try:
        for packet in container.demux():
            if not packet.size:
                continue
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None:
                end = max(end, float(
                    (stamp + (packet.duration or 0)) * packet.time_base))
            if packet.stream_index != stream.index:
                continue
            # VP8 has frames that are only referred to
            shown = not packet.is_discard and (
                shows_all or memoryview(packet)[0] & 16)
            pts.append(NOTHING if packet.pts is None else packet.pts)
            dts.append(NOTHING if packet.dts is None else packet.dts)
            flags.append(bool(shown) + 2 * bool(packet.is_keyframe))
            if len(pts) > limits.frames:
                raise VideoError(f'{path} has more than {limits.frames:,} '
                                 'frames, the limit')
    except VideoError:
        raise
    except Exception as error:
        broken = getattr(error, 'strerror', None) or str(error)
    else:
        broken = ''
    return _tabulate(container.format.name, stream, _Packets(
        np.frombuffer(pts, np.int64), np.frombuffer(dts, np.int64),
        np.frombuffer(flags, np.uint8), *promised, end, broken))


class _Packets(NamedTuple):
    """The packets of a video, in the order of the file, and its header.

    Attributes:
        pts: (P,) int64, when each is shown, in units of the stream; NOTHING
            where it does not say.
        dts: (P,) int64, when each is to be decoded.
        flags: (P,) uint8, 1 if it is shown, plus 2 of a key frame.
        frames: What the header promises; 0 if nothing.
        seconds: Likewise.
        end: Seconds at the end of the last packet of any stream.
        broken: Why reading ended early; empty if it did not.
    """
    pts: np.ndarray
    dts: np.ndarray
    flags: np.ndarray
    frames: int
    seconds: float
    end: float
    broken: str


def _tabulate(kind: str, stream: VideoStream, packets: _Packets
              ) -> FrameTable:
    pts, dts, flags, *_ = packets
    shown, is_key = (flags & 1).astype(bool), (flags & 2).astype(bool)
    late = is_key.any() and not is_key[0]
    if late:
        begin = is_key.argmax()
        shown[:begin] = False
        shown &= pts >= pts[begin]
    count = int(shown.sum())
    stamps = np.sort(pts[shown])
    unique = bool(count) and stamps[0] > NOTHING and (
        np.diff(stamps) > 0).all()
    # AVI stores no times: those of its packets are guessed
    if kind == 'avi':
        known = (not stream.codec_context.has_b_frames
                 and stream.codec_context.name not in ('h264', 'hevc')
                 and np.array_equal(pts, dts))
    else:
        known = kind.startswith(('mov', 'matroska', 'flv'))
    rank = np.full(len(pts), -1, np.int32)
    keys, key = [], np.zeros(0, int)
    if unique and known:
        rank[shown] = np.searchsorted(stamps, pts[shown])
        key = np.flatnonzero(is_key & shown)
        key = key[np.argsort(rank[key])]
        # one that comes before an earlier one in the file helps nobody
        key = key[np.maximum.accumulate(key) == key] if len(key) else key
        keys = rank[key].tolist()
    clock = stamps
    if not (unique and known):
        order = dts[shown]
        if count and order[0] > NOTHING and (np.diff(order) > 0).all():
            clock = order
        elif not unique:
            clock = None
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    if clock is None:
        times = np.arange(count) / rate
    else:
        times = (clock - clock[:1]) * float(stream.time_base or 0)
    # seeking goes by decoding time in mp4, by showing time in mkv
    seek = dts if kind.startswith('mov') else pts
    return FrameTable(
        count, rank, stamps if unique and known else stamps[:0], times, keys,
        key.tolist(), seek[key].tolist(), _constant(times), True,
        bool(late), _cut(kind, stream, packets, times))


def _constant(times: np.ndarray) -> bool:
    """Whether no frame is half a frame away from where a rate puts it."""
    if len(times) < 3:
        return True
    even = np.linspace(times[0], times[-1], len(times))
    # time stamps of milliseconds are rounded by one at most
    allowed = max(times[-1] / (len(times) - 1) / 2, 0.002)
    return bool(np.abs(times - even).max() <= allowed)


def _promise(container: InputContainer, stream: VideoStream
             ) -> tuple[int, float]:
    """What the header says that the file holds: frames, and seconds."""
    kind = container.format.name
    frames = stream.frames
    if kind.startswith('mov'):
        # less where frames are in the file that an edit list leaves out
        frames = len(stream.index_entries) or frames
    seconds = 0.
    # in others FFmpeg guesses it from the file's size
    if kind.startswith(('matroska', 'flv', 'asf')) and container.duration:
        seconds = container.duration / 1e6
    return frames, seconds


def _cut(kind: str, stream: VideoStream, packets: _Packets,
         times: np.ndarray) -> str:
    """What is missing at the end of a file, compared with its header."""
    _, dts, _, frames, seconds, end, broken = packets
    count = there = len(times)
    if kind.startswith('mov'):
        there = len(dts)  # those that an edit list leaves out, too
    if kind == 'avi' and count:
        # frames that repeat the one before have no packet
        there = max(count, int(dts[-1]) + 1)
    if frames - there > slack(frames):
        return (f'cut off: its header promises {frames} frames, {count} are '
                'there')
    if seconds and count:
        gaps = np.diff(times) if count > 1 else np.ones(1)
        gap, longest = float(np.median(gaps)), float(gaps.max())
        end = max(end, end - float((stream.start_time or 0)
                                   * (stream.time_base or 0)))
        if seconds - end > max(2 * gap, longest, 0.05 * seconds):
            return (f'cut off: its header promises {seconds:.1f} s, about '
                    f'{round(seconds / gap) if gap else "?"} frames; {count} '
                    f'frames of {end:.1f} s are there')
    if broken:
        return f'damaged after {count} frames: {broken}'
    return ''


def slack(count: int) -> float:
    """By how many frames the numbers of packets and frames may differ.

    Args:
        count: Frames that are expected.

    Returns:
        Files that were edited are that inexact.
    """
    return max(2, 0.05 * count)
