"""Every PoseConv3D config, on noise, with inputs made small."""
import pathlib
import random
import re
import runpy
import sys

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import DumpResults
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.synthetic import innermost, walk, write_synthetic

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'configs/posec3d'
CONFIGS = sorted(path for path in FOLDER.rglob('*.py')
                 if '_base_' not in path.parts)
# folder of the data, protocol, classes
BENCHMARKS = dict(
    ntu120=('ntu120', 'xsub', 120), ntu120_xset=('ntu120', 'xset', 120),
    ntu60_xsub=('ntu60', 'xsub', 60), ntu60_xview=('ntu60', 'xview', 60),
    smarthome_cs=('smarthome', 'cs', 31),
    smarthome_cv1=('smarthome_cv', 'cv1', 19),
    smarthome_cv2=('smarthome_cv', 'cv2', 19),
    uav_human_csv1=('uav_human', 'csv1', 155),
    uav_human_csv2=('uav_human', 'csv2', 155),
    nw_ucla=('nw_ucla', 'xview', 10), nw_ucla_small=('nw_ucla', None, 10),
    ucf101=('ucf101', 'split1', 101))
STOCK = 'mmaction::skeleton/posec3d/slowonly_r50_8xb16-u48-240e_ntu60-xsub-'


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


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_steps(path, tmp_path):
    """The benchmark's data; one step of training and one of testing."""
    cfg = Config.fromfile(path)
    folder, protocol, classes = BENCHMARKS[path.parent.name]
    start = f'{protocol}_' if protocol else ''
    splits = [start + ('train_full' if protocol else 'train'),
              f'{start}test', f'{start}test']
    for phase, split in zip(('train', 'val', 'test'), splits):
        dataset = innermost(cfg[f'{phase}_dataloader'].dataset)
        assert dataset.data_root == f'data/{folder}'
        assert (dataset.ann_file, dataset.split) == ('annotations.pkl', split)
        assert 'ntu60_2d' not in str(dataset)  # the toolbox's own file
    assert cfg.default_hooks.checkpoint.save_best is None

    cfg = write_synthetic(shrink(cfg), tmp_path, clips=2, frames=9)
    model = MODELS.build(cfg.model)
    optim = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
    train, test = samples(cfg, 'train'), samples(cfg, 'test')
    if path.stem.startswith('rgbpose'):
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
    assert [r.frame_dir for r in results] == [f'{splits[2]}_0',
                                              f'{splits[2]}_1']
    found = results[0].pred_score
    for score in found.values() if isinstance(found, dict) else [found]:
        assert score.shape == (classes, )
        assert not torch.allclose(score.sum(), torch.tensor(1.))  # logits


def test_every_benchmark_has_joints_and_limbs():
    stems = {path.stem for path in CONFIGS}
    for name in BENCHMARKS:
        for kind in ('joint', 'limb'):
            assert f'posec3d_{kind}_slowonly_{name}' in stems
    assert all(path.stem.endswith(f'_{path.parent.name}') for path in CONFIGS)


@pytest.mark.parametrize('kind, stock', [('joint', 'keypoint'),
                                         ('limb', 'limb')])
def test_volumes_are_the_toolboxs(kind, stock, tmp_path):
    """What the toolbox's own config makes of the same clip."""
    ours = write_synthetic(
        Config.fromfile(FOLDER / 'ntu60_xsub'
                        / f'posec3d_{kind}_slowonly_ntu60_xsub.py'),
        tmp_path, clips=1, frames=60)
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
        assert ours[key] == theirs[key]


def test_one_clip_by_options(tmp_path):
    """The options of the README."""
    text = (FOLDER / 'README.md').read_text()
    options = re.search(r'--cfg-options ([^`]*?)\n```', text)[1]
    cfg = Config.fromfile(FOLDER / 'nw_ucla_small'
                          / 'posec3d_joint_slowonly_nw_ucla_small.py')
    write_synthetic(cfg, tmp_path, clips=1)
    assert shapes(samples(cfg, 'test', 1))['volume'][0] == 20
    cfg.merge_from_dict({
        key: eval(value) for key, value in (
            option.split('=') for option in options.replace('\\', '').split())
    })
    assert shapes(samples(cfg, 'test', 1))['volume'][0] == 1


def test_late_fusion(tmp_path, monkeypatch):
    """Dumps of all kinds of nets are fused by the clip's name."""
    dumps = []
    for stem in ('posec3d_joint_c3dlight', 'rgbpose_conv3d'):
        cfg = shrink(Config.fromfile(
            FOLDER / f'nw_ucla_small/{stem}_nw_ucla_small.py'))
        write_synthetic(cfg, tmp_path / stem, clips=2)
        model = MODELS.build(cfg.model).eval()
        dumps.append(tmp_path / f'{stem}.pkl')
        dump = DumpResults(str(dumps[-1]))
        with torch.no_grad():
            results = model.test_step(samples(cfg, 'test'))
        dump.process(None, [result.to_dict() for result in results])
        dump.evaluate(2)
    out = tmp_path / 'fused.json'
    monkeypatch.setattr(sys, 'argv', [
        'fuse.py', f'{dumps[0]}:2', f'{dumps[1]}#rgb', f'{dumps[1]}#pose',
        '--json', str(out)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / 'tools/fuse.py'), run_name='__main__')
    assert end.value.code in (0, None)
    assert out.is_file()
