"""Facts of a dataset folder, from what it holds."""
from __future__ import annotations

import dataclasses
import os.path as osp
import re
import statistics
from collections.abc import Collection, Iterable, Mapping

from ..benchmark_files import PARTS, FactsError, read_classes
from ..facts import FILE, Facts
from ..store import FeatureStore
from .annotations import read_annotations

MOST_CLASSES = 100_000
SHORT = 5000  # training clips; of fewer, the paper's schedule is few steps


def describe(folder: str,
             classes: Iterable[str] | None,
             splits: Mapping[str, int],
             taps: dict[str, int],
             people: int,
             lengths: Iterable[int],
             stored: int | None = None,
             source: Facts | None = None) -> Facts:
    """Facts of a folder of one's own, from what it holds.

    Args:
        folder: The dataset folder.
        classes: Class names in label order.
        splits: Splits to their numbers of clips.
        taps: Feature maps to channels.
        people: Most people that any clip has.
        lengths: Frames of the clips.
        stored: The length that all clips were stored at.
        source: Of the benchmark whose clips they are; what it says of people,
            frames, schedule and size holds.

    Returns:
        ``frames`` is the stored length, else 64, 32 or 16, for a median clip
        of at least 48, 24 or fewer frames. The schedule is short below 5,000
        training clips.
    """
    name = osp.basename(osp.abspath(folder))
    use = parts_in_use(splits)
    if source is not None and source.benchmark:
        kept = source.use if set(source.use.values()) <= set(splits) else use
        return dataclasses.replace(
            source, folder=folder, splits=dict(splits), use=kept, taps=taps,
            classes=None if classes is None else tuple(classes),
            frames=stored or source.frames)
    lengths = sorted(lengths)
    median = lengths[len(lengths) // 2] if lengths else 0
    frames = stored or (64 if median >= 48 else 32 if median >= 24 else 16)
    return Facts(
        name=name,
        title=name,
        folder=folder,
        classes=None if classes is None else tuple(classes),
        people=max(1, people),
        frames=frames,
        taps=taps,
        splits=dict(splits),
        use=use,
        schedule='short' if splits.get(use.get('train', ''), 0) < SHORT
        else 'paper')


def parts_in_use(splits: Iterable[str]) -> dict[str, str]:
    """Which splits train, validate and test.

    ``train``, ``val`` and ``test`` where they are called so; val and test
    stand in for each other where one of them is not there. Of protocols, the
    first: ``P_train_full``, and ``P_test`` (in files of pyskl, ``P_val``) for
    both validation, which only draws curves, and test, as the paper's tables
    have it.

    Args:
        splits: Names of the splits, in order.

    Returns:
        See :class:`Facts`.
    """
    splits = list(splits)
    prefix, order = '', dict(train=['train'], val=['val', 'test'],
                             test=['test', 'val'])
    if not set(PARTS) & set(splits):
        found = [match[1] for name in splits if (match := re.fullmatch(
            '(.+_)(?:train_full|train|val|test)', name))]
        prefix = found[0] if found else ''
        order = dict(train=['train_full', 'train'], val=['test', 'val'],
                     test=['test', 'val'])
    use = {part: [prefix + name for name in names if prefix + name in splits]
           for part, names in order.items()}
    return {part: names[0] for part, names in use.items() if names}


def clip_times(store: FeatureStore,
               names: Collection[str] | None = None) -> dict[str, float]:
    """How long clips are, and how many frames a second are stored of them.

    A clip lasts as long as its video, by its frames and frame rate; where
    the video does not say its rate, by the times of the stored frames.

    Args:
        store: The clips.
        names: Some of them. Defaults to all.

    Returns:
        ``median`` and ``longest`` in s, and ``fps``, the median of stored
        frames a second; empty if no clip has times.
    """
    seconds, rates = [], []
    for name in store.names if names is None else names:
        if name not in store:
            continue
        frames = store.shape(name, 'keypoint')[1]
        duration = _duration(store, name, frames)
        if duration:
            seconds.append(duration)
            rates.append(frames / duration)
    if not seconds:
        return {}
    found = dict(median=statistics.median(seconds), longest=max(seconds),
                 fps=statistics.median(rates))
    return {key: round(value, 3) for key, value in found.items()}


def _duration(store: FeatureStore, name: str, frames: int) -> float | None:
    info = store.info(name)
    if info.get('fps') and info.get('num_frames'):
        return info['num_frames'] / info['fps']
    if 'timestamp' in store.keys(name) and frames > 1:
        times = store.read(name, 'timestamp')
        # the last frame lasts as long as the others on average
        return float(times[-1] - times[0]) * frames / (frames - 1)
    return None


def read_old_facts(folder: str) -> Facts:
    """Facts of a folder that was written before there was a dataset.json.

    Args:
        folder: The dataset folder, or any with an ``annotations.pkl``.

    Returns:
        The facts.

    Raises:
        FileNotFoundError: If it is no dataset folder.
        FactsError: If its files are damaged.
    """
    path = osp.join(folder, 'annotations.pkl')
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'{folder} is no dataset folder: it has neither {FILE} nor '
            'annotations.pkl; hpnet extract makes one')
    try:
        stored = osp.isdir(osp.join(folder, 'features'))
        _, clips, splits = read_annotations(path, joints=not stored)
        taps, length = {}, None
        if stored:
            store = FeatureStore(osp.join(folder, 'features'))
            taps, length = dict(store.taps), store.meta.get('length')
            people = [store.shape(name, 'keypoint')[0]
                      for name in store.names]
        else:
            people = [clip['keypoint'].shape[0] for clip in clips]
        labels = max((clip['label'] for clip in clips), default=-1) + 1
        if labels > MOST_CLASSES:
            raise ValueError(f'a clip has the label {labels - 1:.6g}')
        names = osp.join(folder, 'classes.txt')
        classes = read_classes(names) if osp.isfile(names) else \
            list(map(str, range(labels)))
        facts = describe(
            folder, classes if labels else None,
            {split: len(members) for split, members in splits.items()},
            taps, max(people, default=1),
            [clip['total_frames'] for clip in clips], length)
    except Exception as error:  # nearly any, if the pickle is damaged
        raise FactsError(
            f'{folder}: its facts cannot be read ({type(error).__name__}: '
            f'{error}); run the extraction on this folder again') from error
    parts = {part: set(splits[split]) for part, split in facts.use.items()}
    if parts.get('train', set()) & parts.get('test', set()):
        # without --splits, all clips were in both
        return dataclasses.replace(facts, use=dict(test=facts.use['test']))
    return facts
