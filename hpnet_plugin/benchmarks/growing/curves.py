"""A curve: a time or memory at several sizes, and its lower bound there."""
from __future__ import annotations

import contextlib
import ctypes
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..common import apart, cpu_times

SHORT = .02  # s; what is shorter is done several times a turn
TIME, MEMORY = 'CPU time in ms', 'memory in MB'


class Curve(NamedTuple):
    """What one panel of the figure shows.

    Attributes:
        what: What is measured.
        along: What the sizes are.
        unit: ``TIME`` or ``MEMORY``.
        sizes: From small to large.
        ours: Medians, one a size.
        bound: What it cannot be less than, one a size.
        bound_is: What that is.
    """
    what: str
    along: str
    unit: str
    sizes: list[float]
    ours: list[float]
    bound: list[float]
    bound_is: str


class Point(NamedTuple):
    """One size of a curve of times.

    Attributes:
        ours: What is timed.
        bound: What bounds it from below when ``factor`` times as long.
        factor: Likewise.
        warm: Whether to call both before, uncounted.
    """
    ours: Callable[[], Any]
    bound: Callable[[], Any]
    factor: float = 1.
    warm: bool = True


def time_curve(what: str, along: str, bound_is: str, sizes: Sequence[float],
               make: Callable[[Any], Point], repeat: int) -> Curve:
    """Measure times.

    Args:
        what: See :class:`Curve`.
        along: Likewise.
        bound_is: Likewise.
        sizes: Likewise.
        make: Prepares a size.
        repeat: Turns of each size.

    Returns:
        Medians of CPU milliseconds.
    """
    ours, bound = [], []
    for size in sizes:
        point = make(size)
        sides, counts = {}, {}
        for name, call in (('ours', point.ours), ('bound', point.bound)):
            counts[name] = _often(call) if point.warm else 1
            sides[name] = _repeated(call, counts[name])
        times = cpu_times(sides, repeat, warm=False)
        one = {name: statistics.median(values) / counts[name]
               for name, values in times.items()}
        ours.append(one['ours'])
        bound.append(point.factor * one['bound'])
    return Curve(what, along, TIME, list(sizes), ours, bound, bound_is)


def memory_curve(what: str, along: str, bound_is: str, sizes: Sequence[float],
                 make: Callable[[Any], tuple[Callable[[], Any], float]]
                 ) -> Curve:
    """Measure memory.

    Args:
        what: See :class:`Curve`.
        along: Likewise.
        bound_is: Likewise.
        sizes: Likewise.
        make: Prepares a size: what is called, and the bound in MB.

    Returns:
        By how many MB a process grows at its peak, while it is called.
    """
    ours, bound = [], []
    for size in sizes:
        call, least = make(size)
        ours.append(apart(peak, call))
        bound.append(least)
    return Curve(what, along, MEMORY, list(sizes), ours, bound, bound_is)


def peak(call: Callable[[], Any]) -> float:
    """MB (of 10^6 bytes) by which this process grows at most meanwhile."""
    with contextlib.suppress(OSError, AttributeError):
        # what was freed and kept would be taken for what is needed
        ctypes.CDLL('libc.so.6').malloc_trim(0)
    with open('/proc/self/clear_refs', 'w', encoding='ascii') as file:
        file.write('5')
    before = _status('VmRSS')
    call()
    return max(0., _status('VmHWM') - before)


def together(curves: Iterable[Iterable[Curve]]) -> list[Curve]:
    """The curves of several in one list."""
    return [curve for several in curves for curve in several]


def _status(key: str) -> float:
    with open('/proc/self/status', encoding='ascii') as file:
        return next(int(line.split()[1]) for line in file
                    if line.startswith(key)) * 1024 / 1e6


def _often(call: Callable[[], Any]) -> int:
    """How many calls take long enough to be timed; they warm it up, too."""
    for _ in range(2):
        start = time.process_time()
        call()
        spent = time.process_time() - start
        if spent > SHORT:
            return 1
    return max(1, min(1000, round(SHORT / max(spent, 1e-6))))


def _repeated(call: Callable[[], Any], count: int) -> Callable[[], None]:
    def several() -> None:
        for _ in range(count):
            call()
    return several
