"""A setting that is changed later takes effect, and nothing else is lost."""
from dataclasses import replace

import pytest
from mmengine.config import Config

from hpnet_plugin.facts import Facts, benchmark_facts, write_facts
from hpnet_plugin.recipes import (
    SettingError,
    compose,
    model_settings,
    recompose,
)
from hpnet_plugin.recipes.checks import ConfigError
from hpnet_plugin.recipes.current import current_config
from hpnet_plugin.recipes.merge import merge3, same


def test_merge():
    old = dict(a=1, b=dict(c=[1, 2], d=3, gone=0), e=5, f=6)
    mine = dict(a=9, b=dict(c=[1, 2], d=[4], mine=7), e=5, h=dict(i=1))
    new = dict(a=2, b=dict(c=[3], d=4, gone=1, more=8), e=0, f=0, h=dict(j=2))
    assert merge3(old, mine, new) == dict(
        a=9,  # changed by hand
        b=dict(c=[3], d=[4], more=8, mine=7),  # gone: deleted by hand
        e=0, h=dict(i=1, j=2))
    assert merge3(old, old, new) == new
    assert merge3(old, mine, old) == dict(mine)
    # what the new one no longer has goes, unless it was changed
    assert merge3(dict(a=1, b=2), dict(a=1, b=3), {}) == dict(b=3)


def test_tuples_are_lists():
    assert same(dict(a=(1, [2])), dict(a=[1, (2, )]))
    assert not same([1], [1, 2]) and not same(dict(a=1), dict(b=1))


@pytest.mark.parametrize('recipe, before, after', [
    ('stream', dict(), dict(stream='pose3d_bm')),
    ('stream', dict(net='stgcn'), dict(net='mixformer')),
    ('stream', dict(stream='hp_b'), dict(benchmark='nw_ucla_synthetic')),
    ('stream', dict(), dict(size='small', benchmark='smarthome_cv2')),
    ('hpnet', dict(), dict(benchmark='uav_human_csv2')),
    ('hpnet', dict(), dict(size='small')),
    ('hpnet', dict(size='small', benchmark='nw_ucla'), dict(size='full')),
    ('xclip', dict(), dict(benchmark='ntu60_xview', epochs=12)),
])
def test_changed_settings(recipe, before, after):
    """What is changed later is as if it had been said at first."""
    config = compose(recipe, **before)
    assert recompose(config) == config
    assert recompose({**config, **after}) == compose(
        recipe, **{**before, **after})


def test_another_recipe():
    assert recompose({**compose('hpnet', benchmark='ntu60_xsub'),
                      'recipe': 'xclip'}) == compose(
                          'xclip', benchmark='ntu60_xsub')


def test_changes_by_hand_stay():
    config = compose('stream')
    config['model']['backbone']['graph'] = 'released'
    config['train_dataloader'].update(batch_size=24, drop_last=True)
    config['train_dataloader']['dataset']['pipeline'].insert(
        1, dict(type='DropFrames'))
    config['optim_wrapper']['type'] = 'AmpOptimWrapper'
    config['val_dataloader'] = config['val_cfg'] = None  # --no-validate
    del config['auto_scale_lr']
    config['mine'] = 1
    pipeline = config['train_dataloader']['dataset']['pipeline']
    got = recompose({**config, 'net': 'mixformer', 'benchmark': 'nw_ucla'})
    wanted = compose('stream', net='mixformer', benchmark='nw_ucla')
    assert got['model']['backbone'] == dict(
        wanted['model']['backbone'], graph='released')
    assert got['train_dataloader']['dataset']['split'] == 'xview_train_full'
    assert got['train_dataloader']['dataset']['pipeline'] == pipeline
    assert got['train_dataloader']['batch_size'] == 24
    assert got['train_dataloader']['num_workers'] == 2
    assert got['train_dataloader']['drop_last']
    assert got['test_dataloader'] == wanted['test_dataloader']
    assert got['optim_wrapper']['type'] == 'AmpOptimWrapper'
    assert got['optim_wrapper']['optimizer']['lr'] == .05
    assert got['val_dataloader'] is got['val_cfg'] is None
    assert 'auto_scale_lr' not in got and got['mine'] == 1
    # once more: what is recomposed can be changed like the first
    again = recompose({**got, 'stream': 'hp_b'})
    assert again['model']['backbone']['graph'] == 'released'
    assert again['mine'] == 1 and again['stream'] == 'hp_b'


def test_max_epochs_is_a_setting():
    config = compose('stream', benchmark='nw_ucla_synthetic')
    config['train_cfg']['max_epochs'] = 8
    assert recompose(config) == compose(
        'stream', benchmark='nw_ucla_synthetic', epochs=8)
    config = compose('stream', benchmark='nw_ucla_synthetic')
    assert recompose({**config, 'epochs': 8}) == compose(
        'stream', benchmark='nw_ucla_synthetic', epochs=8)


def test_a_config_without_settings():
    """Written by hand, or dumped before there were settings."""
    config = dict(model=dict(type='RecognizerGCN'), stream='x', benchmark=7)
    assert recompose(config) is not None
    assert recompose(config) == config


def test_what_cannot_be():
    for changes, message in ((dict(stream='hp_x'), 'closest: hp_'),
                             (dict(recipe='hpnt'), 'closest: hpnet'),
                             (dict(recipe='xclip', people=3),
                              "'xclip' has no setting 'people'")):
        with pytest.raises(SettingError, match=message):
            recompose({**compose('stream'), **changes})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, **changes):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        facts = benchmark_facts('nw_ucla_synthetic')
        write_facts(name, replace(facts, **dict(dict(
            benchmark=None, classes=('walk', 'run'), frames=16), **changes)))

    return write


def test_a_folder_without_labels_is_for_testing(folder):
    """It keeps the classes of what the config was made for."""
    folder('mine')
    folder('new', classes=None, splits={}, use={})
    config = compose('stream', data_root='mine')
    got = recompose({**config, 'data_root': 'new'})
    assert got['model'] == config['model']
    assert got['test_dataloader']['dataset']['data_root'] == 'new'
    assert got['test_dataloader']['dataset']['split'] is None
    assert got['composed']['facts']['classes'] == ('walk', 'run')


def test_the_folder_may_change_or_go(folder, tmp_path):
    """A dumped config is what it was made of, not what is there now."""
    folder('mine')
    config = compose('hpnet', data_root='mine', size='small')
    (tmp_path / 'mine').rename(tmp_path / 'elsewhere')
    assert recompose(config) == config
    got = recompose({**config, 'data_root': 'elsewhere'})
    assert got['model']['text']['classes'] == ['walk', 'run']
    assert got['test_dataloader']['dataset']['data_root'] == 'elsewhere'
    folder('other', classes=('sit', 'jump', 'fall'))
    got = recompose({**config, 'data_root': 'other'})
    assert got['model']['text']['classes'] == ['sit', 'jump', 'fall']
    assert got['model']['cls_head']['num_classes'] == 3


def test_a_dump_is_read_again(tmp_path, root):
    """What the Runner writes beside the checkpoints is the config itself."""
    cfg = Config.fromfile(root / 'configs/hpnet_ntu60_xview.py')
    cfg.merge_from_dict({'model.topology.streams': ('j', ),
                         'size': 'small'})
    cfg = current_config(cfg)
    cfg.dump(tmp_path / 'dump.py')
    again = Config.fromfile(tmp_path / 'dump.py')
    assert same(again.to_dict(), cfg.to_dict())
    assert current_config(again) is again
    again.benchmark = 'ntu120'
    again = current_config(again)
    assert again.model.topology.streams == ('j', )
    assert again.model.cls_head.num_classes == 120


def test_a_child_config(tmp_path, root):
    """Settings and anything else, in a file of one's own."""
    path = tmp_path / 'child.py'
    path.write_text(f"_base_ = '{root}/configs/streams/ntu120/"
                    "hp_j_ctrgcn_ntu120.py'\nbenchmark = 'ntu60_xsub'\n"
                    "net = 'agcn'\n"
                    'model = dict(backbone=dict(gcn_attention=True))\n')
    cfg = current_config(Config.fromfile(path))
    wanted = compose('stream', net='agcn', benchmark='ntu60_xsub')
    wanted['model']['backbone']['gcn_attention'] = True
    for key in wanted:
        assert same(cfg.to_dict()[key], wanted[key]) or \
            key == 'default_hooks', key


@pytest.mark.parametrize('options, work_dir', [
    ({}, 'work_dirs/stream'),
    (dict(stream='hp_b', net='agcn'), 'work_dirs/stream_hp_b_agcn'),
    (dict(benchmark='nw_ucla', people=2), 'work_dirs/stream_nw_ucla_people2'),
    # a longer run continues where the shorter one ended
    (dict(epochs=70), 'work_dirs/stream'),
])
def test_runs_do_not_share_a_folder(root, options, work_dir):
    """Settings on the command line: mim calls the folder by the file."""
    cfg = Config.fromfile(root / 'configs/stream.py')
    cfg.work_dir = './work_dirs/stream'
    cfg.merge_from_dict(options)
    assert current_config(cfg).work_dir.removeprefix('./') == work_dir
    cfg.work_dir = 'somewhere'
    assert current_config(cfg).work_dir == 'somewhere'


@pytest.mark.parametrize('key, message', [
    ('train_dataloder', "the closest is 'train_dataloader'"),
    ('optim_wraper', "the closest is 'optim_wrapper'"),
    ('sream', "the closest is 'stream'"),
    ('data_rot', "the closest is 'data_root'"),
    ('max_epoch', None), ('streams_of_mine', None), ('features', None),
    ('num_classes', None), ('clip_len', None), ('train_pipeline', None),
])
def test_misspelt_keys(key, message):
    cfg = Config({**compose('stream'), key: 1})
    if message is None:
        assert current_config(cfg) is cfg
    else:
        with pytest.raises(ConfigError, match=message):
            current_config(cfg)


def test_settings_of_other_recipes():
    with pytest.raises(ConfigError, match="tap: recipe 'xclip' has no such"):
        current_config(Config({**compose('xclip'), 'tap': 'x'}))


def test_other_data_are_shown_to_the_same_model(tmp_path):
    """What a folder says of people, frames and size is the model's then."""
    folders = []
    for name, people, frames, size, taps in (
            ('mine', 1, 16, 'small', dict(a=8)),
            ('others', 3, 64, 'full', dict(b=4, a=8))):
        folders.append(str(tmp_path / name))
        (tmp_path / name).mkdir()
        write_facts(folders[-1], Facts(
            name, name, folders[-1], ('walk', 'run'), people, frames, taps,
            dict(train=9, test=9), dict(train='train', test='test'),
            size=size))
    for recipe, settings in (('stream', dict(stream='hp_j')), ('hpnet', {})):
        trained = compose(recipe, data_root=folders[0], **settings)
        shown = recompose({**trained, **model_settings(trained),
                           'data_root': folders[1]})
        assert shown['model'] == trained['model']
        assert shown['test_dataloader']['dataset']['data_root'] == folders[1]
