"""Videos, and crops of people."""
from __future__ import annotations

import json
import random
import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from fuzz.changes import EXTREMES, json_changed
from fuzz.engine import Reader
from hpnet_plugin.datasets.crops import (
    Crops,
    CropsError,
    read_settings,
    read_timelines,
)
from hpnet_plugin.datasets.transforms.rgbpose import _crop_windows
from hpnet_plugin.estimation.video import (
    OpenedVideo,
    VideoError,
    VideoReader,
)

KINDS = {'h264.mp4': ('libx264', 'yuv420p'), 'mpeg4.avi': ('mpeg4', None),
         'mjpeg.mkv': ('mjpeg', 'yuvj420p'), 'h264.mkv': ('libx264', None),
         'vp9.webm': ('libvpx-vp9', None), 'gif.gif': ('gif', 'rgb8'),
         'mpeg4.mp4': ('mpeg4', None), 'vp8.webm': ('libvpx', None),
         'flv.flv': ('flv', None), 'ts.ts': ('mpeg2video', None)}
FRAMES = 8


def draw(path: Path, codec: str, form: str | None) -> None:
    """A square that moves over noise."""
    rng = np.random.default_rng(0)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.width, stream.height = 64, 48
        stream.pix_fmt = form or 'yuv420p'
        stream.gop_size = 4
        for number in range(FRAMES):
            image = rng.integers(0, 60, (48, 64, 3), np.uint8)
            image[10:30, 4 * number:4 * number + 20] = (200, 120, 40)
            frame = av.VideoFrame.from_ndarray(image)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _videos(folder: Path) -> list[Path]:
    for name, (codec, form) in KINDS.items():
        draw(folder / name, codec, form)
    return sorted(folder.iterdir())


def _video(path: Path) -> None:
    """As extraction reads it, and as training reads crops."""
    with VideoReader(str(path), max_frames=6, damaged='mark') as reader:
        for part in reader.chunks():
            _ = [image.sum() for image in part.images]
    OpenedVideo(str(path)).read([0])


def boxes_of(data: bytes) -> list[int]:
    """Where the lengths of the boxes of an mp4 file stand."""
    found, todo = [], [(0, len(data))]
    while todo:
        at, end = todo.pop()
        while at + 8 <= end:
            size, = struct.unpack_from('>I', data, at)
            if not 8 <= size <= end - at:
                break
            found.append(at)
            if data[at + 4:at + 8] in (b'moov', b'trak', b'mdia', b'minf',
                                       b'stbl', b'edts', b'udta'):
                todo.append((at + 8, at + size))
            at += size
    return found


def video_changed(data: bytes, rng: random.Random) -> bytes:
    """A number in a header, mostly; of mp4 in one of its tables."""
    content = bytearray(data)
    if data[4:8] == b'ftyp':
        boxes = [at for at in boxes_of(data)
                 if data[at + 4:at + 8] != b'mdat']
        start = rng.choice(boxes)
        end = start + int.from_bytes(data[start:start + 4], 'big')
    else:
        start, end = 0, min(len(data), 600)
    size = rng.choice((1, 2, 4, 4, 8))
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(start, max(start + 1, end - size))
        value = rng.choice((*EXTREMES, rng.randrange(256), len(data))) & (
            1 << 8 * size) - 1
        content[at:at + size] = value.to_bytes(
            size, rng.choice(('big', 'little')))
    return bytes(content)


def _crop_folder(folder: Path) -> list[Path]:
    crops = folder / 'crops'
    (crops / 'walk').mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(2):
        cv2.imwrite(str(crops / 'walk' / f'{number}.jpg'), rng.integers(
            0, 255, (24, 24, 3), np.uint8))
    return sorted((crops / 'walk').iterdir())


def _images(path: Path) -> None:
    crops = Crops(str(path.parent))
    crops.read(range(crops.frames))


def _crop_jsons(folder: Path) -> list[Path]:
    crops = folder / 'crops'
    crops.mkdir()
    (crops / 'frames.json').write_text(json.dumps(dict(walk=2, run=0)))
    (crops / 'crops.json').write_text(json.dumps(dict(
        size=224, margin=1.25, fit='keep')))
    return sorted(crops.iterdir())


def _timelines(path: Path) -> None:
    # the copy is called otherwise
    crops = path.parent.parent / 'crops'
    crops.symlink_to(path.parent) if not crops.exists() else None
    read_timelines(str(crops))
    read_settings(str(crops.parent))


def _commented(folder: Path) -> list[Path]:
    """Crops as extraction writes them, with their windows."""
    path = folder / 'walk.mp4'
    with av.open(str(path), 'w') as container:
        container.metadata['comment'] = json.dumps([[1., 2., 30., 40.]] * 3)
        stream = container.add_stream('libx264', rate=15)
        stream.width = stream.height = 32
        stream.pix_fmt = 'yuv420p'
        for number in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(
                np.full((32, 32, 3), 50 * number, np.uint8))))
        container.mux(stream.encode())
    return [path]


def comment_changed(data: bytes, rng: random.Random) -> bytes:
    """Another comment, of the same length."""
    start, stop = data.find(b'[['), data.find(b']]') + 2
    new = json_changed(data[start:stop], rng)[:stop - start]
    return data[:start] + new.ljust(stop - start) + data[stop:]


def _windows(path: Path) -> None:
    _crop_windows(str(path))
    crops = Crops(str(path))
    crops.read(range(min(crops.frames, 3)))


# FFmpeg asks for what a header says, up to 2 GiB at once, but uses no more
# than it then reads
_VIDEO = dict(address=6 << 10, guided=False)
READERS = {
    'crop-video': Reader(_commented, _windows, (ValueError, ),
                         change=comment_changed, **_VIDEO),
    'video': Reader(_videos, _video, (VideoError, ), change=video_changed,
                    form='bytes', **_VIDEO),
    'crop-images': Reader(_crop_folder, _images, (CropsError, ),
                          beside=True, guided=False),
    'crop-jsons': Reader(_crop_jsons, _timelines, (CropsError, ),
                         beside=True),
}
