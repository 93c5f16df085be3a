"""What recipes and the files of ablations say, to the number."""
import numpy as np
import pytest
from mmengine.config import Config

from hpnet_plugin.recipes import compose
from hpnet_plugin.recipes.reading import walk
from hpnet_plugin.recipes.schedules import adamw, sgd

H2 = 'backbone.stage4.0.branches.1'


def rise(end, start, **more):
    return dict(type='LinearLR', start_factor=start, begin=0, end=end, **more)


def fall(begin, end, floor=0, **more):
    return dict(type='CosineAnnealingLR', eta_min=floor, T_max=end - begin,
                begin=begin, end=end, **more)


BY_STEP = dict(convert_to_iter_based=True)


@pytest.mark.parametrize('schedule, batch_size, rates', [
    (sgd('paper'), 64, [rise(5, 1 / 5), dict(
        type='MultiStepLR', milestones=[35, 55], gamma=.1)]),
    (sgd('short'), 16, [rise(5, 1 / 5), fall(5, 30)]),
    (sgd('small'), 16, [rise(3, 1 / 3), fall(3, 20)]),
    (adamw('paper'), 8, [rise(5, 1e-6, **BY_STEP),
                         fall(5, 30, 8e-8, **BY_STEP)]),
    (adamw('short'), 8, [rise(5, 1e-6, **BY_STEP),
                         fall(5, 30, 8e-8, **BY_STEP)]),
    (adamw('small'), 16, [rise(5, .01, **BY_STEP), fall(5, 20, **BY_STEP)]),
])
def test_rates(schedule, batch_size, rates):
    assert schedule.config['param_scheduler'] == rates
    assert schedule.batch_size == batch_size
    assert schedule.config['auto_scale_lr']['base_batch_size'] == batch_size


def test_optimisers():
    assert [sgd(name).config['optim_wrapper']['optimizer']['lr']
            for name in ('paper', 'short', 'small')] == [.1, .05, .05]
    wrapper = adamw('paper').config['optim_wrapper']
    assert wrapper['optimizer'] == dict(
        type='AdamW', lr=8e-6, betas=(.9, .98), eps=1e-3, weight_decay=1e-3,
        fused=True)
    keys = wrapper['paramwise_cfg']['custom_keys']
    assert {key: value.get('lr_mult', 1) for key, value in keys.items()} == {
        'positional_embedding': 1, 'message_': 10, 'backbone.mit': 10,
        'backbone.mit.positional_embedding': 10, 'prompts': 10,
        'topology': 1e4, 'cls_head.fusion': 1e4, 'cls_head.classifiers': 1e4}
    assert {key for key, value in keys.items() if value.get('decay_mult') == 0
            } == {'positional_embedding', 'backbone.mit.positional_embedding'}
    assert adamw('small').config['optim_wrapper']['optimizer'] == dict(
        type='AdamW', lr=1e-3, weight_decay=.05, fused=True)


def steps(config, phase):
    return [step['type'] for step in walk(
        config[f'{phase}_dataloader']['dataset']['pipeline'])]


def test_hpnet():
    config = compose('hpnet')
    model = config['model']
    images = model['data_preprocessor']['preprocessors']['imgs']
    assert images['mean'] == [123.675, 116.28, 103.53]  # ImageNet, RGB
    assert images['std'] == [58.395, 57.12, 57.375]
    assert model['cls_head'] == dict(
        type='TRMMHead', num_classes=120, fusion=dict(type='TRMM'),
        lambdas=1.)
    assert model['topology']['streams'] == ('j', 'b', 'jm')
    assert model['topology']['model']['in_channels'] == 96
    assert model['backbone']['num_frames'] == 8
    assert steps(config, 'train') == [
        'LoadPersonCrops', 'LoadPooledFeature', 'FlipJoints', 'RandomApply',
        'ClipColorJitter', 'ClipGrayscale', 'Resize',
        'ResizeTemporal', 'FormatPooledInput', 'FormatShape',
        'PackActionInputs']
    assert 'FlipJoints' in steps(compose('hpnet', size='small'), 'train')
    assert not {'FlipJoints', 'RandomApply'} & {*steps(config, 'test')}
    # mmengine's rates are of the schedule that the dataset asks for
    assert config['param_scheduler'] == adamw('paper').config[
        'param_scheduler']


@pytest.mark.parametrize('name', ['paper', 'short', 'small'])
def test_a_stream(name):
    config = compose('stream', stream='pose_b', schedule=name, size='full')
    for key in ('param_scheduler', 'optim_wrapper', 'train_cfg'):
        assert config[key] == sgd(name).config[key]
    head = config['model']['cls_head']
    assert (head['in_channels'], head['num_classes']) == (256, 120)
    assert head['init_cfg']['std'] == pytest.approx(np.sqrt(2 / 120))
    loaders = {phase: config[f'{phase}_dataloader']
               for phase in ('train', 'val', 'test')}
    assert {phase: (loader['sampler']['shuffle'], loader['dataset']['split'])
            for phase, loader in loaders.items()} == dict(
        train=(True, 'xsub_train_full'), val=(False, 'xsub_test'),
        test=(False, 'xsub_test'))
    small = compose('stream', stream='pose_b', size='small')
    assert small['model']['backbone']['base_channels'] == 32
    assert small['model']['cls_head']['in_channels'] == 128


@pytest.mark.parametrize('path, key, value, channels', [
    ('table06/hrnet_ctrgcn', 'data_root', 'data/ntu120_hrnet', 96),
    ('table06/hrnet_mixformer', 'net', 'mixformer', 96),
    ('table07/h1_ctrgcn', 'tap', 'backbone.stage4.2.relu', 48),
    ('table07/h3_ctrgcn', 'tap', 'backbone.stage4.0.branches.2', 192),
    ('table08/stage1_ctrgcn', 'tap', 'backbone.stage2.0.branches.1', 96),
    ('table08/stage2_ctrgcn', 'tap', 'backbone.stage3.3.branches.1', 96),
    ('table09/region3_ctrgcn', 'tap', f'{H2}@3', 96),
    ('table09/region5_ctrgcn', 'tap', f'{H2}@5', 96),
])
def test_ablations_of_streams(root, path, key, value, channels):
    config = Config.fromfile(root / f'configs/ablations/{path}_ntu120.py')
    assert config[key] == value and config.stream == 'hp_j'
    assert config.model.backbone.in_channels == channels
    if key == 'tap':
        assert config.train_dataloader.dataset.pipeline[0].tap == value


@pytest.mark.parametrize('path, fusion, lambdas, streams', [
    ('table12/trmm', 'TRMM', 1., ('j', )),
    ('table12/film', 'FiLM', 1., ('j', )),
    ('table12/cross_attention', 'CrossAttentionFusion', 1., ('j', )),
    ('table14/lambda01_hpnet', 'TRMM', .1, ('j', 'b', 'jm')),
    ('table14/lambda05_hpnet', 'TRMM', .5, ('j', 'b', 'jm')),
    ('table14/lambda20_hpnet', 'TRMM', 2., ('j', 'b', 'jm')),
])
def test_ablations_of_hpnet(root, path, fusion, lambdas, streams):
    model = Config.fromfile(
        root / f'configs/ablations/{path}_ntu120.py').model
    assert model.cls_head.fusion.type == fusion
    assert model.cls_head.lambdas == lambdas
    assert tuple(model.topology.streams) == streams
