"""Which clips there are: videos of folders and lists, released features."""
from __future__ import annotations

import glob
import os
import os.path as osp
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..files import VIDEO_SUFFIXES
from ..remote import Objects, is_url, is_video, name_of
from .benchmarks import bare_name
from .clips import SourceClip, SourceError, numbered_lines, printable
from .names import name_clips, read_names


class Listing(NamedTuple):
    """What a source holds.

    Attributes:
        clips: The videos, in order of name.
        skipped: Every other file and folder, and why it is no clip.
    """
    clips: list[SourceClip]
    skipped: dict[str, str]


def describe_skipped(skipped: dict[str, str], most: int = 20) -> str:
    """What :func:`list_clips` left out, in lines for a terminal.

    Args:
        skipped: See :class:`Listing`.
        most: Files that are named. Defaults to 20.

    Returns:
        Empty, or lines that end in a line break.
    """
    if not skipped:
        return ''
    lines = [f'{len(skipped)} of the files and folders are left out:']
    lines += [f'  {printable(path)}: {why}'
              for path, why in list(skipped.items())[:most]]
    if len(skipped) > most:
        lines.append(f'  and {len(skipped) - most} more')
    return '\n'.join(lines) + '\n'


def find_clips(source: str) -> list[SourceClip]:
    """The clips of :func:`list_clips`.

    Args:
        source: See there.

    Returns:
        The clips, in order of name.
    """
    return list_clips(source).clips


def list_clips(source: str,
               known: Mapping[tuple[str, str], str] | None = None) -> Listing:
    """Clips of a video, a folder or a list file, and what is no clip.

    A clip is called like its file, without the suffix. Where files of
    several folders are called the same, each gets the name of its folder
    before it, ``FOLDER__FILE``; a file in ``source`` itself keeps its name,
    and so does a clip that was in the dataset before.

    A list file holds the path of a video (relative to the file), and if
    known its label, a line::

        # lines like this one, and empty ones, are passed over
        wave/a.mp4 3
        wave/b.mp4 wave hello
        "wave/take 2.mp4"       3

    Quotes are needed only where a path ends in a space or begins with ``#``.

    Each of these may be at a URL, and a list file may hold URLs.

    Args:
        source: A video; a folder of videos; a folder with one subfolder of
            videos a class; or a list file, UTF-8.
        known: What clips of the dataset folder are called, of
            :func:`names.read_names`.

    Returns:
        The clips, and what was skipped: hidden files, files that do not end
        like a video, links that lead nowhere, folders in a class's folder, and
        what else there is.

    Raises:
        SourceError: If there is no video, or two have one name.
        RemoteError: If a URL cannot be listed.
    """
    skipped = {}
    if is_url(source):
        source = source.rstrip('/')
        clips = list(_remote(source, skipped))
    elif osp.isdir(source):
        clips = list(_walk(source, skipped))
    elif _is_video(source):
        clips = [_clip(source)]
    elif osp.isfile(source):
        clips = list(read_list(source))
    else:
        raise SourceError(f'{source}: no such video, folder or list file')
    if not clips:
        reasons = [f'{path}: {why}' for path, why in skipped.items()]
        raise SourceError(
            f'{source} holds no video; looked for files ending in '
            f'{", ".join(VIDEO_SUFFIXES)}'
            + (f'; skipped: {"; ".join(reasons[:3])}' if reasons else '')
            + ('; ...' if len(reasons) > 3 else ''))
    return Listing(name_clips(clips, source, known), skipped)


def _remote(url: str, skipped: dict[str, str]) -> Iterator[SourceClip]:
    """Videos at a URL; a text file is a list of them."""
    from .remote_sources import find_videos, is_list
    if not is_list(url):
        yield from (_clip(*found) for found in find_videos(url, skipped))
        return
    with tempfile.TemporaryDirectory(prefix='hpnet-') as folder:
        path = osp.join(folder, 'list.txt')
        Objects(url).get('', path)
        yield from read_list(path, url.rpartition('/')[0])


def _is_video(path: str) -> bool:
    return osp.isfile(path) and path.lower().endswith(VIDEO_SUFFIXES)


def _clip(path: str, label: str | None = None) -> SourceClip:
    return SourceClip(osp.splitext(name_of(path))[0], path, label)


def _walk(folder: str, skipped: dict[str, str]) -> Iterator[SourceClip]:
    """Videos of a folder; those of a subfolder carry its name as label."""
    seen = {osp.realpath(folder)}
    for name in _names(folder, skipped):
        path = osp.join(folder, name)
        if not osp.isdir(path):
            if _is_clip(path, skipped):
                yield _clip(path)
        elif name.startswith('.'):
            skipped[path] = 'hidden'
        elif osp.realpath(path) in seen:
            skipped[path] = 'a link to a folder that is read already'
        else:
            seen.add(osp.realpath(path))
            for inner in _names(path, skipped):
                inner = osp.join(path, inner)
                if osp.isdir(inner):
                    skipped[inner] = ('a folder in a subfolder: videos stand '
                                      'in the folder or one level below it')
                elif _is_clip(inner, skipped):
                    yield _clip(inner, name)


def _names(folder: str, skipped: dict[str, str]) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        skipped[folder] = f'cannot be read: {error.strerror}'
        return []


def _is_clip(path: str, skipped: dict[str, str]) -> bool:
    """Whether a file is a video by its name; if not, why is noted."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        skipped[path] = (
            f'a link to {os.readlink(path)}: {error.strerror}'
            if osp.islink(path) else f'cannot be read: {error.strerror}')
        return False
    if osp.basename(path).startswith('.'):
        skipped[path] = 'hidden'
    elif not stat.S_ISREG(mode):
        skipped[path] = 'no ordinary file'
    elif not path.lower().endswith(VIDEO_SUFFIXES):
        suffix = osp.splitext(path)[1]
        skipped[path] = (f'{suffix} is no suffix of a video' if suffix else
                         'its name has no suffix')
    else:
        return True
    return False


def read_list(path: str, folder: str | None = None) -> Iterator[SourceClip]:
    """Videos of a list file, in its order; see :func:`list_clips`.

    Args:
        path: The list file.
        folder: What relative paths have before them. Defaults to the folder
            of the list file.

    Yields:
        A video, whether it exists or not.

    Raises:
        SourceError: If a line names no video, or the file is no text.
    """
    for number, line in numbered_lines(path):
        if line.startswith('#'):
            continue
        video, label = _split(line)
        if not is_video(video):
            raise SourceError(
                f'{path}, line {number}: {line!r:.80} is neither "video" nor '
                f'"video label"; a video ends in {", ".join(VIDEO_SUFFIXES)}')
        if not is_url(video):
            video = osp.join(osp.dirname(path) if folder is None else folder,
                             video)
        yield _clip(video, label)


def _split(line: str) -> tuple[str, str | None]:
    """Video and label of a line; the video is empty if there is none."""
    web = re.fullmatch(r'(https?://\S+)(?:\s+(.+))?', line, re.I)
    if web:  # it may be signed: what follows the name is no label
        return web[1], web[2]
    quoted = re.fullmatch(r"""(["'])(.+)\1(?:\s+(.+))?""", line)
    if quoted:
        return quoted[2], quoted[3]
    if line.lower().endswith(VIDEO_SUFFIXES):
        return line, None
    # a label of one word after the last video, else of several after the
    # first
    suffixes = '|'.join(map(re.escape, VIDEO_SUFFIXES))
    found = re.fullmatch(rf'(.+(?:{suffixes}))\s+(\S+)', line, re.I) or \
        re.fullmatch(rf'(.+?(?:{suffixes}))\s+(.+)', line, re.I)
    return (found[1], found[2]) if found else ('', None)


def find(source: str | list[SourceClip], earlier: str | None = None
         ) -> list[SourceClip]:
    """Clips of a source, videos or released features.

    Args:
        source: See :func:`sources.find_clips`; or a folder of ``.npy`` files
            and no videos; or the clips themselves.
        earlier: A folder that this module wrote: clips keep the names that
            they have there.

    Returns:
        In order of name.
    """
    if not isinstance(source, str):
        return sorted(source)
    try:
        return list_clips(source, read_names(earlier or '')).clips
    except SourceError:
        if not osp.isdir(source) or not (features := find_features([source])):
            raise
        return features


def find_features(sources: list[str]) -> list[SourceClip]:
    """Clips that there are feature files of.

    Args:
        sources: ``.npy`` files, and folders that hold them, flat or one
            subfolder a class.

    Returns:
        In order of name, named without a video's suffix, those of a subfolder
        with its name as label.

    Raises:
        SourceError: If two files are of one clip.
    """
    clips = {}

    def add(path: str, label: str | None = None) -> None:
        name = bare_name(osp.basename(path)[:-len('.npy')])
        if name in clips:
            raise SourceError(
                f'two files are named after clip {name!r}: '
                f'{clips[name].path} and {path}; keep one of them')
        clips[name] = SourceClip(name, path, label)

    for source in sources:
        if not osp.isdir(source):
            add(source)
            continue
        for path in glob.glob(osp.join(glob.escape(source), '*.npy')):
            add(path)
        for path in glob.glob(osp.join(glob.escape(source), '*', '*.npy')):
            add(path, osp.basename(osp.dirname(path)))
    return [clips[name] for name in sorted(clips)]
