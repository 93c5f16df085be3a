"""Two ways to look at a video: as one clip, and in windows of time."""
from __future__ import annotations

import contextlib
import os.path as osp
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from ..datasets.crops import Crops
from ..estimation.assembly import AssembledClip
from ..estimation.following import Follower, SeenFrame
from ..estimation.video import VideoReader
from ..extraction.clips import ClipExtraction, SeenClip
from ..extraction.crop_cutting import CropCutter
from .estimators import Estimators
from .inputs import ClipInput
from .media import Media
from .plan import (
    Plan,
    Wishes,
    frames_between_looks,
    seen_at_once,
    training_settings,
)
from .predictor import Predictor
from .results import Prediction
from .views import FrameView, PersonView
from .window_people import PeopleRules, Person, boxes_of, people_of
from .windows import KeptFrame, Window, Windows

# People whose last prediction is kept, and s after which it is not
REMEMBERED, FORGOTTEN = 64, 60.
NO_PIXELS = np.zeros((0, 0, 3), np.uint8)

OnFrame = Callable[[FrameView], None]
Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Looker:
    """Looks at videos.

    Attributes:
        nets: Who finds people, and who finds their joints and features.
        predictor: Says what the people do.
        wishes: What the user asks for.
        on_frame: Called with each frame that was looked at, None for nobody.
        progress: Called with the seconds of the video that were seen, and
            its length (0 of a live source); None for nobody.
    """
    nets: Estimators
    predictor: Predictor
    wishes: Wishes
    on_frame: OnFrame | None = None
    progress: Progress | None = None

    def whole(self, media: Media) -> Iterator[Prediction]:
        """Look at a whole video, as the extraction looks at a clip.

        Args:
            media: The video.

        Yields:
            A prediction a person.

        Raises:
            ValueError: If it cannot be looked at, with the reason.
        """
        settings = training_settings(
            self.predictor.description, self.wishes, self.nets.source,
            'crops' in self.predictor.needs)
        with tempfile.TemporaryDirectory(prefix='hpnet-') as out, \
                media.reader(settings.max_frames,
                             settings.length) as reader:
            recorder = settings.recorder(out)
            extraction = ClipExtraction(
                self.nets.source, self.nets.extractor, settings, out)
            duration, done = media.info.duration, 0
            count = max(len(reader.numbers), 1)

            def report(frames: int) -> None:
                nonlocal done
                done += frames
                if self.progress and frames:
                    self.progress(min(duration, duration * done / count),
                                  duration)

            name = _clip_name(media)
            # any medium reads as a file does
            clip = extraction.see(name, cast(VideoReader, reader), report,
                                  recorder.add if recorder else None)
            found, crops = clip.found, None
            if recorder:
                recorder.write('clip', found.boxes, found.chosen, clip.shown)
                crops = Crops(recorder.path('clip'))
            media.damage = reader.damage
            predictions = [] if found.nobody else self.predictor(
                media.name, self._people(media, clip, crops))
        if self.on_frame:
            # what a clip shows is known at its end: it is read again
            with media.reader(settings.max_frames,
                             settings.length) as reader:
                for t, image in enumerate(
                        image for chunk in reader.chunks()
                        for image in chunk.images):
                    self.on_frame(_view_of(media.name, t, image, found,
                                           predictions))
        yield from predictions

    def _people(self, media: Media, clip: SeenClip, crops: Crops | None
                ) -> list[Person]:
        """The people of a clip, together unless the user wants it not."""
        found, fps = clip.found, media.info.fps
        arrays = {key: value for key, value in clip.arrays.items()
                  if key != 'timestamp'}
        together = self.wishes.together is not False
        every = range(len(found.chosen))
        whole = ClipInput(arrays, found.shape, crops, _clip_name(media))
        return [
            Person(
                track=m,
                together=tuple(n for n in every if n != m and together),
                row=m,
                start=0.,
                end=found.times[-1] + (1 / fps if fps else 0),
                clip=whole if together else whole._replace(arrays={
                    key: value[m:m + 1] for key, value in arrays.items()}),
                numbers=np.asarray(found.numbers),
                times=np.asarray(found.times),
                boxes=boxes_of(found.boxes, found.chosen[m]),
                arrays=found.arrays)
            for m in every]

    def windows(self, media: Media, plan: Plan) -> Iterator[Prediction]:
        """Look at a video, or a live source, in windows.

        Args:
            media: The video.
            plan: Length and stride of the windows, and frames a second.

        Yields:
            A prediction a person and window, as soon as it is known.

        Raises:
            ValueError: If it cannot be looked at, with the reason.
        """
        assert plan.window is not None
        source, extractor = self.nets.source, self.nets.extractor
        rules = self._rules(media)
        follower = Follower(
            source, extractor,
            frames_between_looks(self.wishes, source, media),
            # as many candidates as in the extraction
            rules.max_people + 2, rules.max_gap)
        cut = Windows(plan.window, plan.stride, rules.max_gap)
        known: dict[int, Prediction] = {}
        duration = 0. if media.live else media.info.duration
        with contextlib.closing(media.chunks(plan.fps)) as chunks:
            for seen in follower.follow(_clip_name(media), chunks):
                part = rules.cutter.part(seen.image, seen.boxes) \
                    if rules.cutter else None
                kept = KeptFrame(seen._replace(image=NO_PIXELS),
                                 (seen.image.shape[0], seen.image.shape[1]),
                                 part)
                yield from self._predict(media.name, list(cut.add(kept)),
                                         rules, known)
                if self.on_frame:
                    self.on_frame(_view(media.name, seen, known, plan.hold,
                                        source.evidence))
                if self.progress:
                    self.progress(seen.time, duration)
        yield from self._predict(media.name, list(cut.end()), rules, known)

    def _rules(self, media: Media) -> PeopleRules:
        """How the people of windows are chosen and shown."""
        about, source = self.predictor.description, self.nets.source
        together = seen_at_once(about) if self.wishes.together else 0
        cutter = None
        if 'crops' in self.predictor.needs:
            crops = training_settings(about, self.wishes, source, True).crops
            cutter = CropCutter(**crops or {}, num_people=together or 1)
        extractor = self.nets.extractor
        return PeopleRules(
            taps=extractor.taps,
            num_joints=extractor.net.num_joints,
            together=together,
            max_people=self.wishes.max_people or together or 10,
            max_gap=about.extraction.get('max_gap', 30),
            least=source.least,
            evidence=source.evidence,
            cutter=cutter,
            name=media.name)

    def _predict(self, name: str, windows: list[Window], rules: PeopleRules,
                 known: dict[int, Prediction]) -> list[Prediction]:
        """Predictions of windows; the last of each person goes to known."""
        once = frozenset(known)
        found = self.predictor(name, [
            person for window in windows
            for person in people_of(window, rules, once)])
        for prediction in found:
            known[prediction.track] = prediction
        if len(known) > REMEMBERED:  # of a camera, most have gone
            latest = max(p.end for p in known.values())
            for track in [track for track, p in known.items()
                          if p.end < latest - FORGOTTEN]:
                del known[track]
        return found


def _view(name: str, seen: SeenFrame, known: dict[int, Prediction],
          hold: float, evidence: float) -> FrameView:
    """A frame of a video that is looked at in windows."""
    people = []
    for k, track in enumerate(seen.tracks.tolist()):
        last = known.get(track)
        if last and seen.time > last.end + hold:
            last = None
        if last is None and seen.scores[k].mean() < evidence:
            continue  # a mistake of the detector
        people.append(PersonView.of(track, seen.boxes[k, :4], seen.joints[k],
                                    seen.scores[k], last))
    return FrameView(name, seen.number, seen.time, seen.image, people)


def _view_of(name: str, t: int, image: np.ndarray, found: AssembledClip,
             predictions: list[Prediction]) -> FrameView:
    """A frame of a video that was looked at as a whole."""
    people = [PersonView.of(p.track, p.boxes[t], p.joints[t],
                            p.joint_scores[t], p)
              for p in predictions if not np.isnan(p.boxes[t, 0])]
    return FrameView(name, found.numbers[t], found.times[t], image, people)


def _clip_name(media: Media) -> str:
    """What files of boxes and joints call a video."""
    return osp.splitext(osp.basename(media.name))[0]
