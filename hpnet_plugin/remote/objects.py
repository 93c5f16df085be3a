"""The objects under a URL: listed, fetched, written, patiently."""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from ..files import PARTIAL, open_whole
from .errors import (
    DamagedError,
    MissingObjectError,
    RefusedError,
    TooLargeError,
)
from .patience import patiently
from .urls import WEB, scheme_of, shown

# An object there appears whole; elsewhere a file is renamed when it is.
ATOMIC = ('s3', 's3a', 'gs', 'gcs', 'az', 'abfs', 'abfss', 'adl', 'oss',
          'memory')
TAGS = ('ETag', 'etag', 'md5Hash', 'content_md5', 'LastModified',
        'last_modified', 'Last-Modified', 'updated', 'mtime')
_SYSTEMS: dict[tuple[int, str], tuple[Any, str]] = {}


class Entry(NamedTuple):
    """An object of a listing.

    Attributes:
        size: Its bytes; None where the server does not say.
        tag: Differs where the content does.
        folder: Whether it is no object, but a folder of them.
    """
    size: int | None
    tag: str
    folder: bool = False


class Objects:
    """The objects under a URL. It may be used in forked processes.

    Args:
        url: A folder, or a single object.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip('/')

    @property
    def lists(self) -> bool:
        """Whether folders can be listed: not those of web servers."""
        return scheme_of(self.url) not in WEB

    def url_of(self, name: str) -> str:
        """The URL of an object.

        Args:
            name: Its path below this URL; '' is the URL itself.

        Returns:
            The URL.
        """
        if not name:
            return self.url
        if self.lists:
            return f'{self.url}/{name}'
        parts = urlsplit(self.url)
        path = f'{parts.path.rstrip("/")}/{quote(name)}'
        return urlunsplit(parts._replace(path=path))

    def listing(self, folder: str = '') -> dict[str, Entry]:
        """What is in a folder, not below it.

        Args:
            folder: Path below this URL. Defaults to the URL itself.

        Returns:
            Name without any folder to what it is; empty where there is no
            such folder.

        Raises:
            RemoteError: If it cannot be listed.
        """
        url = self.url_of(folder)

        def call() -> dict[str, Entry]:
            system, path = _system(url)
            found = {}
            for info in system.ls(path, detail=True):
                full = info['name'].rstrip('/')
                name = full.rpartition('/')[2]
                # a folder may be an object too, and lists itself
                if name and full != path.strip('/') and full != path:
                    found[name] = _entry(info)
            return found

        try:
            return patiently(url, call)
        except MissingObjectError:
            return {}

    def entry(self, name: str = '') -> Entry | None:
        """What is known of an object.

        Args:
            name: Its path below this URL.

        Returns:
            Size and tag; None if it is not there.

        Raises:
            RemoteError: If that cannot be found out.
        """
        url = self.url_of(name)

        def call() -> Entry:
            system, path = _system(url)
            return _entry(system.info(path))

        try:
            return patiently(url, call)
        except MissingObjectError:
            return None

    def read(self, name: str, start: int = 0, stop: int | None = None
             ) -> bytes:
        """The bytes of an object.

        Args:
            name: Its path below this URL.
            start: The first byte. Defaults to 0.
            stop: The one after the last. Defaults to the end.

        Returns:
            The bytes.

        Raises:
            RemoteError: If it cannot be read.
        """
        url = self.url_of(name)

        def call() -> bytes:
            system, path = _system(url)
            if not start and stop is None:
                return system.cat_file(path)
            return system.cat_file(path, start=start, end=stop)

        return patiently(url, call)

    def get(self, name: str, path: str,
            check: Callable[[str], str | None] | None = None,
            most: int | None = None,
            alive: Callable[[], object] | None = None) -> None:
        """Fetch an object into a file that is there whole or not at all.

        Args:
            name: Its path below this URL.
            path: The file.
            check: Told the file before it has its name, says what is wrong
                with it.
            most: Bytes that it may have.
            alive: Called every few seconds while this lasts.

        Raises:
            TooLargeError: If it has more bytes than it may.
            DamagedError: If something is wrong with it.
            RemoteError: If it cannot be fetched.
            OSError: If it cannot be written.
        """
        url = self.url_of(name)

        def call() -> None:
            system, remote = _system(url)
            with open_whole(path) as file:
                partial = str(file.name)  # it has one, which libraries take
                system.get_file(remote, partial, callback=_bound(url, most))
                wrong = check(partial) if check else None
                if wrong:
                    raise DamagedError(f'{shown(url)}: {wrong}')

        patiently(url, call, alive)

    def put(self, path: str, name: str) -> None:
        """Write a file as an object, which appears whole.

        Args:
            path: The file.
            name: Path of the object below this URL.

        Raises:
            RemoteError: If it cannot be written.
        """
        url = self.url_of(name)
        if not self.lists:
            raise RefusedError(f'{shown(self.url)}: web servers are only '
                               'read; write to a folder, or to s3://')

        def call() -> None:
            system, remote = _system(url)
            if scheme_of(url) in ATOMIC:
                system.put_file(path, remote)
                return
            folder, _, last = remote.rpartition('/')
            system.makedirs(folder, exist_ok=True)
            partial = f'{folder}/{PARTIAL}{last}.{os.getpid()}'
            system.put_file(path, partial)
            system.mv(partial, remote)

        patiently(url, call)

    def remove(self, name: str) -> None:
        """Remove an object; nothing if it is not there.

        Args:
            name: Its path below this URL.

        Raises:
            RemoteError: If it cannot be removed.
        """
        url = self.url_of(name)

        def call() -> None:
            system, path = _system(url)
            system.rm_file(path)

        try:
            patiently(url, call)
        except MissingObjectError:
            pass


def _system(url: str) -> tuple[Any, str]:
    """The file system of a URL in this process, and the path in it."""
    try:
        import fsspec
    except ImportError as error:
        raise RefusedError(f'{shown(url)}: fsspec is not installed; pip '
                           'install fsspec') from error
    scheme, _, rest = url.partition('://')
    key = os.getpid(), f'{scheme}://{rest.partition("/")[0]}'
    if key not in _SYSTEMS:
        options: dict[str, Any] = dict(use_listings_cache=False)
        if scheme_of(url) in WEB:
            import aiohttp

            # a large file takes longer than the 300 s of aiohttp
            options['client_kwargs'] = dict(timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=30, sock_read=60))
        _SYSTEMS[key] = fsspec.core.url_to_fs(url, **options)
    system = _SYSTEMS[key][0]
    return system, system._strip_protocol(url)


def _entry(info: dict[str, Any]) -> Entry:
    tag = next((str(info[key]) for key in TAGS if info.get(key)), '')
    return Entry(info.get('size'), tag, info.get('type') == 'directory')


def _bound(url: str, most: int | None) -> Any:
    """A callback of fsspec's that ends what is too large."""
    import fsspec

    class Bound(fsspec.callbacks.Callback):
        def call(self, *args: object, **kwargs: object) -> None:
            if most is not None and max(self.value, self.size or 0) > most:
                raise TooLargeError(
                    f'{shown(url)} has more than {most:,} bytes, the largest '
                    'file that is fetched')

    return Bound()

