"""Every config of configs/streams; every stream and net, on noise."""
import pathlib
import re
import sys

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, METRICS, MODELS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.recipes import compose
from hpnet_plugin.recipes.merge import same
from hpnet_plugin.recipes.nets import NETS
from hpnet_plugin.recipes.reading import walk
from hpnet_plugin.recipes.streams import KINDS
from hpnet_plugin.runner import current_config

ROOT = pathlib.Path(__file__).resolve().parents[2]
STREAMS = sorted((ROOT / 'configs/streams').rglob('*.py'))
NAME = re.compile(r'((?:hp|pose|pose3d|simcc|rgb|rgb_pose)_(?:jm|bm|j|b))_'
                  '(ctrgcn|mixformer)_(.+)')
# those of HP-Net are in test_hpnet_configs.py
ABLATIONS = sorted(path for net in ('ctrgcn', 'mixformer') for path in
                   (ROOT / 'configs/ablations').rglob(f'*_{net}_*.py'))
# classes, people, frames, folder, protocol
PUBLISHED = dict(
    ntu120=(120, 2, 64, 'ntu120', 'xsub'),
    ntu120_xset=(120, 2, 64, 'ntu120', 'xset'),
    ntu60_xsub=(60, 2, 64, 'ntu60', 'xsub'),
    ntu60_xview=(60, 2, 64, 'ntu60', 'xview'),
    smarthome_cs=(31, 2, 64, 'smarthome', 'cs'),
    smarthome_cv1=(19, 2, 64, 'smarthome_cv', 'cv1'),
    smarthome_cv2=(19, 2, 64, 'smarthome_cv', 'cv2'),
    uav_human_csv1=(155, 2, 64, 'uav_human', 'csv1'),
    uav_human_csv2=(155, 2, 64, 'uav_human', 'csv2'),
    ucf101=(101, 2, 64, 'ucf101', 'split1'),
    nw_ucla=(10, 1, 32, 'nw_ucla', 'xview'),
    nw_ucla_synthetic=(10, 1, 32, 'nw_ucla', None))
CHANNELS = dict(hp=96, pose=2, pose3d=3, simcc=384 + 512, rgb=5 * 5 * 3,
                rgb_pose=5 * 5 * 3 + 2, **{'hp+pose': 96 + 3})
TYPES = dict(ctrgcn='CTRGCN', mixformer='SkeletonMixFormer', stgcn='STGCN',
             stgcnpp='STGCN', agcn='AAGCN')
RANDOM = {'RandomTemporalCrop', 'FlipJoints', 'DropFrames', 'DropJoints'}


@pytest.fixture(autouse=True)
def mmaction_scope():
    """What the Runner does with default_scope."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def samples(cfg, phase):
    # serialising would collect garbage first, which takes longer than a step
    dataset = DATASETS.build(
        dict(cfg[f'{phase}_dataloader'].dataset, serialize_data=False))
    return pseudo_collate([dataset[0]])


def step(cfg, batches):
    """One of training, one of testing."""
    model = MODELS.build(cfg.model)
    model.cls_head.init_weights()
    optim = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
    losses = model.train_step(batches['train'], optim)
    assert np.isfinite(losses['loss'].item())
    model.eval()
    with torch.no_grad():
        return model, model.test_step(batches['test'])


@pytest.mark.parametrize('path', STREAMS, ids=lambda path: path.stem)
def test_files(path):
    """A file says its settings, and nothing else."""
    stream, net, benchmark = NAME.fullmatch(path.stem).groups()
    assert path.parent.name == benchmark
    assert len(path.read_text().splitlines()) <= 12
    cfg = Config.fromfile(path).to_dict()
    composed = compose('stream', stream=stream, net=net, benchmark=benchmark)
    for key, value in composed.items():
        assert same(cfg[key], value) or key == 'default_hooks'
    # curves only: nothing is chosen on the test split
    assert cfg['default_hooks']['checkpoint'].get('save_best') is None
    assert cfg['runner_type'] == 'CheckedRunner'


def test_files_of_published_rows():
    """Four streams of pooled features a benchmark, and Tables III to XI."""
    found = {}
    for path in STREAMS:
        stream, net, benchmark = NAME.fullmatch(path.stem).groups()
        found.setdefault((benchmark, net), set()).add(stream)
    four = {f'hp_{part}' for part in ('j', 'b', 'jm', 'bm')}
    poses = {f'pose_{part}' for part in ('j', 'b', 'jm', 'bm')}
    for benchmark in set(PUBLISHED) - {'ntu120', 'ucf101', 'nw_ucla',
                                       'nw_ucla_synthetic'}:
        assert found.pop((benchmark, 'ctrgcn')) == four
    assert found.pop(('ntu120', 'mixformer')) == four | poses
    assert four | poses | {'pose3d_j', 'simcc_j', 'rgb_pose_j'} == \
        found.pop(('ntu120', 'ctrgcn'))
    assert not found


@pytest.mark.parametrize('benchmark', PUBLISHED)
@pytest.mark.parametrize('kind', KINDS)
def test_facts_of_benchmarks(benchmark, kind):
    """Numbers from the benchmarks' papers, in the right places."""
    classes, people, frames, folder, protocol = PUBLISHED[benchmark]
    small = benchmark == 'nw_ucla_synthetic'
    for net in NETS:
        cfg = compose('stream', stream=f'{kind}_j', net=net,
                      benchmark=benchmark)
        backbone = cfg['model']['backbone']
        assert backbone['type'] == TYPES[net]
        assert backbone['num_person'] == people
        assert backbone['in_channels'] == (
            CHANNELS[kind] + 32 * (small and kind.startswith('hp')))
        width = backbone.get('base_channels', 64)
        assert width == (32 if small else 80 if net == 'mixformer' else 64)
        head = cfg['model']['cls_head']
        assert head['in_channels'] == 4 * width
        assert head['num_classes'] == classes
    train, val, test = (cfg[f'{phase}_dataloader']['dataset']
                        for phase in ('train', 'val', 'test'))
    assert test == val and test['test_mode']
    prefix, full = (f'{protocol}_', '_full') if protocol else ('', '')
    for dataset, split in ((train, f'train{full}'), (test, 'test')):
        assert dataset['data_root'] == f'data/{folder}'
        assert dataset['split'] == prefix + split
        assert dataset['ann_file'] == 'annotations' + '_3d' * (
            kind == 'pose3d') + '.pkl'
        steps = {one['type']: one for one in walk(dataset['pipeline'])}
        assert not RANDOM & set(steps)
        assert steps['ResizeTemporal']['length'] == frames
        assert steps['FormatPooledInput']['num_person'] == people
    assert (cfg['train_cfg']['max_epochs'],
            cfg['train_dataloader']['batch_size']) == dict(
        nw_ucla=(30, 16), nw_ucla_synthetic=(20, 16)).get(benchmark, (65, 64))
    assert cfg['auto_scale_lr']['base_batch_size'] == \
        cfg['train_dataloader']['batch_size']


@pytest.mark.parametrize('kind', KINDS)
def test_parts_differ_in_their_part(kind):
    first = compose('stream', stream=f'{kind}_j')
    for part in ('b', 'jm', 'bm'):
        other = compose('stream', stream=f'{kind}_{part}')
        for phase in ('train', 'val', 'test'):
            for one in other[f'{phase}_dataloader']['dataset']['pipeline']:
                if one['type'] == 'GenPooledStream':
                    assert one['stream'] == part
                    one['stream'] = 'j'
        other['stream'] = other['composed']['stream'] = f'{kind}_j'
        assert other == first


# every net, every kind, every part and every skeleton, once
STEPS = [('ntu120', 'hp_j', net) for net in NETS] + [
    ('ntu120', 'pose_b', 'ctrgcn'), ('ntu60_xsub', 'pose3d_jm', 'ctrgcn'),
    ('ntu60_xsub', 'pose3d_b', 'stgcn'), ('nw_ucla', 'pose3d_b', 'ctrgcn'),
    ('smarthome_cs', 'simcc_j', 'ctrgcn'), ('uav_human_csv1', 'rgb_j',
                                            'ctrgcn'),
    ('nw_ucla', 'rgb_pose_bm', 'ctrgcn'),
    ('nw_ucla_synthetic', 'hp_bm', 'mixformer'),
    ('nw_ucla_synthetic', 'pose_jm', 'agcn')]


@pytest.mark.parametrize('benchmark, stream, net', STEPS)
def test_steps(benchmark, stream, net, tmp_path):
    classes, people, frames, _, _ = PUBLISHED[benchmark]
    kind, _, part = stream.rpartition('_')
    cfg = Config(compose('stream', stream=stream, net=net,
                         benchmark=benchmark))
    channels = cfg.model.backbone.in_channels
    joints = 17 if kind != 'pose3d' else 20 if people == 1 else 25
    for metric in cfg.test_evaluator:
        METRICS.build(metric)
    write_synthetic(cfg, tmp_path, clips=1, frames=5)
    batches = {phase: samples(cfg, phase) for phase in ('train', 'test')}
    for batch in batches.values():
        x = batch['inputs'][0]
        assert x.shape == (1, people, frames, joints, channels)
        assert (x.dtype == torch.float16) == (channels > 3)
        assert (x[:, :, -1] == 0).all() == part.endswith('m')
        still = (x == 0).all(-1).all(2)[0, 0].nonzero().flatten().tolist()
        root = {17: 0, 20: 2, 25: 20}[joints]
        assert still == ([root] if part.startswith('b') else [])
    model, results = step(cfg, batches)
    assert model.cls_head.fc.weight.std().item() == pytest.approx(
        (2 / classes)**.5, rel=.1)
    split = cfg.test_dataloader.dataset.split
    assert [r.frame_dir for r in results] == [f'{split}_0']
    assert results[0].pred_score.shape == (classes, )
    assert results[0].pred_score.sum().item() != pytest.approx(1)  # logits


@pytest.mark.parametrize('path', ABLATIONS, ids=lambda path: path.stem)
def test_ablations(path):
    """They differ from the stream that they vary in what they say alone."""
    cfg = current_config(Config.fromfile(path))
    what, net, benchmark = re.fullmatch(
        '(.+)_(ctrgcn|mixformer)_(.+)', path.stem).groups()
    base = compose('stream', net=net, benchmark=benchmark)
    tap, other = (c['train_dataloader']['dataset']['pipeline'][0]['tap']
                  for c in (cfg, base))
    root, same_root = (c['train_dataloader']['dataset']['data_root']
                       for c in (cfg, base))
    assert (tap == other) == (what == 'hrnet') == (root != same_root)
    if what.startswith('region'):
        assert tap == f'{other}@{what[6]}'
    for phase in ('train', 'val', 'test'):
        mine, theirs = (c[f'{phase}_dataloader']['dataset']
                        for c in (cfg, base))
        assert mine['pipeline'][0]['tap'] == tap
        assert mine['data_root'] == root
        assert same(mine['pipeline'][1:], theirs['pipeline'][1:])
        assert mine['split'] == theirs['split']
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert same(cfg.to_dict()[key], base[key])
    assert MODELS.build(cfg.model).backbone


def test_real_joints_of_kinect(shared):
    """A person in 3D stands upright, faces the camera, and has one size."""
    clips = np.load(shared / 'data/nwucla/skeletons.npz')
    cfg = compose('stream', stream='pose3d_j', benchmark='nw_ucla')
    pipeline = Compose(cfg['test_dataloader']['dataset']['pipeline'][:-2])
    names = list(clips)[::60]
    assert len(names) == 13
    for name in names:
        clip = clips[name].astype(np.float32)[None]
        x = pipeline(dict(keypoint=clip, total_frames=clip.shape[1]))[
            'keypoint'][0]
        assert x.shape == (32, 20, 3)
        spine = x[0, 1] - x[0, 0]
        assert spine[2] > .9 * np.linalg.norm(spine)
        shoulders = x[0, 8] - x[0, 4]
        assert shoulders[0] > .95 * np.linalg.norm(shoulders)
        # crown above hips above feet
        assert x[0, 3, 2] > x[0, 0, 2] > x[0, [15, 19], 2].mean()
        assert np.abs(x.mean((0, 1))).max() < .2
        size = np.sqrt(((x - x.mean(1, keepdims=True))**2).sum(-1).mean())
        assert size == pytest.approx(1, abs=.1)


def readme_code():
    """The Python that configs/streams/README.md shows."""
    text = (ROOT / 'configs/streams/README.md').read_text()
    return re.findall(r'```python\n(.*?)```', text, re.DOTALL)


def child(code, tmp_path):
    """A config of the page, as its reader would have it."""
    path = tmp_path / 'mine.py'
    path.write_text(code.replace("'configs/", f"'{ROOT}/configs/"))
    return current_config(Config.fromfile(path))


def test_readme_augmentation(tmp_path):
    code = readme_code()[0]
    cfg = child(code, tmp_path)
    names = [t.type for t in cfg.train_dataloader.dataset.pipeline]
    assert names[:4] == ['LoadPooledFeature', 'RandomTemporalCrop',
                         'FlipJoints', 'ResizeTemporal']
    assert cfg.test_dataloader.dataset.pipeline[1].type == 'ResizeTemporal'
    write_synthetic(cfg, tmp_path / 'data', clips=1, frames=9)
    step(cfg, {phase: samples(cfg, phase) for phase in ('train', 'test')})


def test_readme_own_backbone(tmp_path, monkeypatch):
    """A module outside of this package, named by custom_imports alone."""
    net, stream, whole = readme_code()[1:]
    (tmp_path / 'mynets.py').write_text(net)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        cfg = child(stream, tmp_path)
        write_synthetic(cfg, tmp_path / 'data', clips=1, frames=9)
        step(cfg, {phase: samples(cfg, phase) for phase in ('train', 'test')})

        cfg = child(whole, tmp_path)
        topology = MODELS.build(cfg.model.topology)
        features = topology(torch.rand(3, 2, 64, 17, 96))
        assert [one.shape for one in features.streams] == [(3, 128)] * 3
    finally:
        sys.modules.pop('mynets', None)
        MODELS.module_dict.pop('JointNet', None)
