"""Shards of a store whose folder mirrors an object store.

The folder of a dataset that is at a URL (:mod:`hpnet_plugin.mirrors`) has
all files but the shards, and a file ``remote.json``, which names the URL. A
shard is fetched as a whole when it is first read, by one process for all.
"""
import os
import os.path as osp
import re
import zlib
from collections.abc import Callable
from typing import Any

from ..files import locked
from ..remote import DamagedError, MissingObjectError, Objects
from .building import build
from .catalog import read_part
from .errors import StoreError
from .files import SHARD, list_folder, read_json, read_meta, stems_of
from .mapping import MappedFile
from .table import Table

MARKER = 'remote.json'
LOCKS, LOCKED = 'locks', 64
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
    for attempt in range(TRIES):
        try:
            return fetch_file(osp.join(root, stem + SHARD),
                              lambda part: shard_problem(root, stem, part))
        except DamagedError as error:
            if attempt == TRIES - 1:
                raise StoreError(str(error)) from None
    return False


def fetch_file(path: str, check: Callable[[str], str | None] | None = None
               ) -> bool:
    """Fetch a file of a mirror that is not here; one process for all.

    Args:
        path: The file, in the mirror or in a folder in it.
        check: Says what is wrong with what came.

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
    name = osp.relpath(osp.abspath(path), osp.abspath(folder))
    locks = osp.join(osp.dirname(osp.abspath(folder)), LOCKS)
    os.makedirs(locks, exist_ok=True)
    # some locks for all files: they stay, and no lock need be of one file
    with locked(osp.join(locks, str(zlib.crc32(name.encode()) % LOCKED))):
        if not osp.isfile(path):  # else another process was quicker
            try:
                Objects(content['url']).get(name, path, check)
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
    suffix = stems_of(list_folder(root)).get(stem)
    if suffix is None:
        return 'its index is not here'
    part = read_part(root, stem, suffix, read_meta(root))
    size = osp.getsize(path)
    if size != part.size:
        return f'{size} bytes fetched, its index says {part.size}'
    table = Table(memoryview(b''.join(build([part]))), stem)
    data = MappedFile(path).data
    for name in table.names():
        clip = table.clip(table.find(name))
        for key in table.keys(clip):
            place = table.array(clip, key)
            stop = place.offset + place.nbytes
            if zlib.crc32(data[place.offset:stop]) != place.crc32:
                return (f'clip {name!r}, {key!r} is damaged: its checksum is '
                        'not the one that was written')
    return None
