"""Folders of visitors: one a video, gone when the visitor is.

Everything of the page lies in one folder of the system's temporary ones:

    hpnet-app-…/
      lock              held while the page runs
      examples/         videos that the page offers
      visits/<token>/   a visitor's video and what was made of it
      <others>          uploads as Gradio receives them
"""
from __future__ import annotations

import contextlib
import glob
import os
import os.path as osp
import secrets
import shutil
import tempfile
import threading
import time

from ..files import FileLock, LockedError

PREFIX = 'hpnet-app-'
OWN = ('lock', 'examples', 'visits')
IDLE = 60  # s after which an upload that nobody took is removed
SLOWEST = 900  # s that an upload may take
SHOWN = 3600  # s after which results are removed though the visitor stays
PERIOD = 10  # s between two rounds


class VisitorLeftError(Exception):
    """Nobody waits for this result any more."""


class Visit:
    """One video of one visitor.

    Attributes:
        folder: Holds all that is stored of it.
        video: The visitor's file.
        name: What the visitor calls it.
        left: Whether the visitor has left, or brought another video.
    """

    def __init__(self, folder: str, name: str) -> None:
        self.folder, self.name = folder, name
        self.video = osp.join(folder, 'video')
        self.left = self.busy = False
        self.begun = time.monotonic()

    def check(self) -> None:
        """Raise VisitorLeftError if nobody waits any more."""
        if self.left:
            raise VisitorLeftError

    def __enter__(self) -> Visit:
        """Hold the folder until the work on it has ended."""
        self.busy = True
        self.check()
        return self

    def __exit__(self, *error: object) -> None:
        self.busy = False
        if self.left:
            self.remove()

    def leave(self) -> None:
        """Remove the folder, or let who works on it do so."""
        self.left = True
        if not self.busy:
            self.remove()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Visits:
    """All folders of a page.

    Gradio reads from the environment where uploads shall go, when it is first
    imported: make one before.

    Attributes:
        root: The folder that holds them.
    """

    def __init__(self) -> None:
        remove_leftovers()
        self.root = osp.realpath(tempfile.mkdtemp(prefix=PREFIX))
        os.environ['GRADIO_TEMP_DIR'] = self.root
        self._lock = FileLock(osp.join(self.root, 'lock'))
        self._lock.acquire()
        for name in OWN[1:]:
            os.mkdir(osp.join(self.root, name))
        self._visits: dict[str, Visit] = {}
        self._uploads: dict[str, float] = {}
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._rounds = threading.Thread(target=self._sweep, daemon=True)
        self._rounds.start()

    @property
    def examples(self) -> str:
        """Folder of the videos that the page offers."""
        return osp.join(self.root, 'examples')

    def begin(self, visitor: str, video: str, name: str) -> Visit:
        """Give a video a folder; the visitor's last one is removed.

        The upload stays where it is until nobody can need it: Gradio gives
        two visitors with the same file the same path.

        Args:
            visitor: The session.
            video: The file.
            name: What the visitor calls it.

        Raises:
            FileNotFoundError: If the file is gone.
            PermissionError: If it is none of this page.
        """
        place = osp.relpath(osp.realpath(video), self.root).split(os.sep)[0]
        if place in ('..', 'lock', 'visits'):
            raise PermissionError(f'{video} was not sent to this page')
        folder = osp.join(self.root, 'visits', secrets.token_urlsafe(16))
        os.mkdir(folder)
        visit = Visit(folder, name)
        try:
            os.link(video, visit.video)
        except BaseException:
            visit.remove()
            raise
        self.leave(visitor)
        with self._guard:
            self._visits[visitor] = visit
        return visit

    def of(self, visitor: str) -> Visit | None:
        """The video of a visitor."""
        return self._visits.get(visitor)

    def leave(self, visitor: str) -> None:
        """Remove what is stored of a visitor."""
        with self._guard:
            visit = self._visits.pop(visitor, None)
        if visit is not None:
            visit.leave()

    def sweep(self) -> None:
        """Remove uploads that nobody took, and results of long ago."""
        with self._guard:
            old = [visitor for visitor, visit in self._visits.items()
                   if time.monotonic() - visit.begun > SHOWN]
        for visitor in old:
            self.leave(visitor)
        uploads, now = {}, time.time()
        for entry in os.scandir(self.root):
            if entry.name in OWN:
                continue
            first = self._uploads.get(entry.path, now)
            if now - _touched(entry.path) > IDLE or now - first > SLOWEST:
                _remove(entry.path)
            else:
                uploads[entry.path] = first
        self._uploads = uploads

    def close(self) -> None:
        """Remove everything."""
        self._closed.set()
        for visitor in list(self._visits):
            self.leave(visitor)
        self._rounds.join()
        shutil.rmtree(self.root, ignore_errors=True)
        self._lock.release()

    def _sweep(self) -> None:
        while not self._closed.wait(PERIOD):
            with contextlib.suppress(OSError):
                self.sweep()


def remove_leftovers() -> None:
    """Remove the folders of pages that were killed."""
    for folder in glob.glob(osp.join(tempfile.gettempdir(), PREFIX + '*')):
        with contextlib.suppress(OSError):
            lock = FileLock(osp.join(folder, 'lock'))
            if not osp.exists(lock.path):
                continue  # it is only just being made
            try:
                lock.acquire(wait=False)
            except LockedError:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def _touched(path: str) -> float:
    """When something was last written here or below."""
    times = [0.]
    for folder, _, names in os.walk(path):
        for one in (folder, *(osp.join(folder, name) for name in names)):
            with contextlib.suppress(OSError):
                times.append(os.stat(one).st_mtime)
    if not osp.isdir(path):
        with contextlib.suppress(OSError):
            times.append(os.stat(path).st_mtime)
    return max(times)


def _remove(path: str) -> None:
    if osp.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)
