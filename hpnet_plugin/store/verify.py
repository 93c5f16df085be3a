"""Check a feature store, array by array."""
import zlib

import numpy as np

from .errors import StoreError
from .files import POSE_KEYS
from .reader import FeatureStore


def verify(root, progress=None):
    """Read every array of a store and compare it with what was written.

    Args:
        root (str): The store.
        progress (callable, optional): Wraps the list of clips, ``tqdm`` for
            one.

    Returns:
        list[str]: What is wrong, a line each; empty if nothing is.
    """
    try:
        store = FeatureStore(root)
    except StoreError as error:
        return [str(error)]
    problems = []
    for name in progress(store.names) if progress else store.names:
        base = store.shape(name, 'keypoint')[:3]
        wanted = {tap: (*base, c) for tap, c in store.taps.items()}
        wanted.update(zip(POSE_KEYS, ((*base, 2), base)))
        missing = sorted(set(wanted) - set(store.keys(name)))
        if missing:
            problems.append(f'{name}: {missing} missing')
        for key in store.keys(name):
            array = store.read(name, key)
            if zlib.crc32(array) != store.checksum(name, key):
                problems.append(f'{name}, {key}: damaged, its checksum is not '
                                'the one that was written')
            elif array.shape != wanted.get(key):
                problems.append(f'{name}, {key}: shape {array.shape}, '
                                f'expected {wanted.get(key)}')
            elif not np.isfinite(array).all():
                problems.append(f'{name}, {key}: values that are not finite')
    return problems
