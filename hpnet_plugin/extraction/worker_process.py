"""One process that works on items, from both ends of its pipe."""
from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext
from typing import Any, NamedTuple

# the last is that of UnreachableError: an object store that is gone
FATAL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS,
         errno.EHOSTUNREACH)


class Failure(NamedTuple):
    """An item that could not be done, and why."""
    reason: str


# Work on an item: work(item, report) -> result. It calls report(n) whenever
# it has got on by n units, which proves that it is alive.
Report = Callable[[int], None]
Work = Callable[[Any, Report], Any]
# Of a process's number: its work, and something to tell the main process.
Build = Callable[[int], tuple[Work, Any]]


def reason(error: BaseException) -> str:
    """What an error says, named by its type where we did not write it.

    Args:
        error: Any.

    Returns:
        Some words.
    """
    text = str(error)
    if isinstance(error, (ValueError, OSError)) and text:
        return text
    return f'{type(error).__name__}: {text}' if text else type(error).__name__


def is_fatal(error: BaseException) -> bool:
    """Whether an error will meet every other item too, as a full disk does.

    Args:
        error: Any.

    Returns:
        True of errors that end the whole run.
    """
    return isinstance(error, OSError) and error.errno in FATAL


class WorkerProcess:
    """One process, as the main process sees it.

    Args:
        context: Starts it.
        build: See :class:`~hpnet_plugin.extraction.workers.Workers`.
        number: Its number from 0.
        others: The main process's ends of the other processes' pipes.
        start: How many times it was started in a row without being ready.
    """

    def __init__(self, context: ForkContext, build: Build, number: int,
                 others: Sequence[Connection], start: int) -> None:
        self.number, self.name, self.start = number, str(number), start
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_main,
            args=(build, number, theirs, [*others, self.pipe]),
            daemon=True)
        self.process.start()
        theirs.close()
        self.ready, self.gone = False, False
        self.at: int | None = None  # the item that it works on
        self.heard = time.monotonic()

    def give(self, at: int, item: object) -> None:
        """Hand over an item; a process that has died will be heard of.

        Args:
            at: Its number.
            item: Anything that can be pickled.
        """
        self.at, self.heard = at, time.monotonic()
        with contextlib.suppress(OSError):
            self.pipe.send(item)

    def kill(self) -> str:
        """End the process at once.

        Returns:
            How it ended, in words.
        """
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


def _main(build: Build, number: int, pipe: Connection,
          others: Sequence[Connection]) -> None:
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
    one_thread()
    try:
        work, told = build(number)
        one_thread()
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
            if isinstance(error, OSError) and is_fatal(error):
                _send(pipe, 'fatal', (error.errno, error.strerror
                                      or str(error)))
                return
            result = Failure(reason(error))
        _send(pipe, 'done', result)


def one_thread() -> None:
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


def _send(pipe: Connection, kind: str, value: object) -> None:
    try:
        pipe.send((kind, value))
    except OSError:  # the main process is gone: nobody wants the rest
        sys.stderr.flush()
        os._exit(1)
