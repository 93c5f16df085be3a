"""What is a URL, and what of it may be shown."""
from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

_URL = re.compile(r'[A-Za-z][A-Za-z0-9+.-]*://[^/]|file:///')
WEB = ('http', 'https')


def is_url(text: object) -> bool:
    """Whether a text is a URL, and no path of this computer.

    Args:
        text: Anything.

    Returns:
        True of ``'s3://bucket/folder'``.
    """
    return isinstance(text, str) and _URL.match(text) is not None


def scheme_of(url: str) -> str:
    """The scheme of a URL, in small letters.

    Args:
        url: The URL.

    Returns:
        ``'s3'`` for one.
    """
    return url.partition('://')[0].lower()


def path_of(url: str) -> str:
    """The URL without what follows the path of a web address.

    Args:
        url: The URL. Keys of object stores may hold ``?`` and ``#``.

    Returns:
        The same, of a web server without query and fragment.
    """
    if scheme_of(url) not in WEB:
        return url
    return urlunsplit((*urlsplit(url)[:3], '', ''))


def shown(url: str) -> str:
    """A URL as messages show it: without what may be secret.

    Args:
        url: The URL, or a path.

    Returns:
        The same without user, password and the query of a signed address.
    """
    if not is_url(url):
        return url
    scheme, _, rest = path_of(url).partition('://')
    place, slash, path = rest.partition('/')
    return f'{scheme}://{place.rpartition("@")[2]}{slash}{path}'


def name_of(url: str) -> str:
    """Name of the file or folder of a URL.

    Args:
        url: The URL, or a path.

    Returns:
        What follows the last slash; of a web server without ``%20``.
    """
    name = path_of(url).rstrip('/').rpartition('/')[2]
    return unquote(name) if scheme_of(url) in WEB else name
