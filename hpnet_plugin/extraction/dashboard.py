"""A line for each worker below the bar, on a terminal."""
from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from tqdm import tqdm

from ..datasets.clips import printable
from .progress import Display, bar_format, clock
from .tally import Tally, Worker

DRAWN = .5  # seconds between two pictures
KEPT = 4  # lines of a terminal that are left to bar, titles and other text
TITLES = ('worker', 'clip', 'frames', 'frames/s', 'at it', 'done', 'failed',
          'restarts')
NAMES = 2  # of these columns, which hold text
LEAST = 8  # letters of a name, however narrow the terminal is
DIGITS = re.compile(r'(\d+)')


class Dashboard(Display):
    """Draws the bar and a line for each worker, one picture over the other.

    It is drawn where the cursor is: what was written before stays above it.
    The lines of the last picture are counted as the terminal shows them now,
    so that a window may be made narrower meanwhile.

    Args:
        tally: What is shown.
        file: The terminal. Defaults to standard error.
    """

    def __init__(self, tally: Tally, file: TextIO | None = None) -> None:
        super().__init__(tally)
        self._file = file or sys.stderr
        self._next = 0.
        self._widths: list[int] = []  # of the lines that are on the screen

    def write(self, text: str) -> None:
        """Write a line above the picture.

        Args:
            text: The line.
        """
        self._draw([], text + '\n')
        self.show_now()

    def show(self) -> None:
        """Draw it, unless that was just done."""
        if time.monotonic() >= self._next:
            self.show_now()

    def show_now(self) -> None:
        """Draw it."""
        self._next = time.monotonic() + DRAWN
        columns, lines = shutil.get_terminal_size()
        self._draw(picture(self.tally, columns - 1, lines - KEPT))

    def __exit__(self, *error: object) -> None:
        """Leave the bar alone on the screen."""
        columns, _ = shutil.get_terminal_size()
        self._draw(picture(self.tally, columns - 1, 0)[:1], end='\n')

    def _draw(self, lines: Sequence[str], before: str = '', end: str = ''
              ) -> None:
        from rich.cells import cell_len
        columns, _ = shutil.get_terminal_size()
        # the cursor stands at the end of the last line
        up = sum(max(1, -(-width // columns)) for width in self._widths) - 1
        text = '\r' + (f'\x1b[{up}A' if up > 0 else '') + '\x1b[J'
        self._widths = [] if end else [cell_len(line) for line in lines]
        self._file.write(text + before + '\n'.join(lines) + end)
        self._file.flush()


def picture(tally: Tally, columns: int, lines: int) -> list[str]:
    """The bar, titles, and a line for each worker.

    Args:
        tally: What is shown.
        columns: Letters of a line at most.
        lines: Workers at most. If there are more, those are shown that have
            been at their clip for longest, and the rest is counted.

    Returns:
        Lines, none of them longer.
    """
    workers = sorted(tally.workers.values(), key=_natural)
    hidden = len(workers) - max(0, lines)
    if hidden > 0:
        longest = sorted(workers, key=Worker.at_it)[hidden:]
        workers = [one for one in workers if one in longest]
    table = [list(TITLES), *map(_row, workers)]
    shown = [_bar(tally, columns), *_aligned(table, columns)]
    if hidden > 0:
        shown.append(f'and {hidden} more')
    return [_cut(line, columns) for line in shown]


def _bar(tally: Tally, columns: int) -> str:
    return tqdm.format_meter(tally.share, 1., 0., ncols=columns,
                             bar_format=bar_format(tally, columns))


def _row(one: Worker) -> list[str]:
    seconds = one.at_it()
    busy = one.state == 'busy'
    speed = one.frames / seconds if seconds > 1e-3 else 0.
    return [printable(one.name),
            printable(one.clip) if busy else f'({one.state})',
            f'{one.frames:,}' if busy else '',
            f'{speed:,.1f}' if busy else '',
            clock(seconds) if busy else '',
            str(one.done), str(one.failed), str(one.lost.total())]


def _aligned(table: list[list[str]], columns: int) -> list[str]:
    """Lines of a table; names give way where it is too wide."""
    from rich.cells import cell_len, set_cell_size
    widths = [max(cell_len(row[i]) for row in table)
              for i in range(len(TITLES))]
    room = columns - sum(widths[NAMES:]) - 2 * (len(TITLES) - 1)
    for i in reversed(range(NAMES)):  # first the clip's, then the worker's
        others = sum(widths[:NAMES]) - widths[i]
        widths[i] = min(widths[i], max(LEAST, room - others))
    return ['  '.join(
        set_cell_size(_cut(cell, width), width) if i < NAMES
        else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths)))
        for row in table]


def _cut(text: str, columns: int) -> str:
    """At most so many columns of a text, with … where it was cut."""
    from rich.cells import cell_len, set_cell_size
    if cell_len(text) <= columns:
        return text
    return set_cell_size(text, max(0, columns - 1)).rstrip() + '…'


def _natural(one: Worker) -> list[tuple[int, str]]:
    """Sorts 10 behind 9."""
    return [(int(word), '') if word.isascii() and word.isdecimal()
            else (-1, word) for word in DIGITS.split(one.name)]
