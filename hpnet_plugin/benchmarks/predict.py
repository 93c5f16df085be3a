"""A long video through the inferencer: memory, speed, delay.

A video of people who do one thing after the other is looked at twice, each
time in a process of its own. First as fast as it goes: frames that were
looked at a second, how many times faster than the video lasts, what each
stage takes of that, and the memory of the process after so many minutes of
video. Then at its own pace, as a camera gives it: how long after the last
frame of a window was due its prediction is out, which includes whatever has
piled up.

Without a model a stream of pooled features that nobody has trained is taken,
on the tiny pose net and HOG: what it says means nothing, and what it costs
is what a trained one costs. Without a video some seconds are drawn, and
repeated.
"""
from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from . import inputs
from .common import Tables, apart, positive
from .store import memory

if TYPE_CHECKING:
    from ..apis.inferencer import HPNetInferencer
    from ..apis.results import Prediction
    from ..apis.views import FrameView

EVERY = 10.  # s of video from one look at the memory to the next


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``hpnet benchmark predict``."""
    add = parser.add_argument
    add('model', nargs='?', help='what was trained, as of hpnet predict '
        '(default: a small stream that was not)')
    add('--video', help='look at this (default: one is drawn)')
    add('--minutes', type=positive, default=10,
        help='of the drawn video (default 10)')
    add('--fps', type=float, default=5.,
        help='frames a second that are looked at (default 5)')
    add('--window', type=float, default=3.,
        help='length of a window in s (default 3)')
    add('--detector', help='as of hpnet extract (default: that of the model)')
    add('--paced', type=float, default=60., metavar='SECONDS',
        help='how much of the video is looked at at its own pace (default '
        '60)')


class Task(NamedTuple):
    """What is measured."""
    model: str
    video: str
    detector: str | None
    window: float
    fps: float


def run(args: argparse.Namespace) -> Tables:
    """Measure; the tables to show."""
    with tempfile.TemporaryDirectory() as folder:
        # encoders leave threads, which processes that are forked later
        # would wait for
        video = args.video or apart(inputs.draw_actions, folder, args.minutes)
        model, detector = args.model, args.detector
        if model is None:
            model = apart(inputs.untrained_model, folder)
            detector = detector or 'hog'
        task = Task(model, video, detector, args.window, args.fps)
        speed, stages, sizes = apart(_hurry, task)
        delay = apart(_keep_pace, task, args.paced)
    length = f'{speed[0].pop("minutes")} minutes of video, {args.fps:g} ' \
        f'frames/s looked at, windows of {args.window:g} s'
    return {length: speed, 'Where the time goes': stages,
            'Memory of the process': sizes,
            f'Frames at their own pace, {args.paced:g} s': delay}


def _build(task: Task) -> HPNetInferencer:
    from ..apis import HPNetInferencer
    return HPNetInferencer(task.model, window=task.window, fps=task.fps,
                           detector=task.detector)


def _hurry(task: Task) -> tuple[list[dict], list[dict], list[dict]]:
    """Rows of three tables: speed, stages, memory."""
    from ..apis import open_media
    inferencer = _build(task)
    media, = open_media(task.video)
    spent: dict[str, float] = defaultdict(float)
    nets = inferencer._nets
    for stage, owner, name in (
            ('decoding', media, 'chunks'),
            ('finding people', nets.source, 'people'),
            ('cutting crops', nets.extractor, 'crop'),
            ('pose net and pooling', nets.extractor, '__call__'),
            ('scores of windows', inferencer._scorer, '__call__')):
        _clock(owner, name, stage, spent)
    duration, sizes, frames, people = media.info.duration, [], 0, 0
    begin = time.perf_counter()

    def see(view: FrameView) -> None:
        nonlocal frames, people
        frames, people = frames + 1, people + len(view.people)
        if not sizes or view.time - sizes[-1][0] >= EVERY:
            sizes.append((view.time, memory()['RSS']))

    count = sum(1 for _ in inferencer(media, stream=True, on_frame=see))
    seconds = time.perf_counter() - begin
    sizes.append((duration, memory()['RSS']))
    speed = [dict(
        minutes=round(duration / 60, 1), frames=frames,
        people_a_frame=round(people / max(frames, 1), 2), windows=count,
        seconds=round(seconds, 1),
        frames_per_second=round(frames / seconds, 1),
        times_real_time=round(duration / seconds, 2))]
    spent['the rest'] = seconds - sum(spent.values())
    stages = [dict(stage=stage, share_percent=round(100 * one / seconds, 1),
                   ms_a_frame=round(1000 * one / max(frames, 1), 2))
              for stage, one in sorted(
                  spent.items(), key=lambda item: -item[1])]
    return speed, stages, _sizes(sizes)


def _sizes(sizes: list[tuple[float, float]]) -> list[dict]:
    """Rows of memory: at the start, after a minute, at the end."""
    times, values = map(np.array, zip(*sizes))
    minute = int(np.searchsorted(times, min(60., times[-1])))
    rows = [dict(when=when, video_s=round(float(times[i])),
                 RSS_MB=round(float(values[i]), 1))
            for when, i in (('first frame', 0), ('after a minute', minute),
                            ('end', -1), ('peak', int(values.argmax())))]
    if times[-1] > times[minute]:
        slope = np.polyfit(times[minute:], values[minute:], 1)[0]
        rows[2]['growth_MB_an_hour'] = round(float(3600 * slope), 1)
    return rows


def _clock(owner: Any, name: str, stage: str, spent: dict[str, float]) -> None:
    """Let one object note how long one of its methods takes.

    A generator is on the clock while it makes its next value.
    """
    method = getattr(type(owner), name)

    def timed(self: Any, *args: Any, **options: Any) -> Any:
        begin = time.perf_counter()
        found = method(self, *args, **options)
        spent[stage] += time.perf_counter() - begin
        return _each(found) if isinstance(found, Iterator) else found

    def _each(values: Iterator) -> Iterator:
        while True:
            begin = time.perf_counter()
            value = next(values, None)
            spent[stage] += time.perf_counter() - begin
            if value is None:
                return
            yield value

    # special methods are looked up in the class alone
    owner.__class__ = type(type(owner).__name__, (type(owner), ),
                           {name: timed})


def _keep_pace(task: Task, length: float) -> list[dict]:
    """Rows of delays, in ms."""
    from ..apis import open_media
    inferencer = _build(task)
    media, = open_media(task.video)
    due: dict[int | None, float] = {}
    _pace(media, length, due)
    delays = []
    for prediction in cast('Iterator[Prediction]',
                           inferencer(media, stream=True)):
        # what is left at the end waits for no further frame
        if None not in due:
            delays.append(time.monotonic() - due[prediction.numbers[-1]])
    if not delays:
        raise RuntimeError(
            f'in {length:g} s of {task.video} no window of somebody ended')
    p50, p95 = np.percentile(delays, (50, 95))
    return [dict(windows=len(delays), p50_ms=round(1000 * p50),
                 p95_ms=round(1000 * p95), worst_ms=round(1000 * max(delays)))
            ]


def _pace(media: Any, length: float, due: dict) -> None:
    """Let a medium give out each frame when it is due.

    ``due`` is told when each was, by number, and None at the end.
    """
    chunks: Callable = media.chunks

    def paced(fps: float | None = None) -> Iterator:
        from ..estimation.video import FrameChunk
        begin = None
        for chunk in chunks(fps):
            for number, when, image in zip(*chunk):
                if when > length:
                    due[None] = 0.
                    return
                begin = begin or time.monotonic() - when
                due[number] = begin + when
                time.sleep(max(0., due[number] - time.monotonic()))
                yield FrameChunk([number], [when], [image])
        due[None] = 0.

    media.chunks = paced
