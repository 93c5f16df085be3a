"""Stock configs of mmaction2 on a dataset folder."""
import os
import subprocess
import sys
from pathlib import Path

import mmaction
import pytest
from mmengine.config import Config

from hpnet_plugin import stock
from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.commands.scripts import run_script
from hpnet_plugin.commands.settled import stock_options
from hpnet_plugin.facts import read_facts
from hpnet_plugin.recipes import SettingError, compose

STOCK = Path(mmaction.__file__).parent / '.mim/configs/skeleton'
POSEC3D = 'slowonly_r50_8xb16-u48-240e_ntu60-xsub-keypoint.py'
STGCNPP = 'stgcnpp_8xb16-joint-u100-80e_ntu60-xsub-keypoint-2d.py'
FEW = ['train_cfg.max_epochs=1', 'train_dataloader.dataset.times=1'] + [
    f'{phase}_dataloader.{key}' for phase in ('train', 'val', 'test')
    for key in ('num_workers=0', 'persistent_workers=False')]
SMALL = {
    POSEC3D: ['model.backbone.base_channels=4',
              'model.cls_head.in_channels=64',
              'train_dataloader.dataset.dataset.pipeline.0.clip_len=8',
              'val_dataloader.dataset.pipeline.0.clip_len=8'],
    STGCNPP: ['model.backbone.num_stages=2',
              'model.backbone.down_stages=[2]',
              'model.backbone.inflate_stages=[2]',
              'model.cls_head.in_channels=128'],
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A dataset folder of noise: 17 joints, the classes of NW-UCLA."""
    root = tmp_path_factory.mktemp('stock') / 'mine'
    config = Config(compose('stream', stream='pose_j', benchmark='nw_ucla'))
    write_synthetic(config, str(root), clips=1, frames=10)
    return root


def config_of(name, **changed):
    config = Config.fromfile(next(STOCK.rglob(name)))
    config.merge_from_dict(changed)
    return config


@pytest.mark.parametrize('name', [POSEC3D, STGCNPP])
def test_datasets_and_head_follow_the_folder(folder, name):
    path = str(folder / 'annotations.pkl')
    config = config_of(name, ann_file=path)
    stock.follow(config)
    facts = read_facts(str(folder))
    train = config.train_dataloader.dataset.dataset
    for phase, dataset in (('train', train),
                           ('val', config.val_dataloader.dataset),
                           ('test', config.test_dataloader.dataset)):
        assert dataset.ann_file == path
        assert dataset.split == facts.use[phase]
    assert config.model.cls_head.num_classes == len(facts.classes) == 10


def test_all_other_configs_are_left_as_they_are(folder, tmp_path):
    (tmp_path / 'annotations.pkl').write_bytes(b'')
    for path in ('data/skeleton/ntu60_2d.pkl', str(folder),
                 str(tmp_path / 'annotations.pkl'),
                 str(folder / 'classes.txt'), 3):
        config = config_of(POSEC3D, ann_file=path)
        before = config.to_dict()
        stock.follow(config)
        assert config.to_dict() == before
    own = Config(compose('stream', stream='pose_j', data_root=str(folder)))
    own.ann_file = str(folder / 'annotations.pkl')
    assert stock.folder_of(own) is None


def test_a_phase_without_a_split_is_dropped(folder):
    facts = read_facts(str(folder))
    config = config_of(POSEC3D)
    test_alone = type(facts)(**{
        **vars(facts), 'use': dict(test='test'), 'classes': None})
    changed = stock.settings(config, test_alone)
    assert changed['train_dataloader'] is changed['val_evaluator'] is None
    assert changed['test_dataloader.dataset.split'] == 'test'
    assert 'model.cls_head.num_classes' not in changed


def test_hpnet_train_asks_for_the_same(folder):
    facts = read_facts(str(folder))
    config = config_of(STGCNPP)
    assert stock_options(config, facts) == stock.settings(config, facts)
    with pytest.raises(SettingError, match='reads no PoseDataset'):
        stock_options(dict(model=dict()), facts)


def few(folder, name):
    """Options of a training that is as short as can be."""
    return ['--cfg-options', f'ann_file={folder}/annotations.pkl', *FEW,
            *SMALL[name]]


def test_a_stock_config_trains(folder, tmp_path, monkeypatch):
    """By mmaction2's own script."""
    monkeypatch.setattr(sys, 'argv', sys.argv)
    monkeypatch.chdir(tmp_path)
    assert run_script('train', [next(STOCK.rglob(POSEC3D)), '--work-dir',
                                'run', *few(folder, POSEC3D)]) == 0
    assert (tmp_path / 'run/epoch_1.pth').is_file()
    followed = Config.fromfile(tmp_path / 'run' / POSEC3D)
    assert followed.val_dataloader.dataset.ann_file == \
        str(folder / 'annotations.pkl')
    assert followed.model.cls_head.num_classes == 10


@pytest.mark.slow
def test_mim_trains_a_stock_config_by_its_name(folder, tmp_path, root):
    # what the .pth file of an installation does; where the package that
    # skeletons do not need is not installed, it takes a fifth less time
    (tmp_path / 'sitecustomize.py').write_text(
        'import sys, hpnet_plugin_startup\n'
        'sys.modules.update(mmdet=None)\n')
    done = subprocess.run(
        [sys.executable, '-c', 'from mim.cli import cli; cli()', 'train',
         'mmaction2', STGCNPP, '--gpus', '0', '--work-dir',
         str(tmp_path / 'run'), *few(folder, STGCNPP)],
        cwd=tmp_path, capture_output=True, text=True,
        env=dict(os.environ, PYTHONPATH=f'{tmp_path}:{root}',
                 OMP_NUM_THREADS='1'))
    assert (tmp_path / 'run/epoch_1.pth').is_file(), \
        done.stdout[-3000:] + done.stderr[-3000:]
    assert 'mine: 10 classes; train ' in done.stdout + done.stderr
