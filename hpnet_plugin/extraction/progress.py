"""What a run shows of its progress: a bar on a terminal, else sentences."""
from __future__ import annotations

import shutil
import sys
import time
from typing import Any, Self

from tqdm import tqdm

from ..datasets.clips import count
from .tally import Tally
from .watch import Watch

FIRST, LATER = 15., 60.  # seconds until sentences
DRAWN = .2  # seconds between two looks of a bar
BESIDE = 15  # columns of a line for the bar itself, and per cent


class Display(Watch):
    """Shows a tally on standard error; by itself it shows nothing of it.

    Args:
        tally: What is shown. It has to be told before the display is.
    """

    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    def write(self, text: str) -> None:
        """Write a line that stays.

        Args:
            text: The line.
        """
        print(text, file=sys.stderr, flush=True)

    def show(self) -> None:
        """Show how it is now."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Show it for the last time."""

    def progress(self, worker: str, count: int) -> None:
        """See :class:`.watch.Watch`.

        Args:
            worker: Likewise.
            count: Likewise.
        """
        self.show()

    def settled(self, clip: str, outcome: Any, nbytes: int = 0) -> None:
        """See :class:`.watch.Watch`.

        Args:
            clip: Likewise.
            outcome: Likewise.
            nbytes: Likewise.
        """
        self.show()

    def passing(self) -> None:
        """See :class:`.watch.Watch`."""
        self.show()


class Sentences(Display):
    """A sentence now and then, for files and other programs.

    Args:
        tally: See :class:`Display`.
    """

    def __init__(self, tally: Tally) -> None:
        super().__init__(tally)
        self._next = time.monotonic() + FIRST

    def show(self) -> None:
        """Write a sentence if it is time."""
        now = time.monotonic()
        if now >= self._next and self.tally.ahead:
            self._next = now + LATER
            self.write(sentence(self.tally))


class Bar(Display):
    """A bar on a terminal.

    Args:
        tally: See :class:`Display`.
    """

    def __init__(self, tally: Tally) -> None:
        super().__init__(tally)
        # its monitor would be a thread, and processes are forked
        tqdm.monitor_interval = 0
        self._bar = tqdm(total=1., bar_format=' ', dynamic_ncols=True,
                         mininterval=0, file=sys.stderr)
        self._next = 0.

    def write(self, text: str) -> None:
        """See :class:`Display`.

        Args:
            text: Likewise.
        """
        self._bar.write(text, file=sys.stderr)

    def show(self) -> None:
        """Draw it, unless that was just done."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + DRAWN
            self._draw()

    def __exit__(self, *error: object) -> None:
        self._draw()
        self._bar.close()

    def _draw(self) -> None:
        self._bar.n = self.tally.share
        self._bar.bar_format = bar_format(
            self.tally, shutil.get_terminal_size().columns)
        self._bar.refresh()


def display(tally: Tally) -> Display:
    """What suits standard error.

    Args:
        tally: What is shown.

    Returns:
        A bar on a terminal, else sentences.
    """
    return Bar(tally) if sys.stderr.isatty() else Sentences(tally)


def bar_format(tally: Tally, columns: int) -> str:
    """The line of a tally, as tqdm takes it.

    Args:
        tally: Anything that was counted.
        columns: Letters of the line. What matters least is left out where
            the rest would leave no room for a bar.

    Returns:
        ``'part 2 of 4  45%|{bar}| 87 of 300 clips, …'``.
    """
    part = f'part {tally.part} ' if tally.part else ''
    stored, found = clips_of(tally)
    failed, workers = tally.outcomes['failed'], len(tally.busy)
    words = dict(
        clips=f'{stored:,} of {found:,} clips',
        failed=f'{failed:,} failed' if failed else '',
        workers=count(workers, 'worker') if workers else '',
        rate=f'{tally.rate:,.0f} frames/s',
        left=f'{clock(tally.left)} left' if workers and tally.left is not None
        else '')
    for name in ('workers', 'rate', 'failed'):
        if len(part + ', '.join(filter(None, words.values()))
               ) <= columns - BESIDE:
            break
        words[name] = ''
    text = ', '.join(filter(None, words.values()))
    return f'{part}{{percentage:3.0f}}%|{{bar}}| {text}'


def sentence(tally: Tally) -> str:
    """What a tally has counted.

    Args:
        tally: Anything that was counted.

    Returns:
        A sentence.
    """
    stored, found = clips_of(tally)
    failed = tally.outcomes['failed']
    text = f'Part {tally.part}: ' if tally.part else ''
    text += f'{stored:,} of {found:,} clips are done'
    if failed:
        text += f', and {count(failed, "clip")} failed'
    workers = len(tally.busy)
    text += (f'; {count(workers, "worker")} '
             f'{"reads" if workers == 1 else "read"} '
             f'{tally.rate:,.1f} frames/s')
    if tally.left is not None:
        text += f'; about {in_words(tally.left)} left'
    return text + '.'


def clips_of(tally: Tally) -> tuple[int, int]:
    """Clips that are done, now or before, and all there are.

    Args:
        tally: Anything that was counted.

    Returns:
        Both; those that failed before are in the second alone.
    """
    if tally.ahead is None:
        return 0, 0
    done = tally.finished - tally.outcomes['failed']
    return tally.ahead.stored + max(0, done), tally.ahead.found


def clock(seconds: float) -> str:
    """A time that is left, or was spent.

    Args:
        seconds: Not negative.

    Returns:
        Hours, minutes and seconds: ``'26:05:09'``.
    """
    minutes, rest = divmod(round(seconds), 60)
    return f'{minutes // 60}:{minutes % 60:02d}:{rest:02d}'


def in_words(seconds: float) -> str:
    """A time for a sentence.

    Args:
        seconds: Not negative.

    Returns:
        ``'40 s'``, ``'12 min'``, ``'2 h 5 min'`` or ``'3 days 4 h'``.
    """
    if seconds < 90:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    if minutes < 60:
        return f'{minutes} min'
    if minutes < 48 * 60:
        return f'{minutes // 60} h {minutes % 60} min'
    hours = round(minutes / 60)
    return f'{hours // 24} days {hours % 24} h'
