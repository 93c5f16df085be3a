"""Every HP-Net config; each kind of them on noise, with towers made small."""
import logging
import pathlib
import re

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.recipes import compose
from hpnet_plugin.recipes.merge import same
from hpnet_plugin.recipes.reading import walk

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / 'configs').glob('hpnet*.py'),
                *(ROOT / 'configs').glob('xclip*.py')])
ABLATIONS = sorted(
    path for path in (ROOT / 'configs/ablations').rglob('*.py')
    if not re.search('_(ctrgcn|mixformer)_', path.stem))
# 49 patches of the real image size: the pipelines stay what they are
SMALL = dict(
    embed_dim=64,
    vision_cfg=dict(
        layers=1, width=64, head_width=32, patch_size=32, image_size=224),
    text_cfg=dict(context_length=20, width=32, heads=2, layers=1))
CLASSES = dict(ntu120=120, ntu60=60, smarthome_cs=31, smarthome_cv=19,
               uav_human=155, nw_ucla=10)


def differences(one, other, path=''):
    """Where two configs differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from differences(one.get(key), other.get(key),
                                   f'{path}.{key}' if path else key)
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) \
            and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other)):
            yield from differences(a, b, f'{path}.{i}')
    elif not same(one, other):
        yield path


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_files(path):
    """A file is a recipe on a benchmark, and nothing else."""
    assert len(path.read_text().splitlines()) <= 8
    recipe, _, benchmark = path.stem.partition('_')
    cfg = Config.fromfile(path).to_dict()
    composed = compose(recipe, benchmark=benchmark or 'ntu120')
    for key, value in composed.items():
        assert same(cfg[key], value) or key == 'default_hooks'
    assert cfg['default_hooks']['checkpoint'].get('save_best') is None
    assert cfg['runner_type'] == 'CheckedRunner'
    if benchmark:
        number = next(CLASSES[name] for name in CLASSES if name in benchmark)
        assert cfg['model']['cls_head']['num_classes'] == number
        assert len(cfg['model']['text']['classes']) == number


def test_nw_ucla_is_of_one_person():
    """D6: it had the people and frames of NTU by accident."""
    cfg = compose('hpnet', benchmark='nw_ucla')
    assert cfg['model']['topology']['model']['num_person'] == 1
    for phase in ('train', 'val', 'test'):
        steps = {one['type']: one for one in cfg[
            f'{phase}_dataloader']['dataset']['pipeline']}
        assert steps['FormatPooledInput']['num_person'] == 1
        assert steps['ResizeTemporal']['length'] == 32
        assert cfg[f'{phase}_dataloader']['dataset']['split'].startswith(
            'xview_')


PIPELINES = {f'{phase}_dataloader.dataset.pipeline.{i}.tap'
             for phase, i in (('train', 1), ('val', 1), ('test', 1))}
ROOTS = {f'{phase}_dataloader.dataset.data_root'
         for phase in ('train', 'val', 'test')}
ALLOWED = dict(
    stage=PIPELINES | {'model.topology.model.in_channels'},
    region=PIPELINES, hrnet=ROOTS, frame=ROOTS,
    lambda01={'model.cls_head.lambdas'}, lambda05={'model.cls_head.lambdas'},
    lambda20={'model.cls_head.lambdas'}, trmm={'model.topology.streams'},
    film={'model.topology.streams', 'model.cls_head.fusion.type'},
    cross_attention={'model.topology.streams', 'model.cls_head.fusion.type'})


@pytest.mark.parametrize('path', ABLATIONS, ids=lambda path: path.stem)
def test_ablations(path):
    """They differ from HP-Net in what they vary alone."""
    cfg = Config.fromfile(path).to_dict()
    benchmark = re.search('(ntu120_xset|ntu120|smarthome_cs)$', path.stem)[0]
    base = Config.fromfile(ROOT / f'configs/hpnet_{benchmark}.py').to_dict()
    found = {path for path in differences(cfg, base)
             if not path.startswith(('composed', 'data_root', 'tap'))}
    allowed = next(ALLOWED[name] for name in ALLOWED
                   if path.stem.startswith(name))
    assert found and found <= allowed


def stepped(cfg, tmp_path):
    """One step of training and one of testing, through the pipelines."""
    cfg = write_synthetic(cfg, tmp_path, clips=2, frames=11)
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
    model.eval()
    with torch.no_grad():
        samples = model.test_step(batches['test'])
    split = cfg.test_dataloader.dataset.split
    assert [s.frame_dir for s in samples] == [f'{split}_0', f'{split}_1']
    assert samples[0].pred_score.shape == (cfg.model.cls_head.num_classes, )
    return [key for key in losses if key in ('loss_j', 'loss_b', 'loss_jm')]


@pytest.mark.parametrize('recipe, benchmark, size', [
    ('hpnet', 'smarthome_cv1', 'full'), ('hpnet', 'nw_ucla_synthetic', None),
    ('xclip', 'uav_human_csv1', None), ('xclip', 'nw_ucla_synthetic', None)])
def test_steps(recipe, benchmark, size, tmp_path):
    cfg = Config(compose(recipe, benchmark=benchmark, size=size))
    if cfg.model.backbone.arch == 'ViT-B-16':
        assert cfg.model.text.arch == 'ViT-B-16'
        cfg.model.backbone.arch = cfg.model.text.arch = SMALL
    assert stepped(cfg, tmp_path) == (
        ['loss_j', 'loss_b', 'loss_jm'] if recipe == 'hpnet' else [])


@pytest.mark.parametrize('path', [path for path in ABLATIONS
                                  if path.parent.name == 'table12'],
                         ids=lambda path: path.stem)
def test_steps_of_fusions(path, tmp_path):
    cfg = Config.fromfile(path)
    cfg.model.backbone.arch = cfg.model.text.arch = SMALL
    assert stepped(cfg, tmp_path) == ['loss_j']


@pytest.mark.parametrize('size', ['full', 'small'])
def test_decay(size, monkeypatch):
    """Every parameter of the real model: its rate and its decay."""
    lines = []
    monkeypatch.setattr(
        MMLogger.get_current_instance(), 'handle',
        lambda record: record.levelno >= logging.INFO and lines.append(
            record.getMessage()))
    cfg = Config.fromfile(ROOT / 'configs/hpnet_ntu120.py')
    if size == 'small':
        cfg = Config(compose('hpnet', benchmark='nw_ucla_synthetic'))
    # sizes are all that is asked for: weights would take 800 MB
    with DefaultScope.overwrite_default_scope('mmaction'), \
            torch.device('meta'):
        model = MODELS.build(cfg.model)
        optim = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
    names = {id(value): name for name, value in model.named_parameters()}
    usual = cfg.optim_wrapper.optimizer
    seen = set()
    for group in optim.optimizer.param_groups:
        for value in group['params']:
            name = names[id(value)]
            seen.add(name)
            embedding = size == 'full' and 'positional_embedding' in name
            decays = value.ndim > 1 and not embedding
            assert group['weight_decay'] == usual.weight_decay * decays, name
            factor = 1
            if size == 'full':
                new = ('topology', 'cls_head.fusion', 'cls_head.classifiers')
                near = ('message_', 'backbone.mit', 'prompts')
                factor = 1e4 if any(key in name for key in new) else \
                    10 if any(key in name for key in near) else 1
            assert group['lr'] == pytest.approx(usual.lr * factor), name
    assert seen == {name for name, value in model.named_parameters()
                    if value.requires_grad}
    line, = lines  # T5: there was one for each tensor
    assert f'{len(seen):,} tensors learn' in line
    flat = [name for name, value in model.named_parameters()
            if value.ndim <= 1 and name.startswith(('topology', 'cls_head'))]
    assert len(flat) > 300  # norms and biases of three graph networks


def test_testing_draws_nothing():
    """Random transforms are for training only."""
    for recipe in ('hpnet', 'xclip'):
        for size in ('full', 'small'):
            cfg = compose(recipe, size=size)
            for phase in ('val', 'test'):
                dataset = cfg[f'{phase}_dataloader']['dataset']
                assert dataset['test_mode']
                for step in walk(dataset['pipeline']):
                    assert step.get('test_mode',
                                    step['type'] != 'LoadPersonCrops')
                names = {step['type'] for step in walk(dataset['pipeline'])}
                assert not names & {'FlipJoints', 'RandomApply',
                                    'ClipGrayscale'}


def test_released_options_by_config_alone():
    """design.md 4: what the released code does differently."""
    cfg = Config(compose('hpnet', benchmark='nw_ucla'))
    cfg.model.backbone.arch = cfg.model.text.arch = SMALL
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
