"""Processes that work on one item each, and take nothing else with them.

Libraries were tried first. A crash of one process of
``concurrent.futures`` (and so of SPDL's pipelines) breaks the whole pool,
and a process that hangs cannot be ended. Pools whose processes share a queue
(``multiprocessing.Pool``, Pebble) stop for ever when one is killed while it
holds the queue's lock. Here each process has a pipe of its own.
"""
import contextlib
import errno
import gc
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import connection, get_context
from typing import Any, NamedTuple

# One item's results may be waited for while so many others are done.
WINDOW = 4  # items a process
# Of an item whose process dies: it need not be the item's fault.
ATTEMPTS = 3
PAUSE = 2.  # seconds by which a look may be late, on a busy machine
FATAL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class Failure(NamedTuple):
    """An item that could not be done, and why."""
    reason: str


class SetupError(ValueError):
    """What the work needs cannot be had; no item was looked at."""


# Work on an item: work(item, report) -> result. It calls report(n) whenever
# it has got on by n units, which proves that it is alive.
Report = Callable[[int], None]
Work = Callable[[Any, Report], Any]


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def reason(error: BaseException) -> str:
    """What an error says, named by its type where we did not write it."""
    text = str(error)
    if isinstance(error, (ValueError, OSError)) and text:
        return text
    return f'{type(error).__name__}: {text}' if text else type(error).__name__


def is_fatal(error: BaseException) -> bool:
    """Whether an error will meet every other item too: a full disk."""
    return isinstance(error, OSError) and error.errno in FATAL


def run_here(work: Work, items: Iterable, progress: Report) -> Iterator:
    """Do the items one after the other in this process.

    Args:
        work (Work): What is done with an item.
        items (Iterable): The items.
        progress (Report): Is told of all progress.

    Yields:
        tuple: An item, and its result or :class:`Failure`.

    Raises:
        OSError: If the disk is full: no item is to blame for that.
    """
    for item in items:
        try:
            result = work(item, progress)
        except Exception as error:
            if is_fatal(error):
                raise
            result = Failure(reason(error))
        yield item, result


class Workers:
    """Processes, each with what it needs to do items of one kind.

    They are forked, so ``build`` may be any function, and what this process
    has imported costs them nothing. An item that raises fails alone. A
    process that dies (a crash in a decoder, the kernel's out-of-memory
    killer) is replaced and its item tried again; if ``ATTEMPTS`` of them
    die, the item has failed. So has one that gets on by nothing for
    ``timeout`` seconds; its process is killed.

    Args:
        build (Callable[[int], tuple[Work, object]]): Called in each process
            with the process's number from 0: what it does with an item, and
            something to tell this process about it.
        count (int): Number of processes.
        timeout (float): Seconds without any progress after which an item
            has failed. Defaults to 300.

    Attributes:
        told (object): What ``build`` of the first process that was ready
            told.

    Raises:
        SetupError: If ``build`` raises an error, with its text.
    """

    def __init__(self,
                 build: Callable[[int], tuple[Work, Any]],
                 count: int,
                 timeout: float = 300.) -> None:
        self._build, self._timeout = build, timeout
        self._context = get_context('fork')
        self._all: list[_Process] = []
        self._looked = time.monotonic()
        self.told = None
        try:
            for number in range(count):
                self._all.append(self._start(number))
            while not any(one.ready for one in self._all):
                self._listen(None)
        except BaseException:
            self.close()
            raise

    def run(self, items: Iterable, progress: Report) -> Iterator:
        """Do the items, several at a time; results come in their order.

        Args:
            items (Iterable): The items, of any picklable kind.
            progress (Report): Is told of all progress.

        Yields:
            tuple: An item, and its result or :class:`Failure`.

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
            for one in self._all:
                if one.at is not None or not one.ready:
                    continue
                if again:
                    at = again.popleft()
                elif not exhausted and len(given) < WINDOW * len(self._all):
                    at, item = next(rest, (None, None))
                    if at is None:
                        exhausted = True
                        continue
                    given[at] = item
                else:
                    continue
                attempts[at] = attempts.get(at, 0) + 1
                one.give(at, given[at])
            if exhausted and not given:
                return
            for one, kind, value in self._listen(self._patience()):
                at = one.at
                if kind == 'progress':
                    progress(value)
                elif kind == 'fatal':
                    raise OSError(*value)
                elif at is None:  # died between two items
                    continue
                elif kind == 'died' and attempts[at] < ATTEMPTS:
                    again.append(at)
                elif kind == 'died':
                    results[at] = Failure(
                        f'the process that worked on it {value}, '
                        f'{ATTEMPTS} times in a row')
                else:
                    results[at] = value
                if kind in ('done', 'died'):
                    one.at = None

    def close(self) -> None:
        """End all processes at once."""
        for one in self._all:
            one.kill()
        self._all = []

    def __enter__(self) -> 'Workers':
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def _start(self, number: int, start: int = 1) -> '_Process':
        return _Process(self._context, self._build, number,
                        [one.pipe for one in self._all if not one.gone],
                        start)

    def _patience(self) -> float:
        """Seconds until the first of the busy processes is given up."""
        times = [one.heard for one in self._all if one.at is not None]
        return max(0., min(times) + self._timeout - time.monotonic()) \
            if times else self._timeout

    def _listen(self, patience: float | None) -> list:
        """What the processes say: (process, kind, value) each."""
        said = []
        heard = connection.wait([one.pipe for one in self._all], patience)
        now = time.monotonic()
        if now - self._looked > (patience or 0) + PAUSE:
            # all of us were stopped, by Ctrl-Z for one: nobody hangs
            for one in self._all:
                one.heard = now
        self._looked = now
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


class _Process:
    """One process, as the main process sees it."""

    def __init__(self, context, build, number, others, start):
        self.number, self.start = number, start
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_main,
            args=(build, number, theirs, [*others, self.pipe]),
            daemon=True)
        self.process.start()
        theirs.close()
        self.ready, self.gone, self.at = False, False, None
        self.heard = time.monotonic()

    def give(self, at, item):
        """Hand over an item; a process that has died will be heard of."""
        self.at, self.heard = at, time.monotonic()
        with contextlib.suppress(OSError):
            self.pipe.send(item)

    def kill(self):
        """End the process at once; how it ended, in words."""
        self.gone = True
        self.pipe.close()
        self.process.join(0.2)  # its own end, if it has one, tells more
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        code = self.process.exitcode
        if code is not None and code < 0:
            return f'was ended by {signal.Signals(-code).name}'
        return f'ended with status {code}'


def _main(build, number, pipe, others):
    """What a process does: build, then item after item until the pipe ends."""
    # Ctrl-C reaches every process of the terminal; the main one decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for other in others:  # or nobody would see the main process die
        other.close()
    # nor may it clear up what the main process left: a decoder of videos,
    # for one, would wait for threads that are not here
    gc.freeze()
    _one_thread()
    try:
        work, told = build(number)
        _one_thread()
    except Exception as error:
        _send(pipe, 'broken', reason(error))
        return
    _send(pipe, 'ready', told)
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            result = work(item, lambda n: _send(pipe, 'progress', n))
        except Exception as error:
            if is_fatal(error):
                _send(pipe, 'fatal', (error.errno, error.strerror
                                      or str(error)))
                return
            result = Failure(reason(error))
        _send(pipe, 'done', result)


def _one_thread():
    """One thread of computing: the processes are what uses the cores.

    A fork also takes over pools of threads whose threads it does not have;
    whoever waits for these waits for ever.
    """
    os.environ['OMP_NUM_THREADS'] = '1'  # of what is imported later
    if 'torch' in sys.modules:
        sys.modules['torch'].set_num_threads(1)
    if 'cv2' in sys.modules:
        # 0, none but its own; 1 would end the pool, and wait for its threads
        sys.modules['cv2'].setNumThreads(0)


def _send(pipe, kind, value):
    try:
        pipe.send((kind, value))
    except OSError:  # the main process is gone: nobody wants the rest
        sys.stderr.flush()
        os._exit(1)
