"""The child process that decodes a visitor's video, with limits.

:class:`hpnet_plugin.app.limited.LimitedVideo` starts it with a job, and reads
from its standard output one message after the other: four bytes that hold the
length of a JSON object, the object, and then as many bytes of pixels as its
``bytes`` says. The limits are set before anything is imported that reads a
file, so that nothing but the standard library stands at the top.
"""
from __future__ import annotations

import json
import resource
import struct
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO


def limit(memory: int, processor: int) -> None:
    """Set the limits of this process, for good.

    Args:
        memory: Address space in bytes.
        processor: Processor time in s.
    """
    for kind, value in ((resource.RLIMIT_AS, memory),
                        (resource.RLIMIT_CPU, processor),
                        (resource.RLIMIT_FSIZE, 0),
                        (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(kind, (value, value))


def send(out: BinaryIO, message: dict[str, Any],
         images: Sequence[Any] = ()) -> None:
    """Write a message, and the pixels of images after it."""
    head = json.dumps(
        dict(message, bytes=sum(image.nbytes for image in images))).encode()
    out.write(struct.pack('>I', len(head)) + head)
    for image in images:
        out.write(memoryview(image).cast('B'))
    out.flush()


def decode(job: dict[str, Any], out: BinaryIO) -> None:
    """Give out what is known of a video, and its frames.

    Args:
        job: ``path``, ``pixels`` and ``frames`` (of
            :class:`hpnet_plugin.estimation.video.Limits`), ``seconds`` (later
            frames are left out), ``choice`` (arguments of
            :meth:`hpnet_plugin.estimation.video.VideoReader.choose`) and
            ``images``: whether frames are wanted at all.
        out: Takes the messages.
    """
    from ..apis.media import VideoMedia
    from ..estimation.video import Limits, VideoReader
    limits = Limits(job['pixels'], job['frames'])
    if not job['images']:
        send(out, dict(info=VideoMedia(job['path'], limits).info))
        return
    with VideoReader(job['path'], damaged='mark', limits=limits,
                     **job['choice']) as reader:
        here = reader.times < job['seconds']
        send(out, dict(numbers=reader.numbers[here].tolist(),
                       times=reader.times[here].tolist()))
        for numbers, times, images in reader.chunks():
            count = sum(time < job['seconds'] for time in times)
            if count:
                send(out, dict(numbers=numbers[:count], times=times[:count],
                               shape=images[0].shape[:2]), images[:count])
            if count < len(times):
                break
        send(out, dict(damage=reader.damage, count=reader.count))


def main() -> int:
    """Do the job that is named on the command line."""
    job = json.loads(sys.argv[1])
    limit(job['memory'], job['processor'])
    out = sys.stdout.buffer
    try:
        decode(job, out)
    except MemoryError:
        send(out, dict(error='needs too much memory to decode'))
    except ValueError as error:  # VideoError is one
        send(out, dict(error=str(error)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
