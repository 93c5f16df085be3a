"""Check the crops of a dataset folder."""
from __future__ import annotations

import json
import os
import os.path as osp
import zlib
from collections.abc import Iterator

from ..datasets.crops import Crops, read_timelines
from ..store import FeatureStore, StoreError
from .crop_checksums import FILE, Written, read_checksums
from .crops import SETTINGS

MISSING = 'they are missing; the extraction with --crops makes them'

def crop_problems(folder: str, store: FeatureStore) -> list[str]:
    """What is wrong with a dataset folder's crops.

    A file whose checksum was noted is compared with that, others are
    decoded.

    Args:
        folder: The dataset folder.
        store: Its features.

    Returns:
        A line for each clip; none where there are no crops.
    """
    return list(damaged_crops(folder, store).values())


def damaged_crops(folder: str, store: FeatureStore) -> dict[str, str]:
    """The clips whose crops are damaged.

    Args:
        folder: The dataset folder.
        store: Its features.

    Returns:
        Clip to what is wrong; '' to what is wrong with the notes.
    """
    crops = osp.join(folder, 'crops')
    if not osp.isdir(crops):
        return {}
    found = {}
    try:
        written, bad = read_checksums(crops)
        timelines = read_timelines(crops)
        with open(osp.join(crops, SETTINGS), encoding='utf-8') as file:
            json.load(file)
    except (OSError, ValueError, RecursionError, AttributeError) as error:
        return {'': f'{crops}: its notes cannot be read: {error}'}
    if bad:
        found[''] = (f'{osp.join(crops, FILE)}: {bad} of its lines '
                     f'{"is" if bad == 1 else "are"} damaged')
    for name in store.names:
        problem = next(_of_clip(crops, name, written.get(name),
                                timelines, store), None)
        if problem:
            found[name] = f'{crops}: {name}: {problem}'
    return found


def _of_clip(crops: str, name: str, written: Written | None,
             timelines: dict[str, int], store: FeatureStore
             ) -> Iterator[str]:
    if timelines.get(name) == 0:
        return  # nobody was seen
    path = osp.join(crops, name + '.mp4')
    if written is not None:
        try:
            with open(path, 'rb') as file:
                data = file.read()
        except FileNotFoundError:
            yield MISSING
            return
        except OSError as error:
            yield f'they cannot be read: {error.strerror}'
            return
        if Written(len(data), zlib.crc32(data)) != written:
            yield 'they are not what was written'
        return
    try:
        found = Crops.of(crops, name)
        expected = timelines.get(name, store.shape(name, 'keypoint')[1])
        if found.frames != expected:
            yield f'{found.frames} frames, expected {expected}'
        for start in range(0, found.frames, 32):
            found.read(range(start, min(start + 32, found.frames)))
    except FileNotFoundError:
        yield MISSING
    except StoreError:
        return
    except (OSError, ValueError, RuntimeError, EOFError) as error:
        yield f'they cannot be decoded: {error}'


def remove_crops(folder: str, name: str) -> None:
    """Remove the crops of a clip.

    Args:
        folder: The dataset folder.
        name: The clip.
    """
    path = osp.join(folder, 'crops', name + '.mp4')
    if osp.lexists(path):
        os.unlink(path)
