"""Every HP-Net config, on noise in its shape, with towers made small."""
import pathlib
import re

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.synthetic import walk, write_synthetic
from hpnet_plugin.datasets.classes import class_names

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIGS = sorted([
    *(ROOT / 'configs').glob('*net_*.py'), *(ROOT / 'configs').glob('xcl*.py'),
    *(path for path in (ROOT / 'configs/ablations').rglob('*.py')
      if not re.search('_(ctrgcn|mixformer)_', path.stem))])
# 49 patches of the real image size: the pipelines stay what they are
SMALL = dict(
    embed_dim=64,
    vision_cfg=dict(
        layers=1, width=64, head_width=32, patch_size=32, image_size=224),
    text_cfg=dict(context_length=20, width=32, heads=2, layers=1))
CLASSES = dict(ntu120=120, ntu60=60, smarthome_cs=31, smarthome_cv=19,
               uav_human=155, nw_ucla=10)


def load(path):
    cfg = Config.fromfile(path)
    if isinstance(cfg.model.backbone.arch, str):
        assert cfg.model.backbone.arch == cfg.model.text.arch == 'ViT-B-16'
        cfg.model.backbone.arch = cfg.model.text.arch = SMALL
    return cfg


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_steps(path, tmp_path):
    """One step of training and one of testing, through the pipelines."""
    cfg = write_synthetic(load(path), tmp_path, clips=2, frames=11)
    benchmark = next(name for name in CLASSES if name in path.stem)
    assert len(class_names(cfg.model.text.classes)) == CLASSES[benchmark]
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg.model)
        optim = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
        batches = {}
        for phase in ('train', 'test'):
            dataset = DATASETS.build(cfg[f'{phase}_dataloader'].dataset)
            batches[phase] = pseudo_collate([dataset[0], dataset[1]])
    for _ in range(3):  # what is tested is always the same
        again = dataset[1]['inputs']
        for key, value in batches['test']['inputs'].items():
            assert torch.equal(again[key], value[1])
    losses = model.train_step(batches['train'], optim)
    assert all(np.isfinite(value.item()) for value in losses.values())
    streams = [key for key in losses if key in ('loss_j', 'loss_b', 'loss_jm')]
    if 'xclip' in path.stem:
        assert not streams
    elif 'hpnet' in path.stem:
        assert streams == ['loss_j', 'loss_b', 'loss_jm']
    else:
        assert streams == ['loss_j']
    model.eval()
    with torch.no_grad():
        samples = model.test_step(batches['test'])
    split = cfg.test_dataloader.dataset.split
    assert [s.frame_dir for s in samples] == [f'{split}_0', f'{split}_1']
    assert samples[0].pred_score.shape == (CLASSES[benchmark], )


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_testing_draws_nothing(path):
    """Random transforms are for training only."""
    cfg = Config.fromfile(path)
    for phase in ('val', 'test'):
        dataset = cfg[f'{phase}_dataloader'].dataset
        assert dataset.test_mode
        for step in walk(dataset.pipeline):
            assert step.get('test_mode', step['type'] != 'LoadPersonCrops')
        names = {step['type'] for step in walk(dataset.pipeline)}
        assert not names & {'FlipJoints', 'RandomApply', 'TorchVisionWrapper'}
    assert cfg.default_hooks.checkpoint.get('save_best') is None


def test_protocols():
    """Siblings read other splits, or other folders."""
    seen = {}
    for path in (ROOT / 'configs').glob('hpnet_*.py'):
        if path.stem.endswith('_small'):
            continue  # its splits are not those of a protocol
        cfg = Config.fromfile(path)
        where = [(d.data_root, re.sub('train(_full)?|test', '', d.split))
                 for d in (cfg.train_dataloader.dataset,
                                   cfg.val_dataloader.dataset,
                                   cfg.test_dataloader.dataset)]
        assert len(set(where)) == 1, path
        assert where[0] not in seen, (path, seen[where[0]])
        seen[where[0]] = path
        folder, protocol = where[0]
        if protocol:
            assert path.stem.endswith(protocol.strip('_')) or \
                path.stem in ('hpnet_ntu120', 'hpnet_nw_ucla')
    assert len(seen) == 10


def test_batch_of_the_paper():
    cfg = Config.fromfile(ROOT / 'configs/hpnet_ntu120.py')
    assert cfg.train_dataloader.batch_size * \
        cfg.optim_wrapper.accumulative_counts == 64


def test_released_options_by_config_alone(tmp_path):
    """design.md 4: what the released code does differently."""
    cfg = load(ROOT / 'configs/hpnet_nw_ucla.py')
    cfg.merge_from_dict({
        'model.topology.streams': ('jm', 'jm', 'b'),
        'model.topology.graph': 'released',
        'model.topology.model.graph': 'released',
        'model.cls_head.fusion.eta': 'text',
        'model.cls_head.fusion.mlp': 'released',
        'model.cls_head.fusion.init': 'released',
        'model.data_preprocessor.blending.mix': ('rgb', ),
    })
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(cfg.model)
    assert model.cls_head.streams == ('jm', 'jm_2', 'b')
    assert model.data_preprocessor.blending.keys == ('imgs', )
