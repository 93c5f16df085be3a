"""Frames of a video: only what is wanted, a few at a time (PyAV).

A file is read twice. The first time its packets are counted and nothing is
decoded, which tells how many frames there are, when each is shown and where
decoding can begin. The second time the wanted frames are decoded, in one of
three ways; the next is taken where a file turns out to break the promises of
the one before, so that what comes out is always what plain decoding from the
first to the last frame gives:

1. jump: from key frame to key frame, over all that no wanted frame needs;
2. time: everything is decoded, a frame is known by its time;
3. count: everything is decoded, a frame is known by its place.
"""
import os
import os.path as osp
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import numpy as np

from ..resampling import weighted_frames

# Demuxers that read one file and nothing else. Playlists (concat, hls, dash,
# sdp, ...) open other files and are none of them, whatever a file is called.
FORMATS = ('mov', 'mp4', 'matroska', 'webm', 'avi', 'flv', 'asf', 'mpeg',
           'mpegts', 'mpegvideo', 'm4v', 'gif')
DAMAGED = ('refuse', 'mark')
CHUNK_BYTES = 64 << 20
# Codecs whose frames that no other frame refers to may be left out of
# decoding, and the others stay the same to the bit.
SKIPPING = ('h264', 'mpeg4')


class VideoError(ValueError):
    """A file cannot be read as a video; the message says why."""

    def __init__(self, message: str) -> None:
        # the name of a file need not be text
        super().__init__(message.encode('utf-8', 'backslashreplace').decode())


class _AstrayError(Exception):
    """A file breaks the promises that a way of reading relies on."""


class VideoInfo(NamedTuple):
    """What a container says of its video.

    Attributes:
        frames (int): Number of frames; 0 where the container does not say.
        fps (float): Frames a second; 0 where the container does not say.
        height (int): In pixels, before a display matrix turns it.
        width (int): In pixels, before a display matrix turns it.
    """
    frames: int
    fps: float
    height: int
    width: int


class Limits(NamedTuple):
    """Above these a video is refused.

    Attributes:
        pixels (int): Of a frame. Defaults to those of 8K (8192 x 4320),
            which no camera that films people exceeds; a frame is 100 MB
            then, and a decoder holds up to 16 of half that size.
        frames (int): Of a video. Defaults to 1,000,000, nine hours at 30
            frames a second: 20 bytes a frame are kept.
    """
    pixels: int = 8192 * 4320
    frames: int = 1_000_000


LIMITS = Limits()


class FrameChunk(NamedTuple):
    """Some frames of a video.

    Attributes:
        numbers (list[int]): Their numbers in the video.
        times (list[float]): When they are shown, in seconds from the first
            frame of the video.
        images (list[np.ndarray]): RGB pixels (H, W, 3) uint8, upright.
    """
    numbers: list[int]
    times: list[float]
    images: list[np.ndarray]


class _Table(NamedTuple):
    """What the packets tell of the frames of a video.

    Attributes:
        count (int): Frames.
        rank (np.ndarray): Number of the frame of each packet, in the order
            of the file, int32; -1 where none is shown.
        pts (np.ndarray): (count,) int64, ascending: the time stamp by which
            a frame is known. Empty where stamps cannot be relied on.
        times (np.ndarray): (count,) float64, seconds from the first frame.
        keys (list[int]): Numbers of the key frames, ascending.
        key_packets (list[int]): Which packet each of them is.
        key_stamps (list[int]): What to seek for to find each of them.
        constant (bool): Whether the frame rate is.
        scanned (bool): Whether packets were looked at, not an index alone.
        late (bool): Whether the file begins before its first key frame, with
            frames that need others which are not there: they are no frames.
        cut (str): What is missing at the end; empty if nothing is.
    """
    count: int
    rank: np.ndarray
    pts: np.ndarray
    times: np.ndarray
    keys: list
    key_packets: list
    key_stamps: list
    constant: bool
    scanned: bool
    late: bool
    cut: str

    def number(self, frame) -> int | None:
        """Number of a decoded frame, None if its time is not in the table."""
        if frame.pts is None:
            return None
        i = int(np.searchsorted(self.pts, frame.pts))
        return i if i < self.count and self.pts[i] == frame.pts else None


@contextmanager
def _named(path, trouble='is no readable video'):
    """Whatever PyAV raises becomes a VideoError that names the file.

    Besides its own errors it raises what Python does with what is in the
    file: names of codecs, titles, sizes, pixel formats.
    """
    try:
        yield
    except (VideoError, _AstrayError):
        raise
    except Exception as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise VideoError(f'{path} {trouble}: '
                         f'{reason or type(error).__name__}') from error


def any_metadata() -> dict[str, str]:
    """What ``av.open`` has to be told to accept titles that are no UTF-8."""
    import av

    # PyAV 19 replaces by itself what is no UTF-8
    old = int(av.__version__.partition('.')[0]) < 19
    return dict(metadata_errors='replace') if old else {}


@contextmanager
def _open(path, limits: Limits = LIMITS):
    """Container and stream of a video, within limits."""
    import av
    if not osp.isfile(path):
        raise VideoError(f'{path}: no such file')
    if not osp.getsize(path):
        raise VideoError(f'{path} is an empty file')
    name = os.fspath(path)
    try:
        with _named(path):
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
        with _named(path):
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
        _check_size(path, width, height, limits)
        yield container, stream


def _check_size(path, width, height, limits):
    if width * height > limits.pixels:
        raise VideoError(
            f'{path} has frames of {width}x{height} pixels; the limit is '
            f'{limits.pixels:,} pixels a frame')


def _info(stream) -> VideoInfo:
    context = stream.codec_context
    return VideoInfo(stream.frames, float(stream.average_rate or 0),
                     context.height, context.width)


def probe(path: str, limits: Limits = LIMITS) -> VideoInfo:
    """Read what the container says, without decoding.

    Args:
        path (str): The video.
        limits (Limits): Above these it is refused.

    Returns:
        VideoInfo: Frames, rate and size.

    Raises:
        VideoError: If the file is no video.
    """
    with _open(path, limits) as (_, stream), _named(path):
        return _info(stream)


def spread(count: int, most: int | None) -> np.ndarray:
    """Indices of at most ``most`` of ``count`` frames, evenly spread.

    Each index is the middle frame of one of ``most`` equal parts.
    """
    if most is None or count <= most:
        return np.arange(count)
    return ((np.arange(most) + 0.5) * count / most).astype(int)


def spread_times(times: np.ndarray, most: int) -> np.ndarray:
    """Indices of at most ``most`` frames, evenly spread in time.

    The time of the video, the last frame's own included, is cut into
    ``most`` equal parts; of each the frame nearest to the middle is taken,
    once. Frames of one rate are those of :func:`spread`.

    Args:
        times (np.ndarray): (T,) ascending, when each frame appears.
        most (int): Frames wanted.

    Returns:
        np.ndarray: Ascending; fewer than ``most`` where the video pauses.
    """
    if len(times) <= most:
        return np.arange(len(times))
    gap = np.median(np.diff(times))
    instants = (times[0] - gap / 2 + (np.arange(most) + 0.5)
                * (times[-1] - times[0] + gap) / most)
    after = np.clip(np.searchsorted(times, instants), 1, len(times) - 1)
    nearer = instants - times[after - 1] < times[after] - instants
    return np.unique(after - nearer)


def frames_at_rate(times: np.ndarray, fps: float) -> np.ndarray:
    """Indices of the frames that are nearest to 0, 1 / fps, 2 / fps, ... s.

    Between two that are as near the earlier one is taken. No frame is taken
    twice, so that a video of fewer frames a second is taken as a whole.

    Args:
        times (np.ndarray): (T,) ascending, when each frame appears, in
            seconds from the first.
        fps (float): Frames a second that are wanted.

    Returns:
        np.ndarray: Ascending.
    """
    if len(times) < 2:
        return np.arange(len(times))
    gaps = np.diff(times)
    # what each frame is nearest to; the last is shown for as long as most
    ends = np.append(times[:-1] + gaps / 2, times[-1] + np.median(gaps) / 2)
    # times of files are rounded to at best a microsecond
    reached = np.floor(ends * fps + 1e-6)
    return np.flatnonzero(np.diff(reached, prepend=-1) > 0)


def choose_frames(times: np.ndarray,
                  constant: bool = True,
                  max_frames: int | None = None,
                  length: int | None = None,
                  fps: float | None = None) -> np.ndarray:
    """Numbers of the frames that are wanted of a video.

    Args:
        times (np.ndarray): (T,) ascending, when each frame appears.
        constant (bool): Whether the frame rate is.
        max_frames (int, optional): See :class:`VideoReader`, as the others;
            all frames if none is given.
        length (int, optional): Likewise.
        fps (float, optional): Likewise.

    Raises:
        ValueError: If one is out of range, or several are given.
    """
    _check_choice(max_frames, length, fps)
    if length is not None:
        return weighted_frames(len(times), length)
    if fps is not None:
        return frames_at_rate(times, fps)
    if max_frames is not None and not constant:
        return spread_times(times, max_frames)
    return spread(len(times), max_frames)


class VideoReader:
    """The wanted frames of one video.

    Args:
        path (str): The video.
        max_frames (int, optional): Keep at most so many frames, evenly
            spread over the video: by number, or by time where the frame rate
            is not constant. Defaults to None: all.
        length (int, optional): Keep the frames that a linear resampling of
            all frames to this length would blend, at most twice as many.
            Defaults to None: all.
        fps (float, optional): Keep the frames nearest to each of so many
            instants a second, see :func:`frames_at_rate`. Defaults to None:
            all. At most one of ``max_frames``, ``length`` and ``fps`` can be
            given.
        damaged (str): What becomes of a video that is cut off or holds
            frames that cannot be decoded. ``'refuse'``: a VideoError;
            ``'mark'``: what can be decoded is given out, broken frames as
            the decoder mended them, and ``damage`` says what is wrong.
            Damage is looked for where frames are decoded for a wanted one,
            and at the end of the file. Defaults to ``'refuse'``.
        limits (Limits): Above these it is refused.
        threads (int): Threads of the decoder, 0 for one a core. Changes
            nothing in what comes out. Defaults to 1.

    Attributes:
        info (VideoInfo): What the container says.
        count (int): Frames that are in the file. Where packets and frames
            differ a little (5 % and two frames are forgiven: files that were
            edited are that inexact), the end of :meth:`chunks` puts
            ``count``, ``numbers`` and ``times`` right.
        numbers (np.ndarray): (N,) int64, the wanted frames, ascending.
        times (np.ndarray): (N,) float64, when they are shown, in seconds
            from the first frame of the video.
        damage (str | None): What is wrong with the video, as far as it was
            read.

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
        _check_choice(max_frames, length, fps)
        if damaged not in DAMAGED:
            raise ValueError(
                f'damaged must be one of {DAMAGED}, got {damaged!r}')
        self.path, self.damaged, self.limits = path, damaged, limits
        self.threads = threads
        with _open(path, limits) as (container, stream), _named(path):
            self.info = _info(stream)
            self._table = table = _scan(path, container, stream, limits)
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
            max_frames (int, optional): See the class.
            length (int, optional): See the class.
            fps (float, optional): See the class.

        Raises:
            ValueError: If one is out of range, or several are given.
        """
        table = self._table
        self.numbers = choose_frames(table.times, table.constant, max_frames,
                                     length, fps)
        self.times = table.times[self.numbers]

    def __enter__(self) -> 'VideoReader':
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget what was read; an iteration under way ends."""
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    _frames = None

    def chunks(self, chunk: int = 8) -> Iterator[FrameChunk]:
        """Decode the wanted frames, a few at a time.

        Args:
            chunk (int): Frames to hand out at once; fewer where frames are
                so large that they would exceed 64 MiB. Defaults to 8.

        Yields:
            FrameChunk: Numbers, times, images.

        Raises:
            VideoError: If frames are broken or missing, unless
                ``damaged='mark'``.
        """
        self.close()
        decoding = _Decoding(self.path, self._table, self.numbers,
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


def _check_choice(max_frames, length, fps):
    given = {name: value for name, value in dict(
        max_frames=max_frames, length=length, fps=fps).items()
        if value is not None}
    if len(given) > 1:
        raise ValueError(f'{" and ".join(given)} exclude each other: got '
                         f'{" and ".join(map(str, given.values()))}')
    for name, value in given.items():
        if name == 'fps' and not 0 < value < float('inf'):
            raise ValueError(f'fps must be above 0, got {value}')
        if name != 'fps' and value < 1:
            raise ValueError(f'{name} must be 1 or more, got {value}')


def _time(times, number):
    """Also of frames that came without a packet of their own."""
    if number < len(times):
        return float(times[number])
    gap = float(times[-1] - times[-2]) if len(times) > 1 else 0
    return float(times[-1]) + (number - len(times) + 1) * gap


def read_frames(path: str, max_frames: int | None = None, chunk: int = 8
                ) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Decode a video a few frames at a time.

    Args:
        path (str): The video.
        max_frames (int, optional): See :class:`VideoReader`.
        chunk (int): Frames to hand out at once. Defaults to 8.

    Yields:
        tuple[list]: Numbers of the frames in the video, and the RGB frames,
        (H, W, 3) uint8, turned upright.

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
        path (str): The video.
        indices (Sequence[int]): Numbers of frames, in any order, also
            several times.

    Returns:
        list[np.ndarray]: RGB frames (H, W, 3) uint8 in the order asked,
        those of :func:`read_frames`.

    Raises:
        VideoError: If the file is no video, is damaged, or has no such frame.
    """
    wanted = sorted({int(index) for index in indices})
    if wanted and wanted[0] < 0:
        raise VideoError(f'{path} has no frame {wanted[0]}: frames are '
                         'counted from 0')
    if not wanted:
        return []
    with _open(path, LIMITS) as opened:
        with _named(path):
            table = _indexed(*opened)
            if table is None:
                table, opened = _scan(path, *opened, LIMITS), None
        decoding = _Decoding(path, table, np.array(wanted, np.int64),
                             'refuse', LIMITS, 1)
        found = dict(decoding.frames(opened))
    for index in wanted:
        if index not in found:
            raise VideoError(f'{path} has no frame {index}: it ends after '
                             f'{decoding.count} frames')
    return [found[int(index)] for index in indices]


class _Decoding:
    """One reading of wanted frames; what it learns is in its attributes.

    Attributes:
        count (int): Frames of the video, as far as known.
        damages (list[str]): What is wrong with it.
    """

    def __init__(self, path, table, wanted, damaged, limits, threads):
        self.path, self.table, self.wanted = path, table, wanted
        self.damaged, self.limits, self.threads = damaged, limits, threads
        self.everything = len(wanted) == table.count
        self.count, self.damages = table.count, []
        self.done = -1  # the frame given out last
        self.image = UprightImages(path, limits)

    def frames(self, opened=None):
        """Yield (number, image) of the wanted frames.

        ``opened`` is the file's container and stream where they are at hand,
        nothing read.
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
                with (nullcontext(opened) if opened else
                      _open(self.path, self.limits)) as (container, stream):
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
            except _AstrayError:
                continue
            except VideoError:
                if way != self._jump:
                    raise

    def _left(self):
        return self.wanted[self.wanted > self.done].tolist()

    def _jump(self, container, stream):
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
                        raise _AstrayError
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
                    raise _AstrayError
                last = found
            if last != number:
                raise _AstrayError
            yield number, frame

    def _try(self, packet):
        try:
            return packet.decode()
        except Exception:
            raise _AstrayError from None

    def _go(self, container, stream, packets, fed, key):
        """Read on at a key frame; its packet comes next."""
        table = self.table
        goal = table.key_packets[key]
        if _seekable(container):
            try:
                container.seek(table.key_stamps[key], stream=stream)
            except Exception:
                raise _AstrayError from None
            stamp = table.pts[table.keys[key]]
            packets = _demux(self.path, container, stream)
            for packet in packets:
                if packet.size and packet.pts == stamp:
                    return _with(packet, packets), goal
                if not packet.size or packet.is_keyframe and \
                        packet.pts is not None and packet.pts > stamp:
                    break
            raise _AstrayError
        # a flush alone: all that waits in the decoder is before the jump
        stream.codec_context.flush_buffers()
        for packet in packets:
            if fed == goal and packet.size:
                return _with(packet, packets), goal
            fed += packet.size > 0
        raise _AstrayError

    def _time(self, container, stream):
        return self._all(container, stream, timed=True)

    def _count(self, container, stream):
        return self._all(container, stream, timed=False)

    def _all(self, container, stream, timed):
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
                        raise _AstrayError
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

    def _judge(self, errors, corrupt, decoded, whole):
        """What was wrong, ``whole``: up to the end of the file."""
        if not decoded:
            raise VideoError(
                f'{self.path} holds no frame that can be decoded'
                + (f': {errors[0]}' if errors else ''))
        count = self.table.count
        if whole and count - decoded > _slack(count):
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
        path (str): Of the video, for messages.
        limits (Limits): Above these a frame is refused.
    """

    def __init__(self, path: str, limits: Limits = LIMITS) -> None:
        from av.video.reformatter import VideoReformatter
        self.path, self.limits, self.size = path, limits, None
        self.converter = VideoReformatter()

    def __call__(self, frame) -> np.ndarray:
        """RGB pixels (H, W, 3) of an av.VideoFrame, turned upright.

        Raises:
            VideoError: If the frame is above the limits, or its pixels
                cannot be converted.
        """
        with _named(self.path):
            _check_size(self.path, frame.width, frame.height, self.limits)
            # a stream may change its size on the way: the first stays
            self.size = self.size or (frame.width, frame.height)
            turns = round(frame.rotation / 90) % 4
            image = self.converter.reformat(
                frame, *self.size, format='rgb24', threads=1).to_ndarray()
        return np.ascontiguousarray(np.rot90(image, turns))


def _slack(count):
    return max(2, 0.05 * count)


def _seekable(container):
    """Whether a key frame is found without reading all before it."""
    return container.format.name.startswith(('mov', 'matroska'))


def _demux(path, container, stream):
    packets = container.demux(stream)
    while True:
        with _named(path, 'is damaged'):
            packet = next(packets, None)
        if packet is None:
            return
        yield packet


def _with(packet, packets):
    yield packet
    yield from packets


def _indexed(container, stream):
    """Table of a file whose index lists all frames, in their order.

    Returns:
        _Table | None: None where the index lists other frames than those
        shown, or in another order.
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
    return _Table(len(stamps), np.arange(len(stamps)), stamps, stamps * 0.,
                  keys, keys, stamps[keys].tolist(), True, False, False, '')


def _scan(path, container, stream, limits):
    """Count the packets of a video.

    Args:
        path (str): For messages.
        container (InputContainer): Its container, read to the end.
        stream (VideoStream): Its stream.
        limits (Limits): Above these it is refused.

    Returns:
        _Table: What they tell.
    """
    promised = _promise(container, stream)
    pts, dts, flags = array('q'), array('q'), bytearray()
    nothing = -1 << 63
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
            pts.append(nothing if packet.pts is None else packet.pts)
            dts.append(nothing if packet.dts is None else packet.dts)
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
    return _tabulate(container, stream, np.frombuffer(pts, np.int64),
                     np.frombuffer(dts, np.int64),
                     np.frombuffer(flags, np.uint8), promised, end, broken)


def _tabulate(container, stream, pts, dts, flags, promised, end, broken):
    kind = container.format.name
    nothing = np.iinfo(np.int64).min
    shown, is_key = (flags & 1).astype(bool), (flags & 2).astype(bool)
    late = is_key.any() and not is_key[0]
    if late:
        begin = is_key.argmax()
        shown[:begin] = False
        shown &= pts >= pts[begin]
    count = int(shown.sum())
    stamps = np.sort(pts[shown])
    unique = bool(count) and stamps[0] > nothing and (
        np.diff(stamps) > 0).all()
    # AVI stores no times: those of its packets are guessed
    if kind == 'avi':
        known = (not stream.codec_context.has_b_frames
                 and stream.codec_context.name not in ('h264', 'hevc')
                 and np.array_equal(pts, dts))
    else:
        known = kind.startswith(('mov', 'matroska', 'flv'))
    rank = np.full(len(pts), -1, np.int32)
    keys = []
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
        key = np.zeros(0, int)
        if count and order[0] > nothing and (np.diff(order) > 0).all():
            clock = order
        elif not unique:
            clock = None
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    if clock is None:
        times = np.arange(count) / rate
    else:
        times = (clock - clock[:1]) * float(stream.time_base)
    # seeking goes by decoding time in mp4, by showing time in mkv
    seek = dts if kind.startswith('mov') else pts
    return _Table(
        count, rank, stamps if unique and known else stamps[:0], times, keys,
        key.tolist(), seek[key].tolist(), _constant(times), True,
        bool(late), _cut(kind, stream, promised, times, dts, end, broken))


def _constant(times):
    """Whether no frame is half a frame away from where a rate puts it."""
    if len(times) < 3:
        return True
    even = np.linspace(times[0], times[-1], len(times))
    # time stamps of milliseconds are rounded by one at most
    slack = max(times[-1] / (len(times) - 1) / 2, 0.002)
    return bool(np.abs(times - even).max() <= slack)


def _promise(container, stream):
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


def _cut(kind, stream, promised, times, dts, end, broken):
    """What is missing at the end of a file, compared with its header."""
    frames, seconds = promised
    count = there = len(times)
    if kind.startswith('mov'):
        there = len(dts)  # those that an edit list leaves out, too
    if kind == 'avi' and count:
        # frames that repeat the one before have no packet
        there = max(count, int(dts[-1]) + 1)
    if frames - there > _slack(frames):
        return (f'cut off: its header promises {frames} frames, {count} are '
                'there')
    if seconds and count:
        gaps = np.diff(times) if count > 1 else np.ones(1)
        gap, longest = float(np.median(gaps)), float(gaps.max())
        end = max(end, end - float((stream.start_time or 0)
                                   * stream.time_base))
        if seconds - end > max(2 * gap, longest, 0.05 * seconds):
            return (f'cut off: its header promises {seconds:.1f} s, about '
                    f'{round(seconds / gap) if gap else "?"} frames; {count} '
                    f'frames of {end:.1f} s are there')
    if broken:
        return f'damaged after {count} frames: {broken}'
    return ''
