"""hpnet train, test and config: names, settings, refusals, runs."""
import os
import pickle

import pytest
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.cli import main
from hpnet_plugin.commands import settled
from hpnet_plugin.commands.names import (
    UnknownNameError,
    config_files,
    find_config,
    short_names,
)
from hpnet_plugin.commands.test import find_run
from hpnet_plugin.facts import read_facts
from hpnet_plugin.recipes import SettingError, compose

STOCK = 'mmaction::skeleton/stgcnpp/stgcnpp_8xb16-joint-u100-80e_ntu60-' \
    'xsub-keypoint-2d'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A dataset folder of noise: ten classes, train and test."""
    folder = tmp_path_factory.mktemp('noise') / 'mine'
    write_synthetic(Config(compose(
        'stream', benchmark='nw_ucla_synthetic', size='small')), folder)
    return str(folder)


def test_every_name_is_a_config_that_is_there():
    for name, (recipe, settings) in short_names().items():
        named = find_config(name)
        assert (named.recipe, named.settings) == (recipe, settings)
        assert os.path.isfile(named.path), name
    assert {'hp_j', 'pose3d_bm', 'rgb_j', 'simcc_j', 'hpnet', 'xclip',
            'posec3d', 'rgbpose'} <= set(short_names())
    assert len(config_files()) > 80


def test_names_of_small_recipes(root, folder):
    """Each with its folder; the stream of that name stays what it was."""
    assert find_config('hp_j').path == str(root / 'configs/stream.py')
    named = find_config('small/hp_j')
    assert named.path == str(root / 'configs/small/hp_j.py')
    job = settled.settle(named, dict(data_root=folder), ['epochs=3'])
    assert job.work_dir == 'work_dirs/small_hp_j_linear_mine'
    config = job.config
    assert (config.stream, config.size, config.data_root) == (
        'hp_j', 'small', folder)
    assert config.train_cfg.max_epochs == 3
    plain = settled.settle(find_config('hp_j'), dict(
        data_root=folder, size='small'),
        ['epochs=3', 'net=linear', 'methods=squares']).config
    assert config.model == plain.model
    with pytest.raises(UnknownNameError, match='closest: .*small/pose_j'):
        find_config('small/pose_jj')


def test_names_of_files(root):
    path = root / 'configs/hpnet_ntu120.py'
    for name in ('hpnet_ntu120', 'hpnet_ntu120.py', str(path)):
        assert find_config(name).path == str(path)
        assert find_config(name).name == 'hpnet_ntu120'
    assert find_config(STOCK).path.endswith(
        'mmaction/.mim/configs/' + STOCK.split('::')[1] + '.py')
    with pytest.raises(UnknownNameError, match='closest: hp_j, '):
        find_config('hp_jj')
    with pytest.raises(UnknownNameError, match='closest: skeleton/stgcnpp/'):
        find_config(STOCK[:-3])
    with pytest.raises(UnknownNameError, match='no package nothing'):
        find_config('nothing::x')


def test_settings_and_words(folder):
    """A word changes what follows from the settings, lists and all."""
    job = settled.settle(
        find_config('pose_b'), dict(data_root=folder, size='small',
                                    net='stgcn'),
        ['frames=8', 'train_dataloader.batch_size=3'])
    config = job.config
    assert (config.stream, config.model.backbone.type) == ('pose_b', 'STGCN')
    assert config.model.cls_head.num_classes == 10
    assert config.train_dataloader.batch_size == 3
    assert dict(type='ResizeTemporal', length=8) in \
        config.train_dataloader.dataset.pipeline
    assert config.train_dataloader.dataset.data_root == folder
    assert job.work_dir == 'work_dirs/pose_b_stgcn_small_mine'


@pytest.mark.parametrize('name, given, words, text', [
    ('hp_j', dict(net='ctrgn'), [], "net='ctrgn'.*ctrgcn"),
    ('hp_j', dict(benchmark='ntu'), [], 'ntu120'),
    ('hp_j', {}, ['train_dataloder.batch_size=1'], 'train_dataloader'),
    ('hp_j', {}, ['epochs'], 'expected KEY=VALUE'),
    (STOCK, dict(net='stgcn'), [], 'this package.s own'),
])
def test_refusals(name, given, words, text):
    with pytest.raises(settled.REFUSALS, match=text):
        settled.settle(find_config(name), given, words)


def test_nothing_is_imported_to_refuse(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['train', 'hp_j', '--data', 'none']) == 2
    assert 'none/annotations.pkl: no such file' in capsys.readouterr().err
    assert main(['test', 'hp_j']) == 2
    assert 'name a checkpoint' in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_stock_config_takes_the_folder(folder):
    job = settled.settle(find_config(STOCK), dict(data_root=folder))
    config, facts = job.config, read_facts(folder)
    assert config.model.cls_head.num_classes == len(facts.classes) == 10
    train = config.train_dataloader.dataset.dataset  # a RepeatDataset's
    test = config.test_dataloader.dataset
    assert train.ann_file == test.ann_file == f'{folder}/annotations.pkl'
    assert (train.split, test.split) == (facts.use['train'],
                                         facts.use['test'])
    assert job.work_dir.endswith('_mine')
    assert config.runner_type == 'CheckedRunner'
    with DefaultScope.overwrite_default_scope('mmaction'):
        assert len(DATASETS.build(test)) == 4
    with pytest.raises(SettingError, match='reads no PoseDataset'):
        settled.settle(find_config(
            'mmaction::recognition/tsn/tsn_imagenet-pretrained-r50_8xb32-'
            '1x1x3-100e_kinetics400-rgb'), dict(data_root=folder))


def test_train_and_test(folder, tmp_path, monkeypatch, capfd):
    """One epoch of four clips, then the test of the work dir."""
    monkeypatch.chdir(tmp_path)
    assert main(['train', 'hp_j', '--data', folder, '--small', '--seed', '0',
                 '--cfg-options', 'epochs=2', 'frames=8']) == 0
    run = tmp_path / 'work_dirs/hp_j_ctrgcn_small_mine'
    assert (run / 'hp_j.py').is_file() and (run / 'epoch_2.pth').is_file()
    said = capfd.readouterr()
    shown = said.out + said.err
    assert 'Environment, config and hooks are in the log file' in shown
    assert 'custom_imports' not in shown and 'PyTorch compiling' not in shown
    before, _, after = shown.partition('Epoch(train) [1]')
    assert len(before.splitlines()) < 20
    for line in ('model: RecognizerGCN with CTRGCN, 0.40 M parameters',
                 f'training data: {folder}, split train, 4 samples of 10 '
                 'classes', 'length: 2 epochs of 1 step', f'results: {run}'):
        assert line in before
    assert 'Epoch(train) [2][1/1]' in after  # an epoch of one step is logged
    for noise in ('FileClient', 'videos remain', 'Exp name'):
        assert noise not in shown
    log, = run.glob('*/*.log')
    assert 'custom_imports' in log.read_text()
    assert 'VERY_HIGH' in log.read_text()  # hooks by priority
    assert main(['test', str(run), '--dump', 'hp_j.pkl']) == 0
    with open('hp_j.pkl', 'rb') as file:
        assert len(pickle.load(file)) == 4
    # a folder that was moved
    moved = run.rename(tmp_path / 'moved')
    assert find_run(str(moved), None) == (
        str(moved / 'hp_j.py'), str(moved / 'epoch_2.pth'))


def test_files_that_are_no_configs(tmp_path, capsys):
    (tmp_path / 'text.py').write_text('this is text')
    (tmp_path / 'empty.py').touch()
    for command in ('train', 'config', 'cost'):
        for name, message in (('text', 'cannot be read as a config: '),
                              ('empty', 'describes no model')):
            assert main([command, str(tmp_path / f'{name}.py')]) == 2
            said = capsys.readouterr().err
            assert said.startswith(f'hpnet {command}: ') and message in said


def test_a_launcher_that_did_not_start_it(capsys, monkeypatch):
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(SystemExit) as end:
        main(['train', 'hp_j', '--launcher', 'pytorch'])
    assert end.value.code == 2
    assert 'torchrun has not started' in capsys.readouterr().err


def test_runs_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match='holds no config'):
        find_run(str(tmp_path), None)
    (tmp_path / 'hp_j.py').touch()
    with pytest.raises(FileNotFoundError, match='holds no checkpoint'):
        find_run(str(tmp_path), None)
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        find_run(str(tmp_path), 'none.pth')


def test_config_is_printed(capsys):
    assert main(['config', 'hp_b', '--benchmark', 'ntu60_xsub']) == 0
    found = Config.fromstring(capsys.readouterr().out, '.py')
    assert (found.stream, found.model.cls_head.num_classes) == ('hp_b', 60)
