"""Videos below a URL."""
from __future__ import annotations

from collections.abc import Iterator

from ..files import VIDEO_SUFFIXES
from ..remote import Entry, Objects, is_video, name_of, shown
from .clips import SourceError

Found = tuple[str, str | None]  # URL of a video, and its label


def find_videos(url: str, skipped: dict[str, str]) -> Iterator[Found]:
    """Videos at a URL; those of a subfolder carry its name as label.

    Args:
        url: A video, or a folder of videos, directly or in one subfolder for
            each class.
        skipped: Gets every other object and folder, and why it is no clip.

    Yields:
        URL and label of each video, in order of name.

    Raises:
        SourceError: If a web server is asked for a folder.
        RemoteError: If the URL cannot be listed.
    """
    objects = Objects(url)
    if is_video(url):
        yield url, None
        return
    if not objects.lists:
        raise SourceError(
            f'{shown(url)}: folders of web servers cannot be listed; give '
            'hpnet extract a text file with the URL of a video in each line')
    for name, entry in sorted(objects.listing().items()):
        path = objects.url_of(name)
        if not entry.folder:
            if _is_clip(path, name, entry, skipped):
                yield path, None
        elif name.startswith('.'):
            skipped[path] = 'hidden'
        else:
            for inner, file in sorted(objects.listing(name).items()):
                path = objects.url_of(f'{name}/{inner}')
                if file.folder:
                    skipped[path] = ('a folder in a subfolder: videos stand '
                                     'in the folder or one level below it')
                elif _is_clip(path, inner, file, skipped):
                    yield path, name


def _is_clip(path: str, name: str, entry: Entry,
             skipped: dict[str, str]) -> bool:
    if name.startswith('.'):
        skipped[path] = 'hidden'
    elif not name.lower().endswith(VIDEO_SUFFIXES):
        _, dot, suffix = name.rpartition('.')
        skipped[path] = (f'.{suffix} is no suffix of a video' if dot else
                         'its name has no suffix')
    else:
        return True
    return False


def is_list(url: str) -> bool:
    """Whether a URL is that of a list of videos.

    Args:
        url: The URL.

    Returns:
        True of a name that ends in ``.txt``.
    """
    return name_of(url).lower().endswith('.txt')
