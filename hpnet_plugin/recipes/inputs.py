"""What a config needs that is not there, and where to get it."""
from __future__ import annotations

import json
import os.path as osp
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..datasets.clip_list import clip_list_path
from ..facts import HRNET_TAPS, FactsError, where_to_get
from .reading import PHASES, folder_datasets, pooled_channels, walk
from .settings import read_folder

if TYPE_CHECKING:
    from .reading import ConfigLike

# what distinguishes folders of the same videos, by the end of their name
VARIANTS = {'_hrnet': '--pose hrnet-w48',
            '_frame': '--detector frame',
            '_released': '--preset released'}
POSES_3D = ('3D poses of NTU (ntu60_3d.pkl, ntu120_3d.pkl) come from '
            'https://github.com/kennymckormick/pyskl, those of NW-UCLA as a '
            'folder of json files; hpnet import-poses FILE --splits '
            'data/NAME_lists/splits.json --out {}')
XCLIP = ('https://github.com/microsoft/VideoX/tree/master/X-CLIP '
         '(k600_16_8.pth) and run hpnet convert k600_16_8.pth {} --from '
         'xclip')


class MissingInputError(FileNotFoundError):
    """Inputs of a config are missing; the message says where to get them."""


def refuse_missing(config: ConfigLike, phases: Iterable[str]) -> None:
    """Raise an error that names everything that a config lacks.

    Args:
        config: The config.
        phases: See :func:`missing_inputs`.

    Raises:
        MissingInputError: If anything is missing.
    """
    missing = missing_inputs(config, phases)
    if missing:
        raise MissingInputError(missing_text(missing))


def refuse_missing_in_any_case(config: ConfigLike) -> None:
    """The same for what both training and testing need.

    A folder for tests need not have a training split.

    Args:
        config: The config.

    Raises:
        MissingInputError: If anything is missing.
    """
    testing = missing_inputs(config, ('test', ))
    missing = [text for text in missing_inputs(config, ('train', 'val'))
               if text in testing]
    if missing:
        raise MissingInputError(missing_text(missing))


def missing_text(missing: list[str]) -> str:
    """The message about what is missing.

    Args:
        missing: A sentence for each thing.

    Returns:
        All of them, a line each.
    """
    return 'this config cannot run yet:\n- ' + '\n- '.join(missing)


def missing_inputs(config: ConfigLike,
                   phases: Iterable[str] = PHASES) -> list[str]:
    """What a config needs that is not there, and where to get it.

    Args:
        config: A config on ``PoseDataset`` or ``PooledDataset``;
            others are not looked at.
        phases: Those of ``'train'``, ``'val'`` and
            ``'test'`` that shall run.

    Returns:
        A sentence for each thing that is missing.
    """
    found = []
    for dataset in folder_datasets(config, phases):
        found += _of_dataset(
            dataset, pooled_channels(config, dataset['pipeline']))
    weights = config.get('load_from')
    if weights and '://' not in weights and not osp.isfile(weights):
        where = f'get it from {XCLIP.format(weights)}' \
            if 'xclip' in weights else 'set load_from to a file that is ' \
            'there, or to None'
        found.append(f'{weights}: no such checkpoint; {where}')
    return list(dict.fromkeys(found))


def _of_dataset(dataset: Mapping[str, Any], channels: int | None) -> list[str]:
    root = dataset.get('data_root') or ''
    steps = list(walk(dataset['pipeline']))
    loads = [step for step in steps if step['type'] == 'LoadPooledFeature']
    kinds = {step['type'] for step in steps}
    crops = bool({'LoadPersonCrops', 'MMDecodeCrops'} & kinds)
    ann_file = osp.join(root, dataset['ann_file'])
    listed = dataset['type'] == 'PooledDataset' and osp.isfile(
        clip_list_path(ann_file))
    if not listed and not osp.isfile(ann_file):
        recipe = POSES_3D.format(ann_file) \
            if ann_file.endswith('_3d.pkl') else _recipe(root, loads, crops)
        return [f'{ann_file}: no such file; {recipe}']
    found = _of_splits(root, dataset.get('split'))
    if crops and not osp.isdir(osp.join(root, 'crops')):
        found.append(f'{root}/crops: no person crops; run hpnet extract on '
                     'this folder again, with --crops')
    for load in loads:
        found += _of_taps(root, load.get('tap'), channels)
    return found


def _of_splits(root: str, split: str | None) -> list[str]:
    if split is None:
        return []
    try:
        splits = read_folder(root).splits
    except (OSError, FactsError):
        return []  # damaged, or of another program: the dataset will tell
    if split in splits:
        return []
    return [f'{root}: no split {split!r}, it has {", ".join(splits) or "none"}'
            '; give hpnet extract the splits by --splits, or set the split '
            'of the dataset']


def _of_taps(root: str, tap: str | Sequence[str] | None,
             channels: int | None) -> list[str]:
    path = osp.join(root, 'features', 'meta.json')
    if not osp.isfile(path):
        return [f'{path}: no feature store; {_recipe(root, [{"tap": tap}])}']
    with open(path, encoding='utf-8') as file:
        taps = json.load(file)['taps']
    wanted = list(taps)[:1] if tap is None and len(taps) == 1 else \
        [tap] if isinstance(tap, str) else list(tap or ())
    if not wanted:
        return [f'{root}: features of {", ".join(taps)}; say which by tap of '
                'LoadPooledFeature']
    lacking = [name for name in wanted if name not in taps]
    if lacking:
        return [f'{root}: no features of {", ".join(lacking)}, it has '
                f'{", ".join(taps)}; take one of these with tap=NAME '
                f'data_root={root}, or extract into another folder with '
                + ' '.join(f'--tap {name}' for name in lacking)]
    width = sum(taps[name] for name in wanted)
    if channels is not None and width != channels:
        return [f'{root}: {" + ".join(wanted)} has {width} channels, the '
                f'config expects {channels}: set in_channels, or another tap']
    return []


def _recipe(root: str, loads: Iterable[Mapping[str, Any]] = (),
            crops: bool = False) -> str:
    """The commands that make a dataset folder."""
    name, variant = osp.normpath(root), ''
    for ending, options in VARIANTS.items():
        if name.endswith(ending):
            name, variant = name[:-len(ending)], f' {options}'
    taps = [tap for load in loads if load.get('tap')
            for tap in ([load['tap']] if isinstance(load['tap'], str)
                        else load['tap'])]
    options = ''.join(f' --tap {tap}' for tap in taps
                      if tap != 'heatmap_scale')  # comes with heatmap
    options += variant
    options += ' --crops' * crops
    download = where_to_get(name)
    if download is None or download.address is None:
        # the default of extraction need not be said
        options = options.replace(f' --tap {next(iter(HRNET_TAPS))}', '')
        return f'hpnet extract VIDEOS --out {root}{options} makes this folder'
    lists = f'{name}_lists'
    return (f'{download.title} comes from {download.address}; then hpnet '
            f'prepare {download.prepare} VIDEOS --out {lists} and hpnet '
            f'extract {lists} --out {root} …{options}')
