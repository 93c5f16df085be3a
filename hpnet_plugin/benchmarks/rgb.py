"""HP-Net's images: from the crops of a clip to what the model is given.

The plain side reads the crops with PyAV, from the key frame before each
wanted frame, and changes them with numpy and with torchvision's transforms as
MMAction2 wraps them. Both sides get the same seeds, so they read the same
frames and draw the same colours, and their images are compared before they
are timed. Under "decoding", the plain side is PyAV's decoder alone: its
frames are not converted to RGB. Times are CPU time of one process with one
thread. The files are crops of synthetic people as ``hpnet extract --crops``
writes them, and as it wrote them when every twelfth frame was a key frame.
"""
from __future__ import annotations

import argparse
import os
import os.path as osp
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from .common import Tables, add_repeat, cpu_times, positive, ratio, spread
from .inputs import DRAWN, write_video

SIDE, INPUT = 256, 224  # pixels of the crops, and of what the model takes
IMAGES = 8  # of a clip
JITTER = dict(brightness=.4, contrast=.4, saturation=.2, hue=.1)
RATE = 15  # frames a second
EARLIER = dict(crf='18', preset='veryfast', threads='1', g='12', bf='0')
DRAWS = 3  # seeds that each clip is read with


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark rgb``."""
    parser.add_argument('--clips', type=positive, default=3,
                        help='number of clips (default 3)')
    parser.add_argument('--frames', type=positive, default=DRAWN,
                        help=f'frames of each (default {DRAWN})')
    add_repeat(parser, 7)


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    turns, files = args.repeat, (False, True)
    with single_thread(), tempfile.TemporaryDirectory() as folder:
        clips = Clips(folder, args.clips, args.frames)
        return {
            f'{IMAGES} images of {INPUT} pixels from {args.frames} crops of '
            f'{SIDE}, ms a clip': [
                measure_pipeline(clips, turns, phase, earlier)
                for phase in PLAIN for earlier in files],
            f'Decoding {IMAGES} frames, ms a clip': [
                measure_decoding(clips, turns, earlier) for earlier in files],
            f'Transforms of {IMAGES} images of {SIDE} pixels, ms a clip':
            measure_transforms(clips, turns)}


@contextmanager
def single_thread() -> Iterator[None]:
    """OpenCV and torch with one thread, as in the workers of a loader."""
    import cv2
    import torch
    threads = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads[0])
        torch.set_num_threads(threads[1])


class Clips:
    """Crops of synthetic people, in files of today and of earlier versions.

    Args:
        folder: Gets ``now/crops/`` and ``earlier/crops/``.
        count: Clips.
        frames: Of each.
    """

    def __init__(self, folder: str, count: int, frames: int) -> None:
        from ..demo import people
        from ..extraction.crop_cutting import CropCutter
        from ..extraction.crops import CODEC
        self.folder, self.frames = folder, frames
        self.names = [f'clip{i}' for i in range(count)]
        for earlier in (False, True):
            os.makedirs(osp.dirname(self.path('', earlier)))
        cutter = CropCutter(SIDE)
        for i, name in enumerate(self.names):
            clip = people.make_clip(i % len(people.ACTIONS), i, 0, frames)
            boxes = [np.append(box, 1)[None] for box in clip.boxes[0]]
            _, height, width, _ = clip.frames.shape
            windows = cutter.windows(boxes, np.zeros((1, frames), int),
                                     (height, width))
            images = [cutter.cut(image, window)
                      for image, window in zip(clip.frames, windows)]
            for earlier, codec in ((False, CODEC), (True, EARLIER)):
                write_video(self.path(name, earlier), images, rate=RATE,
                            options={key: str(value)
                                     for key, value in codec.items()})

    def path(self, name: str, earlier: bool) -> str:
        """File of a clip."""
        return osp.join(self.folder, 'earlier' if earlier else 'now', 'crops',
                        name + '.mp4')

    def kilobytes(self, earlier: bool) -> float:
        """Size of a clip, in KiB."""
        return sum(osp.getsize(self.path(name, earlier))
                   for name in self.names) / len(self.names) / 1024


# ---- the plain side

def draw_frames(frames: int) -> np.ndarray:
    """A random frame of each segment."""
    edges = frames * np.arange(IMAGES + 1) // IMAGES
    return np.random.randint(edges[:-1], np.maximum(edges[1:], edges[:-1] + 1))


def plain_decode(path: str, wanted: Sequence[int] | np.ndarray) -> list[Any]:
    """Frames of crops, by PyAV alone; they are not converted.

    Args:
        path: The file.
        wanted: Their numbers, ascending.

    Returns:
        The frames.
    """
    import av
    found = []
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        ticks = round(1 / (RATE * (stream.time_base or 1)))
        for number in wanted:
            container.seek(int(number) * ticks, stream=stream)
            found.append(next(frame for frame in container.decode(stream)
                              if frame.pts == number * ticks))
    return found


def plain_rgb(path: str, wanted: Sequence[int] | np.ndarray
              ) -> list[np.ndarray]:
    """The same as images, (H, W, 3) uint8."""
    return [frame.to_ndarray(format='rgb24')
            for frame in plain_decode(path, wanted)]


def plain_train(path: str, frames: int) -> np.ndarray:
    """The images of a clip in training, (T, 3, H, W) uint8."""
    images = plain_rgb(path, draw_frames(frames))
    if np.random.rand() < 0.5:
        images = plain_flip(images)
    if np.random.rand() < 0.8:
        images = stock('ColorJitter', **JITTER)(images)
    images = stock('RandomGrayscale', p=0.2)(images)
    return np.stack(plain_resize(images)).transpose(0, 3, 1, 2)


def plain_test(path: str, frames: int) -> np.ndarray:
    """The images of a clip in testing, (T, 3, H, W) uint8."""
    edges = frames * np.arange(IMAGES + 1) // IMAGES
    images = plain_rgb(path, (edges[:-1] + edges[1:]) // 2)
    return np.stack(plain_resize(images)).transpose(0, 3, 1, 2)


PLAIN = dict(train=plain_train, test=plain_test)


def plain_flip(images: list[np.ndarray]) -> list[np.ndarray]:
    """Mirror images."""
    return [np.ascontiguousarray(image[:, ::-1]) for image in images]


def plain_resize(images: list[np.ndarray]) -> list[np.ndarray]:
    """Resize images to what the model takes."""
    import cv2
    return [cv2.resize(image, (INPUT, INPUT)) for image in images]


def stock(op: str, **options: Any) -> Callable[[list], list]:
    """A transform of torchvision, as MMAction2 wraps it."""
    wrapper = _build([dict(type='TorchVisionWrapper', op=op, **options)])
    return lambda images: wrapper(dict(imgs=images))['imgs']


# ---- both

def measure_pipeline(clips: Clips, repeat: int, phase: str = 'train',
                     earlier: bool = False) -> dict[str, Any]:
    """X-CLIP's pipeline, which is HP-Net's without pooled features.

    Args:
        clips: What is read.
        repeat: Turns of each side.
        phase: ``'train'`` or ``'test'``.
        earlier: Whether files are those of earlier versions.

    Returns:
        The row of a table.

    Raises:
        RuntimeError: If the two sides give different images.
    """
    from ..recipes import compose
    loader = compose('xclip', size='full')[f'{phase}_dataloader']
    pipeline = _build(loader['dataset']['pipeline'])

    def ours(name: str) -> Any:
        path = osp.splitext(clips.path(name, earlier))[0]
        return pipeline(dict(frame_dir=path, total_frames=clips.frames,
                             label=0))['inputs']['imgs']

    def plain(name: str) -> Any:
        return PLAIN[phase](clips.path(name, earlier), clips.frames)

    times = _measure(clips, ours, plain, repeat)
    row = _row(f'{phase}, {_files(earlier)}', times)
    row['clips_per_second'] = spread([1000 / t for t in times['ours']])
    if phase == 'train':
        row['aim'] = '60 clips per second'
    return row


def measure_decoding(clips: Clips, repeat: int, earlier: bool = False
                     ) -> dict[str, Any]:
    """Frames as the loader gets them, RGB, and PyAV's decoder alone.

    Args:
        clips: What is read.
        repeat: Turns of each side.
        earlier: Whether files are those of earlier versions.

    Returns:
        The row of a table.

    Raises:
        RuntimeError: If the two sides give different frames.
    """
    from ..datasets.crops import Crops

    def read(by: Callable, name: str) -> Any:
        return by(clips.path(name, earlier), draw_frames(clips.frames))

    ours = partial(read, lambda path, wanted: Crops(path).read(wanted))
    _measure(clips, ours, partial(read, plain_rgb), 0)
    times = _measure(clips, ours, partial(read, plain_decode), repeat,
                     check=False)
    return dict(_row(_files(earlier), times),
                KiB_of_a_clip=round(clips.kilobytes(earlier)),
                aim='at least 0.5 times as fast')


def measure_transforms(clips: Clips, repeat: int) -> list[dict[str, Any]]:
    """Each transform of training by itself.

    Args:
        clips: What is read.
        repeat: Turns of each side.

    Returns:
        The rows of a table.

    Raises:
        RuntimeError: If the two sides give different images.
    """
    images = {name: plain_rgb(clips.path(name, False),
                              draw_frames(clips.frames))
              for name in clips.names}
    rows = []
    for what, step, plain in (
            ('flip', dict(type='FlipJoints', flip_ratio=1), plain_flip),
            ('colour jitter', dict(type='ClipColorJitter', **JITTER),
             stock('ColorJitter', **JITTER)),
            ('greyscale', dict(type='ClipGrayscale', p=1),
             stock('RandomGrayscale', p=1)),
            ('resize', dict(type='Resize', scale=(INPUT, INPUT),
                            keep_ratio=False), plain_resize)):
        transform = _build([step])

        def ours(name: str, transform: Callable = transform) -> list:
            return transform(dict(imgs=images[name], img_shape=(SIDE, SIDE))
                             )['imgs']

        rows.append(_row(what, _measure(
            clips, ours, lambda name, plain=plain: plain(images[name]),
            repeat)))
    return rows


def _build(steps: list[dict]) -> Any:
    from mmengine.dataset import Compose
    from mmengine.registry import DefaultScope

    import hpnet_plugin  # noqa: F401
    with DefaultScope.overwrite_default_scope('mmaction'):
        return Compose(steps)


def _files(earlier: bool) -> str:
    return 'earlier files' if earlier else 'files as written now'


def _row(what: str, times: dict[str, list[float]]) -> dict[str, Any]:
    return dict(what=what, plain=spread(times['plain']),
                ours=spread(times['ours']),
                times_as_fast=ratio(times['plain'], times['ours']))


def _measure(clips: Clips, ours: Callable[[str], Any],
             plain: Callable[[str], Any], repeat: int, check: bool = True
             ) -> dict[str, list[float]]:
    """Milliseconds a clip of both sides, which draw the same."""
    import torch

    def every(side: Callable[[str], Any]) -> list:
        found = []
        for name in clips.names:
            for seed in range(DRAWS):
                np.random.seed(seed)
                torch.manual_seed(seed)
                found.append(side(name))
        return found

    if check:
        _check(every(ours), every(plain))
    times = cpu_times(dict(ours=partial(every, ours),
                           plain=partial(every, plain)), repeat)
    count = len(clips.names) * DRAWS
    return {side: [time / count for time in some]
            for side, some in times.items()}


def _check(found: list, wanted: list) -> None:
    """Refuse other images than those of the plain side.

    torchvision's float32 is a little below a whole number at times, and then
    a whole level is cut off.
    """
    for one, other in zip(found, wanted):
        off = np.abs(np.stack(one).astype(int) - np.stack(other))
        if (off > 0).mean() > 0.05 or (off > 2).mean() > 1e-3:
            raise RuntimeError('the two sides give different images')


def _quick(measure: Callable[[Clips, int], dict[str, Any]]) -> float:
    with single_thread(), tempfile.TemporaryDirectory() as folder:
        row = measure(Clips(folder, 1, 32), 3)
    return row['times_as_fast']['median']


QUICK: dict[str, Callable[[], float]] = {
    'rgb pipeline': partial(_quick, measure_pipeline),
    'crop decoding': partial(_quick, measure_decoding)}
