"""Frames encoded as a video file."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import numpy as np

from ..files import open_whole


@contextmanager
def video_writer(out: str | os.PathLike, fps: float = 0.
                 ) -> Iterator[Callable[[np.ndarray, float], None]]:
    """Encode frames as H.264; the file appears when the block has ended.

    Args:
        out: The file, an mp4.
        fps: Frames a second, as far as known; players go by the times.

    Yields:
        Called with a frame, (H, W, 3) uint8 RGB, all of one size, and its time
        in s, ascending. An odd height or width grows by a pixel.

    Raises:
        ValueError: If no frame was written, or sizes differ.
        OSError: If the file cannot be written.
    """
    import av
    from av.video.reformatter import ColorRange, Colorspace
    ticks = 90_000
    with open_whole(out) as file, av.open(
            file.name, 'w', format='mp4',
            options=dict(movflags='faststart')) as container:
        stream = container.add_stream(
            'libx264', rate=Fraction(fps or 25).limit_denominator(1001),
            options=dict(crf='23', preset='veryfast'))
        context = stream.codec_context
        context.time_base = stream.time_base = Fraction(1, ticks)
        stream.pix_fmt = 'yuv420p'
        context.colorspace = context.color_primaries = context.color_trc = 1
        context.color_range = 1
        size, last = None, -1

        def write(image: np.ndarray, time: float) -> None:
            nonlocal size, last
            height, width = image.shape[:2]
            if size is None:
                size = image.shape
                stream.height = height + height % 2
                stream.width = width + width % 2
            if image.shape != size:
                raise ValueError(
                    f'a video has frames of one size: the first had '
                    f'{size[1]}x{size[0]} pixels, this has {width}x{height}')
            if height % 2 or width % 2:
                image = np.pad(image, ((0, height % 2), (0, width % 2),
                                       (0, 0)), 'edge')
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            frame = frame.reformat(
                format='yuv420p', dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG)
            last = max(round(time * ticks), last + 1)
            frame.pts, frame.time_base = last, Fraction(1, ticks)
            container.mux(stream.encode(frame))

        yield write
        if size is None:
            raise ValueError(f'{out}: no frame to write')
        container.mux(stream.encode())
