"""How far an extraction is: what bar, dashboard and metrics show."""
from __future__ import annotations

import collections
import re
import time
from typing import TYPE_CHECKING, Any

from .watch import Outcome, Watch

if TYPE_CHECKING:
    from .run import Estimate

RECENT = 60.  # seconds over which a rate is taken
SAMPLED = 1.  # seconds between its samples
LOSSES = {'no progress': 'timeout', 'ended with status': 'exit',
          'memory ran out': 'memory', 'with its machine': 'machine'}


class Worker:
    """What a worker has done, and does.

    Args:
        name: As its pool names it.

    Attributes:
        name: The same.
        state: ``'busy'``, ``'idle'``, or ``'lost'`` until it begins again.
        clip: The clip that it works on, ``''`` if none.
        since: When it began with it.
        frames: Frames of this clip so far.
        all_frames: Frames of all clips, those of lost attempts among them.
        seconds: Spent on clips that have ended, or on which it was lost.
        done: Clips that it has done.
        failed: Clips that failed with it.
        lost: How often it was lost, by the reason.
    """

    def __init__(self, name: str) -> None:
        self.name, self.state, self.clip = name, 'idle', ''
        self.since = self.seconds = 0.
        self.frames = self.all_frames = self.done = self.failed = 0
        self.lost: collections.Counter[str] = collections.Counter()

    def at_it(self) -> float:
        """How long it has worked on its clip.

        Returns:
            Seconds; 0 if it has none.
        """
        return time.monotonic() - self.since if self.state == 'busy' else 0.

    def leave(self, state: str) -> None:
        """Work on the clip no longer.

        Args:
            state: The new state.
        """
        self.seconds += self.at_it()
        self.clip, self.frames, self.state = '', 0, state


class Tally(Watch):
    """Counts what it is told of one run.

    Args:
        part: Which part of the clips this process extracts, where several
            fill one folder: ``'2 of 4'``. Defaults to ``''``.

    Attributes:
        part: The same.
        start: When the run began, in seconds since 1970.
        heard: When a worker last said something, likewise.
        ahead: What there is to do; None as long as it is not known.
        outcomes: Clips that were written or noted, by what became of them.
        finished: Clips that workers have done, or that failed.
        frames: Frames that were read, those of lost attempts among them.
        nbytes: Of the arrays that were stored.
        workers: All that ever began a clip, by name.
        running: Whether the run goes on; whoever ends it says so.
    """

    def __init__(self, part: str = '') -> None:
        self.part, self.start = part, time.time()
        self.heard = self.start
        self.ahead: Estimate | None = None
        self.outcomes: collections.Counter[Outcome] = collections.Counter()
        self.finished = self.frames = self.nbytes = 0
        self.workers: dict[str, Worker] = {}
        self.running = True
        self._opened = time.monotonic()
        self._samples = collections.deque([(self._opened, 0)])

    def opened(self, ahead: Estimate) -> None:
        """See :class:`Watch`.

        Args:
            ahead: Likewise.
        """
        self.ahead, self._opened = ahead, time.monotonic()
        self._samples = collections.deque([(self._opened, self.frames)])

    def began(self, worker: str, item: Any) -> None:
        """See :class:`Watch`.

        Args:
            worker: Likewise.
            item: A clip, and whether only its crops are wanted.
        """
        one = self._hear(worker)
        one.leave('busy')
        one.clip, one.since = item[0].name, time.monotonic()

    def progress(self, worker: str, count: int) -> None:
        """See :class:`Watch`.

        Args:
            worker: Likewise.
            count: Likewise.
        """
        one = self._hear(worker)
        one.frames += count
        one.all_frames += count
        self.frames += count
        self._sample()

    def ended(self, worker: str, item: Any, failed: bool) -> None:
        """See :class:`Watch`.

        Args:
            worker: Likewise.
            item: Likewise.
            failed: Likewise.
        """
        one = self._hear(worker)
        if one.state == 'busy':
            one.leave('idle')
        one.failed += failed
        one.done += not failed
        self.finished += 1

    def lost(self, worker: str, how: str) -> None:
        """See :class:`Watch`.

        Args:
            worker: Likewise.
            how: Likewise.
        """
        one = self._hear(worker)
        one.leave('lost')
        one.lost[kind_of_loss(how)] += 1

    def settled(self, clip: str, outcome: Outcome, nbytes: int = 0) -> None:
        """See :class:`Watch`.

        Args:
            clip: Likewise.
            outcome: Likewise.
            nbytes: Likewise.
        """
        self.outcomes[outcome] += 1
        self.nbytes += nbytes

    def passing(self) -> None:
        """See :class:`Watch`."""
        self._sample()

    @property
    def busy(self) -> list[Worker]:
        """Workers that work on a clip."""
        return [one for one in list(self.workers.values())
                if one.state == 'busy']

    @property
    def share(self) -> float:
        """How much of what is ahead is done, from 0 to 1."""
        if self.ahead is None or not self.ahead.clips:
            return 0.
        if not self.ahead.frames:
            return self.finished / self.ahead.clips
        return 1 - self._frames_left(self.ahead) / self.ahead.frames

    @property
    def rate(self) -> float:
        """Frames a second, over the last minute."""
        (start, before), now = self._samples[0], time.monotonic()
        return (self.frames - before) / max(now - start, SAMPLED)

    @property
    def left(self) -> float | None:
        """Seconds until all is done; None if nobody can tell yet."""
        if self.ahead is None or not self.finished:
            return None
        if not self.ahead.frames:
            spent = time.monotonic() - self._opened
            return spent * (self.ahead.clips / self.finished - 1)
        rate = self.rate
        return self._frames_left(self.ahead) / rate if rate else None

    def _frames_left(self, ahead: Estimate) -> float:
        """Frames of clips that have not ended, less those that were read."""
        rest = ahead.frames * (1 - self.finished / ahead.clips)
        return max(0., rest - sum(one.frames for one in self.busy))

    def _hear(self, worker: str) -> Worker:
        self.heard = time.time()
        return self.workers.setdefault(worker, Worker(worker))

    def _sample(self) -> None:
        """Note the frames, once a second; forget what is no longer recent."""
        samples, now = self._samples, time.monotonic()
        if now - samples[-1][0] >= SAMPLED:
            samples.append((now, self.frames))
        # one stays that is as old as that
        while len(samples) > 1 and samples[1][0] <= now - RECENT:
            samples.popleft()


def kind_of_loss(how: str) -> str:
    """One of a few words for how a worker was lost.

    Args:
        how: See :meth:`Watch.lost`.

    Returns:
        A signal, ``'timeout'``, ``'exit'`` of a process that ended by itself,
        ``'memory'`` or ``'machine'`` of one that Ray ended or lost, or
        ``'other'``.
    """
    signal = re.search(r'\bSIG[A-Z0-9]+', how)
    if signal:
        return signal[0]
    return next((kind for words, kind in LOSSES.items() if words in how),
                'other')
