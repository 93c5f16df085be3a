"""Processes that work on one item each, and take nothing else with them.

Libraries were tried first. A crash of one process of
``concurrent.futures`` (and so of SPDL's pipelines) breaks the whole pool,
and a process that hangs cannot be ended. Pools whose processes share a queue
(``multiprocessing.Pool``, Pebble) stop for ever when one is killed while it
holds the queue's lock. Here each process has a pipe of its own.
"""
from __future__ import annotations

import abc
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from multiprocessing import connection, get_context
from typing import Any, Generic, Protocol, Self, TypeVar

from .watch import TICK, Watch
from .worker_process import (
    Build,
    Failure,
    WorkerProcess,
    is_fatal,
    reason,
)

# One item's results may be waited for while so many others are done.
WINDOW = 4  # items a process
# Of an item whose process dies: it need not be the item's fault.
ATTEMPTS = 3
PAUSE = 2.  # seconds by which a look may be late, on a busy machine


class SetupError(ValueError):
    """What the work needs cannot be had; no item was looked at."""


def cores() -> int:
    """CPU cores that this process may use.

    Returns:
        At least 1.
    """
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Here:
    """Do the items one after the other in this process: see :class:`.Pool`.

    Args:
        build: See :class:`Workers`.
        count: Not used.
        timeout: Not used.

    Attributes:
        told: What ``build`` told.
    """

    def __init__(self, build: Build, count: int = 0,
                 timeout: float = 0.) -> None:
        self._work, self.told = build(0)

    def run(self, items: Iterable[Any], watch: Watch
            ) -> Iterator[tuple[Any, Any]]:
        """Do the items.

        Args:
            items: The items.
            watch: Is told how it goes.

        Yields:
            An item, and its result or :class:`Failure`.

        Raises:
            OSError: If the disk is full: no item is to blame for that.
        """
        for item in items:
            watch.began('0', item)
            try:
                result = self._work(
                    item, lambda count: watch.progress('0', count))
            except Exception as error:
                if is_fatal(error):
                    raise
                result = Failure(reason(error))
            watch.ended('0', item, isinstance(result, Failure))
            yield item, result

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to end."""


class Worker(Protocol):
    """One of a crew, as the main process sees it.

    Attributes:
        name: Of it, for those who watch.
        ready: Whether it takes items.
        gone: Whether it is no more.
        at: Number of the item that it works on.
        heard: When it was last known to get on.
    """
    name: str
    ready: bool
    gone: bool
    at: int | None
    heard: float

    def give(self, at: int, item: object) -> None:
        """Hand over an item.

        Args:
            at: Its number.
            item: It.
        """

    def kill(self) -> str:
        """End it at once.

        Returns:
            How it ended, in words.
        """
        ...


W = TypeVar('W', bound=Worker)


class Crew(abc.ABC, Generic[W]):
    """Workers that may die, and take an item each; see :class:`.Pool`.

    An item whose worker dies is tried again; if ``ATTEMPTS`` of them die, it
    has failed.

    Args:
        timeout: Seconds without any progress after which an item has failed.

    Attributes:
        told: What ``build`` of the first worker that was ready told.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._looked = time.monotonic()
        self._all: list[W] = []
        self.told: Any = None

    @abc.abstractmethod
    def _listen(self, patience: float | None
                ) -> list[tuple[W, str, Any]]:
        """What the workers say: (worker, kind, value) each."""

    def run(self, items: Iterable[Any], watch: Watch
            ) -> Iterator[tuple[Any, Any]]:
        """Do the items, several at a time; results come in their order.

        Args:
            items: The items, of any picklable kind.
            watch: Is told how it goes.

        Yields:
            An item, and its result or :class:`Failure`.

        Raises:
            OSError: If a process meets a full disk.
        """
        rest, again = iter(enumerate(items)), deque()
        given, results, attempts, first = {}, {}, {}, 0
        exhausted = False
        while True:
            while first in results:
                yield given.pop(first), results.pop(first)
                attempts.pop(first, None)
                first += 1
            most = WINDOW * sum(one.ready for one in self._all)
            for one in self._all:
                if one.at is not None or not one.ready:
                    continue
                if again:
                    at = again.popleft()
                elif not exhausted and len(given) < most:
                    at, item = next(rest, (None, None))
                    if at is None:
                        exhausted = True
                        continue
                    given[at] = item
                else:
                    continue
                attempts[at] = attempts.get(at, 0) + 1
                watch.began(one.name, given[at])
                one.give(at, given[at])
            if exhausted and not given:
                return
            watch.passing()
            for one, kind, value in self._listen(
                    min(TICK, self._patience())):
                at, worker = one.at, one.name
                if kind == 'fatal':
                    raise OSError(*value)
                if kind == 'progress':
                    watch.progress(worker, value)
                    continue
                if one.gone:
                    watch.lost(worker, value.reason if kind == 'done'
                               else value)
                one.at = None
                if at is None:  # died between two items
                    continue
                if kind == 'died' and attempts[at] < ATTEMPTS:
                    again.append(at)
                    continue
                results[at] = value if kind == 'done' else Failure(
                    f'the process that worked on it {value}, '
                    f'{ATTEMPTS} times in a row')
                watch.ended(worker, given[at],
                            isinstance(results[at], Failure))

    def close(self) -> None:
        """End all workers at once."""
        for one in self._all:
            one.kill()
        self._all = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _patience(self) -> float:
        """Seconds until the first of the busy processes is given up."""
        times = [one.heard for one in self._all if one.at is not None]
        return max(0., min(times) + self._timeout - time.monotonic()) \
            if times else self._timeout

    def _awake(self, patience: float | None) -> float:
        """The time; who was stopped with all of us has not hung.

        Ctrl-Z stops all, and whoever takes the results may take long.
        """
        now = time.monotonic()
        if now - self._looked > (patience or 0) + PAUSE:
            for one in self._all:
                one.heard = now
        self._looked = now
        return now


class Workers(Crew[WorkerProcess]):
    """Processes, each with what it needs to do items of one kind.

    They are forked, so ``build`` may be any function, and what this process
    has imported costs them nothing. An item that raises fails alone. A
    process that dies (a crash in a decoder, the kernel's out-of-memory
    killer) is replaced and its item tried again; if ``ATTEMPTS`` of them
    die, the item has failed. So has one that gets on by nothing for
    ``timeout`` seconds; its process is killed.

    Args:
        build: Called in each process with the process's number from 0: what it
            does with an item, and something to tell this process about it.
        count: Number of processes.
        timeout: Seconds without any progress after which an item has failed.
            Defaults to 300.

    Attributes:
        told: What ``build`` of the first process that was ready told.

    Raises:
        SetupError: If ``build`` raises an error, with its text.
    """

    def __init__(self,
                 build: Build,
                 count: int,
                 timeout: float = 300.) -> None:
        super().__init__(timeout)
        self._build = build
        self._context = get_context('fork')
        try:
            for number in range(count):
                self._all.append(self._start(number))
            while not any(one.ready for one in self._all):
                self._listen(None)
        except BaseException:
            self.close()
            raise

    def _start(self, number: int, start: int = 1) -> WorkerProcess:
        return WorkerProcess(
            self._context, self._build, number,
            [one.pipe for one in self._all if not one.gone], start)

    def _listen(self, patience: float | None
                ) -> list[tuple[WorkerProcess, str, Any]]:
        """What the processes say: (process, kind, value) each."""
        said = []
        heard = connection.wait([one.pipe for one in self._all], patience)
        now = self._awake(patience)
        for place, one in enumerate(self._all):
            if one.pipe in heard:
                try:
                    kind, value = one.pipe.recv()
                # anything may have been cut off when the process was killed
                except Exception:
                    kind, value = 'died', one.kill()
                one.heard = now
                if kind == 'ready':
                    one.ready, self.told = True, self.told or value
                    continue
                if kind == 'broken':
                    raise SetupError(value)
                if kind == 'died' and not one.ready:
                    if one.start >= ATTEMPTS:
                        raise SetupError(f'a worker process {value} while it '
                                         'loaded the nets')
                else:
                    said.append((one, kind, value))
            elif one.at is not None and now - one.heard >= self._timeout:
                one.kill()
                said.append((one, 'done', Failure(
                    f'no progress for {self._timeout:.0f} s: it was given '
                    'up (--timeout)')))
            if one.gone:
                self._all[place] = self._start(
                    one.number, 1 if one.ready else one.start + 1)
        return said
