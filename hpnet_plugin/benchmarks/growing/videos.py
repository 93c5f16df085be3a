"""Extraction of a video, and prediction, with the tiny pose net."""
from __future__ import annotations

import json
import os
import os.path as osp
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import inputs
from ..common import apart
from .curves import Curve, Point, memory_curve, time_curve

if TYPE_CHECKING:
    from ...apis.inferencer import HPNetInferencer
    from ...estimation.extractor import PooledExtractor

RATE, SIZE = 30, (160, 120)  # of the videos
SECONDS = (1, 2, 5, 10, 20)  # all of whose frames are kept
LONG = (15, 30, 60, 120, 240)  # of which so many are kept:
KEPT = 60
PEOPLE = (1, 2, 4, 8)
CROWD = 30  # frames with so many people
WATCHED = (10, 20, 40, 80, 160)  # seconds that are predicted
LOOKED = 5  # frames a second that are looked at then
BATCH = 8
ALONE = 'decoding, and pose net with pooling'


def extraction(folder: str, repeat: int, least: int = 0) -> list[Curve]:
    """Extract a video, in this process.

    Args:
        folder: To write to.
        repeat: Turns of each size.
        least: How many of the largest sizes are left out.

    Returns:
        Times against seconds, with all frames kept and with some, and
        against people; memory against seconds.
    """
    net = _extractor()

    def whole(seconds: int) -> Point:
        path = _video(folder, seconds)
        return Point(_extract(net, path, 'frame', None),
                     _bare(net, path, RATE * seconds), warm=False)

    def some(seconds: int) -> Point:
        path = _video(folder, seconds)
        return Point(_extract(net, path, 'frame', KEPT),
                     _bare(net, path, KEPT, decode=False), warm=False)

    def crowd(people: int) -> Point:
        path, boxes = _video(folder, CROWD / RATE), osp.join(
            folder, f'boxes{people}.json')
        box = [[18. * i, 10., 18. * i + 16, 100., 1.] for i in range(people)]
        with open(boxes, 'w', encoding='utf-8') as file:
            json.dump({'video': [box] * CROWD}, file)
        return Point(_extract(net, path, f'boxes:{boxes}', None, people),
                     _bare(net, path, CROWD * people), warm=False)

    def grown(seconds: int) -> tuple[Callable[[], Any], float]:
        path = _video(folder, seconds)
        _extract(net, _video(folder, 1), 'frame', KEPT)()  # what stays
        return (_extract(net, path, 'frame', KEPT),
                3 * SIZE[0] * SIZE[1] * BATCH / 1e6)

    whole(1).ours()  # kernels are chosen
    return [
        time_curve('extracting all frames', 'seconds of video', ALONE,
                   SECONDS[:len(SECONDS) - least], whole, repeat),
        time_curve(f'extracting {KEPT} frames', 'seconds of video',
                   'reading the file, and pose net with pooling',
                   LONG[:len(LONG) - least], some, repeat),
        time_curve(f'extracting {CROWD} frames', 'people in each frame',
                   ALONE, PEOPLE[:len(PEOPLE) - least], crowd, repeat),
        memory_curve(f'extracting {KEPT} frames', 'seconds of video',
                     f'{BATCH} frames', LONG[:len(LONG) - least], grown)]


def prediction(folder: str, repeat: int, least: int = 0) -> list[Curve]:
    """Predict the windows of a video.

    Args:
        folder: To write to.
        repeat: Turns of each size.
        least: How many of the largest sizes are left out.

    Returns:
        Time and memory against seconds.
    """
    from ...apis import HPNetInferencer
    model = apart(inputs.untrained_model, osp.join(folder, 'model'))
    inferencer = HPNetInferencer(model, window=3, fps=LOOKED,
                                 detector='frame')
    net = inferencer._nets.extractor

    def point(seconds: int) -> Point:
        path = _video(folder, seconds)
        return Point(_predict(inferencer, path),
                     _bare(net, path, LOOKED * seconds), warm=False)

    def grown(seconds: int) -> tuple[Callable[[], Any], float]:
        return (_predict(inferencer, _video(folder, seconds)),
                3 * SIZE[0] * SIZE[1] / 1e6)

    _predict(inferencer, _video(folder, 5))()
    shown = WATCHED[:len(WATCHED) - least]
    return [
        time_curve('hpnet predict', 'seconds of video',
                   ALONE, shown, point, repeat),
        memory_curve('hpnet predict', 'seconds of video',
                     'a frame', shown, grown)]


def _extractor() -> PooledExtractor:
    from ...estimation import zoo
    from ...estimation.extractor import build_extractor
    choice = zoo.choose_pose('tiny')
    return build_extractor(choice.file, choice.checkpoint, choice.taps)


def _video(folder: str, seconds: float) -> str:
    """A video of noise; its content does not matter."""
    path = osp.join(folder, f'{seconds:g}s', 'video.mp4')
    if not osp.isfile(path):
        apart(_write_video, path, seconds)
    return path


def _write_video(path: str, seconds: float) -> None:
    os.makedirs(osp.dirname(path))
    inputs.fill_video(path, round(RATE * min(seconds, 5)), SIZE,
                      copies=max(1, round(seconds / 5)))


def _extract(net: PooledExtractor, path: str, detector: str,
             kept: int | None, people: int = 1) -> Callable[[], Any]:
    from ...datasets.sources import SourceClip
    from ...estimation.detectors import build_detector
    from ...extraction.clips import ClipExtraction, Settings
    extract = ClipExtraction(
        build_detector(detector), net,
        Settings(num_people=people, max_frames=kept), osp.dirname(path))
    return lambda: extract(SourceClip('video', path), lambda number: None)


def _predict(inferencer: HPNetInferencer, path: str) -> Callable[[], Any]:
    from ...apis import open_media

    def run() -> None:
        media, = open_media(path)
        for _ in inferencer(media, stream=True):
            pass

    return run


def _bare(net: PooledExtractor, path: str, crops: int, decode: bool = True
          ) -> Callable[[], Any]:
    """Read or decode a video, and run the net on so many ready crops."""
    import av
    width, height = net.net.size
    ready = np.zeros((BATCH, height, width, 3), np.uint8)
    matrices = np.tile(np.eye(2, 3, dtype=np.float32), (BATCH, 1, 1))

    def run() -> None:
        with av.open(path) as container:
            container.streams.video[0].thread_count = 1
            for _ in container.decode(video=0) if decode else \
                    container.demux(video=0):
                pass
        for start in range(0, crops, BATCH):
            count = min(BATCH, crops - start)
            net(ready[:count], matrices[:count])

    return run
