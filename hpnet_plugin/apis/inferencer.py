"""What the people in a new video do."""
from __future__ import annotations

import contextlib
import logging
import os.path as osp
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..datasets.crops import Crops
from ..estimation.assembly import NoPersonError, NotFiniteError
from ..estimation.following import Follower, SeenFrame
from ..estimation.people import PeopleError
from ..estimation.video import VideoError
from ..evaluation.calibration import UNKNOWN, probabilities
from ..extraction.clips import ClipExtraction, Settings
from ..extraction.crop_cutting import CropCutter
from .estimators import Estimators, build_estimators
from .media import Media, MediaInfo, open_media
from .results import (
    ClipInput,
    FrameView,
    PersonView,
    Prediction,
    VideoResult,
)
from .scorers import Scorer, build_scorer
from .windows import (
    KeptFrame,
    Person,
    Window,
    Windows,
    people_of,
    timelines,
)

WINDOW = 3.  # s, where the length of the training clips is not known
RATE = 15.  # frames a second, likewise
LOOK = 1.  # s from one look of a detector to the next, in windows
# People whose last prediction is kept, and s after which it is not
REMEMBERED, FORGOTTEN = 64, 60.
CROP = 256  # side of person crops, where the model's folder does not say it
ERRORS = (VideoError, PeopleError, NoPersonError, NotFiniteError, OSError,
          ValueError)

logger = logging.getLogger('hpnet')


@dataclass(frozen=True)
class Plan:
    """How a video is looked at.

    Attributes:
        window: Length of a window in s; None: the whole video at once.
        stride: From one window to the next, in s.
        hold: For how many s a label is shown after its window.
        fps: Frames looked at a second; None: those of the extraction.
    """
    window: float | None
    stride: float = 0.
    hold: float = 0.
    fps: float | None = None


class HPNetInferencer:
    """Says what the people in new videos do.

    ::

        inferencer = HPNetInferencer('work_dirs/hp_j_ctrgcn_mine')
        for result in inferencer('new.mp4'):
            print(result.timelines)

        for prediction in inferencer('rtsp://camera/1', stream=True):
            print(prediction.track, prediction.label, prediction.score)

    Decoding, detector, tracker, pose net and pooling are those that made the
    features of the training, by the same code. A short video is looked at as
    a whole, as a clip in a test, and gets the scores that a test would give
    it. A longer one, or a stream, is cut into windows; each person is looked
    at alone in them, unless ``together`` says otherwise.

    Args:
        model: What was trained: a work dir, a checkpoint, or a folder of
            ``hpnet save`` or ``hpnet export``. Several of them are fused;
            they share one pass of detector and pose net.
        weights: Of the models of a fusion. By default those of their
            dataset, or equal ones.
        device: ``'cpu'``, ``'cuda'``, ….
        backend: ``'torch'`` or ``'onnx'``; by default torch where the model
            has weights for it.
        pose: Pose net, see ``hpnet extract``, where the one that the
            features were made with is not found by its name. It must be the
            same.
        pose_checkpoint: Its weights.
        detector: In place of the one that the features were made with.
        det_checkpoint: Its weights.
        window: Length of a window in s; ``'clip'``: the whole video at once;
            ``'auto'``: at once if the video is no longer than the longest
            training clip, else windows as long as the median one.
        stride: From the beginning of one window to that of the next, in s.
            By default half a window; at most a window.
        hold: For how many s after its window a label is shown in
            ``on_frame``. By default a stride.
        fps: Frames a second that are looked at in windows. By default as
            many as the model sees of a window, but no more than in training.
        together: Whether the model sees all people of a window at once, as
            in training clips of several people, for actions between people.
            By default it does where the whole video is looked at, and sees
            each person alone in windows.
        detect_every: Frames of the video from one detection to the next. By
            default the detector's own; in windows, where the joints carry a
            person's box from frame to frame, those of a second.
        max_people: People at most. By default 10 in windows where each is
            looked at alone, else as in training.
        threshold: Below this probability the label is ``'unknown'``. By
            default that of ``hpnet calibrate``, or none.
        topk: Classes named in a prediction.
        threads: Threads of the pose net on the CPU. More than one may
            change the last bits of features.

    Attributes:
        description: What the model is.
        classes: Class names in label order.
        name: Of the model.

    Raises:
        FileNotFoundError: If something is not there.
        ValueError: If models do not go together, or the pose net is another
            than that of the training.
    """

    def __init__(self,
                 model: str | Sequence[str],
                 *,
                 weights: Sequence[float] | None = None,
                 device: str = 'cpu',
                 backend: str | None = None,
                 pose: str | None = None,
                 pose_checkpoint: str | None = None,
                 detector: str | None = None,
                 det_checkpoint: str | None = None,
                 window: float | str = 'auto',
                 stride: float | None = None,
                 hold: float | None = None,
                 fps: float | None = None,
                 together: bool | None = None,
                 detect_every: int | None = None,
                 max_people: int | None = None,
                 threshold: float | None = None,
                 topk: int = 5,
                 threads: int = 1) -> None:
        if isinstance(window, str) and window not in ('auto', 'clip'):
            raise ValueError(f"window={window!r}: expected seconds, 'auto' "
                             "or 'clip'")
        for key, value in dict(window=window, stride=stride, fps=fps,
                               topk=topk, detect_every=detect_every,
                               max_people=max_people).items():
            if isinstance(value, (int, float)) and not value > 0:
                raise ValueError(f'{key} must be above 0, got {value}')
        if hold is not None and not hold >= 0:
            raise ValueError(f'hold must be 0 or more, got {hold}')
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError('threshold is a probability, from 0 to 1; got '
                             f'{threshold}')
        self._scorer: Scorer = build_scorer(model, weights, device, backend)
        self.description = self._scorer.description
        self.classes = tuple(self.description.classes)
        self.name = self.description.name
        self._asked = dict(window=window, stride=stride, hold=hold, fps=fps)
        self.together, self.detect_every = together, detect_every
        self.max_people, self.topk = max_people, topk
        calibration = self.description.calibration or {}
        self.threshold = calibration.get('threshold') or 0. \
            if threshold is None else threshold
        self._nets: Estimators = build_estimators(
            self.description, self._scorer.taps, device, pose,
            pose_checkpoint, detector, det_checkpoint, detect_every,
            self._scorer.pose, threads)

    @property
    def detector(self) -> str:
        """Name of the detector."""
        return self._nets.source.name

    def __call__(self,
                 source: Any,
                 stream: bool = False,
                 on_frame: Callable[[FrameView], None] | None = None,
                 progress: Callable[[float, float], None] | None = None,
                 on_prediction: Callable[[Prediction], None] | None = None
                 ) -> list[VideoResult] | Iterator[Prediction]:
        """Say what the people in videos do.

        Args:
            source: A video, a folder, a list, a pattern, an array (T, H, W,
                3) uint8 RGB, the number of a camera, or the address of a
                stream; see :func:`hpnet_plugin.apis.media.open_media`.
            stream: Whether to yield each prediction as soon as it is known,
                and keep none. A live source has no end: it needs this, or
                ``on_prediction`` and Ctrl-C.
            on_frame: Called with each frame that was looked at, in order,
                with the labels that are known by then.
            progress: Called with the seconds of the present video that were
                seen, and its length (0 of a live source).
            on_prediction: Called with each prediction as soon as it is known.

        Returns:
            A result a video; with ``stream`` an iterator of predictions.
            Videos that cannot be looked at have a result of status
            ``'failed'``; with ``stream`` their errors are logged.

        Raises:
            SourceError: If there is no such source.
        """
        media = open_media(source)
        if stream:
            return self._stream(media, on_frame, progress)
        return [self.look(one, on_frame, progress, on_prediction)
                for one in media]

    def _stream(self, media, on_frame, progress):
        for one in media:
            try:
                with one, contextlib.closing(
                        self.predictions(one, on_frame, progress)) as found:
                    yield from found
            except ERRORS as error:
                logger.warning('%s: %s', one.name, error)

    def look(self,
             media: Media,
             on_frame: Callable[[FrameView], None] | None = None,
             progress: Callable[[float, float], None] | None = None,
             on_prediction: Callable[[Prediction], None] | None = None
             ) -> VideoResult:
        """All that is known of one video; see :meth:`__call__`."""
        begin, found, failed = time.monotonic(), [], ''
        try:
            for prediction in self.predictions(media, on_frame, progress):
                found.append(prediction)
                if on_prediction:
                    on_prediction(prediction)
        except ERRORS as error:
            failed = str(error)
        except KeyboardInterrupt:
            if not media.live:
                raise
        finally:
            media.close()
        return self.result_of(media, found, time.monotonic() - begin, failed)

    def result_of(self,
                  media: Media,
                  found: list[Prediction],
                  seconds: float = 0.,
                  failed: str = '',
                  stopped: str = '') -> VideoResult:
        """What the predictions of a video amount to.

        Args:
            media: The video.
            found: Its predictions.
            seconds: What they took.
            failed: Why there is nothing, or nothing more.
            stopped: Why the video was not looked at to its end.
        """
        message = failed or stopped or media.damage or ''
        status = 'failed' if failed else 'damaged' if message else \
            'ok' if found else 'no_person'
        if status == 'no_person':
            message = 'nobody was found'
        try:
            info = media.info
        except ERRORS:
            info = MediaInfo()
        return VideoResult(
            media.name, status, message, found,
            timelines(found, self.classes, self.threshold), self.classes,
            info.fps, info.duration, info.frames, (info.height, info.width),
            seconds, self.name)

    def plan(self, media: Media) -> Plan:
        """How a video will be looked at."""
        known = self.description.windows
        window = self._asked['window']
        median = known.get('median') or WINDOW
        if window == 'auto':
            longest = known.get('longest') or WINDOW
            window = median if media.live or \
                media.info.duration > longest else 'clip'
        if window == 'clip':
            if media.live:
                raise ValueError(f'{media.name} has no end, so that there is '
                                 "no whole of it: leave window='clip' out, "
                                 'or give seconds')
            return Plan(None)
        stride = min(self._asked['stride'] or window / 2, window)
        hold = self._asked['hold']
        fps = self._asked['fps']
        if fps is None:
            frames = (self.description.input or {}).get(
                'frames') or self.description.facts.get('frames')
            fps = min(known.get('fps') or RATE,
                      frames / window if frames else RATE)
        return Plan(window, stride, stride if hold is None else hold, fps)

    def predictions(self,
                    media: Media,
                    on_frame: Callable[[FrameView], None] | None = None,
                    progress: Callable[[float, float], None] | None = None
                    ) -> Iterator[Prediction]:
        """Predictions of one video as they are known.

        Raises:
            ValueError: If it cannot be looked at, with the reason.
        """
        plan = self.plan(media)
        if plan.window is None:
            yield from self._whole(media, on_frame, progress)
        else:
            yield from self._windows(media, plan, on_frame, progress)

    # a whole video, as the extraction looks at a clip

    def _whole(self, media, on_frame, progress):
        settings = self._settings()
        with tempfile.TemporaryDirectory(prefix='hpnet-') as out, \
                media.reader(settings.max_frames,
                             settings.length) as reader:
            recorder = settings.recorder(out)
            extraction = ClipExtraction(
                self._nets.source, self._nets.extractor, settings, out)
            duration, done = media.info.duration, [0]

            def report(frames):
                done[0] += frames
                if progress and frames:
                    progress(min(duration, duration * done[0]
                                 / max(len(reader.numbers), 1)), duration)

            name = _clip_name(media)
            clip = extraction.see(name, reader, report,
                                  recorder.add if recorder else None)
            found = clip.found
            crops = None
            if recorder:
                recorder.write('clip', found.boxes, found.chosen, clip.shown)
                crops = Crops(recorder.path('clip'))
            media.damage = reader.damage
            predictions = [] if found.nobody else self._predict_whole(
                media, name, clip, crops)
        if on_frame:
            # what a clip shows is known at its end: it is read again
            with media.reader(settings.max_frames,
                             settings.length) as reader:
                for t, image in enumerate(
                        image for chunk in reader.chunks()
                        for image in chunk.images):
                    on_frame(_view_of(media.name, t, image, found,
                                      predictions))
        yield from predictions

    def _predict_whole(self, media, name, clip, crops):
        found, fps = clip.found, media.info.fps
        arrays = {key: value for key, value in clip.arrays.items()
                  if key != 'timestamp'}
        end = found.times[-1] + (1 / fps if fps else 0)
        people = [
            Person(m, tuple(n for n in range(len(found.chosen))
                            if n != m), m, 0, 0., end,
                   ClipInput(arrays, found.shape, crops, name),
                   _boxes(found, m), found.arrays)
            for m in range(len(found.chosen))]
        together = True if self.together is None else self.together
        if not together:
            people = [person._replace(
                together=(),
                clip=person.clip._replace(arrays={
                    key: value[m:m + 1] for key, value in arrays.items()
                })) for m, person in enumerate(people)]
        return self._predict(
            media.name, people, np.asarray(found.numbers),
            np.asarray(found.times))

    def _settings(self):
        """How the clips of the training were extracted."""
        record = self.description.extraction
        crops = None
        if 'crops' in self._scorer.needs:
            crops = {key: value for key, value in
                     (record.get('crops') or dict(size=CROP)).items()
                     if key in ('size', 'margin', 'fit')}
        return Settings(
            num_people=self.max_people or record.get('max_people', 2),
            max_frames=None if record.get('length') else
            record.get('max_frames', 300),
            length=record.get('length'),
            max_gap=record.get('max_gap', 30),
            persons='tracked' if self._nets.source.slotted or
            record.get('persons') != 'released' else 'released',
            damaged='mark',
            crops=crops)

    # windows

    def _windows(self, media, plan, on_frame, progress):
        source, extractor = self._nets.source, self._nets.extractor
        record = self.description.extraction
        together = self._seen_at_once() if self.together else 0
        max_people = self.max_people or (together or 10)
        max_gap = record.get('max_gap', 30)
        cutter = None
        if 'crops' in self._scorer.needs:
            crops = self._settings().crops
            cutter = CropCutter(**crops, num_people=together or 1)
        follower = Follower(source, extractor, self._every(media),
                            # as many candidates as in the extraction
                            max_people + 2, max_gap)
        cut = Windows(plan.window, plan.stride, max_gap)
        known: dict[int, Prediction] = {}

        def predict(windows: list[Window]) -> list[Prediction]:
            once = frozenset(known)
            people = [(window, person) for window in windows
                      for person in people_of(
                          window, extractor.taps, extractor.net.num_joints,
                          together, max_people, max_gap, source.least,
                          source.evidence, cutter, once, media.name)]
            found = self._predict_each(media.name, people)
            for prediction in found:
                known[prediction.track] = prediction
            if len(known) > REMEMBERED:  # of a camera, most have gone
                latest = max(p.end for p in known.values())
                for track in [track for track, p in known.items()
                              if p.end < latest - FORGOTTEN]:
                    del known[track]
            return found

        duration = 0. if media.live else media.info.duration
        with contextlib.closing(media.chunks(plan.fps)) as chunks:
            for seen in follower.follow(_clip_name(media), chunks):
                part = cutter.part(seen.image, seen.boxes) if cutter else None
                kept = KeptFrame(seen._replace(image=None),
                                 seen.image.shape[:2], part)
                yield from predict(list(cut.add(kept)))
                if on_frame:
                    on_frame(self._view(media.name, seen, known, plan.hold))
                if progress:
                    progress(seen.time, duration)
        yield from predict(list(cut.end()))

    def _every(self, media):
        """Frames of the video from one look of the detector to the next."""
        every = self._nets.source.every
        if self.detect_every or every == 1:  # it costs nothing, then
            return self.detect_every or every
        # the joints carry a person's box
        return max(every, round(LOOK * (media.info.fps or RATE)))

    def _seen_at_once(self):
        """People that the model sees at once."""
        return (self.description.input or {}).get(
            'people') or self.description.facts.get('people') or 2

    def _view(self, name, seen: SeenFrame, known, hold):
        people = []
        evidence = self._nets.source.evidence
        for k, track in enumerate(seen.tracks.tolist()):
            last = known.get(track)
            if last and seen.time > last.end + hold:
                last = None
            if last is None and seen.scores[k].mean() < evidence:
                continue  # a mistake of the detector
            people.append(_person_view(track, seen.boxes[k, :4],
                                       seen.joints[k], seen.scores[k], last))
        return FrameView(name, seen.number, seen.time, seen.image, people)

    # scores

    def _predict(self, source, people, numbers, times):
        """Of people who are seen in the same frames."""
        return self._of(source, people, [(numbers, times)] * len(people))

    def _predict_each(self, source, people):
        """Of people in windows."""
        frames = []
        for window, person in people:
            seen = [frame.seen for frame in window.frames][
                person.first:person.first + len(person.boxes)]
            frames.append((np.array([s.number for s in seen]),
                           np.array([s.time for s in seen])))
        return self._of(source, [person for _, person in people], frames)

    def _of(self, source, people: list[Person], frames):
        if not people:
            return []
        # those who are seen together are scored once
        clips = list({id(person.clip): person.clip
                      for person in people}.values())
        place = {id(clip): i for i, clip in enumerate(clips)}
        raw = self._scorer(clips)
        if raw.shape[1] != len(self.classes):
            raise ValueError(
                f'{self.name} gives scores of {raw.shape[1]} classes, and '
                f'its description names {len(self.classes)}')
        calibration = self.description.calibration or {}
        chances = probabilities(
            raw, self.description.output,
            calibration.get('temperature', 1.)).astype(np.float32)
        found = []
        for person, (numbers, times) in zip(people, frames):
            i = place[id(person.clip)]
            found.append(self._prediction(source, person, numbers, times,
                                          raw[i], chances[i]))
        return found

    def _prediction(self, source, person, numbers, times, raw, chances):
        best = int(chances.argmax())
        known = chances[best] >= self.threshold
        order = np.argsort(-chances, kind='stable')[:self.topk]
        arrays = person.arrays
        joints = arrays['keypoint'][person.row]
        scores = arrays['keypoint_score'][person.row]
        present = scores.any(1)
        tap = next(iter(self._nets.extractor.taps), None)
        energy = None
        if tap in arrays:
            energy = np.linalg.norm(
                arrays[tap][person.row].astype(np.float32), axis=-1)
        return Prediction(
            source=source,
            track=person.track,
            start=person.start,
            end=person.end,
            label=self.classes[best] if known else UNKNOWN,
            label_id=best if known else -1,
            score=float(chances[best]),
            topk=[(self.classes[i], float(chances[i])) for i in order],
            probabilities=chances,
            raw=raw,
            numbers=numbers,
            times=times,
            boxes=person.boxes,
            joints=joints,
            joint_scores=scores,
            pose_score=float(scores[present].mean()) if present.any() else 0.,
            energy=energy,
            together=person.together)


def _clip_name(media):
    """What files of boxes and joints call a video."""
    return osp.splitext(osp.basename(media.name))[0]


def _boxes(found, m):
    """Boxes of one person, (T, 4), NaN where absent."""
    boxes = np.full((len(found.boxes), 4), np.nan, np.float32)
    for t, k in enumerate(found.chosen[m]):
        if k >= 0:
            boxes[t] = found.boxes[t][k, :4]
    return boxes


def _view_of(name, t, image, found, predictions):
    """A frame of a video that was looked at as a whole."""
    people = [_person_view(p.track, p.boxes[t], p.joints[t],
                           p.joint_scores[t], p)
              for p in predictions if not np.isnan(p.boxes[t, 0])]
    return FrameView(name, found.numbers[t], found.times[t], image, people)


def _person_view(track, box, joints, scores, last):
    return PersonView(track, box, joints, scores,
                      last.label if last else None,
                      last.score if last else 0., last.topk if last else [])
