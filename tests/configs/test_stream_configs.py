"""Every config of configs/streams, on noise in its shape."""
import pathlib
import re
import sys
from collections import defaultdict

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, METRICS, MODELS, PARAM_SCHEDULERS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.synthetic import walk, write_synthetic
from hpnet_plugin.datasets.benchmarks import BENCHMARKS, split_names

ROOT = pathlib.Path(__file__).resolve().parents[2]
STREAMS = sorted((ROOT / 'configs/streams').rglob('*.py'))
NAME = re.compile(r'(hp|pose_|pose3d_|simcc_|rgb_)(jm|bm|j|b)_'
                  '(ctrgcn|mixformer|stgcn|stgcnpp|agcn)_(.+)')
# those of HP-Net are in test_hpnet_configs.py
ABLATIONS = sorted(path for net in ('ctrgcn', 'mixformer') for path in
                   (ROOT / 'configs/ablations').rglob(f'*_{net}_*.py'))
NAMES_OF_ABLATIONS = re.compile('(.+_(?:ctrgcn|mixformer))_(.+)')
FOUR = {'j', 'b', 'jm', 'bm'}
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
    nw_ucla_small=(10, 1, 32, 'nw_ucla', None))
CHANNELS = dict(hp=96, pose=2, pose3d=3, simcc=384 + 512, rgb=5 * 5 * 3)
NETS = dict(ctrgcn='CTRGCN', mixformer='SkeletonMixFormer', stgcn='STGCN',
            stgcnpp='STGCN', agcn='AAGCN')
RANDOM = {'RandomTemporalCrop', 'FlipJoints', 'DropFrames', 'DropJoints'}


@pytest.fixture(autouse=True)
def mmaction_scope():
    """What the Runner does with default_scope."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def parts(path):
    """Kind, stream, net and benchmark."""
    kind, stream, net, benchmark = NAME.fullmatch(path.stem).groups()
    return kind.strip('_'), stream, net, benchmark


def samples(cfg, phase, number=1):
    # serialising would collect garbage first, which takes longer than a step
    dataset = DATASETS.build(
        dict(cfg[f'{phase}_dataloader'].dataset, serialize_data=False))
    return pseudo_collate([dataset[i] for i in range(number)])


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
def test_steps(path, tmp_path):
    kind, stream, net, benchmark = parts(path)
    classes, people, frames, folder, protocol = PUBLISHED[benchmark]
    small = benchmark == 'nw_ucla_small'
    channels = 128 if small and kind == 'hp' else CHANNELS[kind]
    joints = 17 if kind != 'pose3d' else 20 if people == 1 else 25
    assert path.parent.name == benchmark
    assert len(path.read_text().splitlines()) <= 10

    cfg = Config.fromfile(path)
    assert cfg.model.backbone.type == NETS[net]
    assert cfg.model.backbone.get('base_channels', 64) == (
        32 if small else 80 if net == 'mixformer' else 64)
    train, val, test = (cfg[f'{phase}_dataloader'].dataset
                        for phase in ('train', 'val', 'test'))
    assert test == val and test.test_mode
    protocol = f'{protocol}_' if protocol else ''
    full = '_full' if protocol else ''
    for dataset, split in ((train, f'train{full}'), (test, 'test')):
        assert dataset.data_root == f'data/{folder}'
        assert dataset.split == protocol + split
        assert dataset.ann_file == 'annotations' + '_3d' * (
            kind == 'pose3d') + '.pkl'
        assert not RANDOM & {one['type'] for one in walk(dataset.pipeline)}
    # curves only: nothing is chosen on the test split
    assert cfg.default_hooks.checkpoint.get('save_best') is None
    for metric in cfg.test_evaluator:
        METRICS.build(metric)

    write_synthetic(cfg, tmp_path, clips=1, frames=5)
    batches = {phase: samples(cfg, phase) for phase in ('train', 'test')}
    for batch in batches.values():
        x = batch['inputs'][0]
        assert x.shape == (1, people, frames, joints, channels)
        assert (x.dtype == torch.float16) == (channels > 3)
        assert (x[:, :, -1] == 0).all() == stream.endswith('m')
        still = (x == 0).all(-1).all(2)[0, 0].nonzero().flatten().tolist()
        root = {17: 0, 20: 2, 25: 20}[joints]
        assert still == ([root] if stream.startswith('b') else [])
    model, results = step(cfg, batches)
    assert model.cls_head.fc.weight.std().item() == pytest.approx(
        (2 / classes)**.5, rel=.1)
    assert [r.frame_dir for r in results] == [f'{test.split}_0']
    assert results[0].pred_score.shape == (classes, )
    assert results[0].pred_score.sum().item() != pytest.approx(1)  # logits


@pytest.mark.parametrize('path', ABLATIONS, ids=lambda path: path.stem)
def test_steps_of_ablations(path, tmp_path):
    """They differ from the stream that they vary in what they say alone."""
    cfg = Config.fromfile(path)
    what, benchmark = NAMES_OF_ABLATIONS.fullmatch(path.stem).groups()
    net = 'mixformer' if 'mixformer' in what else 'ctrgcn'
    base = Config.fromfile(
        ROOT / f'configs/streams/{benchmark}/hpj_{net}_{benchmark}.py')
    tap, other = (c.train_dataloader.dataset.pipeline[0].tap
                  for c in (cfg, base))
    root, same = (c.train_dataloader.dataset.data_root for c in (cfg, base))
    assert (tap == other) == what.startswith('hrnet') == (root != same)
    if what.startswith('region'):
        assert tap == f'{other}@{what[6]}'
    for phase in ('train', 'val', 'test'):
        mine, theirs = (c[f'{phase}_dataloader'].dataset for c in (cfg, base))
        assert mine.pipeline[0].tap == tap and mine.data_root == root
        assert mine.pipeline[1:] == theirs.pipeline[1:]
        assert mine.split == theirs.split
    for key in ('optim_wrapper', 'param_scheduler', 'train_cfg'):
        assert cfg[key] == base[key]
    write_synthetic(cfg, tmp_path, clips=1, frames=5)
    batches = {phase: samples(cfg, phase) for phase in ('train', 'test')}
    assert batches['train']['inputs'][0].shape[-1] == \
        cfg.model.backbone.in_channels
    _, results = step(cfg, batches)
    assert results[0].pred_score.shape == (cfg.model.cls_head.num_classes, )


def test_each_benchmark_has_its_streams():
    found = defaultdict(set)
    for path in STREAMS:
        kind, stream, net, benchmark = parts(path)
        found[benchmark, net, kind].add(stream)
    for benchmark in PUBLISHED:
        assert found[benchmark, 'ctrgcn', 'hp'] == FOUR
        assert found[benchmark, 'ctrgcn', 'pose'] == FOUR
        assert found[benchmark, 'ctrgcn', 'rgb'] == {'j'}
        assert found[benchmark, 'ctrgcn', 'pose3d'] == (
            FOUR if benchmark.startswith('ntu') or benchmark == 'nw_ucla'
            else set())
        # the small pose net has no SimCC head
        assert found[benchmark, 'ctrgcn', 'simcc'] == (
            set() if benchmark == 'nw_ucla_small' else {'j'})
        assert 'j' in found[benchmark, 'mixformer', 'hp']
    for benchmark in ('ntu120', 'nw_ucla_small'):
        for kind in ('hp', 'pose'):
            assert found[benchmark, 'mixformer', kind] == FOUR
        for net in ('stgcn', 'stgcnpp', 'agcn'):
            assert found[benchmark, net, 'hp'] == {'j'}


@pytest.mark.parametrize('benchmark', [
    benchmark for benchmark in PUBLISHED if benchmark != 'nw_ucla_small'])
def test_benchmark(benchmark):
    """Classes, folder and splits, as the package and HP-Net have them."""
    classes, people, frames, folder, protocol = PUBLISHED[benchmark]
    name = folder.removesuffix('_cv')
    if protocol:  # its clips' names
        rule = BENCHMARKS[name].splits[protocol]
        assert not rule.train & (rule.test or frozenset())
        members = split_names(name, protocol, [BENCHMARKS[name].example])
        assert sorted(members) == ['test', 'train', 'val']
    hpnet = ROOT / f'configs/hpnet_{benchmark}.py'
    if benchmark == 'ucf101':
        assert not hpnet.exists()
        return
    whole = Config.fromfile(hpnet)
    stream = Config.fromfile(ROOT / f'configs/streams/{benchmark}'
                             f'/hpj_ctrgcn_{benchmark}.py')
    assert whole.model.cls_head.num_classes == classes
    for phase in ('train', 'val', 'test'):
        here, there = (cfg[f'{phase}_dataloader'].dataset
                       for cfg in (stream, whole))
        assert (here.data_root, here.split) == (there.data_root, there.split)
    if people == 2:
        formats = [one for one in walk(whole.test_dataloader.dataset.pipeline)
                   if one['type'] in ('FormatPooledInput', 'ResizeTemporal')]
        assert formats[0]['length'] == frames
        assert formats[1]['num_person'] == people


def test_real_joints_of_kinect(shared):
    """A person in 3D stands upright, faces the camera, and has one size."""
    clips = np.load(shared / 'data/nwucla/skeletons.npz')
    cfg = Config.fromfile(
        ROOT / 'configs/streams/nw_ucla/pose3d_j_ctrgcn_nw_ucla.py')
    pipeline = Compose(cfg.test_dataloader.dataset.pipeline[:-2])
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


def rates(name):
    """Learning rate of each epoch."""
    cfg = Config.fromfile(ROOT / f'configs/_base_/schedules/{name}.py')
    optim = build_optim_wrapper(torch.nn.Linear(1, 1), cfg.optim_wrapper)
    group = optim.param_groups[0]
    assert (group['momentum'], group['weight_decay'], group['nesterov']) == (
        .9, 4e-4, True)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(scheduler, optimizer=optim))
        for scheduler in cfg.param_scheduler
    ]
    found = []
    for _ in range(cfg.train_cfg.max_epochs):
        found.append(group['lr'])
        optim.optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return cfg, found


def test_schedule_of_the_paper():
    """reference.md 6.2."""
    cfg, found = rates('sgd_65e')
    np.testing.assert_allclose(
        found, [.1 * (e + 1) / 5 for e in range(5)] + [.1] * 30 +
        [.01] * 20 + [.001] * 10)
    assert cfg.auto_scale_lr.base_batch_size == 64


def test_schedule_of_small_nets():
    cfg, found = rates('sgd_20e')
    cosine = [.05 * (1 + np.cos(np.pi * e / 17)) / 2 for e in range(17)]
    np.testing.assert_allclose(found, [.05 / 3, .1 / 3, .05] + cosine)
    assert cfg.train_cfg.val_interval == 10
    assert cfg.auto_scale_lr.base_batch_size == 16


@pytest.mark.parametrize('benchmark', PUBLISHED)
def test_schedule(benchmark):
    cfg = Config.fromfile(ROOT / f'configs/streams/{benchmark}'
                          f'/pose_j_ctrgcn_{benchmark}.py')
    assert (cfg.train_cfg.max_epochs, cfg.train_dataloader.batch_size) == dict(
        nw_ucla=(30, 16), nw_ucla_small=(20, 16)).get(benchmark, (65, 64))
    assert cfg.auto_scale_lr.base_batch_size == \
        cfg.train_dataloader.batch_size


def readme_code():
    """The Python that configs/streams/README.md shows."""
    text = (ROOT / 'configs/streams/README.md').read_text()
    return re.findall(r'```python\n(.*?)```', text, re.DOTALL)


def child(code, folder, tmp_path):
    """A config of the page, of configs/streams/FOLDER, put elsewhere."""
    path = tmp_path / 'mine.py'
    streams = ROOT / 'configs/streams'
    path.write_text(
        code.replace("'../", f"'{streams}/").replace(
            "'./", f"'{streams}/{folder}/"))
    return Config.fromfile(path)


def test_readme_own_folder(tmp_path):
    cfg = child(readme_code()[0], 'ntu120', tmp_path)
    for phase, split in (('train', 'train'), ('val', 'test'),
                         ('test', 'test')):
        dataset = cfg[f'{phase}_dataloader'].dataset
        assert (dataset.data_root, dataset.split) == ('data/mine', split)
    assert MODELS.build(cfg.model).cls_head.num_classes == 5


def test_readme_taps_and_augmentation(tmp_path):
    code = readme_code()[1].replace('TAP1', 'first').replace('TAP2', 'second')
    cfg = child(code, 'nw_ucla', tmp_path)
    names = [t.type for t in cfg.train_dataloader.dataset.pipeline]
    assert names[:4] == ['LoadPooledFeature', 'RandomTemporalCrop',
                         'FlipJoints', 'ResizeTemporal']
    write_synthetic(cfg, tmp_path / 'data', clips=1, frames=9)
    batches = {phase: samples(cfg, phase) for phase in ('train', 'test')}
    for batch in batches.values():
        assert batch['inputs'][0].shape == (1, 1, 32, 17, 288)
    step(cfg, batches)


def test_readme_own_backbone(tmp_path, monkeypatch):
    """A module outside of this package, named by custom_imports alone."""
    net, stream, whole = readme_code()[2:]
    (tmp_path / 'mynets.py').write_text(net)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        cfg = child(stream, 'ntu120', tmp_path)
        write_synthetic(cfg, tmp_path / 'data', clips=1, frames=9)
        step(cfg, {phase: samples(cfg, phase) for phase in ('train', 'test')})

        cfg = child(whole.replace("'../../", f"'{ROOT}/configs/"), 'ntu120',
                    tmp_path)
        topology = MODELS.build(cfg.model.topology)
        features = topology(torch.rand(3, 2, 64, 17, 96))
        assert [one.shape for one in features.streams] == [(3, 128)] * 3
    finally:
        sys.modules.pop('mynets', None)
        MODELS.module_dict.pop('JointNet', None)
