"""Videos unlike those that everybody tests with, small and made in seconds.

:func:`draw` writes any of ``ODD`` to a folder.
"""
from __future__ import annotations

import os
import os.path as osp
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np

from hpnet_plugin.demo import actors, drawing, figure

RATE = 15
WIDTH, HEIGHT = 160, 120


class Odd(NamedTuple):
    """What a video is, and what is true of it.

    Attributes:
        file (str): Its name.
        write (Callable): Told its path, writes it.
        times (list[float]): When its frames are shown, in s.
        size (tuple[int]): Height and width of an upright frame.
        people (int): How many are to be seen.
        damaged (bool): Whether something is wrong with the file.
    """
    file: str
    write: Callable[[str], None]
    times: list[float]
    size: tuple[int, int] = (HEIGHT, WIDTH)
    people: int = 1
    damaged: bool = False


def even(count: int, rate: float = RATE) -> list[float]:
    """Times of frames of one rate."""
    return [i / rate for i in range(count)]


def scene(count: int, width: int = WIDTH, height: int = HEIGHT,
          label: int = 4) -> Iterable[np.ndarray]:
    """One person in a room, who acts; frames (height, width, 3)."""
    rng = np.random.default_rng([count, width, height])
    body = figure.pose(actors.ACTIONS[label].motion(
        rng, np.arange(count) / actors.FPS), figure.Build.sample(rng))
    actor = actors.put_inside(rng, body, .8 * height, width, height)
    wear, room = drawing.wardrobe(rng), drawing.room(rng, width, height)
    for i in range(count):
        image = room.copy()
        drawing.shadow(image, actor.floor[i], actor.unit)
        actor.draw(image, i, wear)
        yield image


def crowd_boxes(count: int, size: int = 12) -> np.ndarray:
    """Where the people of :func:`crowd` are, (size, count, 4) xyxy."""
    return np.stack([actor.boxes() for actor, _ in _crowd(count, size)[1]])


def crowd(count: int, size: int = 12) -> Iterable[np.ndarray]:
    """Many people in two rows, who wave, each in a place of their own."""
    room, people = _crowd(count, size)
    for i in range(count):
        image = room.copy()
        for actor, wear in people:
            actor.draw(image, i, wear)
        yield image


def _crowd(count, size):
    rng = np.random.default_rng(size)
    columns = -(-size // 2)
    room = drawing.room(rng, 60 * columns + 20, 240)
    people = []
    for i in range(size):
        body = figure.pose(figure.wave(rng, np.arange(count) / actors.FPS),
                           figure.Build.sample(rng), bool(i % 2))
        people.append((actors.place(
            body, 95, (60 * (i % columns) + 40,
                       120 * (i // columns) + 112)), drawing.wardrobe(rng)))
    return room, people


def write(path: str, images: Iterable[np.ndarray], codec: str = 'libx264',
          pix_fmt: str = 'yuv420p', times: list[float] | None = None,
          rotation: int = 0, sound: bool = False,
          container: dict[str, str] | None = None,
          **options: str) -> None:
    """Encode frames (H, W, 3) uint8 RGB."""
    with av.open(path, 'w', options=container or {}) as file:
        stream = file.add_stream(codec, rate=RATE)
        if codec == 'libx264':
            options = dict(preset='ultrafast', g='10') | options
        stream.options, stream.pix_fmt = options, pix_fmt
        stream.thread_count = 1
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        tone = file.add_stream('aac', rate=16000, layout='mono') if sound \
            else None
        for i, image in enumerate(images):
            if not i:
                stream.height, stream.width = image.shape[:2]
                if rotation:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            if pix_fmt != 'rgb24':
                frame = frame.reformat(format=pix_fmt)
            if times is not None:
                frame.pts = round(1000 * times[i])
                frame.time_base = Fraction(1, 1000)
            file.mux(stream.encode(frame))
            if tone is not None:
                silence = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1024), np.float32), 'fltp', 'mono')
                silence.sample_rate, silence.pts = 16000, 1024 * i
                file.mux(tone.encode(silence))
        file.mux(stream.encode())
        if tone is not None:
            file.mux(tone.encode())


def black(path: str) -> None:
    write(path, (np.zeros((HEIGHT, WIDTH, 3), np.uint8) for _ in range(30)))


def cut(path: str) -> None:
    """Half of a file of 60 frames."""
    write(path, scene(60), g='5', bf='0')
    os.truncate(path, osp.getsize(path) // 2)


def hour(path: str) -> None:
    """3,600 frames, one a second, of which 40 are drawn.

    The others repeat these, so that it is made in a second.
    """
    write(path, scene(40), g='40', bf='0')
    with av.open(path) as source:
        packets = [(bytes(packet), packet.is_keyframe)
                   for packet in source.demux(video=0) if packet.size]
        with av.open(path + '.part.mp4', 'w') as target:
            to = target.add_stream_from_template(source.streams.video[0])
            to.time_base = Fraction(1, 1000)
            for i in range(3600):
                data, key = packets[i % 40]
                packet = av.Packet(data)
                packet.stream, packet.time_base = to, Fraction(1, 1000)
                packet.pts = packet.dts = 1000 * i
                packet.is_keyframe = key
                target.mux(packet)
    os.replace(path + '.part.mp4', path)


# half a second at 15 frames/s, a pause of a second, then 5 frames/s
JUMPY = [*even(8), *(1.5 + i / 5 for i in range(12))]

ODD = {
    'black': Odd('black.mp4', black, even(30), people=0),
    'one frame': Odd('one.mp4', lambda path: write(path, scene(1)), [0.]),
    'crowded': Odd('crowd.mp4', lambda path: write(path, crowd(20)),
                   even(20), (240, 380), people=12),
    'cut off': Odd('cut.mkv', cut, even(60), damaged=True),
    'rotated': Odd(
        'rotated.mp4', lambda path: write(
            path, (np.rot90(image, -1).copy() for image in scene(30)),
            rotation=90), even(30)),
    'variable rate': Odd('jumpy.mp4', lambda path: write(
        path, scene(20), times=JUMPY, bf='0'), JUMPY),
    '10 bit h264': Odd('deep.mp4', lambda path: write(
        path, scene(30), pix_fmt='yuv420p10le', profile='high10'), even(30)),
    '10 bit hevc': Odd('deep_hevc.mp4', lambda path: write(
        path, scene(30), 'libx265', 'yuv420p10le', preset='ultrafast',
        **{'x265-params': 'log-level=none:pools=1:frame-threads=1'}),
        even(30)),
    '10 bit lossless': Odd('deep.mkv', lambda path: write(
        path, scene(30), 'ffv1', 'yuv420p10le'), even(30)),
    'portrait': Odd('portrait.mp4', lambda path: write(
        path, scene(30, 90, 160)), even(30), (160, 90)),
    'silent audio': Odd('silent.mp4', lambda path: write(
        path, scene(30), sound=True), even(30)),
    'odd width': Odd('odd.mkv', lambda path: write(
        path, scene(30, 161, 121), 'ffv1', 'bgr0'), even(30), (121, 161)),
    'no duration': Odd('live.webm', lambda path: write(
        path, scene(30), 'libvpx-vp9', container=dict(live='1'),
        deadline='realtime', **{'cpu-used': '8'}), even(30)),
    'strange name': Odd('a b: c\U0001f600\nd.mp4', lambda path: write(
        path, scene(30)), even(30)),
    'hour': Odd('hour.mp4', hour, even(3600, 1.)),
}


def draw(name: str, folder: str | os.PathLike) -> str:
    """Write one of ``ODD`` unless it is there; its path."""
    path = osp.join(os.fspath(folder), ODD[name].file)
    if not osp.exists(path):
        ODD[name].write(path)
    return path
