"""PoseC3D and RGBPose-Conv3D, on noise, with inputs made small."""
import random
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import DumpResults
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.evaluation.fusion import read_streams
from hpnet_plugin.facts import (
    benchmark_facts,
    benchmark_names,
    read_facts,
    write_facts,
)
from hpnet_plugin.recipes import compose
from hpnet_plugin.recipes.reading import innermost, walk
from hpnet_plugin.reproduction.runs import Run
from hpnet_plugin.runner import current_config

# every volume and every net, each size once
SETTINGS = [
    *(dict(volumes=volumes, net=net, benchmark='nw_ucla_synthetic')
      for volumes in ('joint', 'limb', 'heatmap')
      for net in ('slowonly', 'c3dlight', 'x3dshallow')),
    *(dict(volumes=volumes, benchmark='ntu120')
      for volumes in ('joint', 'limb', 'heatmap')),
    *(dict(net=net, benchmark='ntu120') for net in ('c3dlight', 'x3dshallow')),
    dict(benchmark='ucf101'),
    *(dict(fusion=fusion, benchmark='nw_ucla_synthetic')
      for fusion in ('both', 'rgb_to_pose', 'pose_to_rgb', 'none')),
    dict(fusion='both', benchmark='ntu60_xview'),
]
STOCK = 'mmaction::skeleton/posec3d/slowonly_r50_8xb16-u48-240e_ntu60-xsub-'


def composed(**settings):
    return Config(compose('rgbpose' if 'fusion' in settings else 'posec3d',
                          **settings))


@pytest.fixture(autouse=True)
def mmaction_scope():
    """What the Runner does with default_scope."""
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


def shrink(cfg):
    """A few frames of 16 pixels (RGB: 64), and two views in testing."""
    for phase in ('train', 'val', 'test'):
        dataset = innermost(cfg[f'{phase}_dataloader'].dataset)
        dataset.serialize_data = False  # it collects garbage, half a second
        size = 64 if dataset.pipeline[0].type.startswith('MM') else 16
        for step in walk(dataset.pipeline):
            if 'clip_len' in step:
                step.clip_len = 4 if size == 16 else dict(RGB=1, Pose=4)
            if step.get('num_clips', 1) > 1:
                step.num_clips = 2
            if step.type == 'Resize':
                step.scale = tuple(min(n, size) for n in step.scale)
            if step.type == 'CenterCrop':
                step.crop_size = size
    return cfg


def samples(cfg, phase, number=2):
    dataset = DATASETS.build(cfg[f'{phase}_dataloader'].dataset)
    return pseudo_collate([dataset[i] for i in range(number)])


def shapes(batch):
    inputs = batch['inputs']
    return {key: tuple(value[0].shape) for key, value in (
        inputs if isinstance(inputs, dict) else dict(volume=inputs)).items()}


@pytest.mark.parametrize('settings', SETTINGS,
                         ids=lambda s: '-'.join(map(str, s.values())))
def test_steps(settings, tmp_path):
    """One step of training and one of testing."""
    cfg = composed(**settings)
    classes = len(benchmark_facts(settings['benchmark']).classes)
    cfg = write_synthetic(shrink(cfg), tmp_path, clips=2, frames=9)
    model = MODELS.build(cfg.model)
    optim = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
    train, test = samples(cfg, 'train'), samples(cfg, 'test')
    if 'fusion' in settings:
        assert shapes(train) == dict(imgs=(1, 3, 1, 64, 64),
                                     heatmap_imgs=(1, 17, 4, 16, 16))
        assert shapes(test) == dict(imgs=(2, 3, 1, 64, 64),
                                    heatmap_imgs=(2, 17, 4, 16, 16))
    else:
        assert shapes(train) == dict(volume=(1, 17, 4, 16, 16))
        # two clips, as they are and mirrored
        assert shapes(test) == dict(volume=(4, 17, 4, 16, 16))
    losses = model.train_step(train, optim)
    assert np.isfinite(losses['loss'].item())
    model.eval()
    with torch.no_grad():
        results = model.test_step(test)
    split = innermost(cfg.test_dataloader.dataset).split
    assert [r.frame_dir for r in results] == [f'{split}_0', f'{split}_1']
    found = results[0].pred_score
    for score in found.values() if isinstance(found, dict) else [found]:
        assert score.shape == (classes, )
        assert not torch.allclose(score.sum(), torch.tensor(1.))  # logits


@pytest.mark.parametrize('name', benchmark_names())
@pytest.mark.parametrize('recipe', ['posec3d', 'rgbpose'])
def test_data_is_the_benchmarks(recipe, name):
    cfg, facts = Config(compose(recipe, benchmark=name)), benchmark_facts(name)
    for phase in ('train', 'val', 'test'):
        dataset = innermost(cfg[f'{phase}_dataloader'].dataset)
        assert dataset.data_root == facts.folder
        assert dataset.split == facts.use[phase]
        assert dataset.ann_file == 'annotations.pkl'
        assert 'ntu60_2d' not in str(dataset)  # the toolbox's own file
    assert cfg.model.cls_head.num_classes == len(facts.classes)
    # the last epoch counts: the best would be chosen on the test split
    assert 'save_best' not in str(cfg.get('default_hooks'))


def without_scope(value):
    if isinstance(value, dict):
        return {key: without_scope(item) for key, item in value.items()
                if key != '_scope_'}
    return [without_scope(item) for item in value] \
        if isinstance(value, list) else value


def graphs(net):
    """Which pathway has layers that take the other's features."""
    return {path: any('_lateral' in name for name, _ in
                      getattr(net, f'{path}_path').named_modules())
            for path in ('rgb', 'pose')}


@pytest.mark.parametrize('fusion, taken', [
    ('both', (True, True)), ('rgb_to_pose', (False, True)),
    ('pose_to_rgb', (True, False)), ('none', (False, False))])
def test_directions_of_early_fusion(fusion, taken):
    net = MODELS.build(composed(fusion=fusion, benchmark='nw_ucla_synthetic'
                                ).model.backbone)
    assert graphs(net) == dict(rgb=taken[0], pose=taken[1])


@pytest.mark.parametrize('recipe', ['posec3d', 'rgbpose'])
def test_own_folder_by_one_setting(recipe, root, tmp_path):
    """Classes and splits are the folder's."""
    folder = tmp_path / 'mine'
    own = Config(compose(recipe, benchmark='nw_ucla_synthetic'))
    write_synthetic(own, folder, clips=5)
    write_facts(folder, replace(read_facts(folder), classes=tuple('abcde')))
    cfg = Config.fromfile(root / f'configs/{recipe}.py')
    cfg.merge_from_dict(dict(data_root=str(folder), size='small'))
    cfg = current_config(cfg)
    assert cfg.model.cls_head.num_classes == 5
    for phase, split in (('train', 'train'), ('test', 'test')):
        dataset = innermost(cfg[f'{phase}_dataloader'].dataset)
        assert (dataset.data_root, dataset.split) == (str(folder), split)
    assert DATASETS.build(cfg.test_dataloader.dataset)[0]


def test_schedules_follow_the_epochs(root):
    cfg = Config.fromfile(root / 'configs/posec3d.py')
    cfg.merge_from_dict({'train_cfg.max_epochs': 6})
    cfg = current_config(cfg)
    assert cfg.param_scheduler[0].T_max == cfg.train_cfg.max_epochs == 6
    cfg = composed(benchmark='ucf101', epochs=24)
    assert cfg.param_scheduler[0].milestones == [18, 22]
    cfg = composed(benchmark='nw_ucla_synthetic', epochs=24)
    assert cfg.train_cfg.max_epochs == 24


@pytest.mark.parametrize('kind, stock', [('joint', 'keypoint'),
                                         ('limb', 'limb')])
def test_volumes_are_the_toolboxs(kind, stock, tmp_path):
    """What the toolbox's own config makes of the same clip."""
    ours = write_synthetic(
        composed(volumes=kind, benchmark='ntu60_xsub'), tmp_path, clips=1,
        frames=60)
    (tmp_path / 'stock.py').write_text(f"_base_ = '{STOCK}{stock}.py'")
    theirs = Config.fromfile(tmp_path / 'stock.py')
    for phase in ('train', 'test'):
        volumes = []
        for cfg in (ours, theirs):
            dataset = innermost(cfg[f'{phase}_dataloader'].dataset)
            for key in ('data_root', 'ann_file', 'split'):
                dataset[key] = innermost(
                    ours[f'{phase}_dataloader'].dataset)[key]
            dataset.pipeline[0].num_clips = 1
            np.random.seed(0)
            random.seed(0)  # of RandomResizedCrop
            volumes.append(DATASETS.build(dataset)[0]['inputs'])
        assert torch.equal(*volumes)
        assert volumes[0].sum() > 0
    assert ours.model.backbone == theirs.model.backbone
    for key in ('optim_wrapper', 'train_cfg', 'param_scheduler'):
        # mmengine notes where a base is from
        assert without_scope(ours[key]) == without_scope(theirs[key])


def test_one_clip_by_options(root, tmp_path):
    """The options of the README."""
    text = (root / 'configs/posec3d/README.md').read_text()
    options = re.search(r'mim test … --cfg-options ([^`]*?)\n```',
                        text)[1]
    cfg = composed(benchmark='nw_ucla_synthetic')
    write_synthetic(cfg, tmp_path, clips=1)
    assert shapes(samples(cfg, 'test', 1))['volume'][0] == 20
    cfg.merge_from_dict({
        key: eval(value) for key, value in (
            option.split('=') for option in options.replace('\\', '').split())
    })
    assert shapes(samples(cfg, 'test', 1))['volume'][0] == 1


def test_late_fusion(tmp_path):
    """Dumps of all kinds of nets are fused by the clip's name."""
    dumps = []
    for name, settings in dict(posec3d=dict(net='c3dlight'),
                               rgbpose=dict(fusion='both')).items():
        cfg = shrink(composed(benchmark='nw_ucla_synthetic', **settings))
        write_synthetic(cfg, tmp_path / name, clips=2)
        model = MODELS.build(cfg.model).eval()
        dumps.append(tmp_path / f'{name}.pkl')
        dump = DumpResults(str(dumps[-1]))
        with torch.no_grad():
            results = model.test_step(samples(cfg, 'test'))
        dump.process(None, [result.to_dict() for result in results])
        dump.evaluate(2)
    joined, weights = read_streams([
        f'{dumps[0]}:2', f'{dumps[1]}#rgb', f'{dumps[1]}#pose'])
    assert joined.scores.shape == (3, 2, 10) and weights == [2, 1, 1]
    # a table adds the two scores of one dump
    added = Run('rgbpose.py', 0, tmp_path, streams=('rgb', 'pose'))
    (tmp_path / 'scores.pkl').symlink_to(dumps[1])
    np.testing.assert_allclose(
        added.read().scores, joined.scores[1] + joined.scores[2], rtol=1e-5)
