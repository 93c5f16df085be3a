"""The media of whatever a user names: files, folders, lists, cameras."""
from __future__ import annotations

import glob
import os
import os.path as osp
import re
import stat
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..datasets.clips import SourceError
from ..datasets.sources import read_list
from ..files import VIDEO_SUFFIXES
from .media import ArrayMedia, Media, VideoMedia

SCHEMES = ('rtsp', 'rtsps', 'http', 'https')
_ADDRESS = re.compile(r'[a-zA-Z][a-zA-Z0-9+.-]*://')


def open_media(source: Any, rate: float = 30.) -> list[Media]:
    """The media of whatever a user names.

    =================================  ====================================
    source                             media
    =================================  ====================================
    a path of a video                  the video
    a folder                           its videos and those of the folders
                                       in it, in order of name
    ``'clips/*.mp4'``                  the videos that match
    a text file                        the videos that it lists, a line a
                                       video, see
                                       :func:`hpnet_plugin.datasets.sources`
    (T, H, W, 3) uint8 array           its frames, RGB
    ``0``, ``'0'``, ``'/dev/video0'``  the first camera
    ``'rtsp://...'``, ``'http://...'`` a live stream
    a list of these                    all of them
    =================================  ====================================

    Only a stream that is named by its address is ever read from the network.

    Args:
        source: See the table; media are passed on.
        rate: Frames a second of arrays. Defaults to 30.

    Returns:
        At least one; nothing is opened.

    Raises:
        SourceError: If there is no such source, or no video in it.
    """
    if isinstance(source, Media):
        return [source]
    if isinstance(source, np.ndarray):
        return [ArrayMedia(source, rate)]
    if isinstance(source, (int, np.integer)) and not isinstance(source, bool):
        return [_camera(int(source))]
    if isinstance(source, (str, bytes, os.PathLike)):
        return list(_named(os.fsdecode(source)))
    if not isinstance(source, Sequence):
        raise SourceError(
            f'a source of type {type(source).__name__} is not known: give a '
            'video, a folder, a pattern, a list file, a (frames, height, '
            'width, 3) array, the number of a camera, the address of a '
            'stream, or a list of these')
    if not source:
        raise SourceError('the list of sources is empty')
    return [media for one in source for media in open_media(one, rate)]


def _named(text: str) -> Sequence[Media]:
    """Media of a text: what is there counts before what it looks like."""
    if re.fullmatch('[0-9]+', text):
        return [_camera(int(text))]
    if osp.isdir(text):
        return [VideoMedia(path) for path in _walk(text)]
    if osp.exists(text):
        mode = os.stat(text).st_mode
        if stat.S_ISCHR(mode):
            return [_camera(text)]
        if not stat.S_ISREG(mode):
            raise SourceError(f'{text} is no ordinary file; a video must be '
                              'one, which can be read twice')
        if text.lower().endswith(VIDEO_SUFFIXES) or not _is_text(text):
            return [VideoMedia(text)]
        videos = [VideoMedia(clip.path) for clip in read_list(text)]
        if not videos:
            raise SourceError(f'{text} lists no video')
        return videos
    if text.startswith('/dev/video'):
        return [_camera(text)]
    if _ADDRESS.match(text):
        return [_stream(text)]
    if glob.has_magic(text):
        found = sorted(path for path in glob.glob(text, recursive=True)
                       if _is_video(path))
        if not found:
            raise SourceError(f'{text}: no video matches; looked for files '
                              f'ending in {", ".join(VIDEO_SUFFIXES)}')
        return [VideoMedia(path) for path in found]
    raise SourceError(f'{text}: no such video, folder or list file')


def _camera(which: int | str) -> Media:
    from .live import open_camera
    return open_camera(which)


def _stream(address: str) -> Media:
    scheme = address.partition('://')[0].lower()
    if scheme not in SCHEMES:
        raise SourceError(
            f'{scheme}:// is no kind of stream that is read; kinds: '
            + ', '.join(f'{kind}://' for kind in SCHEMES))
    from .live import open_stream
    return open_stream(address)


def _is_video(path: str) -> bool:
    return (osp.isfile(path) and path.lower().endswith(VIDEO_SUFFIXES)
            and not osp.basename(path).startswith('.'))


def _walk(folder: str) -> list[str]:
    """Videos in a folder and in all below it; hidden ones are passed over."""
    found: list[str] = []
    seen: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        # a link may lead back
        if osp.realpath(root) in seen:
            folders.clear()
            continue
        seen.add(osp.realpath(root))
        folders[:] = sorted(name for name in folders
                            if not name.startswith('.'))
        found += [osp.join(root, name) for name in sorted(names)
                  if _is_video(osp.join(root, name))]
    if not found:
        raise SourceError(
            f'{folder} holds no video, nor does a folder in it; looked for '
            f'files ending in {", ".join(VIDEO_SUFFIXES)}')
    return found


def _is_text(path: str) -> bool:
    """Whether a file begins like a text; videos have zero bytes early."""
    try:
        with open(path, 'rb') as file:
            head = file.read(4096)
    except OSError as error:
        raise SourceError(f'{path}: {error.strerror}') from None
    return bool(head) and b'\0' not in head
