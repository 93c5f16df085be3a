"""Decoding the wanted frames of a video.

In one of three ways; the next is taken where a file turns out to break the
promises of the one before, so that what comes out is always what plain
decoding from the first to the last frame gives:

1. jump: from key frame to key frame, over all that no wanted frame needs;
2. time: everything is decoded, a frame is known by its time;
3. count: everything is decoded, a frame is known by its place.
"""
from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np

from .frame_table import FrameTable, slack
from .video_file import (
    LIMITS,
    AstrayError,
    Limits,
    VideoError,
    check_size,
    named_errors,
    open_video,
)

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    Frames = Iterator[tuple[int, VideoFrame]]

# Codecs whose frames that no other frame refers to may be left out of
# decoding, and the others stay the same to the bit.
SKIPPING = ('h264', 'mpeg4')


class FrameDecoder:
    """One reading of wanted frames; what it learns is in its attributes.

    Args:
        path: The video.
        table: What its packets tell.
        wanted: (N,) int64, ascending, the numbers of the frames.
        damaged: See :class:`~hpnet_plugin.estimation.video.VideoReader`, as
            ``limits`` and ``threads``.
        limits: Likewise.
        threads: Likewise.

    Attributes:
        count: Frames of the video, as far as known.
        damages: What is wrong with it.
    """

    def __init__(self, path: str, table: FrameTable, wanted: np.ndarray,
                 damaged: str, limits: Limits, threads: int) -> None:
        self.path, self.table, self.wanted = path, table, wanted
        self.damaged, self.limits, self.threads = damaged, limits, threads
        self.everything = len(wanted) == table.count
        self.count = table.count
        self.damages: list[str] = []
        self.done = -1  # the frame given out last
        self.image = UprightImages(path, limits)

    def frames(
        self, opened: tuple[InputContainer, VideoStream] | None = None
    ) -> Generator[tuple[int, np.ndarray]]:
        """Decode the wanted frames.

        Args:
            opened: The file's container and stream where they are at hand,
                nothing read.

        Yields:
            Number and pixels, (H, W, 3) uint8, of each of the frames.

        Raises:
            VideoError: If frames are broken or missing, unless these are only
                to be marked.
        """
        table, ways = self.table, [self._count]
        if len(table.pts) and table.scanned:
            ways.insert(0, self._time)
        # else more is wanted than there is, or nothing can be spared
        if (table.keys and not table.late and self.wanted[-1] < table.count
                and not (self.everything and table.scanned)):
            ways.insert(0, self._jump)
        for way in ways:
            self.damages = []
            try:
                # closed at once if the caller stops, not when collected
                with (nullcontext(opened) if opened else open_video(
                        self.path, self.limits)) as (container, stream):
                    opened = None
                    context = stream.codec_context
                    context.thread_count = self.threads
                    context.thread_type = 'AUTO'
                    # the decoder counts the margins that it adds
                    context.options = dict(
                        max_pixels=str(2 * self.limits.pixels + (1 << 20)))
                    for number, frame in way(container, stream):
                        self.done = number
                        yield number, self.image(frame)
                return
            except AstrayError:
                continue
            except VideoError:
                if way != self._jump:
                    raise

    def _left(self) -> list[int]:
        return self.wanted[self.wanted > self.done].tolist()

    def _jump(self, container: InputContainer, stream: VideoStream) -> Frames:
        """From key frame to key frame."""
        table, context = self.table, stream.codec_context
        packets, fed = _demux(self.path, container, stream), 0
        first, last, waiting = 0, -1, deque()
        left = self._left()
        wanted = set(left)
        skips = self.threads == 1 and context.name in SKIPPING
        for number in left:
            key = bisect_right(table.keys, number) - 1
            if key >= 0 and table.key_packets[key] > fed:
                packets, fed = self._go(container, stream, packets, fed, key)
                first = table.keys[key]
                last, waiting = first - 1, deque()
            while last < number:
                while not waiting:
                    packet = next(packets, None)
                    if packet is None:
                        raise AstrayError
                    if skips and packet.size:
                        use = fed >= len(table.rank) or \
                            table.rank[fed] in wanted
                        context.skip_frame = 'DEFAULT' if use else 'NONREF'
                    fed += packet.size > 0
                    waiting.extend(self._try(packet))
                frame = waiting.popleft()
                found = table.number(frame)
                if found is not None and found < first:
                    continue  # leads the key frame and needs what is before
                if (found is None or found <= last or frame.is_corrupt
                        or last < first != found):
                    raise AstrayError
                last = found
            if last != number:
                raise AstrayError
            # pyrefly: ignore[unbound-name]  # last < number: one was read
            yield number, frame

    def _try(self, packet: Packet) -> list[VideoFrame]:
        try:
            return packet.decode()
        except Exception:
            raise AstrayError from None

    def _go(self, container: InputContainer, stream: VideoStream,
            packets: Iterator[Packet], fed: int, key: int
            ) -> tuple[Iterator[Packet], int]:
        """Read on at a key frame; its packet comes next."""
        table = self.table
        goal = table.key_packets[key]
        if _seekable(container):
            try:
                container.seek(table.key_stamps[key], stream=stream)
            except Exception:
                raise AstrayError from None
            stamp = table.pts[table.keys[key]]
            packets = _demux(self.path, container, stream)
            for packet in packets:
                if packet.size and packet.pts == stamp:
                    return _with(packet, packets), goal
                if not packet.size or packet.is_keyframe and \
                        packet.pts is not None and packet.pts > stamp:
                    break
            raise AstrayError
        # a flush alone: all that waits in the decoder is before the jump
        stream.codec_context.flush_buffers()
        for packet in packets:
            if fed == goal and packet.size:
                return _with(packet, packets), goal
            fed += packet.size > 0
        raise AstrayError

    def _time(self, container: InputContainer, stream: VideoStream) -> Frames:
        return self._all(container, stream, timed=True)

    def _count(self, container: InputContainer, stream: VideoStream) -> Frames:
        return self._all(container, stream, timed=False)

    def _all(self, container: InputContainer, stream: VideoStream,
             timed: bool) -> Frames:
        """Everything, up to the last wanted frame."""
        wanted, end, done = set(self._left()), self.wanted[-1], self.done
        last, decoded, corrupt, key, errors = -1, 0, 0, False, []
        packets = _demux(self.path, container, stream)
        try:
            for packet in packets:
                try:
                    frames = packet.decode()
                except Exception as error:
                    errors.append(getattr(error, 'strerror', 0) or str(error))
                    if self.damaged == 'refuse':
                        raise VideoError(
                            f'{self.path} is damaged at frame {last + 1} of '
                            f'{self.table.count}: {errors[0]}') from None
                    continue
                for frame in frames:
                    # before the first key frame nothing is whole
                    key = key or frame.key_frame
                    if not key and self.table.late:
                        continue
                    number = self.table.number(frame) if timed else last + 1
                    if number is None or number <= last:
                        raise AstrayError
                    last, decoded = number, decoded + 1
                    corrupt += key and frame.is_corrupt
                    if corrupt and self.damaged == 'refuse':
                        raise VideoError(
                            f'{self.path} is damaged at frame {number} of '
                            f'{self.table.count}: it could be decoded in '
                            'part only')
                    if number > done and (number in wanted
                                          or self.everything):
                        yield number, frame
                if last >= end and not self.everything:
                    self._judge(errors, corrupt, decoded, False)
                    return
        except VideoError as error:
            if self.damaged == 'refuse' or not decoded:
                raise
            errors.append(str(error))
        self._judge(errors, corrupt, decoded, True)
        if not timed:
            self.count = decoded

    def _judge(self, errors: list[str], corrupt: int, decoded: int,
               whole: bool) -> None:
        """What was wrong, ``whole``: up to the end of the file."""
        if not decoded:
            raise VideoError(
                f'{self.path} holds no frame that can be decoded'
                + (f': {errors[0]}' if errors else ''))
        count = self.table.count
        if whole and count - decoded > slack(count):
            self.damages.append(f'only {decoded} of {count} frames could be '
                                'decoded')
            if self.damaged == 'refuse':
                raise VideoError(f'{self.path} is damaged: {self.damages[0]}')
        if corrupt:
            self.damages.append(f'{corrupt} of {count} frames could be '
                                'decoded in part only')
        if errors:
            self.damages.append(f'{len(errors)} of {count} frames could not '
                                f'be decoded: {errors[0]}')


class UprightImages:
    """Pixels of frames, all of one size.

    A converter that is kept and has no threads of its own costs a fifth of
    what ``frame.to_ndarray(format='rgb24')`` costs, and gives the same.

    Args:
        path: Of the video, for messages.
        limits: Above these a frame is refused.
    """

    def __init__(self, path: str, limits: Limits = LIMITS) -> None:
        from av.video.reformatter import VideoReformatter
        self.path, self.limits = path, limits
        self.size: tuple[int, int] | None = None
        self.converter = VideoReformatter()

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        """Pixels of a frame, turned upright.

        Args:
            frame: As the decoder gives it.

        Returns:
            (H, W, 3) uint8, RGB.

        Raises:
            VideoError: If the frame is above the limits, or its pixels cannot
                be converted.
        """
        with named_errors(self.path):
            check_size(self.path, frame.width, frame.height, self.limits)
            # a stream may change its size on the way: the first stays
            self.size = self.size or (frame.width, frame.height)
            turns = round(frame.rotation / 90) % 4
            image = self.converter.reformat(
                frame, *self.size, format='rgb24', threads=1).to_ndarray()
        return np.ascontiguousarray(np.rot90(image, turns))


def _seekable(container: InputContainer) -> bool:
    """Whether a key frame is found without reading all before it."""
    return container.format.name.startswith(('mov', 'matroska'))


def _demux(path: str, container: InputContainer, stream: VideoStream
           ) -> Iterator[Packet]:
    packets = container.demux(stream)
    while True:
        with named_errors(path, 'is damaged'):
            packet = next(packets, None)
        if packet is None:
            return
        yield packet


def _with(packet: Packet, packets: Iterator[Packet]) -> Iterator[Packet]:
    yield packet
    yield from packets
