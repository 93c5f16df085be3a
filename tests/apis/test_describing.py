"""What configs are described as, for every recipe."""
import pytest
from mmengine.config import Config

from hpnet_plugin.apis.describing import describe, model_input, run_name
from hpnet_plugin.apis.description import (
    DescriptionError,
    ModelDescription,
    read_description,
    write_description,
)
from hpnet_plugin.facts import HRNET_TAPS
from hpnet_plugin.recipes import RECIPES, compose

TAP, OTHER = list(HRNET_TAPS)[:2]


def config_of(recipe, **settings):
    """A config as the Runner has it."""
    return Config(compose(recipe, **settings)).to_dict()


@pytest.mark.parametrize('recipe', RECIPES)
def test_a_config_comes_back_from_json_tuples_and_all(recipe):
    config = config_of(recipe)
    about = describe(config, 'run')
    again = ModelDescription.from_json(about.to_json())
    assert again == about
    # repr tells tuples from lists, which mmaction2 does not take everywhere
    assert repr(again.config) == repr(config)
    assert about.classes[0] == 'drink water' and len(about.classes) == 120
    assert about.facts['people'] == 2
    probability = recipe == 'released_hpnet'
    assert about.output == ('probability' if probability else 'logit')


@pytest.mark.parametrize('settings, expected', [
    (dict(stream='hp_bm'), dict(
        key='pooled_feat', taps=[TAP], stream='bm', normalize=False)),
    (dict(stream='hp_j', tap=(TAP, OTHER)), dict(
        key='pooled_feat', taps=[TAP, OTHER], stream='j', normalize=False)),
    (dict(stream='pose_b'), dict(
        key='keypoint', taps=[], stream='b', normalize=True)),
    (dict(stream='pose_b', normalize=False), dict(
        key='keypoint', taps=[], stream='b', normalize=False)),
    (dict(stream='rgb_j'), dict(
        key='pooled_feat', taps=['rgb'], stream='j', normalize=False)),
    (dict(stream='rgb_pose_j'), None),
    (dict(stream='pose3d_j'), None)])
def test_input_of_streams(settings, expected):
    config = config_of('stream', frames=32, people=1, **settings)
    assert model_input(config) == (expected and dict(
        kind='graph', layout='coco', frames=32, people=1, **expected))


def test_input_of_others():
    found = model_input(config_of('hpnet', size='small'))
    assert found.pop('mean') == [123.675, 116.28, 103.53]
    assert found.pop('std') == [58.395, 57.12, 57.375]
    assert found == dict(
        kind='hpnet', key='pooled_feat', taps=[TAP], stream='j',
        layout='coco', frames=64, people=2, normalize=False, crops=8, side=96)
    released = model_input(config_of('released_stream', stream='pose_jm'))
    assert (released['layout'], released['normalize']) == ('released', False)
    for recipe in ('xclip', 'posec3d', 'rgbpose'):
        assert model_input(config_of(recipe)) is None
    config = config_of('stream')
    pipeline = config['test_dataloader']['dataset']['pipeline']
    # the only tap of the store, where the config names none
    load = pipeline[0]
    del load['tap']
    assert model_input(config, ['one'])['taps'] == ['one']
    # a step of one's own: nobody can prepare it without mmaction
    pipeline.insert(1, dict(type='DropFrames'))
    assert model_input(config) is None


def test_names_of_runs(tmp_path):
    assert run_name('work_dirs/hp_j_mine/') == 'hp_j_mine'
    assert run_name('work_dirs/hp_j_mine/seed1') == 'hp_j_mine_seed1'


def test_heads_that_say_nothing_of_their_scores():
    """mmaction2's own default is asked."""
    config = config_of('stream')
    del config['model']['cls_head']['average_clips']
    assert describe(config, 'run').output == 'probability'
    # without a folder and without names, the classes go by number
    del config['composed']
    assert describe(config, 'run').classes[:2] == ('0', '1')
    config['model']['cls_head'].pop('num_classes')
    with pytest.raises(DescriptionError, match='how many classes'):
        describe(config, 'run')


def test_files(tmp_path):
    about = ModelDescription('run', ('a', 'b'), config=dict(x=(1, [2])))
    write_description(about, tmp_path)
    assert read_description(tmp_path) == about
    assert read_description(tmp_path / 'hpnet.json') == about
    with pytest.raises(FileNotFoundError, match='hpnet save'):
        read_description(tmp_path / 'none')
    (tmp_path / 'hpnet.json').write_text('{"format": ')
    with pytest.raises(DescriptionError, match='is no JSON file'):
        read_description(tmp_path)


@pytest.mark.parametrize('changes, text', [
    (dict(format='other'), "the format 'hpnet_plugin model', found 'other'"),
    (dict(version=9), 'version 9, this package reads 1 and 2: update it'),
    (dict(classes=[]), r'classes = \[\]: expected a list of class names'),
    (dict(classes=[1]), 'expected a list of class names'),
    (dict(windows=dict(median='2')), 'windows = .*an object of numbers'),
    (dict(output='score'), "output = 'score'"),
    (dict(config=None), 'config = None: expected an object'),
    (dict(members=[dict(path='../x', weight=1, scores='logit')]),
     'below this folder'),
    (dict(members=[dict(path='/x', weight=1, scores='logit')]), 'members'),
    (dict(members=[dict(path='x', weight='1', scores='logit')]), 'members'),
    (dict(members=[dict(path='x', weight=1)]), 'members'),
])
def test_what_is_no_description(changes, text):
    content = ModelDescription('run', ('a', )).to_json()
    with pytest.raises(DescriptionError, match=text):
        ModelDescription.from_json({**content, **changes}, 'x.json')
    del content['name']
    with pytest.raises(DescriptionError, match='x.json: name is missing'):
        ModelDescription.from_json(content, 'x.json')
    with pytest.raises(DescriptionError, match='an object, found a list'):
        ModelDescription.from_json([])


def test_what_json_does_not_know():
    with pytest.raises(DescriptionError, match='run is no JSON data'):
        ModelDescription('run', ('a', ), training=dict(x={1})).to_json()
