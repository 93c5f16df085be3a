"""Configs are composed from facts and settings."""
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmaction.registry import PARAM_SCHEDULERS
from mmengine.optim import build_optim_wrapper

from hpnet_plugin.facts import Facts, benchmark_facts, write_facts
from hpnet_plugin.recipes import RECIPES, SettingError, compose
from hpnet_plugin.recipes.merge import own, same
from hpnet_plugin.recipes.reading import walk
from hpnet_plugin.recipes.schedules import SCHEDULES, adamw, sgd

H2 = 'backbone.stage4.0.branches.1'


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Facts of a folder data/mine, and a function that writes them."""
    monkeypatch.chdir(tmp_path)
    facts = Facts(
        name='mine', title='Mine', folder='data/mine',
        classes=('walk', 'run', 'sit'), people=1, frames=32,
        taps={'net.h2': 40, 'net.h3': 24, 'net.h2@3': 40},
        splits=dict(train=90, val=20, test=40),
        use=dict(train='train', val='val', test='test'), schedule='short')
    (tmp_path / 'data/mine').mkdir(parents=True)

    def write(**changes):
        write_facts('data/mine', replace(facts, **changes))

    write()
    return write


def pipeline(config, phase='train'):
    return config[f'{phase}_dataloader']['dataset']['pipeline']


def step(config, name, phase='train'):
    return next(one for one in pipeline(config, phase) if one['type'] == name)


def test_a_folder_is_one_setting(mine):
    config = compose('stream', stream='hp_b', data_root='data/mine')
    net, head = (config['model'][key] for key in ('backbone', 'cls_head'))
    assert (net['in_channels'], net['num_person']) == (40, 1)
    assert head['num_classes'] == 3
    assert step(config, 'LoadPooledFeature')['tap'] == 'net.h2'
    assert step(config, 'ResizeTemporal')['length'] == 32
    assert step(config, 'FormatPooledInput')['num_person'] == 1
    for phase in ('train', 'val', 'test'):
        dataset = config[f'{phase}_dataloader']['dataset']
        assert (dataset['data_root'], dataset['split']) == ('data/mine', phase)
    assert config['train_cfg']['max_epochs'] == 30  # the short schedule
    assert config['benchmark'] is None  # nothing is ntu120's

    config = compose('hpnet', data_root='data/mine')
    assert config['model']['text']['classes'] == ['walk', 'run', 'sit']
    blending = config['model']['data_preprocessor']['blending']
    assert blending['num_classes'] == 3
    net = config['model']['topology']['model']
    assert (net['in_channels'], net['num_person']) == (40, 1)
    config = compose('xclip', data_root='data/mine')
    assert config['model']['text']['classes'] == ['walk', 'run', 'sit']
    assert config['test_dataloader']['dataset']['split'] == 'test'


def test_two_taps_and_one_of_another_region(mine):
    for tap, channels in (('net.h3', 24), (['net.h2', 'net.h3'], 64),
                          ('net.h2@3', 40)):
        config = compose('stream', data_root='data/mine', tap=tap)
        assert config['model']['backbone']['in_channels'] == channels
        assert step(config, 'LoadPooledFeature')['tap'] == tap
    with pytest.raises(SettingError, match=r"'net\.h4'.*data/mine has no.*"
                       r'closest: .*net\.h3'):
        compose('stream', data_root='data/mine', tap='net.h4')


def test_people_frames_and_size(mine):
    config = compose('stream', data_root='data/mine', people=2, frames=20,
                     size='small', epochs=7)
    assert config['model']['backbone']['num_person'] == 2
    assert config['model']['backbone']['base_channels'] == 32
    assert config['model']['cls_head']['in_channels'] == 128
    assert step(config, 'FormatPooledInput')['num_person'] == 2
    assert step(config, 'ResizeTemporal')['length'] == 20
    assert config['train_cfg']['max_epochs'] == 7
    assert config['train_dataloader']['batch_size'] == 16
    small = compose('hpnet', data_root='data/mine', size='small')
    assert small['load_from'] is None
    assert small['train_cfg']['max_epochs'] == 20


def test_without_validation_nothing_is_validated(mine):
    mine(splits=dict(train=90, test=40), use=dict(train='train', test='test'))
    config = compose('stream', data_root='data/mine')
    assert not {'val_dataloader', 'val_cfg', 'val_evaluator'} & set(config)


def test_without_labels(mine):
    """For predictions, with the classes of what is tested."""
    mine(classes=None, splits={}, use={})
    config = compose('stream', benchmark='nw_ucla', data_root='data/mine')
    assert config['model']['cls_head']['num_classes'] == 10
    assert config['test_dataloader']['dataset']['split'] is None
    # training on all clips, tested ones among them, is not to be had
    assert config['train_dataloader']['dataset']['split'] == 'train'
    with pytest.raises(SettingError, match='no labels'):
        compose('stream', benchmark=None, data_root='data/mine')


def test_without_features(mine):
    mine(taps={})
    assert compose('stream', stream='pose_j', data_root='data/mine')
    for recipe in ('stream', 'hpnet'):
        with pytest.raises(SettingError, match='holds no pooled features'):
            compose(recipe, data_root='data/mine')


def test_the_log_is_never_silent_for_an_epoch(mine):
    for clips, interval in ((90, 1), (900, 11), (90000, 20)):
        mine(splits=dict(train=clips, val=20, test=40))
        config = compose('stream', data_root='data/mine')
        assert config['default_hooks']['logger']['interval'] == interval


def test_a_benchmark_in_another_folder(mine):
    """One folder serves all protocols: the benchmark says which is meant."""
    xset = benchmark_facts('ntu120_xset')
    mine(classes=xset.classes, benchmark='ntu120', people=2, schedule='paper',
         splits=dict.fromkeys(('xsub_train_full', 'xsub_test',
                               'xset_train_full', 'xset_test')),
         use=dict(train='xsub_train_full', val='xsub_test', test='xsub_test'))
    for benchmark, protocol in (('ntu120', 'xsub'), ('ntu120_xset', 'xset')):
        config = compose('stream', benchmark=benchmark, data_root='data/mine')
        dataset = config['train_dataloader']['dataset']
        assert dataset['split'] == f'{protocol}_train_full'
        assert dataset['data_root'] == 'data/mine'
        assert config['benchmark'] == benchmark
        assert config['model']['backbone']['in_channels'] == 40


def test_a_folder_that_is_not_there_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = compose('stream', benchmark='ntu60_xsub', data_root='data/later')
    assert config['test_dataloader']['dataset']['data_root'] == 'data/later'
    assert config['model']['cls_head']['num_classes'] == 60
    with pytest.raises(SettingError, match='data/later'):
        compose('stream', benchmark=None, data_root='data/later')


def test_a_benchmark_is_one_file(tmp_path):
    """Adding one takes a JSON file and no config."""
    path = tmp_path / 'dance.json'
    path.write_text(json.dumps(dict(
        title='Dance', address='https://dance.org', folder='data/dance',
        classes=['waltz', 'tango'], people=2, frames=48,
        taps={'some.tap': 12},
        names=dict(pattern=r'd(?P<action>\d)_s(?P<subject>\d)',
                   layout='dD_sS', example='d0_s1', actions=['0', '1']),
        protocols=dict(main=dict(
            title='cross-subject', by='subject', train=[1, 2],
            published=dict(train_full=30, test=10))))))
    for recipe in ('stream', 'hpnet', 'xclip'):
        config = compose(recipe, benchmark=str(path))
        dataset = config['train_dataloader']['dataset']
        assert dataset['data_root'] == 'data/dance'
        assert dataset['split'] == 'main_train_full'
        assert config['model']['cls_head']['num_classes'] == 2
        if recipe != 'xclip':
            assert step(config, 'ResizeTemporal')['length'] == 48
            assert step(config, 'LoadPooledFeature')['tap'] == 'some.tap'
    assert config['model']['text']['classes'] == ['waltz', 'tango']


@pytest.mark.parametrize('recipe, settings, message', [
    ('strem', {}, "no recipe 'strem'.*closest: stream"),
    ('stream', dict(stream='hp_k'), "stream='hp_k'.*closest: hp_"),
    ('stream', dict(stream='hpj'), "stream='hpj'.*closest: hp_j"),
    ('stream', dict(net='ctrgnc'), "net='ctrgnc'.*closest: ctrgcn"),
    ('stream', dict(benchmark='ntu12'), "benchmark='ntu12'.*ntu120"),
    ('stream', dict(size='tiny'), "size='tiny'"),
    ('stream', dict(stream=None), 'stream=None'),
    ('stream', dict(people=0), 'people=0.*1 or more'),
    ('stream', dict(tap='backbone.stage9'), 'tap=.*ntu120 has no such'),
    ('stream', dict(benchmark=None), 'give data_root='),
    ('xclip', dict(people=2), "'xclip' has no setting 'people'"),
    ('hpnet', dict(strem='hp_j'), "'hpnet' has no setting 'strem'"),
])
def test_what_cannot_be(recipe, settings, message):
    with pytest.raises(SettingError, match=message):
        compose(recipe, **settings)


def test_nothing_is_shared_or_left_over():
    """Changing one place changes no other; a dump has no unused parts."""
    for recipe in ('stream', 'hpnet', 'xclip'):
        config = compose(recipe)
        before = own(config)
        pipeline(config, 'test')[0]['changed'] = True
        pipeline(config, 'test').pop()
        for key in set(config) - {'test_dataloader'}:
            assert same(config[key], before[key])
        parts = {'model', 'train_dataloader', 'val_dataloader',
                 'test_dataloader', 'val_evaluator', 'test_evaluator',
                 'val_cfg', 'test_cfg', 'train_cfg', 'optim_wrapper',
                 'param_scheduler', 'auto_scale_lr', 'default_hooks',
                 'load_from', 'composed', 'recipe'}
        # what has a check of its own is there only where it is used
        assert set(before) - parts - {'sync_bn'} == set(
            RECIPES[recipe].defaults()) - set(RECIPES[recipe].checks)


def rates(schedule):
    """Learning rate of each epoch of ten steps."""
    config = own(schedule.config)
    wrapper = dict(config['optim_wrapper'])
    wrapper.pop('constructor', None)
    wrapper.pop('paramwise_cfg', None)
    optim = build_optim_wrapper(torch.nn.Linear(1, 1), wrapper)
    found, epochs = [], config['train_cfg']['max_epochs']
    schedulers = []
    for scheduler in config['param_scheduler']:
        by_step = scheduler.pop('convert_to_iter_based', False)
        cls = PARAM_SCHEDULERS.get(scheduler.pop('type'))
        schedulers.append((by_step, cls.build_iter_from_epoch(
            optim, epoch_length=10, **scheduler) if by_step else
            cls(optim, **scheduler)))
    for _ in range(epochs):
        found.append(optim.param_groups[0]['lr'])
        for tick in range(10):
            optim.optimizer.step()
            for by_step, scheduler in schedulers:
                if by_step or tick == 9:
                    scheduler.step()
    return found


def test_schedule_of_the_paper():
    """reference.md 6.2."""
    np.testing.assert_allclose(
        rates(sgd('paper')), [.1 * (e + 1) / 5 for e in range(5)] + [.1] * 30 +
        [.01] * 20 + [.001] * 10)
    optimizer = sgd('paper').config['optim_wrapper']['optimizer']
    assert optimizer == dict(type='SGD', lr=.1, momentum=.9,
                             weight_decay=4e-4, nesterov=True)
    assert sgd('paper').batch_size == 64


@pytest.mark.parametrize('name, epochs, warm', [('short', 30, 5),
                                                ('small', 20, 3)])
def test_schedule_of_small_datasets(name, epochs, warm):
    rest = epochs - warm
    cosine = [.05 * (1 + np.cos(np.pi * e / rest)) / 2 for e in range(rest)]
    np.testing.assert_allclose(
        rates(sgd(name)),
        [.05 * (e + 1) / warm for e in range(warm)] + cosine)
    assert sgd(name).batch_size == 16


def test_schedule_of_hpnet():
    """reference.md: 30 epochs, 5 of them rising, from 8e-6 to 8e-8."""
    found = rates(adamw('paper'))
    np.testing.assert_allclose(found[5], 8e-6, rtol=1e-2)
    assert found[0] < 1e-8 and np.argmax(found) in (5, 6)
    cosine = 8e-8 + (8e-6 - 8e-8) * (
        1 + np.cos(np.pi * np.arange(25) / 25)) / 2
    np.testing.assert_allclose(found[5:], cosine, rtol=.02)
    config = adamw('paper').config
    optimizer = config['optim_wrapper']['optimizer']
    assert (optimizer['betas'], optimizer['eps'], optimizer['weight_decay']
            ) == ((.9, .98), 1e-3, 1e-3)
    assert adamw('paper').batch_size * \
        config['optim_wrapper']['accumulative_counts'] == 64


@pytest.mark.parametrize('make', [sgd, adamw])
@pytest.mark.parametrize('name', SCHEDULES)
@pytest.mark.parametrize('epochs', [1, 2, 8, 33, 130])
def test_schedules_follow_the_epochs(make, name, epochs):
    """They rise and fall as the usual one does, and end where it ends."""
    usual, found = rates(make(name)), rates(make(name, epochs))
    assert len(found) == epochs
    assert max(found) <= max(usual) * (1 + 1e-6)
    if epochs >= 8:
        assert max(found) == pytest.approx(max(usual), rel=.02)
        assert found[-1] <= max(usual) * .2
    config = make(name, epochs).config
    assert config['train_cfg']['val_interval'] <= epochs


def test_max_epochs_of_eight():
    """D10: the rates end after 8 epochs, not after 20."""
    found = rates(sgd('small', 8))
    assert found[0] == .05
    assert found[-1] == pytest.approx(.05 * (1 + np.cos(np.pi * 6 / 7)) / 2)
    milestones = sgd('paper', 8).config['param_scheduler'][-1]['milestones']
    assert milestones == [4, 7]


def test_random_transforms_are_for_training():
    for recipe in ('hpnet', 'xclip'):
        config = compose(recipe)
        names = {one['type'] for one in walk(pipeline(config, 'test'))}
        assert not names & {'FlipJoints', 'RandomApply', 'ClipGrayscale'}
        assert step(config, 'LoadPersonCrops', 'test')['test_mode']
        assert 'test_mode' not in step(config, 'LoadPersonCrops')
