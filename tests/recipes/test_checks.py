"""A config that does not fit its data is refused, with both values."""
import json

import pytest
from mmengine.config import Config

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.recipes import compose, recompose
from hpnet_plugin.recipes.checks import disagreements


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """A folder of the ten classes of nw_ucla_synthetic, one person a clip."""
    path = tmp_path_factory.mktemp('data') / 'mine'
    write_synthetic(
        Config(compose('hpnet', benchmark='nw_ucla_synthetic')), path,
        clips=1, frames=4)
    return path


@pytest.fixture
def facts(data):
    """Changes its dataset.json for a test."""
    path = data / 'dataset.json'
    before = path.read_text()
    yield lambda **changes: path.write_text(
        json.dumps({**json.loads(before), **changes}))
    path.write_text(before)


def on(config, data):
    """A config whose folder was changed by hand, not by the setting."""
    for phase in ('train', 'val', 'test'):
        config[f'{phase}_dataloader']['dataset']['data_root'] = str(data)
    return config


@pytest.mark.parametrize('recipe', ['stream', 'hpnet', 'xclip'])
def test_what_the_setting_makes_fits(recipe, data):
    assert disagreements(compose(recipe, data_root=str(data))) == []
    assert disagreements(recompose(
        {**compose(recipe), 'data_root': str(data)})) == []


@pytest.mark.parametrize('recipe', ['stream', 'hpnet', 'xclip'])
def test_number_of_classes(recipe, data):
    found = disagreements(on(compose(recipe), data))
    assert f'{data} has 10 classes' in found[0] and 'is 120' in found[0]
    assert f'data_root={data}' in found[0]
    config = compose(recipe, data_root=str(data))
    config['model']['cls_head']['num_classes'] = 9
    assert 'has 10 classes' in ' '.join(disagreements(config))


@pytest.mark.parametrize('recipe', ['stream', 'hpnet'])
def test_names_of_classes(recipe, data, facts):
    """Another order, or another spelling: the first difference is named."""
    config = on(compose(recipe, benchmark='nw_ucla_synthetic'), data)
    assert disagreements(config) == []
    names = json.loads((data / 'dataset.json').read_text())['classes']
    facts(classes=[*names[:3], names[4], names[3], *names[5:]])
    found, = disagreements(config)
    assert f"class 3 is 'sit down' in {data} and 'walk around' in the " \
        'config' in found
    facts(classes=[*names[:9], 'cary'])
    found, = disagreements(config)
    assert f"class 9 is 'cary' in {data} and 'carry' in the config" in found
    # a config of its own takes the folder's
    assert disagreements(compose(recipe, data_root=str(data))) == []


def test_a_benchmark_s_own_folder(data, facts, monkeypatch):
    """Without data_root: data/nw_ucla is looked at all the same."""
    monkeypatch.chdir(data.parent)
    (data.parent / 'data').mkdir(exist_ok=True)
    link = data.parent / 'data/nw_ucla'
    link.symlink_to(data)
    try:
        config = compose('hpnet', benchmark='nw_ucla_synthetic')
        assert disagreements(config) == []
        facts(classes=['a', 'b'])
        assert 'data/nw_ucla has 2 classes' in disagreements(config)[0]
    finally:
        link.unlink()


def test_people(data):
    config = compose('stream', data_root=str(data), people=2)
    found, = disagreements(config)
    assert f'{data} holds 1 person a clip, the config reads 2' in found
    config = compose('stream', data_root=str(data))
    config['model']['backbone']['num_person'] = 2
    found, = disagreements(config)
    assert 'FormatPooledInput has num_person=1, CTRGCN has num_person=2' in (
        found)


def test_blending(data):
    config = compose('hpnet', data_root=str(data))
    config['model']['data_preprocessor']['blending']['num_classes'] = 60
    found, = disagreements(config)
    assert 'num_classes=60' in found and 'has 10' in found


def test_old_configs_on_old_folders(data, facts):
    """Without settings and without dataset.json, as they ran before."""
    path = data / 'dataset.json'
    before = path.read_text()
    config = compose('stream', data_root=str(data), people=2)
    del config['composed']
    try:
        path.unlink()
        assert disagreements(config) == []
        config['model']['cls_head']['num_classes'] = 1
        assert 'has 2 classes' in disagreements(config)[0]
    finally:
        path.write_text(before)


def test_damaged_facts(data, facts):
    facts(version=99)
    config = on(compose('stream', benchmark='nw_ucla_synthetic'), data)
    found, = disagreements(config)
    assert 'dataset.json' in found and 'version 99' in found
