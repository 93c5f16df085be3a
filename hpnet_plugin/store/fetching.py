"""Shards of a store whose folder mirrors an object store.

The folder of a dataset that is at a URL (:mod:`hpnet_plugin.mirrors`) has
all files but the shards, and a file ``remote.json``, which names the URL. A
shard is fetched as a whole when its features are first read, by one process
for all; for joints alone its beginning is enough (``<stem>.head``).
"""
import os
import os.path as osp
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from ..files import locked, write_whole
from ..remote import DamagedError, MissingObjectError, Objects, shown
from .building import build
from .catalog import read_part
from .errors import StoreError
from .files import (
    POSE_KEYS,
    SHARD,
    TIMESTAMP,
    list_folder,
    read_json,
    read_meta,
    stems_of,
)
from .mapping import MappedFile
from .table import Array, Table

MARKER = 'remote.json'
LOCKS, LOCKED = 'locks', 64
HEAD, HEAD_KEYS = '.head', (*POSE_KEYS, TIMESTAMP)
TRIES = 2  # of a shard that comes damaged


def marker_of(root: str) -> tuple[str, dict[str, Any]] | None:
    """The mirror that a folder is of.

    Args:
        root: A mirror, or a folder in one.

    Returns:
        The mirror's folder, and what its ``remote.json`` holds; None of any
        other folder.

    Raises:
        StoreError: If ``remote.json`` is damaged.
    """
    for folder in (root, osp.dirname(osp.abspath(root))):
        path = osp.join(folder, MARKER)
        if not osp.isfile(path):
            continue
        content = read_json(path)
        if not isinstance(content, dict) or not isinstance(
                content.get('url'), str):
            raise StoreError(f'{path} is damaged: expected a JSON object '
                             'with "url"; remove the folder, which is a copy')
        return folder, content
    return None


def remote_sizes(root: str) -> dict[str, int | None] | None:
    """Shards that a store may fetch.

    Args:
        root: The store.

    Returns:
        Shard to its bytes, None where the server does not tell; None of a
        store that mirrors nothing.
    """
    found = marker_of(root)
    if found is None:
        return None
    folder, content = found
    inner = osp.relpath(osp.abspath(root), osp.abspath(folder))
    sizes = content.get('shards', {}).get('' if inner == '.' else inner)
    return sizes if isinstance(sizes, dict) else {}


def fetch_shard(root: str, stem: str) -> bool:
    """Fetch a shard that is not here, if the store mirrors a URL.

    Args:
        root: The store.
        stem: The shard.

    Returns:
        Whether it is here now.

    Raises:
        RemoteError: If it cannot be had.
        StoreError: If it is not what its index says.
    """
    if osp.basename(stem) != stem or not re.search(r'\d{5}$', stem):
        raise StoreError(f'{root}: {stem!r} is no name of a shard')
    found = marker_of(root)
    if found is None:
        return False
    path = osp.join(root, stem + SHARD)
    for attempt in range(TRIES):
        try:
            if fetch_file(path, lambda part: shard_problem(root, stem, part)):
                break
            raise StoreError(f'{path} is missing, and is not at '
                             f'{shown(found[1]["url"])} either')
        except DamagedError as error:
            if attempt == TRIES - 1:
                raise StoreError(str(error)) from None
    return True


def fetch_head(root: str, stem: str) -> str | None:
    """Fetch the beginning of a shard, which has all but the features.

    Joints, their scores and times are before the features in a shard, and
    some percent of it.

    Args:
        root: The store.
        stem: The shard.

    Returns:
        The file; None if the store mirrors nothing.

    Raises:
        RemoteError: If it cannot be had.
        StoreError: If the shard's index is damaged or not here.
    """
    if marker_of(root) is None:
        return None
    path = osp.join(root, stem + HEAD)
    if not osp.isfile(path):
        table = _table(root, stem)
        stop = max(place.offset + place.nbytes for _, key, place
                   in _places(table) if key in HEAD_KEYS)
        fetch_file(path, name=stem + SHARD, stop=stop)
    return path


def fetch_file(path: str, check: Callable[[str], str | None] | None = None,
               name: str | None = None, stop: int | None = None) -> bool:
    """Fetch a file of a mirror that is not here; one process for all.

    Args:
        path: The file, in the mirror or in a folder in it.
        check: Says what is wrong with what came.
        name: Of the object, if it is another.
        stop: Fetch so many bytes. Defaults to all.

    Returns:
        Whether it is here now: not if the folder mirrors nothing, or there is
        no such object.

    Raises:
        RemoteError: If it cannot be had.
    """
    found = marker_of(osp.dirname(path))
    if found is None:
        return False
    folder, content = found
    name = osp.relpath(osp.abspath(osp.join(
        osp.dirname(path), name or osp.basename(path))), osp.abspath(folder))
    locks = osp.join(osp.dirname(osp.abspath(folder)), LOCKS)
    os.makedirs(locks, exist_ok=True)
    # some locks for all files: they stay, and no lock need be of one file
    with locked(osp.join(locks, str(zlib.crc32(name.encode()) % LOCKED))):
        if not osp.isfile(path):  # else another process was quicker
            objects = Objects(content['url'])
            try:
                if stop is None:
                    objects.get(name, path, check)
                else:  # a server may send more than it is asked for
                    data = objects.read(name, 0, stop)[:stop]
                    if len(data) != stop:
                        raise StoreError(
                            f'{shown(objects.url_of(name))}: {len(data)} '
                            f'bytes, at least {stop} expected')
                    write_whole(path, data)
            except MissingObjectError:
                return False
    return True


def shard_problem(root: str, stem: str, path: str) -> str | None:
    """Whether a file is the shard that an index was written with.

    Args:
        root: The store, which has the index.
        stem: The shard.
        path: The file.

    Returns:
        What is wrong, None if nothing is.
    """
    table, size = _table(root, stem), osp.getsize(path)
    if size != table.sizes[0]:
        return f'{size} bytes fetched, its index says {table.sizes[0]}'
    data = MappedFile(path).data
    for name, key, place in _places(table):
        stop = place.offset + place.nbytes
        if zlib.crc32(data[place.offset:stop]) != place.crc32:
            return (f'clip {name!r}, {key!r} is damaged: its checksum is not '
                    'the one that was written')
    return None


def _table(root: str, stem: str) -> Table:
    """The index of a shard."""
    suffix = stems_of(list_folder(root)).get(stem)
    if suffix is None:
        raise StoreError(f'{osp.join(root, stem)}: its index is not here')
    part = read_part(root, stem, suffix, read_meta(root))
    return Table(memoryview(b''.join(build([part]))), stem)


def _places(table: Table) -> Iterator[tuple[str, str, Array]]:
    """Clip, array and place of all arrays."""
    for row, name in enumerate(table.names()):
        clip = table.clip(row)
        for key in table.keys(clip):
            yield name, key, table.array(clip, key)
