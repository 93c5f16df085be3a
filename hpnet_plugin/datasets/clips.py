"""A clip, and what its name may be."""
from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

FILE_NAME_BYTES = 255
LONGEST_SUFFIX = '.mp4'  # of the files that are named after a clip


class SourceError(ValueError):
    """Clips, labels or splits do not fit together; the message says where.

    Args:
        message: What is wrong, with any characters.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class SourceClip(NamedTuple):
    """One video.

    Attributes:
        name: Name that is unique in the dataset, ``frame_dir`` of the
            annotations: the file's name without its suffix, and where several
            folders have it, with the folder's before it.
        path: The video.
        label: What the source says that it shows, a class name or a number.
    """
    name: str
    path: str
    label: str | None = None


def printable(text: str) -> str:
    """A text that any terminal and any file takes, on one line.

    Names of files need not be text: what cannot be shown, bytes that are no
    text among it, is written as backslash and number.

    Args:
        text: Any text.

    Returns:
        The same, printable.
    """
    return ''.join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def name_problem(name: str) -> str | None:
    """What keeps the name of a clip from being a key and a file name.

    Args:
        name: Of :class:`SourceClip`.

    Returns:
        What is wrong with it, in ASCII; None if nothing is.
    """
    if not name or name in ('.', '..'):
        return f'the name {name!r} is empty'
    for character in name:
        kind = unicodedata.category(character)
        if kind == 'Cs':
            found = 'a byte that is not UTF-8'
        elif kind == 'Cc':
            found = 'a control character (tab, line break, ...)'
        elif kind in ('Cf', 'Zl', 'Zp'):
            found = 'a character that cannot be seen'
        elif character == '/':
            found = 'a slash'
        else:
            continue
        return (f'its name {ascii(name)} holds {found}, '
                f'{ascii(character)}: rename the video')
    size = len((name + LONGEST_SUFFIX).encode())
    if size > FILE_NAME_BYTES:
        return (f'its name {ascii(name[:20])}... makes file names of {size} '
                f'bytes; a file system takes {FILE_NAME_BYTES}: rename the '
                'video')
    return None


def numbered_lines(path: str) -> list[tuple[int, str]]:
    """Lines of a text file, without those that are empty.

    Args:
        path: The file, UTF-8.

    Returns:
        Number, from 1, and text of each.

    Raises:
        SourceError: If it cannot be read, or is no text.
    """
    try:
        # also of editors that put a mark of their own before the first
        with open(path, encoding='utf-8-sig') as file:
            lines = file.read().split('\n')
    except OSError as error:
        raise SourceError(f'{path}: {error.strerror}') from None
    except UnicodeDecodeError:
        raise SourceError(f'{path} is no text file (UTF-8)') from None
    return [(number, line.strip()) for number, line in enumerate(lines, 1)
            if line.strip()]


def few(names: Sequence[str]) -> str:
    """The first names of many, for a message.

    Args:
        names: All of them.

    Returns:
        Up to five, each cut to 255 characters, and an ellipsis where there
        are more.
    """
    return ', '.join(name[:FILE_NAME_BYTES] for name in names[:5]) + (
        ', …' if len(names) > 5 else '')


def count(number: int, one: str, many: str | None = None) -> str:
    """1 clip, 2 clips.

    Args:
        number: How many.
        one: What one is called.
        many: What several are called. Default: ``one`` and s.

    Returns:
        Number and noun.
    """
    return f'{number} {one if number == 1 else many or one + "s"}'
