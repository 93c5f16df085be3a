"""The setting ``methods``: what it changes of a config, and nothing else."""
import json

import pytest
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.registry import DefaultScope

from hpnet_plugin.recipes import SettingError, compose, recompose
from hpnet_plugin.recipes.checks import ConfigError, refuse_unknown_keys
from hpnet_plugin.recipes.methods import METHODS, parse_methods
from hpnet_plugin.recipes.reading import pooled_channels, walk

BOTH = ('train', 'test')


def made(methods, stream='hp_j', **settings):
    return compose('stream', stream=stream, benchmark='nw_ucla',
                   methods=methods, **settings)


def pipeline(config, phase='train'):
    return config[f'{phase}_dataloader']['dataset']['pipeline']


def kinds(config, phase='train'):
    return [step['type'] for step in pipeline(config, phase)]


def step(config, kind, phase='train'):
    return next(one for one in pipeline(config, phase) if one['type'] == kind)


def test_a_config_without_methods_does_not_know_them():
    """Those of earlier work dirs are the same, key by key."""
    config = compose('stream', benchmark='nw_ucla')
    assert 'methods' not in json.dumps(config)
    assert json.dumps(made('')) == json.dumps(config)
    assert [*config['model']['backbone']] == [
        'type', 'in_channels', 'num_person', 'graph']
    refuse_unknown_keys({**config, 'methods': 'flip'})
    with pytest.raises(ConfigError, match='methods: recipe'):
        refuse_unknown_keys({**compose('hpnet'), 'methods': 'flip'})


def test_names_and_strengths():
    assert parse_methods('') == {}
    # in an order of their own
    assert list(parse_methods('mixup=0.2+flip+views=5').items()) == [
        ('flip', .5), ('mixup', .2), ('views', 5)]
    for text, message in (
            ('mixp', "no method 'mixp'; the closest: mixup"),
            ('mixup+', "no method ''"), ('flip+mixup+flip', 'flip is there t'),
            ('mixup=0', 'alpha.*a number from 0.01 to 10'),
            ('flip=nan', 'chance, a number from 0 to 1'),
            ('flip=', 'chance'), ('views=2.5', 'a whole number from 1 to 20'),
            ('mirror=1', 'no strength; write mirror alone'),
            (None, 'give names joined by'), (['flip'], 'give names')):
        with pytest.raises(SettingError, match=message):
            made(text)


def test_every_method_changes_the_config_and_is_explained():
    plain = made('', 'hp+pose_j')
    for name, method in METHODS.items():
        config = made(name, 'hp+pose_j')
        assert config.pop('methods') == config['composed'].pop('methods')
        changed = [key for key in config if config[key] != plain.get(key)]
        assert changed and set(changed) <= {
            'model', 'optim_wrapper', 'custom_hooks', 'train_dataloader',
            'val_dataloader', 'test_dataloader'}, name
        assert method.low <= method.default <= method.high, name
        assert method.about.endswith('.') and method.source, name
        for phase in ('val', *BOTH)[:2]:  # no chance in tests
            assert not {'RandomTemporalCrop', 'FlipJoints', 'DropJoints',
                        'DropFrames', 'SampleSegments'} & {
                            *kinds(config, phase)} or phase == 'train'
    assert made('+'.join(METHODS).replace('+centre_joint', ''))


def test_what_is_built_of_all_of_them():
    config = made('+'.join(name for name in METHODS
                           if name != 'centre_joint'), 'hp+pose_bm',
                  size='small')
    with DefaultScope.overwrite_default_scope('mmaction'):
        for phase in BOTH:
            for one in walk(pipeline(config, phase)):
                TRANSFORMS.build(one)
        model = MODELS.build(config['model'])
    assert model.backbone.input_shape[-1] == 99
    # 32 of 96 features, and pose
    assert model.backbone.data_bn.num_features == 35 * 17
    assert pooled_channels(config, pipeline(config)) == 96
    assert model.data_preprocessor.blending.features == 96


def test_order_of_the_transforms():
    config = made('drop_frames+drop_joints+crop=0.6+flip+centre+views+mirror',
                  'hp+pose_b')
    assert kinds(config) == [
        'LoadPooledFeature', 'FlipJoints', 'NormalizeKeypoint',
        'CentrePooled', 'RandomTemporalCrop', 'ResizeTemporal', 'DropJoints',
        'DropFrames', 'GenPooledStream', 'AppendKeypoint',
        'FormatPooledInput', 'PackActionInputs']
    assert kinds(config, 'test') == [
        'LoadPooledFeature', 'NormalizeKeypoint', 'CentrePooled',
        'TemporalViews', 'GenPooledStream', 'AppendKeypoint',
        'FormatPooledInput', 'PackActionInputs']
    views = step(config, 'TemporalViews', 'test')
    # as long as the crops are on average
    assert (views['views'], views['share'], views['mirror']) == (3, .8, True)
    assert made('views')['test_dataloader']['dataset']['pipeline'][1][
        'share'] == .75
    config = made('segments')
    assert step(config, 'SampleSegments') == dict(
        type='SampleSegments', length=32)
    assert step(config, 'TemporalViews', 'test')['sampling'] == 'segments'


def test_a_joint_net_crops_and_flips_its_pose_alone():
    def keys(net):
        config = made('crop+flip+squares=10', 'hp+pose_j', net=net)
        head = config['model']['cls_head']
        return [step(config, kind).get('keys') for kind in (
            'RandomTemporalCrop', 'FlipJoints')], \
            head.get('losses', head.get('loss_cls'))

    squares = dict(type='SquaredLoss', scale=10.)
    assert keys('ctrgcn') == ([None, None], squares)
    assert keys('ctrgcn+linear') == (
        [('keypoint', 'keypoint_score')] * 2,
        [dict(type='CrossEntropyLoss'), squares])


def test_what_is_random_follows_the_clip_and_joints_are_read():
    """``PoseDataset`` knows no seed of a clip."""
    for stream in ('hp+pose_j', 'rgb_pose_j', 'pose3d_j'):
        dataset = made('crop', stream)['train_dataloader']['dataset']
        assert (dataset['type'], dataset['joints']) == ('PooledDataset', True)
    dataset = made('', 'rgb_pose_j')['train_dataloader']['dataset']
    assert dataset['type'] == 'PoseDataset' and 'joints' not in dataset


def test_model_and_training():
    config = made('smooth=0.2+dropout+decay+ema=0.02+drop_path=0.3+mixup')
    head, hook = config['model']['cls_head'], config['custom_hooks'][0]
    assert (head['label_smooth_eps'], head['dropout']) == (.2, .5)
    assert config['optim_wrapper']['optimizer']['weight_decay'] == 2e-3
    assert (hook['type'], hook['momentum']) == ('EMAHook', .02)
    assert config['model']['backbone']['drop_path'] == .3
    assert config['model']['data_preprocessor']['blending'] == dict(
        type='MixClips', num_classes=10, mixup=.4, features=96)
    # joints are no features
    assert 'features' not in made('mixup', 'pose_j')['model'][
        'data_preprocessor']['blending']


@pytest.mark.parametrize('methods, stream, net, message', [
    ('flip', 'pose3d_j', 'ctrgcn', "flip: .*'pose3d_j' are not known"),
    ('mirror', 'pose3d_j', 'ctrgcn', 'mirror: .*those of COCO'),
    ('exchange', 'pose_j', 'ctrgcn', "exchange: .*'pose_j' has no pooled"),
    ('whiten', 'pose_j', 'ctrgcn', 'whiten: .*no pooled features'),
    ('whiten=97', 'hp_j', 'ctrgcn', 'whiten: 97 components of 96'),
    ('gate', 'hp_j', 'stgcn', 'STGCN cannot take it; CTRGCN and Skeleton'),
    ('drop_path', 'hp_j', 'mixformer', 'drop_path: SkeletonMixFormer cannot'),
    ('centre+centre_joint', 'hp_j', 'ctrgcn', 'exclude each other')])
def test_what_does_not_suit_is_refused(methods, stream, net, message):
    with pytest.raises(SettingError, match=message):
        made(methods, stream, net=net)


def test_a_setting_like_any_other():
    """Changed by hand, on the command line, and back."""
    plain = compose('stream', benchmark='nw_ucla')
    changed = recompose({**plain, 'methods': 'flip'})
    assert kinds(changed)[1] == 'FlipJoints'
    assert changed['methods'] == changed['composed']['methods'] == 'flip'
    again = recompose({**changed, 'methods': 'crop=0.7', 'net': 'mixformer'})
    assert kinds(again)[1] == 'RandomTemporalCrop'
    back = recompose({**again, 'methods': '', 'net': 'ctrgcn'})
    assert back.pop('methods') == ''
    assert back == plain
    with pytest.raises(SettingError, match="no method 'flop'"):
        recompose({**plain, 'methods': 'flop'})


def test_features_and_pose_in_one_net():
    config = made('', 'hp+pose_bm', net='mixformer')
    assert config['model']['backbone']['in_channels'] == 99
    assert config['model']['backbone']['parts'] == [96, 3]
    assert step(config, 'GenPooledStream')['key'] == [
        'pooled_feat', 'keypoint']
    assert step(config, 'AppendKeypoint')['score'] is True
    # the toolbox's networks have no such parts
    assert 'parts' not in made('', 'hp+pose_j', net='stgcn')['model'][
        'backbone']


def test_the_table_of_the_docs(root):
    """Every method, with its strength and its source."""
    text = (root / 'docs/small_data.md').read_text(encoding='utf-8')
    rows = [[cell.strip() for cell in line.strip('|\n').split('|')]
            for line in text.splitlines() if line.startswith('| `')]
    assert [row[0].strip('`') for row in rows] == list(METHODS)
    for (_, about, strength, source), method in zip(rows, METHODS.values()):
        assert about == method.about
        assert strength == (
            f'{method.strength}: {method.default:g}, {method.low:g} to '
            f'{method.high:g}' if method.strength else '')
        title, _, number = method.source.partition(', arXiv ')
        assert source == (f'[{title}](https://arxiv.org/abs/{number})'
                          if number else title)
