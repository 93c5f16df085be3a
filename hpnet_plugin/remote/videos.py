"""A video at a URL, as a file for as long as it is read."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..files import VIDEO_SUFFIXES
from .objects import Objects
from .urls import is_url, name_of

LARGEST = 16 << 30  # bytes of a video that is fetched


def is_video(path: str) -> bool:
    """Whether a path or a URL ends as that of a video.

    Args:
        path: The path, or the URL, of which a query is left out.

    Returns:
        True of ``'https://host/clip.mp4?signature=…'``.
    """
    return name_of(path).lower().endswith(VIDEO_SUFFIXES)


@contextmanager
def video_file(path: str, alive: Callable[[], object] | None = None,
               folder: str | None = None) -> Iterator[str]:
    """A video as a file of this computer.

    Its name there has nothing of the name at the URL but the suffix.

    Args:
        path: A file, which is taken as it is, or a URL.
        alive: Called every few seconds while it is fetched.
        folder: Where a folder for it is made. Defaults to that of temporary
            files (TMPDIR).

    Yields:
        The file; what was fetched is removed at the end.

    Raises:
        RemoteError: If it cannot be fetched, or is too large.
        OSError: If there is no space for it.
    """
    if not is_url(path):
        yield path
        return
    name = name_of(path).lower()
    suffix = next((end for end in VIDEO_SUFFIXES if name.endswith(end)), '')
    with tempfile.TemporaryDirectory(prefix='hpnet-video-',
                                     dir=folder) as own:
        file = os.path.join(own, 'video' + suffix)
        Objects(path).get('', file, most=LARGEST, alive=alive)
        yield file
