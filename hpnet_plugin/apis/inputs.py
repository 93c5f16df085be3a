"""What a config needs that is not there, before any work starts."""
import json
import os.path as osp

from mmaction.registry import RUNNERS
from mmengine.runner import Runner

from ..datasets.benchmarks import compare_counts, published_clips
from ..datasets.clip_list import clip_list_path
from .synthetic import innermost, walk

# folder under data/ -> name, where to get it, what tools/prepare.py calls it
BENCHMARKS = {
    'ntu60': ('NTU RGB+D 60', 'https://rose1.ntu.edu.sg/dataset/'
              'actionRecognition/', 'ntu60 xsub xview'),
    'ntu120': ('NTU RGB+D 120', 'https://rose1.ntu.edu.sg/dataset/'
               'actionRecognition/', 'ntu120 xsub xset'),
    'smarthome': ('Toyota-Smarthome, cross-subject',
                  'https://project.inria.fr/toyotasmarthome/',
                  'smarthome cs'),
    'smarthome_cv': ('Toyota-Smarthome, cross-view',
                     'https://project.inria.fr/toyotasmarthome/',
                     'smarthome cv1 cv2'),
    'uav_human': ('UAV-Human', 'https://github.com/sutdcv/UAV-Human',
                  'uav_human csv1 csv2'),
    'nw_ucla': ('NW-UCLA', 'https://wangjiangb.github.io/my_data.html',
                'nw_ucla'),
    'ucf101': ('UCF101', 'https://www.crcv.ucf.edu/data/UCF101.php',
               'ucf101'),
}
# what distinguishes folders of the same videos, by the end of their name
VARIANTS = {'_hrnet': '--pose configs/pose/hrnet-w48_coco-256x192.py',
            '_frame': '--detector frame',
            '_released': '--preset released'}
# those whose folders are looked at
FOLDER_DATASETS = ('PoseDataset', 'PooledDataset')
POSES_3D = ('3D poses of NTU (ntu60_3d.pkl, ntu120_3d.pkl) come from '
            'https://github.com/kennymckormick/pyskl, those of NW-UCLA as a '
            'folder of json files; python tools/import_poses.py FILE --splits '
            'data/NAME_lists/splits.json --out {}')
XCLIP = ('https://github.com/microsoft/VideoX/tree/master/X-CLIP '
         '(k600_16_8.pth), and python tools/convert_checkpoint.py '
         'k600_16_8.pth {} --from xclip')


class MissingInputError(FileNotFoundError):
    """Inputs of a config are missing; the message says where to get them."""


@RUNNERS.register_module()
class CheckedRunner(Runner):
    """The Runner, once all inputs of its config are seen to be there.

    Raises:
        MissingInputError: From ``train`` and ``test``, before they start.
    """

    def train(self):
        """See mmengine's ``Runner.train``."""
        refuse_missing(self.cfg, ('train', 'val'))
        return super().train()

    def test(self):
        """See mmengine's ``Runner.test``."""
        refuse_missing(self.cfg, ('test', ))
        metrics = super().test()
        dataset = self.test_loop.dataloader.dataset
        text, as_published = count_note(
            innermost(self.cfg.test_dataloader.dataset), len(dataset),
            getattr(dataset, 'nobody', 0))
        log = self.logger.info if as_published else self.logger.warning
        log(text)
        return metrics


def count_note(dataset: dict, tested: int,
               nobody: int = 0) -> tuple[str, bool]:
    """What to say of the number of clips of a test.

    Args:
        dataset (dict): Config of the dataset, without wrappers.
        tested (int): Its clips.
        nobody (int): Clips among them in which nobody was found.

    Returns:
        tuple[str, bool]: A sentence with both counts, that of the test and
        that of the published split, and whether nothing speaks against
        comparing with published numbers.
    """
    root, split = dataset.get('data_root') or '', dataset.get('split')
    published = published_clips(root, split)
    text = ' '.join(filter(None, (root, split)))
    text += f': {compare_counts(tested, published)}'
    if nobody:
        text += (f'; in {nobody:,} of them nobody was found, their features '
                 'are zero')
    as_published = published in (None, tested)
    if not as_published:
        text += (f'; {osp.join(root, "extraction.json")} names the clips that '
                 'failed, missing.txt of tools/prepare.py those that were '
                 'not there')
    return text, as_published


def refuse_missing(cfg, phases):
    """Raise an error that names everything that a config lacks.

    Args:
        cfg (Config): The config.
        phases (Sequence[str]): See :func:`missing_inputs`.

    Raises:
        MissingInputError: If anything is missing.
    """
    missing = missing_inputs(cfg, phases)
    if missing:
        raise MissingInputError('this config cannot run yet:\n- '
                                + '\n- '.join(missing))


def missing_inputs(cfg, phases=('train', 'val', 'test')):
    """What a config needs that is not there, and where to get it.

    Args:
        cfg (Config): A config on ``PoseDataset`` or ``PooledDataset``;
            others are not looked at.
        phases (Sequence[str]): Those of ``'train'``, ``'val'`` and
            ``'test'`` that shall run.

    Returns:
        list[str]: A sentence for each thing that is missing.
    """
    found = []
    for phase in phases:
        loader = cfg.get(f'{phase}_dataloader')
        if loader is not None:
            dataset = innermost(loader['dataset'])
            if dataset['type'] in FOLDER_DATASETS:
                found += _of_dataset(dataset, graph_channels(cfg))
    if cfg.get('load_from') and '://' not in cfg.load_from and \
            not osp.isfile(cfg.load_from):
        where = XCLIP.format(cfg.load_from) if 'xclip' in cfg.load_from \
            else 'set load_from, or None'
        found.append(f'{cfg.load_from}: no such checkpoint; get it by {where}')
    return list(dict.fromkeys(found))


def graph_channels(cfg):
    """int: Channels that the graph network takes; None without one."""
    topology = cfg.model.get('topology')
    net = topology['model'] if topology else cfg.model.get('backbone', {})
    return net.get('in_channels')


def _of_dataset(dataset, channels):
    root = dataset.get('data_root') or ''
    steps = list(walk(dataset['pipeline']))
    loads = [step for step in steps if step['type'] == 'LoadPooledFeature']
    kinds = {step['type'] for step in steps}
    crops = bool({'LoadPersonCrops', 'MMDecodeCrops'} & kinds)
    if 'GenerateHeatmapVolume' in kinds:
        channels = None  # the net sees volumes, a channel a joint
    ann_file = osp.join(root, dataset['ann_file'])
    listed = dataset['type'] == 'PooledDataset' and osp.isfile(
        clip_list_path(ann_file))
    if not listed and not osp.isfile(ann_file):
        recipe = POSES_3D.format(ann_file) \
            if ann_file.endswith('_3d.pkl') else _recipe(root, loads, crops)
        return [f'{ann_file}: no such file; {recipe}']
    found = _of_splits(root, dataset.get('split'))
    if crops and not osp.isdir(osp.join(root, 'crops')):
        found.append(f'{root}/crops: no person crops; run tools/extract.py '
                     'on this folder again, with --crops')
    for load in loads:
        found += _of_taps(root, load.get('tap'), channels)
    return found


def _of_splits(root, split):
    try:
        with open(osp.join(root, 'extraction.json'), encoding='utf-8') as file:
            splits = json.load(file)['splits']
    except (OSError, ValueError, KeyError):
        return []  # not of this package's extraction: the dataset will tell
    if split in splits:
        return []
    return [f'{root}: no split {split!r}, it has {", ".join(splits) or "none"}'
            '; give tools/extract.py the splits.json of tools/prepare.py by '
            '--splits']


def _of_taps(root, tap, channels):
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
                f'{", ".join(taps)}; extract into another folder with '
                + ' '.join(f'--tap {name}' for name in lacking)]
    width = sum(taps[name] for name in wanted)
    if channels is not None and width != channels:
        return [f'{root}: {" + ".join(wanted)} has {width} channels, the '
                f'config expects {channels}: set in_channels, or another tap']
    return []


def _recipe(root, loads=(), crops=False):
    """The commands that make a dataset folder."""
    name, variant = osp.basename(osp.normpath(root)), ''
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
    if name not in BENCHMARKS:
        return (f'python tools/extract.py VIDEOS --out {root} …{options} '
                'makes this folder')
    title, address, prepare = BENCHMARKS[name]
    lists = f'data/{name}_lists'
    return (f'{title} comes from {address}; then python tools/prepare.py '
            f'{prepare} VIDEOS --out {lists} and python tools/extract.py '
            f'{lists}/clips.txt --labels {lists}/labels.txt --classes '
            f'{lists}/classes.txt --splits {lists}/splits.json --out {root} '
            f'…{options}')
