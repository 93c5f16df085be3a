"""What ``hpnet predict`` does with each video: print, show and write."""
from __future__ import annotations

import csv
import os
import os.path as osp
import re
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import numpy as np
from tqdm import tqdm

from ..apis.media import Media, VideoMedia
from ..apis.results import VideoResult
from ..datasets.clips import count, printable
from ..visualization.overlay import Overlay, draw_video
from ..visualization.timeline_bar import clock
from ..visualization.video_writer import video_writer
from .predict import OUT

if TYPE_CHECKING:
    from ..apis.inferencer import HPNetInferencer
    from ..apis.results import Prediction
    from ..apis.views import FrameView

TITLE = 'hpnet predict'  # of the window
BAR = '{desc} {percentage:3.0f}%|{bar}| {n:.1f}/{total:.1f} s, {remaining} ' \
    'left{postfix}'
BAR_LIVE = '{desc} {n:.1f} s{postfix}'


class Files(NamedTuple):
    """Where what is known of a video goes; None where it is not asked for."""
    video: str | None
    json: str | None
    csv: str | None


class Outputs:
    """What is written and shown.

    Args:
        args: Options of ``hpnet predict``.
        media: All that will be looked at.

    Raises:
        ValueError: If a file is named for several videos, would overwrite a
            video, or if there are no windows on this machine.
    """

    def __init__(self, args: Namespace, media: Sequence[Media]) -> None:
        self.poses, self.show = args.json_poses, args.show
        if self.show:
            check_windows()
        for option in ('save_video', 'json'):
            file = getattr(args, option)
            if file and len(media) > 1:
                raise ValueError(
                    f'--{option.replace("_", "-")} {file} is one file for '
                    f'{len(media)} videos: leave its name out, and name a '
                    'folder by --out')
        folder = args.out or OUT
        self.files: dict[str, Files] = {}
        stems = _stems(media)
        for one, stem in zip(media, stems):
            self.files[one.name] = Files(*(
                None if file is None else
                file or osp.join(folder, stem + suffix)
                for file, suffix in ((args.save_video, '.mp4'),
                                     (args.json, '.json'),
                                     (args.csv, '.csv'))))
        read = {osp.realpath(one.name): one.name for one in media
                if isinstance(one, VideoMedia)}
        for files in self.files.values():
            for file in filter(None, files):
                if osp.realpath(file) in read:
                    raise ValueError(
                        f'{file} would overwrite the video that is looked '
                        'at: name another file, or a folder by --out')
        self._stack, self._tables = ExitStack(), {}

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add_rows(self, file: str, rows: Sequence[dict[str, Any]],
                 columns: Sequence[str]) -> None:
        """Append rows to a table; they are there if the process dies."""
        if file not in self._tables:
            os.makedirs(osp.dirname(file) or '.', exist_ok=True)
            stream = self._stack.enter_context(
                open(file, 'w', encoding='utf-8', newline=''))
            table = csv.DictWriter(stream, columns, lineterminator='\n')
            table.writeheader()
            self._tables[file] = stream, table
        stream, table = self._tables[file]
        table.writerows(rows)
        stream.flush()


def _stems(media: Sequence[Media]) -> list[str]:
    """A name for the files of each medium, each once."""
    stems = []
    for one in media:
        stem = one.name
        if isinstance(one, VideoMedia):
            stem = osp.splitext(osp.basename(one.name))[0]
        stem = base = re.sub(r'[^\w.-]+', '_', stem).strip('_.') or 'video'
        number = 1
        while stem in stems:
            number += 1
            stem = f'{base}-{number}'
        stems.append(stem)
    return stems


def check_windows() -> None:
    """Raise a ValueError that says why nothing can be shown."""
    import cv2
    found = re.search(r'^\s*GUI:\s*(\S+)', cv2.getBuildInformation(), re.M)
    if not found or found[1] == 'NONE':
        raise ValueError(
            '--show: this build of OpenCV has no windows. Save the frames by '
            '--save-video, or "pip uninstall -y opencv-python-headless && '
            'pip install opencv-python"')
    if sys.platform.startswith('linux') and not (
            os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        raise ValueError('--show: there is no screen here (DISPLAY is not '
                         'set). Save the frames by --save-video')


WINDOW_COLUMNS = ('source', 'track', 'start', 'end', 'label', 'score',
                  'pose_score')
SEGMENT_COLUMNS = WINDOW_COLUMNS[:-1]


class Predicting:
    """Looks at media one after the other.

    Args:
        inferencer: Says what people do.
        media: What to look at.
        outputs: What is written and shown.
    """

    def __init__(self, inferencer: HPNetInferencer, media: Sequence[Media],
                 outputs: Outputs) -> None:
        self.inferencer, self.media = inferencer, media
        self.outputs = outputs
        self.failures: dict[str, str] = {}
        # names of classes as they can be drawn; warns once
        self._names = Overlay(inferencer.classes).names \
            if outputs.show or any(files.video for files
                                   in outputs.files.values()) else {}

    def __call__(self) -> int:
        """Look at all; the exit status."""
        for number, media in enumerate(self.media, 1):
            title = printable(osp.basename(media.name) or media.name)
            if len(self.media) > 1:
                title = f'{number}/{len(self.media)} {title}'
            with _Screen(title, self.outputs.files[media.name],
                         self.outputs.show, self._names) as screen:
                result = self._look(media, screen)
                self._report(result, screen)
                self._write(result, media, screen)
            if screen.stop and not media.live:
                raise screen.stop
        if not self.failures:
            return 0
        if len(self.media) > 1:
            print(f'{len(self.failures)} of {len(self.media)} videos failed:',
                  file=sys.stderr)
            for name, why in self.failures.items():
                print(f'  {printable(name)}: {printable(why)}',
                      file=sys.stderr)
        return 3

    def _look(self, media: Media, screen: _Screen) -> VideoResult:
        """The result, also of what was seen before Ctrl-C."""
        from ..apis.inferencer import ERRORS
        files = self.outputs.files[media.name]
        # a stream may last for days
        kept = not media.live or files.json or files.csv
        found, begin, failed, stopped = [], time.monotonic(), '', ''
        try:
            screen.begin(media, self.inferencer.plan(media).window)
            for prediction in self.inferencer.predictions(
                    media, screen.on_frame if screen.wants_frames else None,
                    screen.on_progress):
                screen.on_prediction(prediction)
                if kept:
                    found.append(_slim(prediction) if media.live and
                                 not self.outputs.poses else prediction)
                if files.csv and media.live:
                    self._add_windows(files.csv, VideoResult(
                        media.name, 'ok', predictions=[prediction]))
        except KeyboardInterrupt as stop:
            screen.stop = stop
            if not media.live:
                stopped = f'stopped at {screen.seconds:.1f} s of the video'
        except ERRORS as error:
            failed = str(error)
        finally:
            media.close()
        return self.inferencer.result_of(
            media, found, time.monotonic() - begin, failed, stopped)

    def _add_windows(self, file: str, result: VideoResult) -> None:
        self.outputs.add_rows(file, result.window_rows(),
                              WINDOW_COLUMNS)

    def _report(self, result: VideoResult, screen: _Screen) -> None:
        """Say what was found, or why nothing was."""
        if result.status == 'failed':
            self.failures[result.source] = result.message
            screen.say(f'failed: {printable(result.message)}', sys.stderr)
            return
        if not result.timelines and not screen.predictions:
            screen.say(result.message)
            return
        if not screen.windows:
            people = [f'person {t.track}  ' + ', '.join(
                f'{s.label} {s.score:.2f}' for s in t.segments)
                for t in result.timelines]
            screen.say('   '.join(people))
        else:
            seen = screen.seconds or result.duration
            screen.say(
                f'{count(len(screen.tracks), "person", "people")}, '
                f'{count(screen.predictions, "prediction")}; {seen:.1f} s of '
                f'video in {result.seconds:.1f} s')
        if result.message:
            screen.say(printable(result.message), sys.stderr)

    def _write(self, result: VideoResult, media: Media,
               screen: _Screen) -> None:
        """All files of a video, and say which."""
        files, written = self.outputs.files[media.name], []
        if files.json:
            result.to_json(files.json, self.outputs.poses)
            written.append(files.json)
        if files.csv:
            # the rows of a stream are there already
            self._add_windows(files.csv, replace(result, predictions=[])
                              if media.live else result)
            segments = osp.splitext(files.csv)[0] + '.timeline.csv'
            self.outputs.add_rows(segments, result.segment_rows(),
                                  SEGMENT_COLUMNS)
            written += [files.csv, segments]
        if files.video and not media.live and result.status != 'failed' \
                and not screen.stop:
            try:
                with screen.drawing(result.frames) as progress:
                    draw_video(media.name, result, files.video,
                               progress=progress, names=self._names)
                written.append(files.video)
            except ValueError as error:
                self.failures[result.source] = str(error)
                screen.say(f'no video: {printable(str(error))}', sys.stderr)
        elif files.video and media.live and screen.frames:
            screen.end_video()
            written.append(files.video)
        if written and len(self.media) == 1:
            print(f'wrote {", ".join(written)}', flush=True)


class _Screen:
    """What is printed and shown while a video is looked at.

    Attributes:
        seconds: Of the video, seen by now.
        windows: Whether it is looked at in windows.
        predictions: By now.
        tracks: People by now.
        frames: Shown or saved by now.
        stop: What stopped it, None if nothing did.
    """

    def __init__(self, title: str, files: Files, shows: bool,
                 names: dict[str, str]) -> None:
        self.title, self._shows = title, shows
        self._files, self._stack = files, ExitStack()
        self.seconds, self.windows = 0., False
        self.stop: KeyboardInterrupt | None = None
        self.predictions, self.tracks, self.frames = 0, set(), 0
        self._bar: tqdm | None = None
        self._overlay = Overlay(names=names)
        self._save: Callable[[np.ndarray, float], None] | None = None
        self._saved = None  # file of a stream

    def __enter__(self) -> _Screen:
        return self

    def __exit__(self, *error: object) -> None:
        self._end_bar()
        self._stack.close()

    def begin(self, media: Media, window: float | None) -> None:
        """Told what comes, before the first frame."""
        self.windows = window is not None
        self._saved = self._files.video if media.live else None
        self._fps = media.info.fps
        total = 0 if media.live else media.info.duration
        self._bar = tqdm(
            desc=self.title, total=total or None, unit='s', disable=None,
            leave=False, bar_format=BAR if total else BAR_LIVE)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    @property
    def wants_frames(self) -> bool:
        return bool(self._shows or self._saved)

    def on_progress(self, seconds: float, duration: float) -> None:
        """Frames were looked at up to here."""
        self.seconds = seconds
        bar = self._bar
        if bar is None:
            return
        bar.n = seconds
        passed = bar.format_dict['elapsed']
        if passed and self._fps:
            bar.set_postfix_str(
                f'{seconds * self._fps / passed:.1f} frames/s', False)
        bar.update(0)

    def on_prediction(self, prediction: Prediction) -> None:
        """A window is known."""
        self.predictions += 1
        self.tracks.add(prediction.track)
        if self.windows:
            tqdm.write(
                f'{clock(prediction.start, 1)}–{clock(prediction.end, 1)}  '
                f'person {prediction.track}  {prediction.label} '
                f'{prediction.score:.2f}', sys.stdout)
            sys.stdout.flush()

    def on_frame(self, view: FrameView) -> None:
        """A frame was looked at."""
        image = self._overlay.draw(view.image, view.people)
        self.frames += 1
        if self._saved:
            if self._save is None:
                self._save = self._stack.enter_context(
                    video_writer(self._saved))
                self._size = image.shape
            if image.shape != self._size:  # a stream that began anew
                import cv2
                image = cv2.resize(image, self._size[1::-1])
            self._save(image, view.time)
        if self._shows:
            import cv2
            cv2.imshow(TITLE, np.ascontiguousarray(image[..., ::-1]))
            if cv2.waitKey(1) & 0xff in (ord('q'), 27):
                raise KeyboardInterrupt

    def end_video(self) -> None:
        """Finish what is saved of a stream."""
        self._stack.close()

    def say(self, text: str, file: TextIO | None = None) -> None:
        """A line about the video."""
        self._end_bar()
        print(f'{self.title}: {text}', file=file or sys.stdout, flush=True)

    @contextmanager
    def drawing(self, frames: int) -> Iterator[Callable[[int, int], None]]:
        """A bar of frames that are drawn."""
        self._end_bar()
        with tqdm(desc=f'{self.title}, drawing', total=frames or None,
                  unit='frame', disable=None, leave=False) as bar:
            def advance(done: int, total: int) -> None:
                bar.update(done - bar.n)

            yield advance


def _slim(prediction: Prediction) -> Prediction:
    """Without its frames."""
    empty = np.zeros(0)
    return replace(
        prediction, numbers=np.zeros(0, int), times=empty,
        boxes=np.zeros((0, 4)), joints=np.zeros((0, 0, 2)),
        joint_scores=np.zeros((0, 0)), energy=None)
