"""The layout of a store: names of its files, and meta.json."""
import json
import os
import os.path as osp
import zlib
from typing import Any

from ..files import write_whole
from .errors import StoreError

VERSION = 2
VERSIONS = (1, 2)
META = 'meta.json'
SHARD = '.safetensors'
INDEX = '.index'
INDEX_1 = '.json'  # of format 1
TABLE = 'consolidated.index'
LOCK = 'store.lock'
POSE_KEYS = ('keypoint', 'keypoint_score')
TIMESTAMP = 'timestamp'


def write_meta(root: str, meta: dict[str, Any]) -> None:
    """Write meta.json, with its checksum, whole or not at all.

    Args:
        root: The store.
        meta: Its content.
    """
    write_whole(osp.join(root, META),
                meta_bytes(dict(meta, version=VERSION)))


def read_json(path: str) -> Any:
    """Read JSON.

    Args:
        path: The file.

    Returns:
        What it holds.

    Raises:
        StoreError: If it is not there or damaged.
    """
    try:
        with open(path, 'rb') as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f'{path} is missing: no feature store') from None
    return parse_json(data, path)


def parse_json(data: bytes, path: str) -> Any:
    """Parse JSON in which no key of an object stands twice.

    Args:
        data: The JSON.
        path: Its file, for messages.

    Returns:
        What it holds.

    Raises:
        StoreError: If it is damaged.
    """
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) != len(pairs):
            twice = next(key for i, (key, _) in enumerate(pairs)
                         if key in dict(pairs[:i]))
            raise StoreError(f'{path} is damaged: {twice!r} stands in it '
                             'twice')
        return content

    try:
        return json.loads(data.decode(), object_pairs_hook=unique)
    except StoreError:
        raise
    except (ValueError, RecursionError) as error:
        raise StoreError(f'{path} is damaged: {error}') from None


def read_meta(root: str) -> dict[str, Any]:
    """meta.json of a store, checked, without its checksum.

    Args:
        root: The store.

    Returns:
        Its content.

    Raises:
        StoreError: If there is none, or a damaged one, or one of another
            version.
    """
    path = osp.join(root, META)
    meta = read_json(path)
    if not isinstance(meta, dict):
        raise StoreError(f'{path} is damaged: it holds {_short(meta)}, '
                         'expected a JSON object with "version" and "taps"')
    version, taps = meta.get('version'), meta.get('taps')
    if version not in VERSIONS or isinstance(version, (bool, float)) \
            or not taps:
        raise StoreError(
            f'{path} has version {_short(version)} and taps {_short(taps)}; '
            'expected version 1 or 2 and at least one tap')
    checksum = meta.pop('crc32', None)
    if checksum != (None if version == 1 else _checksum(meta)):
        raise StoreError(
            f'{path} is damaged: its checksum is {_short(checksum)}, that of '
            f'its content {_checksum(meta)}; what makes the features must '
            'not be changed by hand')
    check_taps(taps, path)
    return meta


def check_taps(taps: Any, where: str) -> None:
    """Refuse taps that are not a dict of name to number of channels.

    Args:
        taps: Tap to number of channels, as somebody wrote it.
        where: It stands, for messages.

    Raises:
        StoreError: If they are not.
    """
    if not isinstance(taps, dict) or not all(
            isinstance(tap, str) and type(channels) is int and
            0 < channels < 1 << 31 for tap, channels in taps.items()):
        raise StoreError(f'{where} has taps {_short(taps)}; expected each '
                         "tap's number of channels")
    taken = {*POSE_KEYS, TIMESTAMP} & set(taps)
    if taken:
        raise StoreError(f'{where} has taps named {sorted(taken)}, which '
                         'every store uses for joints and times')


def dims_of(key: str, taps: dict[str, int]) -> tuple[str, list]:
    """Type and dimensions of an array of a clip.

    Args:
        key: The array.
        taps: Tap to number of channels.

    Returns:
        Dtype as numpy writes it, and the dimensions: ``'M'``, ``'T'`` and
        ``'V'`` (people, frames, joints of the clip) or a number.

    Raises:
        KeyError: If there is no such array.
    """
    if key == TIMESTAMP:
        return '<f8', ['T']
    if key == 'keypoint_score':
        return '<f4', ['M', 'T', 'V']
    if key == 'keypoint':
        return '<f4', ['M', 'T', 'V', 2]
    return '<f2', ['M', 'T', 'V', taps[key]]


def stems_of(names: list[str]) -> dict[str, str]:
    """Committed shards among file names: stem to suffix of their index.

    A shard that has indices of both formats was being upgraded: they say the
    same, and the second format counts.

    Args:
        names: Of the files in a store.

    Returns:
        Shards and suffixes.
    """
    found = {}
    for suffix in (INDEX_1, INDEX):
        end = -len(suffix)
        found.update(
            (name[:end], suffix) for name in names if name.endswith(suffix)
            and name[end - 5:end].isdecimal() and name[0] != '.')
    return found


def list_folder(root: str) -> list[str]:
    """Names of the files in a store.

    Args:
        root: The store.

    Returns:
        The names, in no order.

    Raises:
        StoreError: If there is no such folder.
    """
    try:
        return os.listdir(root)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f'{root} is missing: no feature store') from None


def mark_of_meta(meta: dict[str, Any]) -> int:
    """Number that tells what made some features from anything else.

    Args:
        meta: Of the store.

    Returns:
        A checksum that depends on neither version nor order of the keys.
    """
    return zlib.crc32(json.dumps(
        {key: value for key, value in meta.items() if key != 'version'},
        sort_keys=True, separators=(',', ':')).encode())


def meta_bytes(meta: dict[str, Any]) -> bytes:
    """What meta.json is written as.

    Args:
        meta: What makes the features, with the version.

    Returns:
        The content of the file.
    """
    return (_dump(dict(meta, crc32=_checksum(meta))) + '\n').encode()


def _dump(content: Any) -> str:
    return json.dumps(content, separators=(',', ':'))


def _checksum(meta: dict[str, Any]) -> int:
    return zlib.crc32(_dump(meta).encode())


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + '...'
