"""Files mapped into memory without keeping them open.

``mmap.mmap`` keeps a file descriptor for as long as any array views the
map, which ends at some thousand shards. A map itself needs none, so it is
made by the C library here and undone when the last array that views it is
gone.
"""
import ctypes
import errno
import mmap
import os
import weakref
from collections import OrderedDict

import numpy as np

RANDOM, WILLNEED = mmap.MADV_RANDOM, mmap.MADV_WILLNEED
_FAILED = ctypes.c_void_p(-1).value
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int,
                       ctypes.c_int, ctypes.c_int, ctypes.c_long)
_LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_LIBC.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_LIBC.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)


class MappedFile:
    """A file in memory, read-only, open no longer.

    Pages are read when they are touched, without the pages around them:
    clips are read in random order. That is slow for more than a few pages;
    :meth:`will_need` reads a range at once.

    Args:
        path: The file.

    Attributes:
        data: The bytes. Arrays made from it keep the map alive.
        size: Their number.

    Raises:
        OSError: If it cannot be mapped; ENOMEM where the process has too many
            maps (vm.max_map_count).
    """

    __slots__ = ('data', 'size', '_address', '_owner', '_tells')

    def __init__(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            self.size = status.st_size
            # the system says only of one's own files what is in memory
            self._tells = status.st_uid == os.geteuid() or os.access(
                path, os.W_OK)
            if not self.size:
                self.data = memoryview(b'')
                return
            address = _LIBC.mmap(None, self.size, mmap.PROT_READ,
                                 mmap.MAP_SHARED, fd, 0)
            if address == _FAILED:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), path)
        finally:
            os.close(fd)
        self._owner = (ctypes.c_char * self.size).from_address(address)
        # At the end of the process arrays may still view the map.
        undo = weakref.finalize(self._owner, _LIBC.munmap, address, self.size)
        # it has this attribute, which the checker's stub lacks
        undo.atexit = False  # pyrefly: ignore[missing-attribute]
        _LIBC.madvise(address, self.size, RANDOM)
        self._address = address
        self.data = memoryview(self._owner).cast('B').toreadonly()

    def will_need(self, start: int, stop: int) -> None:
        """Have a range of bytes read from the disk in one go.

        Args:
            start: The first byte.
            stop: The one after the last.
        """
        start -= start % mmap.PAGESIZE
        _LIBC.madvise(self._address + start, stop - start, WILLNEED)

    def in_memory(self, at: int) -> bool | None:
        """Whether a byte can be had without reading from the disk.

        Args:
            at: Which byte.

        Returns:
            Whether its page is in memory; None where the system does not say.
        """
        if not self._tells:
            return None
        at -= at % mmap.PAGESIZE
        page = ctypes.c_ubyte()
        if _LIBC.mincore(self._address + at, 1, ctypes.byref(page)):
            return None
        return page.value != 0


class Shards:
    """The shards that were read last, mapped; at most ``bound`` of them.

    Args:
        bound: Maps that are kept. Those that arrays still view stay beyond it.
            Defaults to 512 of the 65,530 that Linux allows.
    """

    def __init__(self, bound: int = 512) -> None:
        self.bound = bound
        self._maps: OrderedDict[str, MappedFile] = OrderedDict()

    def __len__(self) -> int:
        return len(self._maps)

    def get(self, path: str) -> MappedFile:
        """The map of a shard.

        Args:
            path: The shard.

        Returns:
            The map.

        Raises:
            OSError: If it cannot be mapped.
        """
        mapped = self._maps.get(path)
        if mapped is None:
            mapped = MappedFile(path)
            self._maps[path] = mapped
            if len(self._maps) > self.bound:
                self._maps.popitem(last=False)
        else:
            try:
                self._maps.move_to_end(path)
            except KeyError:  # another thread put it out meanwhile
                pass
        return mapped


def read_ranges(path: str, starts: np.ndarray, out: np.ndarray) -> None:
    """Read parts of a file that are not in memory, all at the same time.

    Args:
        path: The file.
        starts: (N,) the first byte of each.
        out: (N, size), uint8: where they are put.

    Raises:
        OSError: If the file ends before.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        for start in starts.tolist():
            os.posix_fadvise(fd, start, out.shape[1], os.POSIX_FADV_WILLNEED)
        for start, part in zip(starts.tolist(), out):
            if os.preadv(fd, [part], start) != len(part):
                raise OSError(errno.EIO, 'the file ends early', path)
    finally:
        os.close(fd)


def read_range(path: str, start: int, size: int) -> np.ndarray:
    """Read bytes of a file without a map; uint8, read-only.

    Args:
        path: The file.
        start: The first byte.
        size: How many.

    Returns:
        (size,) uint8.
    """
    with open(path, 'rb', buffering=0) as file:
        data = np.fromfile(file, np.uint8, size, offset=start)
    data.flags.writeable = False
    return data
