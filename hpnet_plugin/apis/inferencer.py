"""What the people in a new video do."""
from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Literal, overload

from ..estimation.assembly import NoPersonError, NotFiniteError
from ..estimation.people import PeopleError
from ..estimation.video import VideoError
from .estimators import Estimators, build_estimators
from .looking import Looker, OnFrame, Progress
from .media import Media, MediaInfo
from .media_sources import open_media
from .plan import Plan, Wishes, plan
from .predictor import Predictor
from .results import Prediction, VideoResult
from .scorers import Scorer, build_scorer
from .timelines import timelines

ERRORS = (VideoError, PeopleError, NoPersonError, NotFiniteError, OSError,
          ValueError)
OnPrediction = Callable[[Prediction], None]

logger = logging.getLogger('hpnet')


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
        learnt: In place of weights, what ``hpnet fuse --learn --save``
            wrote: the models are fused by its layer, one for each of its
            streams, in the same order.
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
        ValueError: If models do not go together, or not with what was
            learnt, or the pose net is another than that of the training.
    """

    def __init__(self,
                 model: str | Sequence[str],
                 *,
                 weights: Sequence[float] | None = None,
                 learnt: str | os.PathLike[str] | None = None,
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
        self._wishes = Wishes(window, stride, hold, fps, together,
                              detect_every, max_people, threshold, topk)
        self._scorer: Scorer = build_scorer(
            model, weights, device, backend, learnt)
        self.description = self._scorer.description
        self.classes = tuple(self.description.classes)
        self.name = self.description.name
        self._nets: Estimators = build_estimators(
            self.description, self._scorer.taps, device, pose,
            pose_checkpoint, detector, det_checkpoint, detect_every,
            self._scorer.pose, threads)
        self._predictor = Predictor(
            self._scorer, threshold, topk,
            next(iter(self._nets.extractor.taps), None))

    @property
    def detector(self) -> str:
        """Name of the detector."""
        return self._nets.source.name

    @property
    def threshold(self) -> float:
        """Probability below which the label is ``'unknown'``."""
        return self._predictor.threshold

    @overload
    def __call__(self, source: Any, stream: Literal[False] = False,
                 on_frame: OnFrame | None = None,
                 progress: Progress | None = None,
                 on_prediction: OnPrediction | None = None
                 ) -> list[VideoResult]: ...

    @overload
    def __call__(self, source: Any, stream: Literal[True],
                 on_frame: OnFrame | None = None,
                 progress: Progress | None = None,
                 on_prediction: OnPrediction | None = None
                 ) -> Iterator[Prediction]: ...

    def __call__(self,
                 source: Any,
                 stream: bool = False,
                 on_frame: OnFrame | None = None,
                 progress: Progress | None = None,
                 on_prediction: OnPrediction | None = None
                 ) -> list[VideoResult] | Iterator[Prediction]:
        """Say what the people in videos do.

        Args:
            source: A video, a folder, a list, a pattern, an array (T, H, W,
                3) uint8 RGB, the number of a camera, or the address of a
                stream; see :func:`hpnet_plugin.apis.open_media`.
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

    def _stream(self, media: Sequence[Media], on_frame: OnFrame | None,
                progress: Progress | None) -> Iterator[Prediction]:
        for one in media:
            try:
                with one, contextlib.closing(
                        self.predictions(one, on_frame, progress)) as found:
                    yield from found
            except ERRORS as error:
                logger.warning('%s: %s', one.name, error)

    def look(self,
             media: Media,
             on_frame: OnFrame | None = None,
             progress: Progress | None = None,
             on_prediction: OnPrediction | None = None) -> VideoResult:
        """All that is known of one video.

        Args:
            media: The video; it is closed at the end.
            on_frame: See :meth:`__call__`, as the next two.
            progress: Likewise.
            on_prediction: Likewise.

        Returns:
            Its result; Ctrl-C ends a live source.
        """
        begin, failed = time.monotonic(), ''
        found: list[Prediction] = []
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

        Returns:
            The result.
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
        """How a video will be looked at.

        Args:
            media: The video.

        Returns:
            Length and stride of windows, or that it is seen as a whole.

        Raises:
            ValueError: If the whole of a live source is asked for.
        """
        return plan(self.description, self._wishes, media)

    def predictions(self,
                    media: Media,
                    on_frame: OnFrame | None = None,
                    progress: Progress | None = None
                    ) -> Generator[Prediction]:
        """Predictions of one video as they are known.

        Args:
            media: The video.
            on_frame: See :meth:`__call__`.
            progress: Likewise.

        Yields:
            The predictions, in order of their end.

        Raises:
            ValueError: If it cannot be looked at, with the reason.
        """
        looker = Looker(self._nets, self._predictor, self._wishes, on_frame,
                        progress)
        chosen = self.plan(media)
        if chosen.window is None:
            yield from looker.whole(media)
        else:
            yield from looker.windows(media, chosen)
