"""What a run reads, in some digits, and whether its model can read it."""
from __future__ import annotations

import contextlib
import hashlib
import json
import os.path as osp
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..datasets.clip_list import clip_list_path, read_clip_list
from ..files import sha256_of
from ..recipes.checks import ConfigError
from ..recipes.reading import PHASES, folder_datasets, walk
from ..store import FeatureStore, StoreError, fingerprint
from ..store.fingerprint import DIGITS

if TYPE_CHECKING:
    from ..recipes.reading import ConfigLike

# what features of one pose net must agree in, beside its weights
SAME = ('region', 'grid', 'aspect', 'padding')


def fingerprints(folder: str, ann_file: str = 'annotations.pkl'
                 ) -> dict[str, str]:
    """What a dataset folder holds, in some digits.

    Args:
        folder: The dataset folder.
        ann_file: Its annotations.

    Returns:
        ``store``, of the features (:func:`hpnet_plugin.store.fingerprint`),
        and ``annotations``, of clips, labels and splits; what is not there is
        left out.
    """
    found = {}
    with contextlib.suppress(StoreError, OSError):
        found['store'] = fingerprint(osp.join(folder, 'features'))
    path = osp.join(folder, ann_file)
    with contextlib.suppress(OSError, ValueError):
        if osp.isfile(clip_list_path(path)):
            clips = read_clip_list(path)
            text = json.dumps([clips.names, clips.labels, clips.frames,
                               clips.splits], sort_keys=True)
            found['annotations'] = hashlib.sha256(
                text.encode()).hexdigest()[:DIGITS]
    if 'annotations' not in found and osp.isfile(path):
        found['annotations'] = sha256_of(path)[:DIGITS]
    return found


def data_read(config: ConfigLike) -> dict[str, dict[str, str]]:
    """The fingerprints of all folders that a config reads.

    Args:
        config: A config, whole.

    Returns:
        Name of the folder to its fingerprints. Where it lies is the
        business of this machine, and this goes into models that are shared.
    """
    return {osp.basename(osp.normpath(root)): known
            for root, known in _folders(config).items()}


def _folders(config: ConfigLike) -> dict[str, dict[str, str]]:
    """Folder to its fingerprints."""
    found = {}
    for dataset in folder_datasets(config, PHASES):
        root = dataset.get('data_root') or ''
        if root and root not in found:
            found[root] = fingerprints(root, dataset['ann_file'])
    return found


def data_note(config: ConfigLike) -> str:
    """The same in words, for a log.

    Args:
        config: A config, whole.

    Returns:
        A sentence; empty if the config reads no dataset folder.
    """
    return '; '.join(
        f'read from {folder}: ' + ', '.join(
            f'{dict(store="features").get(what, what)} {digits}'
            for what, digits in known.items())
        for folder, known in _folders(config).items() if known)


def other_data(config: ConfigLike, meta: Mapping[str, Any]) -> str:
    """Say so if a training goes on with other data than it began with.

    Args:
        config: The config.
        meta: ``meta`` of the checkpoint.

    Returns:
        A sentence; empty if nothing is known to have changed.
    """
    known = _training(meta).get('data')
    if not isinstance(known, Mapping):
        return ''
    changed = [f'{what} of {folder} ({before} then, {now[what]} now)'
               for folder, now in data_read(config).items()
               for what, before in (known.get(folder) or {}).items()
               if what in now and now[what] != before]
    return f'other data than this training began with: {", ".join(changed)}' \
        if changed else ''


def refuse_other_net(config: ConfigLike, meta: Mapping[str, Any],
                     file: str) -> None:
    """Refuse features of another pose net than those of the training.

    Args:
        config: What is to be trained on or tested.
        meta: ``meta`` of the checkpoint.
        file: The checkpoint, for the message.

    Raises:
        ConfigError: If both pose nets are known and are not the same.
    """
    about = meta.get('hpnet')
    before = about.get('extraction') if isinstance(about, Mapping) else None
    if not isinstance(before, Mapping) or not before.get('pose'):
        return
    for dataset in folder_datasets(config, PHASES):
        kinds = {step['type'] for step in walk(dataset['pipeline'])}
        root = dataset.get('data_root') or ''
        if 'LoadPooledFeature' not in kinds:
            continue  # joints alone mean the same of every pose net
        try:
            now = FeatureStore(osp.join(root, 'features'), check=False).meta
        except (StoreError, OSError):
            continue  # it is said elsewhere
        differ = _differences(before, now)
        if differ:
            raise ConfigError(
                f'the features of {root} were made otherwise than those that '
                f'{file} was trained on ({"; ".join(differ)}): they mean '
                'nothing to this model. Take a folder that hpnet extract '
                'made with the same pose net and settings')


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]
                 ) -> list[str]:
    found = []
    one, two = before.get('pose') or {}, now.get('pose') or {}
    digests = [str(pose.get('sha256') or '') for pose in (one, two)]
    if all(digests) and digests[0] != digests[1]:
        found.append(f'pose net {_name(two)} with the sha256 '
                     f'{digests[1][:8]}…, then {_name(one)} with '
                     f'{digests[0][:8]}…')
    for key in SAME:
        if key in before and key in now and before[key] != now[key]:
            found.append(f'{key} {now[key]!r}, then {before[key]!r}')
    if one.get('norm') != two.get('norm') and 'norm' in one and 'norm' in two:
        found.append(f'norm {two["norm"]!r}, then {one["norm"]!r}')
    return found


def _name(pose: Mapping[str, Any]) -> str:
    return osp.basename(str(pose.get('zoo') or pose.get('onnx')
                            or pose.get('config') or 'without a name'))


def _training(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    about = meta.get('hpnet')
    training = about.get('training') if isinstance(about, Mapping) else None
    return training if isinstance(training, Mapping) else {}
