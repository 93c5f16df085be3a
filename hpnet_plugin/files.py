"""Files that appear whole or not at all, locks, and what is a video."""
import contextlib
import errno
import hashlib
import io
import json
import os
import os.path as osp
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import cast

VIDEO_SUFFIXES = ('.avi', '.mp4', '.mkv', '.mov', '.webm', '.m4v', '.mpg',
                  '.mpeg', '.wmv', '.flv', '.gif')
PARTIAL = '.tmp-'
_UNIQUE = re.compile(r'\.\d+-[0-9a-f]{8}$')
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NAME_BYTES = 200


# what a file takes
Bytes = bytes | bytearray | memoryview


class LockedError(OSError):
    """Another writer holds a lock; the message says who."""


def write_whole(path: str | os.PathLike[str],
                data: Bytes | Iterable[Bytes]) -> None:
    """Write bytes so that the file is there completely or not at all.

    Several processes may write the same file at once: each has a temporary
    file of its own, and the last one that is ready stays.

    Args:
        path: The file; its folder is made if need be.
        data: Its content, in one piece or several.

    Raises:
        OSError: If it cannot be written; nothing is left behind.
    """
    chunks = cast('Iterable[Bytes]', [data] if isinstance(
        data, (bytes, bytearray, memoryview)) else data)
    if osp.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR),
                                os.fspath(path))
    if _is_stream(path):
        with open(path, 'ab', buffering=0) as stream:
            write_all(stream.fileno(), chunks)
        return
    folder, name = osp.split(os.fspath(path))
    os.makedirs(folder or '.', exist_ok=True)
    size = 0
    try:
        with open_whole(path) as file:
            for chunk in chunks:
                size += memoryview(chunk).nbytes
                write_all(file.fileno(), [chunk])
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise no_space(path, size, error) from None
        raise


@contextlib.contextmanager
def open_whole(path: str | os.PathLike[str]) -> Iterator[io.FileIO]:
    """A new file that appears under its name when the block has ended.

    Args:
        path: The file; its folder is made if need be.

    Yields:
        To be written to; its ``name`` is that of the file as long as it is
        temporary, for libraries that open files themselves.

    Raises:
        OSError: If it cannot be written. If the block raises anything, nothing
            is left behind, and a file of that name stays.
    """
    folder, name = osp.split(os.fspath(path))
    os.makedirs(folder or '.', exist_ok=True)
    partial, fd = _open_partial(folder, name)
    try:
        try:
            with io.FileIO(partial, 'r+', opener=lambda *_: fd) as file:
                yield file
                os.fsync(fd)
                os.replace(partial, path)
        finally:
            _MINE.discard(partial)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise
    sync_folder(folder)


def _is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a path is /dev/stdout, a device or a pipe, none to replace."""
    name = os.fspath(path)
    # /dev/shm holds ordinary files, in memory
    return osp.exists(path) and (
        not osp.isfile(path) or
        name.startswith('/dev/') and not name.startswith('/dev/shm/'))


def no_space(path: str | os.PathLike[str], size: int,
             error: OSError) -> OSError:
    """The error that a full disk ends in, with what to do about it.

    Args:
        path: The file.
        size: Bytes that were to be written.
        error: What the system said.

    Returns:
        The error, to be raised.
    """
    return OSError(
        error.errno, f'{path}: no space for {size} bytes '
        f'({error.strerror}); what was written before is safe: make room and '
        'run the same again')


def write_all(fd: int, buffers: Iterable[Bytes]) -> None:
    """Write buffers one after the other, however little a call takes.

    Args:
        fd: Descriptor of a file that is open for writing.
        buffers: Bytes.
    """
    for buffer in buffers:
        rest = memoryview(buffer).cast('B')
        while rest:
            rest = rest[os.write(fd, rest):]


def sync_folder(folder: str) -> None:
    """Make what was renamed in a folder survive a power cut.

    Args:
        folder: The folder; '' is this one.
    """
    fd = os.open(folder or '.', os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_leftovers(folder: str, belongs: Callable[[str], bool]) -> None:
    """Remove the temporary files that killed processes left in a folder.

    A process that lives holds a lock on the temporary file it writes, so
    those of living processes stay, on this computer or another.

    Args:
        folder: The folder.
        belongs: Told the name of the file that a temporary file was to become,
            says whether it may be removed.
    """
    for name in os.listdir(folder):
        if not name.startswith(PARTIAL) or not belongs(
                _UNIQUE.sub('', name[len(PARTIAL):])):
            continue
        path = osp.join(folder, name)
        if path in _MINE:
            continue
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(path, os.O_RDWR)
            try:
                if _lock(fd, wait=False):
                    os.unlink(path)
            finally:
                os.close(fd)


class FileLock:
    """A lock that one writer has, in this process or in any other.

    It is a POSIX lock on a file opened for writing, which works on NFS and
    which the system releases when its holder dies. POSIX locks do not
    exclude the threads of one process, so these are told apart here. The
    file stays, empty, when the lock is released: were it removed, two
    processes could lock two files of one name.

    Args:
        path: The lock file; its folder must be there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = osp.realpath(path)
        self._fd: int | None = None
        self._pid: int | None = None

    def acquire(self, wait: bool = True) -> None:
        """Take the lock.

        Args:
            wait: Whether to wait until it is free.

        Raises:
            LockedError: If it is held and ``wait`` is False; names the process
                and the computer that hold it.
            OSError: If the file cannot be opened for writing, or its file
                system has no locks.
        """
        with _CHANGED:
            # Looked at before the file is opened: closing any descriptor of
            # a file releases all locks that the process has on it.
            while self.path in _HELD:
                if not wait:
                    raise LockedError(
                        errno.EAGAIN, f'{self.path} is held by '
                        f'{_HELD[self.path]}, which is this process')
                _CHANGED.wait()
            _HELD[self.path] = _myself()
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                if not _lock(fd, wait):
                    raise LockedError(errno.EAGAIN, f'{self.path} is held by '
                                      f'{_holder(fd)}')
                with contextlib.suppress(OSError):  # a full disk still locks
                    os.ftruncate(fd, 0)
                    os.pwrite(fd, json.dumps(
                        dict(holder=_myself(), since=time.strftime(
                            '%Y-%m-%d %H:%M:%S'))).encode(), 0)
            except BaseException:
                os.close(fd)
                raise
        except BaseException:
            self._forget()
            raise
        self._fd, self._pid = fd, os.getpid()

    def release(self) -> None:
        """Give the lock back; without one, or in a forked child, nothing."""
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        if self._pid != os.getpid():
            os.close(fd)
            return
        try:
            with contextlib.suppress(OSError):
                os.ftruncate(fd, 0)
        finally:
            os.close(fd)
            self._forget()

    def _forget(self) -> None:
        with _CHANGED:
            _HELD.pop(self.path, None)
            _CHANGED.notify_all()

    def __del__(self) -> None:
        # An owner that was dropped without release must not block others.
        with contextlib.suppress(Exception):
            self.release()


@contextlib.contextmanager
def locked(path: str | os.PathLike[str], wait: bool = True) -> Iterator[None]:
    """Hold a lock between processes; see :class:`FileLock`.

    Args:
        path: The lock file. It is made, and stays.
        wait: Whether to wait for another holder. Defaults to True.

    Raises:
        LockedError: If another holds it and ``wait`` is False.
        OSError: If the file cannot be opened for writing, or its file system
            has no locks.
    """
    lock = FileLock(path)
    lock.acquire(wait)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def try_locked(path: str | os.PathLike[str]) -> Iterator[bool]:
    """Hold a lock between processes if it is free; see :class:`FileLock`.

    Args:
        path: The lock file. It is made, and stays.

    Yields:
        Whether this process holds it.

    Raises:
        OSError: If the file cannot be opened for writing, or its file system
            has no locks.
    """
    lock = FileLock(path)
    try:
        lock.acquire(wait=False)
    except LockedError:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file.

    Args:
        path: The file.

    Returns:
        64 hexadecimal digits.
    """
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


# Locks of this process {path: holder}, and its temporary files.
_HELD: dict[str, str] = {}
_MINE: set[str] = set()
_CHANGED = threading.Condition(threading.RLock())


def _after_fork() -> None:
    """A forked child holds no lock: POSIX locks stay with the parent."""
    global _CHANGED
    _CHANGED = threading.Condition(threading.RLock())
    _HELD.clear()
    _MINE.clear()


os.register_at_fork(after_in_child=_after_fork)


def _myself() -> str:
    return f'process {os.getpid()} on {socket.gethostname()}'


def _holder(fd: int) -> str:
    try:
        entry = json.loads(os.pread(fd, 4096, 0))
        return f'{entry["holder"]} since {entry["since"]}'
    except (OSError, ValueError, KeyError, TypeError):
        return 'another process, which has not said yet which'


def _lock(fd: int, wait: bool) -> bool:
    """Lock a file that is open for writing; False if another holds it."""
    import fcntl
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if not wait and error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        if error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise OSError(
                error.errno, 'this file system gives no locks '
                f'({error.strerror}): mount it with locks (NFS: start its '
                'lock service) or take another folder') from None
        raise
    return True


def _open_partial(folder: str, name: str) -> tuple[str, int]:
    """A new temporary file of this process, locked where that can be."""
    if len(os.fsencode(name)) > _NAME_BYTES:  # 255 are all that fit
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    while True:
        partial = osp.join(folder, f'{PARTIAL}{name}.{os.getpid()}-'
                           f'{os.urandom(4).hex()}')
        try:
            fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            continue
        _MINE.add(partial)
        with contextlib.suppress(OSError):
            _lock(fd, wait=True)
        # Until it was locked, another process may have removed it.
        if osp.exists(partial):
            return partial, fd
        os.close(fd)
        _MINE.discard(partial)
