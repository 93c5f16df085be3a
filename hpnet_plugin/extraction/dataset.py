"""The files of a dataset folder beside its features."""
from __future__ import annotations

import contextlib
import json
import os.path as osp
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from ..datasets.annotations import write_annotations
from ..datasets.sources import Clip
from ..files import locked, write_whole
from ..store import FeatureStore

RECORD = 'extraction.json'


def write_dataset(out: str, clips: Sequence[Clip], labels: dict[str, int],
                  classes: list[str] | None, splits: dict[str, list[str]],
                  failures: dict[str, str], record: dict) -> dict:
    """Write annotations.pkl with its list, classes.txt, extraction.json.

    Safe to call from several processes that fill one folder: each writes
    what all have stored so far.

    Args:
        out (str): The dataset folder, with its ``features/``.
        clips (Sequence[Clip]): All clips of the source.
        labels (dict[str, int]): Clip name to class.
        classes (list[str] | None): Class names in label order.
        splits (dict[str, list[str]]): Split to clip names, may be empty.
        failures (dict[str, str]): Failed clips.
        record (dict): What made the features, and anything else to note.

    Returns:
        dict: What extraction.json holds.

    Raises:
        OSError: If a file cannot be written.
        StoreError: If the store cannot be read.
    """
    features = osp.join(out, 'features')
    with locked(osp.join(out, 'dataset.lock')):
        store = FeatureStore(features)
        names = store.names
        write_annotations(
            store, osp.join(out, 'annotations.pkl'), labels, splits)
        if classes:
            write_whole(osp.join(out, 'classes.txt'),
                        ('\n'.join(classes) + '\n').encode())
        known = {clip.name for clip in clips}
        failures = {name: why for name, why in failures.items()
                    if name in known and name not in store}
        shapes = [store.shape(name, 'keypoint') for name in names]
        infos = [store.info(name) for name in names]
        content = dict(
            record,
            versions=versions(),
            clips=dict(
                found=len(clips),
                stored=len(store),
                nobody=sum(bool(info.get('nobody')) for info in infos),
                damaged=sum('damage' in info for info in infos),
                failed=len(failures)),
            frames=sum(shape[1] for shape in shapes),
            people=sum(shape[0] for shape, info in zip(shapes, infos)
                       if not info.get('nobody')),
            splits={split: sum(name in store for name in members)
                    for split, members in splits.items()},
            failures=dict(sorted(failures.items())))
        write_whole(osp.join(out, RECORD),
                    (json.dumps(content, indent=1) + '\n').encode())
    return content


def versions() -> dict[str, str]:
    """Versions of what the features depend on."""
    found = {}
    for name in ('hpnet-plugin', 'torch', 'mmpose', 'mmdet', 'onnxruntime',
                 'av', 'opencv-python-headless', 'opencv-python', 'numpy'):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
