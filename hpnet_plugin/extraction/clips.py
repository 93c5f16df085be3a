"""What is done with one clip: from a video to the arrays of the store."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..datasets.clips import SourceClip, name_problem
from ..estimation.assembly import AssembledClip, ClipAssembler
from ..estimation.video import Limits, VideoError, VideoReader
from ..remote import name_of, shown, video_file
from ..resampling import linear_weights, resize
from .crops import CropRecorder

if TYPE_CHECKING:
    from ..estimation.interfaces import Extractor, Features, Net, Pending
    from ..estimation.people import PersonSource
    from ..estimation.video import FrameChunk
    from .worker_process import Report


class ExtractedClip(NamedTuple):
    """A clip for the store.

    Attributes:
        arrays: Those of :class:`AssembledClip`, and ``timestamp`` (T,) float64
            in s from the video's first frame. None if the store has them
            already.
        info: What else is kept with it.
    """
    arrays: dict[str, np.ndarray] | None
    info: dict[str, Any]


@dataclass
class Settings:
    """What the features of a clip depend on, beside net and people.

    Attributes:
        num_people: People kept a clip.
        max_frames: Frames kept a clip, evenly spread; None keeps all.
        length: Resample each clip to so many frames, linearly, as
            ``ResizeTemporal`` does in training: only frames that have a weight
            in it are decoded and posed.
        max_gap: Longest absence in frames that is bridged.
        persons: See ``ClipAssembler``, as ``nobody``, ``batch`` and
            ``budget``.
        nobody: What becomes of clips without people.
        damaged: See ``VideoReader``, as ``limits``.
        limits: What a video may have.
        crops: Write person-centred clips too, with these ``size``, ``margin``
            and ``fit`` of :class:`CropRecorder`.
    """
    num_people: int = 2
    max_frames: int | None = 300
    length: int | None = None
    max_gap: int = 30
    persons: str = 'tracked'
    nobody: str = 'zeros'
    damaged: str = 'refuse'
    limits: Limits = field(default_factory=Limits)
    batch: int = 8  # on a CPU: these stay in its caches
    budget: int = 256 << 20
    crops: dict[str, Any] | None = None

    def recorder(self, out: str) -> CropRecorder | None:
        """What writes a clip's crops into a dataset folder.

        Args:
            out: The folder.

        Returns:
            It writes one clip; None if no crops are asked for.

        Raises:
            ValueError: If an option is out of range.
        """
        if self.crops is None:
            return None
        return CropRecorder(out, num_people=self.num_people,
                            length=self.length, **self.crops)

    def record(self) -> dict[str, Any]:
        """What a store's ``meta`` says of these settings.

        Options of later versions are named where they are not at their
        default only, so that stores written before can be resumed.

        Returns:
            Names to values.
        """
        record: dict[str, Any] = dict(max_frames=self.max_frames)
        if self.length is not None:
            record.update(length=self.length)
        if self.damaged != 'refuse':
            record.update(damaged=self.damaged)
        return record


class SeenClip(NamedTuple):
    """A clip, as its video shows it.

    Attributes:
        found: Who is where, before frames are resampled.
        arrays: See :class:`ExtractedClip`.
        shown: Which frames crops show, where frames are resampled.
        count: Frames of the video.
    """
    found: AssembledClip
    arrays: dict[str, np.ndarray]
    shown: np.ndarray | None
    count: int


class ClipExtraction:
    """Pose net, people and settings, as a function of a clip.

    Args:
        source: Says who is where.
        extractor: Pose net, taps and pooling.
        settings: What else the features depend on.
        out: The dataset folder, for crops.
        threads: Threads that decode one video. Defaults to 1.
    """

    def __init__(self,
                 source: PersonSource,
                 extractor: Extractor,
                 settings: Settings,
                 out: str,
                 threads: int = 1) -> None:
        self.settings, self.out, self.threads = settings, out, threads
        self._net = _Reporting(extractor)
        self._assembler = ClipAssembler(
            source,
            self._net,
            num_people=settings.num_people,
            max_gap=settings.max_gap,
            persons=settings.persons,
            nobody=settings.nobody,
            batch=settings.batch,
            budget=settings.budget)

    @property
    def record(self) -> dict[str, Any]:
        """What made the features; ``meta`` of the store."""
        return {**self._assembler.record, **self.settings.record()}

    def __call__(self,
                 clip: SourceClip,
                 report: Report,
                 stored: bool = False) -> ExtractedClip:
        """Extract one clip.

        Args:
            clip: The clip.
            report: Is told of each frame and of each batch.
            stored: Whether the store has its features, so that only its crops
                are wanted. Defaults to False.

        Returns:
            What goes into the store.

        Raises:
            ValueError: If the clip cannot be extracted, with the reason.
            OSError: If its crops cannot be written.
        """
        problem = name_problem(clip.name)
        if problem:
            raise ValueError(f'{ascii(clip.path)}: {problem}')
        settings = self.settings
        recorder = settings.recorder(self.out)
        with self._opened(clip.path, report) as reader:
            seen = self.see(clip.name, reader, report,
                            on_frame=recorder.add if recorder else None,
                            pose=not stored)
        if recorder:
            # before the store has the clip: a killed run leaves no clip in
            # it whose crops are still to be written
            recorder.write(clip.name, seen.found.boxes, seen.found.chosen,
                           seen.shown)
        if stored:
            return ExtractedClip(None, {})
        info = dict(
            img_shape=list(seen.found.shape),
            fps=reader.info.fps,
            num_frames=seen.count,
            source=name_of(clip.path))
        if seen.found.nobody:
            info['nobody'] = True
        if reader.damage:
            info['damage'] = reader.damage
        return ExtractedClip(seen.arrays, info)

    @contextmanager
    def _opened(self, path: str, report: Report) -> Iterator[VideoReader]:
        """The frames of a video; one at a URL is fetched for as long."""
        settings, file = self.settings, path
        try:
            with video_file(path, lambda: report(0)) as file, VideoReader(
                    file,
                    max_frames=settings.max_frames,
                    length=settings.length,
                    damaged=settings.damaged,
                    limits=settings.limits,
                    threads=self.threads) as reader:
                yield reader
        except VideoError as error:
            if file == path:
                raise
            raise VideoError(str(error).replace(file, shown(path))) from None

    def see(self,
            name: str,
            reader: VideoReader,
            report: Report,
            on_frame: Callable[[np.ndarray, np.ndarray], None] | None = None,
            pose: bool = True) -> SeenClip:
        """Find the people of a clip, their joints and features.

        Args:
            name: The clip's name.
            reader: Its frames; anything with ``chunks()`` and, after these,
                ``count``.
            report: Is told of each frame and of each batch.
            on_frame: See :class:`ClipAssembler`, as ``pose``.
            pose: Likewise. Defaults to True.

        Returns:
            What was seen.

        Raises:
            ValueError: If there is something wrong with the clip.
        """
        self._net.report = report
        found = self._assembler(name, _reported(reader.chunks(), report),
                                on_frame=on_frame, pose=pose)
        return SeenClip(found, self._arrays(found, reader.count),
                        self._shown(found, reader.count), reader.count)

    def _arrays(self, found: AssembledClip, count: int
                ) -> dict[str, np.ndarray]:
        arrays = dict(found.arrays)
        times = np.asarray(found.times, np.float64)
        if self.settings.length is not None:
            length, numbers = self.settings.length, np.asarray(found.numbers)
            arrays = {
                key: resize(array, length, numbers=numbers, count=count,
                            blend_absent=self.settings.persons == 'released')
                for key, array in arrays.items()}
            earlier, later, weight = linear_weights(count, length)
            earlier, later = np.searchsorted(numbers, (earlier, later)).clip(
                max=len(numbers) - 1)
            times = times[earlier] * (1 - weight) + times[later] * weight
        return dict(arrays, timestamp=times)

    def _shown(self, found: AssembledClip, count: int) -> np.ndarray | None:
        """Which frames the crops show: the nearest of each resampled one."""
        if self.settings.length is None:
            return None
        earlier, later, weight = linear_weights(count, self.settings.length)
        at = np.searchsorted(found.numbers,
                             np.where(weight > 0.5, later, earlier))
        return at.clip(max=len(found.numbers) - 1)


class _Reporting:
    """An extractor that says it is alive at each batch."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor, self.taps = extractor, extractor.taps
        self.report: Report = lambda n: None

    @property
    def net(self) -> Net:
        return self._extractor.net

    @property
    def record(self) -> dict[str, Any]:
        return self._extractor.record

    def crop(self, frame: np.ndarray,
             box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._extractor.crop(frame, box)

    def __call__(self, crops: np.ndarray, matrices: np.ndarray,
                 joints: np.ndarray | None = None,
                 areas: np.ndarray | None = None) -> Features:
        return self.submit(crops, matrices, joints, areas).result()

    def submit(self, crops: np.ndarray, matrices: np.ndarray,
               joints: np.ndarray | None = None,
               areas: np.ndarray | None = None) -> _Reported:
        return _Reported(
            self._extractor.submit(crops, matrices, joints, areas),
            self.report)


class _Reported(NamedTuple):
    """A batch that is reported when its result is taken."""
    pending: Pending
    report: Report

    def result(self) -> Features:
        result = self.pending.result()
        self.report(0)
        return result


def _reported(chunks: Iterable[FrameChunk], report: Report
              ) -> Iterator[FrameChunk]:
    for chunk in chunks:
        report(len(chunk.numbers))
        yield chunk
