"""The files of a dataset folder beside its features."""
from __future__ import annotations

import json
import os.path as osp
from collections.abc import Sequence
from typing import Any

from ..datasets.annotations import write_annotations
from ..datasets.clips import SourceClip
from ..datasets.folder import clip_times, describe
from ..datasets.splitting import DIVIDED, SPLITS
from ..facts import Facts, write_facts
from ..files import locked, write_whole
from ..store import FeatureStore
from ..versions import EXTRACTION, versions
from .checksums import write_checksums

RECORD = 'extraction.json'


def write_dataset(out: str, clips: Sequence[SourceClip],
                  labels: dict[str, int],
                  classes: list[str] | None, splits: dict[str, list[str]],
                  failures: dict[str, str], record: dict[str, Any],
                  rule: dict[str, Any] | None = None,
                  source: Facts | None = None) -> dict[str, Any]:
    """Write all files of a dataset folder beside its features.

    These are annotations.pkl with its list, classes.txt, dataset.json (what
    training must know: :mod:`hpnet_plugin.facts`; and how long the training
    clips are, ``clips.seconds``, at how many stored frames a second,
    ``fps``), extraction.json (what made it), splits.json if this package
    divided the clips, and checksums.json (:mod:`.checksums`).

    Safe to call from several processes that fill one folder: each writes
    what all have stored so far.

    Args:
        out: The dataset folder, with its ``features/``.
        clips: All clips of the source.
        labels: Clip name to class.
        classes: Class names in label order.
        splits: Split to clip names, may be empty.
        failures: Failed clips.
        record: What made the features, and anything else to note.
        rule: How the clips were divided, see :class:`Division`. Defaults to
            ``dict(by='given')``.
        source: Of the benchmark whose clips they are.

    Returns:
        What extraction.json holds.

    Raises:
        OSError: If a file cannot be written.
        StoreError: If the store cannot be read.
    """
    rule = rule or dict(by='given')
    with locked(osp.join(out, 'dataset.lock')):
        store = FeatureStore(osp.join(out, 'features'))
        write_annotations(
            store, osp.join(out, 'annotations.pkl'), labels, splits)
        if classes:
            write_whole(osp.join(out, 'classes.txt'),
                        ('\n'.join(classes) + '\n').encode())
        if rule['by'] in DIVIDED:
            _write_json(osp.join(out, SPLITS), splits)
        content = _record(store, clips, splits, failures, record)
        _write_json(osp.join(out, RECORD), content)
        if labels and not classes:
            classes = list(map(str, range(max(labels.values()) + 1)))
        _write_facts(store, out, classes if labels else None, splits, content,
                     record, rule, source)
        write_checksums(out, store)
    return content


def _record(store: FeatureStore, clips: Sequence[SourceClip],
            splits: dict[str, list[str]], failures: dict[str, str],
            record: dict[str, Any]) -> dict[str, Any]:
    """What extraction.json holds."""
    known = {clip.name for clip in clips}
    failures = {name: why for name, why in failures.items()
                if name in known and name not in store}
    shapes = [store.shape(name, 'keypoint') for name in store.names]
    infos = [store.info(name) for name in store.names]
    return dict(
        record,
        versions=record.get('versions') or versions(EXTRACTION),
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


def _write_facts(store: FeatureStore, out: str, classes: list[str] | None,
                 splits: dict[str, list[str]], content: dict[str, Any],
                 record: dict[str, Any], rule: dict[str, Any],
                 source: Facts | None) -> None:
    """Write dataset.json: what training must know."""
    shapes = [store.shape(name, 'keypoint') for name in store.names]
    facts = describe(
        out, classes, content['splits'], dict(store.taps),
        max((shape[0] for shape in shapes), default=1),
        [shape[1] for shape in shapes], record.get('length'), source)
    counts = content['clips']
    named = {key: record[key] for key in ('pose', 'detector')
             if key in record}
    trained = splits.get(facts.use.get('train', ''))
    times = clip_times(store, trained or None)
    if times:
        counts = dict(counts, seconds={
            key: times[key] for key in ('median', 'longest')})
        named['fps'] = times['fps']
    write_facts(out, facts, split_rule=rule, clips=counts, **named,
                settings={key: value for key, value in record.items()
                          if key not in (*named, 'taps', 'versions',
                                         'sources', 'made_by')})


def _write_json(path: str, content: object) -> None:
    write_whole(path, (json.dumps(content, indent=1) + '\n').encode())
