"""Every shipped training config, on a tiny dataset made here."""
import pathlib
import re

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, METRICS, MODELS, PARAM_SCHEDULERS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from hpnet_plugin.datasets.annotations import write_annotations
from hpnet_plugin.store import FeatureStore, StoreWriter

ROOT = pathlib.Path(__file__).resolve().parents[2]
STREAMS = sorted((ROOT / 'configs/streams').rglob('*.py'))
POSEC3D = sorted((ROOT / 'configs/posec3d').rglob('*.py'))
TAPS = dict(
    ntu120={'backbone.stage4.0.branches.1': 96},
    nw_ucla={'backbone.stage4.0.branches.1': 96,
             'backbone.stage4.0.branches.2': 192})


@pytest.fixture(autouse=True)
def mmaction_scope():
    """What the Runner does with default_scope."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def benchmark_of(path):
    return 'ntu120' if 'ntu120' in path.stem else 'nw_ucla'


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """benchmark -> dataset folder of four clips of 20 frames."""
    rng, folders = np.random.RandomState(0), {}
    for name, taps in TAPS.items():
        root = tmp_path_factory.mktemp(name)
        people = 2 if name == 'ntu120' else 1
        with StoreWriter(str(root / 'features'),
                         dict(version=1, taps=taps)) as store:
            for i in range(4):
                shape = (people, 20, 17)
                arrays = {
                    tap: rng.rand(*shape, c).astype(np.float16)
                    for tap, c in taps.items()
                }
                arrays['keypoint'] = rng.uniform(
                    20, 200, (*shape, 2)).astype(np.float32)
                arrays['keypoint_score'] = np.ones(shape, np.float32)
                store.add(f'clip{i}', arrays,
                          dict(img_shape=[240, 320], num_frames=20))
        write_annotations(
            FeatureStore(str(root / 'features')),
            str(root / 'annotations.pkl'), {f'clip{i}': i for i in range(4)},
            {f'{protocol}{split}': clips for protocol in ('', 'xsub_')
             for split, clips in (('train', ['clip0', 'clip1']),
                                  ('train_full', ['clip0', 'clip1']),
                                  ('test', ['clip2', 'clip3']))})
        folders[name] = root
    return folders


def load(path, folders):
    """The config, with its dataset folder put elsewhere as users do it."""
    cfg = Config.fromfile(path)
    root = str(folders[benchmark_of(path)])
    train = 'train_dataloader.dataset.'
    if 'dataset' in cfg.train_dataloader.dataset:
        train += 'dataset.'
    cfg.merge_from_dict({
        f'{train}data_root': root,
        'val_dataloader.dataset.data_root': root,
        'test_dataloader.dataset.data_root': root
    })
    return cfg


def samples(cfg, phase, number=2):
    dataset = DATASETS.build(cfg[f'{phase}_dataloader'].dataset)
    return dataset, pseudo_collate([dataset[i] for i in range(number)])


@pytest.mark.parametrize('path', STREAMS, ids=lambda path: path.stem)
def test_stream(path, folders):
    """A config's clips, as the net of that config takes them."""
    cfg = load(path, folders)
    backbone = cfg.model.backbone
    benchmark = benchmark_of(path)
    kind, letters = path.stem.split('_ctrgcn')[0], path.stem.split('_')[0]
    channels = 2
    if kind.startswith('hp'):
        channels = next(iter(TAPS[benchmark].values()))
    else:
        letters = path.stem.split('_')[1]
    people, length, classes = (2, 64, 120) if benchmark == 'ntu120' else \
        (1, 32, 10)
    assert backbone.in_channels == channels
    assert cfg.model.cls_head.num_classes == classes
    for phase, names in (('train', ('clip0', 'clip1')),
                         ('val', ('clip2', 'clip3')),
                         ('test', ('clip2', 'clip3'))):
        dataset, batch = samples(cfg, phase)
        assert len(dataset) == 2
        assert tuple(s.frame_dir for s in batch['data_samples']) == names
        for x in batch['inputs']:
            assert x.shape == (1, people, length, 17, channels)
            assert x.dtype == (torch.float16 if channels > 2 else
                               torch.float32)
            assert (x[:, :, -1] == 0).all() == letters.endswith('m')
            assert (x[:, :, :, 0] == 0).all() == (letters.strip('hp')[0] ==
                                                  'b')
    METRICS.build(cfg.test_evaluator)
    MODELS.build(cfg.model)


@pytest.mark.parametrize('path', [
    path for path in STREAMS
    if path.stem.startswith(('hpj_', 'pose_bm_'))], ids=lambda path: path.stem)
def test_stream_steps(path, folders):
    cfg = load(path, folders)
    model = MODELS.build(cfg.model)
    model.init_weights()
    std = model.cls_head.fc.weight.std().item()
    assert std == pytest.approx((2 / cfg.num_classes)**.5, rel=.1)
    optim = build_optim_wrapper(model, cfg.optim_wrapper)
    losses = model.train_step(samples(cfg, 'train')[1], optim)
    assert np.isfinite(losses['loss'].item())
    model.eval()
    with torch.no_grad():
        results = model.test_step(samples(cfg, 'test')[1])
    assert [r.frame_dir for r in results] == ['clip2', 'clip3']
    scores = torch.stack([r.pred_score for r in results])
    assert scores.shape == (2, cfg.num_classes)
    assert not torch.allclose(scores.sum(1), torch.ones(2))  # logits


@pytest.mark.parametrize('path', POSEC3D, ids=lambda path: path.stem)
def test_posec3d_reads_the_same_folder(path, folders):
    cfg = load(path, folders)
    for phase, clips in (('train', 1), ('val', 1), ('test', 20)):
        dataset, batch = samples(cfg, phase, 1)
        assert len(dataset) == (20 if phase == 'train' else 2)
        assert batch['inputs'][0].shape[:3] == (clips, 17, 48)
        assert batch['data_samples'][0].frame_dir == (
            'clip0' if phase == 'train' else 'clip2')
    assert 'ntu60' not in str([
        cfg[f'{phase}_dataloader'] for phase in ('train', 'val', 'test')])
    assert cfg.default_hooks.checkpoint.save_best is None


def test_posec3d_steps(folders):
    cfg = load(ROOT / 'configs/posec3d/posec3d_nw_ucla.py', folders)
    model = MODELS.build(cfg.model)
    optim = build_optim_wrapper(model, cfg.optim_wrapper)
    losses = model.train_step(samples(cfg, 'train', 1)[1], optim)
    assert np.isfinite(losses['loss'].item())
    model.eval()
    with torch.no_grad():
        results = model.test_step(samples(cfg, 'val', 1)[1])
    assert results[0].pred_score.shape == (10, )


@pytest.mark.parametrize('path', STREAMS, ids=lambda path: path.stem)
def test_under_fifteen_lines(path):
    assert len(path.read_text().splitlines()) < 15


def test_nothing_is_chosen_on_the_test_split():
    for path in STREAMS + POSEC3D:
        hook = Config.fromfile(path).default_hooks.checkpoint
        assert hook.get('save_best') is None


def test_schedule_of_the_paper():
    """reference.md 6.2: lr of each epoch."""
    cfg = Config.fromfile(ROOT / 'configs/streams/ntu120'
                          '/hpj_ctrgcn_ntu120.py')
    model = torch.nn.Linear(1, 1)
    optim = build_optim_wrapper(model, cfg.optim_wrapper)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(scheduler, optimizer=optim))
        for scheduler in cfg.param_scheduler
    ]
    rates = []
    for _ in range(65):
        rates.append(optim.param_groups[0]['lr'])
        optim.optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    expected = [.1 * (e + 1) / 5 for e in range(5)] + [.1] * 30 + \
        [.01] * 20 + [.001] * 10
    np.testing.assert_allclose(rates, expected)
    group = optim.param_groups[0]
    assert (group['momentum'], group['weight_decay'], group['nesterov']) == (
        .9, 4e-4, True)
    assert cfg.train_dataloader.batch_size == 64
    assert cfg.auto_scale_lr.base_batch_size == 64


def readme_configs():
    """The configs that configs/streams/README.md shows."""
    text = (ROOT / 'configs/streams/README.md').read_text()
    return re.findall(r'```python\n(.*?)```', text, re.DOTALL)


def test_readme_own_folder(tmp_path, folders):
    code = readme_configs()[0]
    folder = ROOT / 'configs/streams/ntu120'
    child = tmp_path / 'mine.py'
    child.write_text(
        code.replace('../ntu120/', f'{folder}/').replace(
            'data/mine', str(folders['ntu120'])))
    cfg = Config.fromfile(child)
    assert MODELS.build(cfg.model).cls_head.num_classes == 5
    for phase in ('train', 'val', 'test'):
        assert samples(cfg, phase)[1]['inputs'][0].shape[-1] == 96


def test_readme_taps_and_augmentation(tmp_path, folders):
    code = readme_configs()[1]
    base = ROOT / 'configs/streams/nw_ucla/hpj_ctrgcn_nw_ucla.py'
    child = tmp_path / 'mine.py'
    for i, tap in enumerate(TAPS['nw_ucla'], 1):
        code = code.replace(f'TAP{i}', tap)
    child.write_text(code.replace('./hpj_ctrgcn_nw_ucla.py', str(base)))
    cfg = load(child, folders)
    names = [t.type for t in cfg.train_dataloader.dataset.pipeline]
    assert names[:4] == ['LoadPooledFeature', 'RandomTemporalCrop',
                         'FlipJoints', 'ResizeTemporal']
    model = MODELS.build(cfg.model)
    for phase in ('train', 'val', 'test'):
        batch = samples(cfg, phase)[1]
        assert batch['inputs'][0].shape == (1, 1, 32, 17, 288)
    losses = model(**model.data_preprocessor(batch), mode='loss')
    assert np.isfinite(losses['loss_cls'].item())
