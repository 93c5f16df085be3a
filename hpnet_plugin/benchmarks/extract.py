"""Extraction beside the released design, plainly written.

The plain side takes the same videos frame by frame with the same libraries:
a first pass decodes a video and finds people in each frame, a second does
both again and runs the pose net on one crop at a time, copies its maps out,
pools one of them, and in the end writes a float32 file of 64 frames. The
released code copies five maps of its HRNet out where it pools one: name them
all by --maps to compare with that; by default only the tap is copied, which
flatters the plain side.

Each turn runs in a process of its own, on as many cores as it has workers.
Seconds are those of a wall clock, from the nets loaded to the last clip
stored: keep the machine quiet.

A second table has what pooling and bookkeeping cost: all that happens to a
batch of 32 crops (normalising, the net, decoding, pooling, half precision)
beside the session's run alone on floats that are ready, in CPU time. Cutting
crops out of frames is in neither.
"""
from __future__ import annotations

import argparse
import os
import os.path as osp
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..datasets.clips import count
from . import inputs
from .common import (
    Tables,
    add_repeat,
    apart,
    positive,
    ratio,
    spread,
    take_turns,
)

if TYPE_CHECKING:
    from ..datasets.clips import SourceClip
    from ..estimation.extractor import PooledExtractor
    from ..estimation.people import PersonSource

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet
LENGTH = 64  # frames of a released file
BATCH = 32
BATCHES = 5  # of each side a turn


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark extract``."""
    add = parser.add_argument
    add('source', nargs='?', help='videos, as for hpnet extract (default: '
        'drawn videos of moving people)')
    add('--long', type=positive, metavar='FRAMES',
        help='draw one 1080p video with this number of frames instead, for '
        '--length; 3600 frames are two minutes')
    add('--pose', metavar='FILE.onnx',
        help='pose net (default: the tiny one of this package)')
    add('--tap', help='tensor of the pose net to pool')
    add('--maps', action='append', metavar='TENSOR',
        help='tensor that the plain side copies out in addition to the '
        'heatmaps and the tap; repeat it for several (default: none)')
    add('--detector', help='hog, frame or boxes:FILE (default: the true '
        'boxes of drawn videos, else hog)')
    add('--clips', type=positive,
        help='clips in each run: the videos are repeated under other names '
        '(default 6; 1 with --long)')
    add('--length', type=positive, metavar='L',
        help='resample every clip to L frames, as hpnet extract --length')
    add('--crops', action='store_true',
        help='write person-centred clips on both sides')
    add('--workers', type=positive, nargs='+', default=[1],
        help='numbers of processes to compare, each on its own core (default '
        '1)')
    add_repeat(parser)


class Task(NamedTuple):
    """What both sides do.

    Attributes:
        pose (str): ONNX file.
        tap (str): The tensor to pool.
        maps (list[str]): What the plain side copies out beside it.
        detector (str): See ``build_detector``.
        clips (list): A clip, under a name of its own, and its video's name.
        length (int | None): See :class:`Settings`.
        crops (bool): Whether to write person-centred clips.
    """
    pose: str
    tap: str
    maps: list[str]
    detector: str
    clips: list
    length: int | None
    crops: bool


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show.

    Raises:
        ValueError: If options do not fit together.
    """
    if bool(args.pose) != bool(args.tap):
        raise ValueError('--pose and --tap go together')
    if args.source and args.long:
        raise ValueError('--long draws its own video: leave the source out')
    with tempfile.TemporaryDirectory() as folder:
        task = _task(args, folder)
        runs: dict[str, Callable[[str], Any]] = {
            'plain': lambda out: _run_plain(task, out)}
        for workers in args.workers:
            runs[count(workers, 'worker')] = (
                lambda out, n=workers: _run_package(task, out, n))
        found = take_turns(runs, args.repeat, lambda one: f'{one[0]:.2f} s')
        pooling = apart(_pooling, task, args.repeat)
    frames = found['plain'][0][1]
    seconds = {name: [one[0] for one in turns]
               for name, turns in found.items()}
    first = list(seconds)[1]
    rows = []
    for name, times in seconds.items():
        row = dict(what=name, frames_per_second=spread(
            [frames / one for one in times]))
        if name != 'plain':
            row['faster_than_plain'] = ratio(seconds['plain'], times)
        if name not in ('plain', first):
            row['faster_than_' + first.replace(' ', '_')] = ratio(
                seconds[first], times)
        rows.append(row)
    title = f'{count(len(task.clips), "clip")}, {frames} frames of video'
    return {title: rows, f'A batch of {BATCH} crops': pooling}


def _task(args: argparse.Namespace, folder: str) -> Task:
    """What is given, and what is drawn in its place."""
    from ..datasets import sources
    source, detector = args.source, args.detector
    number = args.clips or (1 if args.long else 6)
    if source is None:
        # not here: encoders leave threads, which processes that are forked
        # later would wait for
        source, boxes = apart(inputs.draw_long, folder, args.long) \
            if args.long else apart(inputs.draw_clips, folder, number)
        detector = detector or f'boxes:{boxes}'
    pose, tap = (args.pose, args.tap) if args.pose else \
        apart(inputs.tiny_net, folder)
    found = sources.find_clips(source)
    links = osp.join(folder, 'links')
    os.makedirs(links)
    clips = []
    for i in range(number):  # the same videos under other names
        clip = found[i % len(found)]
        name = f'{i:03d}_{clip.name}'
        path = osp.join(links, name + osp.splitext(clip.path)[1])
        os.symlink(osp.abspath(clip.path), path)
        clips.append((clip._replace(name=name, path=path), clip.name))
    return Task(pose, tap, args.maps or [], detector or 'hog', clips,
                args.length, args.crops)


class PlainExtraction:
    """The released design, written plainly with the same libraries.

    It has two scripts, and each goes over all videos. For each video the
    first decodes it and finds the people of each frame (and writes the crops,
    if asked for). The second decodes it and finds them again, and for each
    frame and person cuts a crop, normalises it, runs the net on it alone,
    copies all maps, reads the joints, and samples one map there. At the end
    the clip is resampled to 64 frames, and a float32 file of two people
    written.

    Args:
        pose: ONNX file.
        tap: The tensor that is pooled.
        maps: Others that are copied out.
        detector: Finds people.
    """

    def __init__(self,
                 pose: str,
                 tap: str,
                 maps: Sequence[str],
                 detector: PersonSource) -> None:
        import onnx
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        graph = onnx.load(pose)
        known = [value.name for value in graph.graph.output]
        self.heatmaps = known[0]
        for name in (tap, *maps):
            if name not in known:
                graph.graph.output.append(onnx.ValueInfoProto(name=name))
                known.append(name)
        self.session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options,
            providers=['CPUExecutionProvider'])
        first = self.session.get_inputs()[0]
        self.input, self.size = first.name, first.shape[:1:-1]
        self.tap, self.detector = tap, detector
        self.mean, self.std = (np.array(x, np.float32) for x in (MEAN, STD))
        grey = np.full((8, 8, 3), 114, np.uint8)
        self.channels = self._pose(grey, (0, 0, 8, 8)).shape[-1]

    def __call__(self, clip: SourceClip, out: str, crops: bool = False) -> int:
        """Extract one video; the number of its frames."""
        import torch
        for number, frame in enumerate(self._decode(clip.path)):
            boxes = self._people(clip, number, frame)
            if crops:
                self._write_crop(frame, boxes, out, clip.name, number)
        pooled: list[Any] = []
        for number, frame in enumerate(self._decode(clip.path)):
            people = [self._pose(frame, box)
                      for box in self._people(clip, number, frame)]
            # who is alone takes both places
            pooled.append((people[0], people[-1]) if people else
                          np.zeros((2, 17, self.channels), np.float32))
        flat = torch.from_numpy(np.array(pooled, np.float32).reshape(
            len(pooled), -1).T.copy())
        short = torch.nn.functional.interpolate(
            flat[None], LENGTH, mode='linear')[0].T.reshape(
                LENGTH, 2, 17, self.channels)
        np.save(osp.join(out, clip.name + '.npy'), short.numpy())
        return len(pooled)

    def _people(self, clip: SourceClip, number: int,
                frame: np.ndarray) -> np.ndarray:
        return self.detector.people([frame], clip.name,
                                    [number])[0].boxes[:2]

    def _decode(self, path: str) -> Iterator[np.ndarray]:
        import av
        with av.open(path) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format='rgb24')

    def _pose(self, frame: np.ndarray,
              box: Sequence[float] | np.ndarray) -> np.ndarray:
        """Pooled features (17, C) of one person."""
        import cv2
        import torch
        x1, y1, x2, y2 = box[:4]
        width, height = x2 - x1, y2 - y1
        shape = self.size[0] / self.size[1]
        width = max(width, shape * height) * 1.25
        zoom = self.size[0] / width
        matrix = np.array(
            [[zoom, 0, self.size[0] / 2 - zoom * (x1 + x2) / 2],
             [0, zoom, self.size[1] / 2 - zoom * (y1 + y2) / 2]])
        crop = cv2.warpAffine(frame, matrix, tuple(self.size))
        crop = ((crop / 255 - self.mean) / self.std).astype(np.float32)
        outputs: Sequence[Any] = self.session.run(
            None, {self.input: crop.transpose(2, 0, 1)[None]})
        named = dict(zip((o.name for o in self.session.get_outputs()),
                         [output.copy() for output in outputs]))
        heatmaps = named[self.heatmaps][0]
        best = heatmaps.reshape(len(heatmaps), -1).argmax(1)
        at = np.stack((best % heatmaps.shape[2], best // heatmaps.shape[2]),
                      1) * self.size[0] / heatmaps.shape[2]
        grid = (at / np.array(self.size) * 2 - 1).astype(np.float32)
        return torch.nn.functional.grid_sample(
            torch.from_numpy(named[self.tap]),
            torch.from_numpy(grid)[None, None],
            align_corners=True)[0, :, 0].T.numpy()

    def _write_crop(self, frame: np.ndarray, boxes: np.ndarray, out: str,
                    name: str, number: int) -> None:
        import cv2
        if not len(boxes):
            return
        x1, y1 = np.maximum(boxes[:, :2].min(0), 0).astype(int)
        x2, y2 = boxes[:, 2:4].max(0).astype(int)
        folder = osp.join(out, 'crops', name)
        os.makedirs(folder, exist_ok=True)
        cv2.imwrite(
            osp.join(folder, f'{number}.jpg'),
            cv2.resize(frame[y1:y2, x1:x2, ::-1], (224, 224)))


def _run_plain(task: Task, out: str) -> tuple[float, int]:
    """Seconds and frames of the plain side."""
    _pin(1)
    plain = PlainExtraction(task.pose, task.tap, task.maps,
                            _source(task, every=1))
    begin = time.perf_counter()
    frames = sum(plain(clip, out, task.crops) for clip, _ in task.clips)
    return time.perf_counter() - begin, frames


def _run_package(task: Task, out: str, workers: int) -> tuple[float, int]:
    """Seconds of this package, with a number of processes."""
    from ..estimation.extractor import build_extractor
    from ..extraction.clips import Settings
    from ..extraction.run import Extraction
    _pin(workers)

    def build(device: str) -> tuple[PersonSource, PooledExtractor]:
        return _source(task), build_extractor(task.pose, None, [task.tap],
                                              device)

    settings = Settings(
        length=task.length, max_frames=None,
        crops=dict(size=224, margin=1., fit='stretch') if task.crops else None)
    begin = []
    failures = Extraction(build, settings, workers=workers)(
        [clip for clip, _ in task.clips], out, progress=False,
        on_start=lambda estimate: begin.append(time.perf_counter()))
    if failures:
        raise RuntimeError(f'clips failed: {failures}')
    return time.perf_counter() - begin[0], 0


def _pooling(task: Task, repeat: int) -> list[dict]:
    """What all of a batch costs beside the net alone."""
    from ..estimation.extractor import build_extractor
    _pin(1)
    extractor = build_extractor(task.pose, None, [task.tap])
    net: Any = extractor.net
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (BATCH, net.size[1], net.size[0], 3),
                         np.uint8)
    matrices = np.tile(np.eye(2, 3, dtype=np.float32), (BATCH, 1, 1))
    ready = ((crops / 255 - np.array(MEAN)) / np.array(STD)).astype(
        np.float32).transpose(0, 3, 1, 2).copy()
    session = net.session.session
    sides = (lambda: extractor(crops, matrices),
             lambda: session.run(net.output_names, {net.session.input: ready}))
    seconds = [[], []]
    for turn in range(repeat + 1):
        for times, side in zip(seconds, sides):
            begin = time.process_time()
            for _ in range(BATCHES):
                side()
            if turn:  # before, memory is being taken
                times.append((time.process_time() - begin) / BATCHES * 1e3)
    ours, bare = seconds
    return [dict(what='pooling and bookkeeping', unit='ms',
                 extractor=spread(ours), bare_net=spread(bare),
                 extractor_by_net=ratio(ours, bare))]


def _source(task: Task, every: int | None = None) -> PersonSource:
    """The detector; it knows clips by the names of their videos."""
    from ..estimation.detectors import build_detector
    names = {clip.name: name for clip, name in task.clips}
    source = build_detector(task.detector, every=every)
    people = source.people
    source.people = lambda frames, clip, numbers: people(
        frames, names[clip], numbers)
    return source


def _pin(cores: int) -> None:
    """Keep this process, and those it starts, to so many cores."""
    import cv2
    import torch
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    cv2.setNumThreads(0)  # 1 would wait for threads of before a fork
    torch.set_num_threads(1)
