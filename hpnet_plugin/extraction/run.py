"""The extraction: one pass from videos to a dataset folder."""
from __future__ import annotations

import contextlib
import os
import os.path as osp
import time
from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..datasets.sources import SourceClip, printable
from ..estimation.interfaces import Extractor
from ..estimation.people import PersonSource
from ..estimation.video import probe
from ..remote import is_url
from ..store import StoreError, StoreWriter
from .clips import ClipExtraction, ExtractedClip, Settings
from .failures import FailureLog
from .progress import Display, display
from .tally import Tally
from .watch import Launcher, Outcome, Pool, Watch, Watches
from .worker_process import Failure, Work
from .workers import Here, Workers, cores

if TYPE_CHECKING:
    from .upload import Upload

PROBED = 64  # videos whose headers give the estimate of the whole
PROBE_TIMEOUT = 20.  # seconds for the header of a video
SYNCED = 60.  # seconds after which what is done survives a power cut

Build = Callable[[str], tuple[PersonSource, Extractor]]


class Estimate(NamedTuple):
    """What is ahead, from the headers of some of the videos.

    Attributes:
        clips: Clips that are to be extracted.
        frames: Their frames; 0 if no header says.
        bytes: Of their features with one person a clip.
        record: What makes the features.
        found: All clips, those of earlier runs and that failed among them.
        stored: Of these, the store has so many.
    """
    clips: int
    frames: int
    bytes: int
    record: dict[str, Any]
    found: int = 0
    stored: int = 0


class Extraction:
    """Extract the pooled features of many clips into a dataset folder.

    Each clip goes through one process, see :class:`ClipExtraction`: its
    frames stay there, its batches hold its own crops alone. So its features
    depend on nothing but the clip, and whatever happens to it happens to it
    alone. This process writes the store, in the order of the clips: a run
    that was killed and resumed leaves the store, byte for byte, of a run
    that was not, whatever the number of processes.

    Args:
        build: Builds the source of people and the extractor on a device, in
            the process that uses them.
        settings: What else the features depend on.
        devices: Where the nets run; processes take them in turn. Defaults to
            ``('cpu', )``.
        workers: Processes; 0 does all work in this one, where a debugger sees
            it, and a crash ends the run. Defaults to 1.
        timeout: Seconds without a frame or a batch after which a clip has
            failed. Defaults to 300.
        launch: Starts the workers. Defaults to processes of this computer.

    Attributes:
        record: What makes the features, once the nets are loaded.
    """

    def __init__(self,
                 build: Build,
                 settings: Settings,
                 devices: Sequence[str] = ('cpu', ),
                 workers: int = 1,
                 timeout: float = 300.,
                 launch: Launcher | None = None) -> None:
        self._build, self.settings = build, settings
        self._devices, self._workers = list(devices), workers
        self._timeout = timeout
        self._launch = launch or (Workers if workers else Here)
        self.record: dict[str, Any] = {}

    def __call__(self,
                 clips: Sequence[SourceClip],
                 out: str,
                 prefix: str = '',
                 retry: bool = False,
                 progress: bool | Display = True,
                 on_start: Callable[[Estimate], None] | None = None,
                 watches: Sequence[Watch] = (),
                 tally: Tally | None = None,
                 upload: Upload | None = None) -> dict[str, str]:
        """Extract clips that the store does not have yet.

        Args:
            clips: The clips, in the order of the store.
            out: The dataset folder.
            prefix: Of this process's shards, where several fill one folder.
                Defaults to ''.
            retry: Whether to try those again that failed in an earlier run.
                Defaults to False.
            progress: Whether to show how it goes, and time left; or what
                shows it, of the same tally.
            on_start: Is told what is ahead.
            watches: Are told how it goes.
            tally: Counts it. Defaults to one that nobody else sees.
            upload: Where ``out`` mirrors a URL, to which shards go.

        Returns:
            Clips that failed, now or before, and why.

        Raises:
            SetupError: If nets or people cannot be had.
            StoreError: If the folder holds a store that was made otherwise, or
                another process writes it.
            OSError: If it cannot be written.
        """
        tally = tally or Tally()
        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(self._start(len(clips), out))
            self.record = pool.told
            os.makedirs(out, exist_ok=True)
            writer = stack.enter_context(StoreWriter(
                osp.join(out, 'features'), self.record, prefix=prefix,
                on_commit=upload.commit if upload else None))
            log = FailureLog(out)
            names = {clip.name for clip in clips}
            done = writer.names
            failed = {name: why for name, why in log.read().items()
                      if name in names and name not in done}
            todo = self._todo(clips, out, done, {} if retry else failed,
                              upload.crops if upload else ())
            estimate = self._estimate([clip for clip, _ in todo])._replace(
                found=len(clips), stored=len(names & done) - sum(
                    stored for _, stored in todo))
            if on_start:
                on_start(estimate)
            shown = progress if isinstance(progress, Display) else \
                display(tally) if progress and todo else Display(tally)
            stack.enter_context(shown)
            watch = Watches([tally, _Syncing(writer), shown, *watches])
            watch.opened(estimate)
            for (clip, _), result in pool.run(todo, watch):
                failed.pop(clip.name, None)
                outcome, nbytes, reason = _add(writer, clip.name, result)
                if reason is not None:
                    failed[clip.name] = reason
                    log.add(clip.name, reason)
                    shown.write(f'failed: {printable(clip.name)}: '
                                f'{printable(reason)}')
                watch.settled(clip.name, outcome, nbytes)
        return failed

    def _start(self, clips: int, out: str) -> Pool:
        """What runs a list of clips."""
        count = min(self._workers, max(1, clips))
        threads = max(1, cores() // max(1, count))
        source_and_net, devices = self._build, self._devices
        settings = self.settings

        def build(number: int) -> tuple[Work, dict[str, Any]]:
            device = devices[number % len(devices)]
            work = ClipExtraction(*source_and_net(device), settings, out,
                                  threads)
            return lambda item, report: work(item[0], report,
                                             item[1]), work.record

        return self._launch(build, count, self._timeout)

    def _todo(self, clips: Sequence[SourceClip], out: str,
              done: Container[str], failed: Container[str],
              crops: Container[str] = ()) -> list[tuple[SourceClip, bool]]:
        """Clips that are missing, and whether only their crops are."""
        recorder = self.settings.recorder(out)
        if recorder:
            recorder.prepare()
        return [(clip, clip.name in done) for clip in clips
                if clip.name not in failed and (
                    clip.name not in done or recorder
                    and clip.name not in crops
                    and not osp.isfile(recorder.path(clip.name)))]

    def _estimate(self, clips: list[SourceClip]) -> Estimate:
        """What the headers of some of the clips promise."""
        most = self.settings.length or self.settings.max_frames
        limits = self.settings.limits
        # in a process of its own: a header may be made to harm
        frames = []
        # those of a URL would have to be fetched for it
        here = [clip.path for clip in clips if not is_url(clip.path)]
        if here:
            some = here[::-(-len(here) // PROBED)]
            with Workers(
                    lambda number: (lambda path, report: probe(
                        path, limits=limits).frames, None), 1,
                    PROBE_TIMEOUT) as pool:
                frames = [found for _, found in pool.run(some, Watch())
                          if not isinstance(found, Failure) and found]
        one = np.mean([min(n, most or n) for n in frames]) if frames else 0
        total = int(one * len(clips))
        # COCO's 17 joints stand for any layout here
        joint = 2 * sum(self.record['taps'].values()) + 4 * 3
        return Estimate(len(clips), total, total * 17 * joint, self.record)


def _add(writer: StoreWriter, name: str, result: ExtractedClip | Failure
         ) -> tuple[Outcome, int, str | None]:
    """Add a clip to the store: what became of it, bytes, why it failed."""
    if isinstance(result, Failure):
        return 'failed', 0, result.reason
    if result.arrays is None:  # its crops alone were missing
        return 'crops', 0, None
    try:
        writer.add(name, result.arrays, result.info)
    except StoreError as error:
        return 'failed', 0, str(error)
    outcome = 'damaged' if 'damage' in result.info else \
        'nobody' if result.info.get('nobody') else 'stored'
    return outcome, sum(one.nbytes for one in result.arrays.values()), None


class _Syncing(Watch):
    """Makes what is done survive a power cut, now and then."""

    def __init__(self, writer: StoreWriter) -> None:
        self.writer, self.last = writer, time.monotonic()

    def passing(self) -> None:
        now = time.monotonic()
        if now - self.last >= SYNCED:
            self.writer.sync()
            self.last = now

    def progress(self, worker: str, count: int) -> None:
        self.passing()
