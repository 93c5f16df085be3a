"""Dataset folders that are at a URL, as folders of this computer.

What is at ``s3://bucket/data/mine`` is seen by all else through a folder of
the cache, ``…/remote/s3-bucket-data-mine-1a2b3c4d/mine``. Small files
(indices, facts, annotations) are copied when they changed, shards and crops
are fetched when they are first read, and stay. ``remote.json`` in the folder
says where it is from, and what was there when it was last looked at.

The cache is ``HPNET_CACHE``, else ``hpnet_plugin`` in ``XDG_CACHE_HOME`` or
``~/.cache``. It may be removed at any time when nothing runs.
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import os.path as osp
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from .files import locked, remove_leftovers, write_whole
from .remote import (
    DamagedError,
    Entry,
    MissingObjectError,
    Objects,
    is_url,
    name_of,
    shown,
)
from .store.errors import StoreError
from .store.fetching import HEAD, MARKER, fetch_file, shard_problem
from .store.files import INDEX, META, SHARD, TABLE, stems_of

SUFFIXES = ('.json', '.jsonl', '.txt', '.pkl', INDEX)
STORE, CROPS = 'features', 'crops'
# what a web server is asked for, which lists nothing
NAMES = ('dataset.json', 'annotations.pkl', 'annotations.clips.json',
         'annotations_3d.pkl', 'classes.txt', 'extraction.json',
         'splits.json', 'names.json', 'failures.jsonl', 'checksums.json',
         f'{STORE}/{META}', f'{STORE}/{TABLE}',
         META, TABLE)
OF_CROPS = tuple(f'{CROPS}/{name}' for name in (
    'crops.json', 'frames.json', 'checksums.jsonl'))
THREADS = 8
TRIES = 3  # of looking at what somebody changes meanwhile


def cache_folder() -> str:
    """Where mirrors are.

    Returns:
        The folder, which need not be there.
    """
    own = os.environ.get('HPNET_CACHE')
    if own:
        return osp.abspath(own)
    return osp.join(os.environ.get('XDG_CACHE_HOME') or osp.expanduser(
        osp.join('~', '.cache')), 'hpnet_plugin')


def local_folder(folder: str) -> str:
    """A dataset folder as a folder of this computer.

    Args:
        folder: A folder, or a URL.

    Returns:
        The same folder; of a URL its mirror, which was brought up to date the
        first time that this process asked.

    Raises:
        RemoteError: If there is no dataset folder at the URL, or it cannot be
            reached.
        OSError: If the cache cannot be written.
    """
    if not is_url(folder):
        return folder
    mirror = Mirror(folder)
    key = os.getpid(), mirror.folder
    if key not in _FRESH:
        mirror.refresh()
        _FRESH.add(key)
    return mirror.folder


_FRESH: set[tuple[int, str]] = set()


class There(NamedTuple):
    """What is at a URL.

    Attributes:
        files: Small files, by their path.
        shards: Folder of a store to its shards and their bytes, None where
            the server does not tell.
    """
    files: dict[str, Entry]
    shards: dict[str, dict[str, int | None]]

    @property
    def indices(self) -> dict[str, str]:
        """Committed shards: path of the index to its tag."""
        return {name: entry.tag for name, entry in self.files.items()
                if stems_of([osp.basename(name)])}


class Mirror:
    """A dataset folder that is at a URL.

    Args:
        url: The URL.

    Attributes:
        url: The same.
        folder: The folder of this computer.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip('/')
        self.objects = Objects(self.url)
        name = re.sub(r'[^\w.@-]', '_', name_of(self.url)).lstrip('.') or '_'
        readable = re.sub(r'[^\w.-]+', '-', shown(self.url))[-60:].strip('-.')
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:8]
        self.parent = osp.join(cache_folder(), 'remote',
                               f'{readable}-{digest}')
        self.folder = osp.join(self.parent, name)
        self._sent: dict[str, str] = {}  # tags of what was put there
        self._crops = False  # whether there were any at the last look

    def path(self, name: str) -> str:
        """A file of the folder.

        Args:
            name: Its path below the URL.

        Returns:
            The path of the copy, which need not be there.
        """
        return osp.join(self.folder, *name.split('/'))

    def put(self, name: str) -> None:
        """Write a file of the folder to the URL.

        Args:
            name: Its path below the URL.

        Raises:
            RemoteError: If it cannot be written.
        """
        self.objects.put(self.path(name), name)
        entry = self.objects.entry(name)
        if entry:  # need not be fetched
            self._sent[name] = entry.tag

    def refresh(self, empty: bool = False) -> There:
        """Copy the small files that changed, and drop those that are gone.

        A file that was never there, such as a shard that was not uploaded
        yet, stays.

        Args:
            empty: Whether there may be nothing yet. Defaults to False.

        Returns:
            What is there.

        Raises:
            RemoteError: If there is no dataset folder, or it cannot be
                reached.
            OSError: If the cache cannot be written.
        """
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        with locked(osp.join(self.parent, 'remote.lock')):
            for attempt in range(TRIES):
                there = self._look()
                if not there.files and not empty:
                    raise MissingObjectError(
                        f'{shown(self.url)}: no dataset folder is there; '
                        'hpnet extract --out makes one')
                try:
                    self._copy(there)
                    return there
                except (DamagedError, MissingObjectError):
                    # somebody changed it between listing and copying
                    if attempt == TRIES - 1:
                        raise
        raise AssertionError

    def fetch_all(self, crops: bool = False) -> None:
        """Fetch all shards, which need not be sound.

        Args:
            crops: Also all crops. Defaults to False.

        Raises:
            RemoteError: If one cannot be had.
        """
        for inner, stems in self._state()['shards'].items():
            root = self.path(inner) if inner else self.folder
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(_any_shard, [root] * len(stems), stems))
        if crops:
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(self._crop, self.crops_there()))

    def _look(self) -> There:
        return self._listed() if self.objects.lists else self._asked()

    def _listed(self) -> There:
        files, shards = {}, {}
        for inner in ('', STORE):
            listing = self.objects.listing(inner)
            before = f'{inner}/' if inner else ''
            if not inner:
                self._crops = CROPS in listing
            if not inner and self._crops:
                # its many files are not listed for two
                files.update(self._entries(OF_CROPS))
            files.update((before + name, entry) for name, entry
                         in listing.items() if _is_small(name, entry))
            stems = stems_of(list(listing))
            if stems:
                shards[inner] = {
                    stem: listing[stem + SHARD].size for stem in stems
                    if stem + SHARD in listing}
        return There(files, shards)

    def _asked(self) -> There:
        """What a web server has: names that are known, and those in them."""
        files = self._entries(NAMES + OF_CROPS)
        shards = {}
        for inner in ('', STORE):
            before = f'{inner}/' if inner else ''
            if before + TABLE not in files:
                continue
            stems = self._stems(before + TABLE)
            files.update(self._entries(before + stem + INDEX
                                       for stem in stems))
            shards[inner] = dict.fromkeys(stems)
        return There(files, shards)

    def _entries(self, names: Iterable[str]) -> dict[str, Entry]:
        names = list(names)
        with ThreadPoolExecutor(THREADS) as pool:
            found = pool.map(self.objects.entry, names)
            return {name: entry for name, entry in zip(names, found) if entry}

    def _stems(self, name: str) -> list[str]:
        from .store.table import Table
        table = Table(memoryview(self.objects.read(name)),
                      shown(self.objects.url_of(name)))
        if not all(isinstance(stem, str) and osp.basename(stem) == stem
                   and stems_of([stem + INDEX]) for stem in table.stems):
            raise StoreError(f'{table.path} lists shards that are none')
        return table.stems

    def _copy(self, there: There) -> None:
        known = {**self._state()['files'], **self._sent}
        for folder in {osp.dirname(name) for name in there.files}:
            os.makedirs(osp.join(self.folder, folder), exist_ok=True)
            remove_leftovers(osp.join(self.folder, folder), lambda name: True)
        for name in known.keys() - there.files.keys():
            self._drop(name)
        changed = [name for name, entry in there.files.items()
                   if not entry.tag or known.get(name) != entry.tag
                   or not osp.isfile(self.path(name))]
        # the list of clips counts where it is not older than annotations.pkl
        first = [name for name in changed if name.endswith('.pkl')]
        with ThreadPoolExecutor(THREADS) as pool:
            for names in (first, set(changed) - set(first)):
                list(pool.map(lambda name: self._fetch(
                    name, there.files[name]), names))
        self._write_state(there)

    def _fetch(self, name: str, entry: Entry) -> None:
        path = self.path(name)

        def check(part: str) -> str | None:
            size = osp.getsize(part)
            if entry.size is not None and size != entry.size:
                return f'{size} bytes fetched, expected {entry.size}'
            if osp.isfile(path) and not _same(path, part):
                self._drop_shard(name)
            return None

        self.objects.get(name, path, check)

    def _drop(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path(name))
        self._drop_shard(name)

    def _drop_shard(self, name: str) -> None:
        """Remove the shard of an index that is no longer its index."""
        if stems_of([osp.basename(name)]):
            for end in (SHARD, HEAD):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(osp.splitext(self.path(name))[0] + end)

    def _state(self) -> dict[str, Any]:
        try:
            with open(osp.join(self.folder, MARKER), 'rb') as file:
                content = json.load(file)
            return dict(files=dict(content['files']),
                        shards=dict(content['shards']))
        except (OSError, ValueError, KeyError, TypeError):
            return dict(files={}, shards={})  # it is made anew

    def _write_state(self, there: There) -> None:
        write_whole(osp.join(self.folder, MARKER), json.dumps(dict(
            url=self.url, shards=there.shards, files={
                name: entry.tag for name, entry in there.files.items()},
            ), indent=0).encode())

    def crops_there(self) -> list[str]:
        """Crops at the URL, as of :meth:`refresh`.

        Returns:
            Their paths, a video a clip, or an image a frame; none of a web
            server, which lists nothing.

        Raises:
            RemoteError: If they cannot be listed.
        """
        found = []
        if not self._crops:
            return found
        for name, entry in self.objects.listing(CROPS).items():
            inner = f'{CROPS}/{name}'
            images = self.objects.listing(inner) if entry.folder else {}
            found += [inner] * (not entry.folder)
            found += [f'{inner}/{image}' for image, file in images.items()
                      if not file.folder and not image.startswith('.')]
        return [name for name in found if not name.startswith(f'{CROPS}/.')]

    def _crop(self, name: str) -> None:
        if not osp.isfile(self.path(name)):
            self.objects.get(name, self.path(name))


def _any_shard(root: str, stem: str) -> None:
    """Fetch a shard that is not here or not sound, sound or not."""
    path = osp.join(root, stem + SHARD)
    with contextlib.suppress(StoreError):
        if osp.isfile(path) and shard_problem(root, stem, path):
            os.unlink(path)
    fetch_file(path)


def _is_small(name: str, entry: Entry) -> bool:
    return not entry.folder and name.endswith(SUFFIXES) and \
        name != MARKER and not name.startswith('.') and '\0' not in name


def _same(one: str, other: str) -> bool:
    with open(one, 'rb') as first, open(other, 'rb') as second:
        return first.read() == second.read()
