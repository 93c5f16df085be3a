"""What does items in a process that Ray started, on any machine."""
from __future__ import annotations

import contextlib
import os
import pickle
import socket
import threading
import time
from typing import Any

from .worker_process import Failure, Work, is_fatal, one_thread, reason

PERIOD = 1.  # seconds between two words on how an item gets on


class Place:
    """Where the command was given, for workers that are elsewhere.

    Attributes:
        folder: Its working folder; paths may be relative to it.
        environ: What it has in HPNET_... variables.
    """

    def __init__(self) -> None:
        self.folder = os.getcwd()
        self.environ = {name: value for name, value in os.environ.items()
                        if name.startswith('HPNET_')}

    def enter(self) -> None:
        """Work as if there."""
        os.environ.update(self.environ)
        # a machine that does not have it says which file it misses
        with contextlib.suppress(OSError):
            os.chdir(self.folder)


class Actor:
    """Does items, one at a time, while another thread says how it gets on.

    Args:
        number: Of the worker, from 0.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._work: Work | None = None
        self._lock = threading.Lock()
        self._reports, self._count = 0, 0

    def build(self, place: Place, build: bytes) -> tuple[str, Any]:
        """Load what the items need.

        Args:
            place: Where the command was given.
            build: The pickled function; see
                :class:`~hpnet_plugin.extraction.workers.Workers`.

        Returns:
            ``'ready'``, what it told and the machine's name; or ``'broken'``
            and why.
        """
        place.enter()
        one_thread()
        try:
            self._work, told = pickle.loads(build)(self._number)
            one_thread()
        except Exception as error:
            return 'broken', reason(error)
        return 'ready', (told, socket.gethostname())

    def do(self, item: bytes) -> tuple[str, Any, int]:
        """Do an item.

        Args:
            item: It, pickled.

        Returns:
            ``'done'`` and the pickled result or failure, or ``'fatal'`` with
            number and text of the system's error; and the progress that
            ``heard`` has not told.
        """
        assert self._work is not None
        try:
            result = self._work(pickle.loads(item), self._report)
        except Exception as error:
            if isinstance(error, OSError) and is_fatal(error):
                return 'fatal', (error.errno, error.strerror
                                 or str(error)), self._news()[1]
            result = Failure(reason(error))
        # bytes are copied out of the object store, which is then free again
        return 'done', pickle.dumps(result, 5), self._news()[1]

    def heard(self) -> tuple[int, int]:
        """Wait a second.

        Returns:
            How often the work has reported since the last call, and what it
            has got on by.
        """
        time.sleep(PERIOD)
        return self._news()

    def _report(self, count: int) -> None:
        with self._lock:
            self._reports += 1
            self._count += count

    def _news(self) -> tuple[int, int]:
        with self._lock:
            news = self._reports, self._count
            self._reports, self._count = 0, 0
        return news
