"""The layout of a store."""
import json
import os
import os.path as osp

from ..files import PARTIAL, write_whole
from .errors import StoreError

VERSION = 1
META = 'meta.json'
SHARD, INDEX = '.safetensors', '.json'
POSE_KEYS = ('keypoint', 'keypoint_score')


def write_json(path, content):
    """Write JSON so that it is there completely or not at all."""
    write_whole(path, (json.dumps(content, separators=(',', ':')) +
                       '\n').encode())


def read_json(path):
    """Read JSON.

    Raises:
        StoreError: If it is not there or damaged.
    """
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except FileNotFoundError:
        raise StoreError(f'{path} is missing: no feature store') from None
    except ValueError as error:
        raise StoreError(f'{path} is damaged: {error}') from None


def read_meta(root):
    """meta.json of a store, checked.

    Raises:
        StoreError: If there is none, or one of another version.
    """
    path = osp.join(root, META)
    meta = read_json(path)
    if meta.get('version') != VERSION or not meta.get('taps'):
        raise StoreError(f'{path} has version {meta.get("version")} and taps '
                         f'{meta.get("taps")}; expected version {VERSION} and '
                         'at least one tap')
    return meta


def read_indices(root):
    """Indices of the committed shards: {shard file: index}, in order."""
    names = sorted(name for name in os.listdir(root)
                   if name.endswith(INDEX) and name != META
                   and not name.startswith(PARTIAL))
    return {osp.splitext(name)[0] + SHARD: read_json(osp.join(root, name))
            for name in names}
