"""Names of files of a user's own: what they may be, and what is refused."""
import sys

import pytest

from hpnet_plugin.cli import main
from hpnet_plugin.estimation.detectors import build_detector
from hpnet_plugin.own_files import (
    OwnFileError,
    is_own_name,
    own_name,
    short_name,
)
from hpnet_plugin.recipes import RECIPES, SettingError, compose
from hpnet_plugin.recipes.reading import pooled_channels


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a file of the user's own; its path."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    before = set(sys.modules)

    def file(name, text):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    yield file
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], '__file__', '')):
            del sys.modules[name]


def test_form():
    assert is_own_name('a/b.py:name') and is_own_name('b.py:name_jm')
    for text in ('b.py', 'b:name', 'b.py:', 'b.py:1', 'boxes:b.json', 'hog',
                 'ctrgcn', None, 3):
        assert not is_own_name(text)
    assert short_name('a/b.py:name') == 'name'
    assert short_name('ctrgcn') == 'ctrgcn'


def test_a_file_is_imported_once(write, tmp_path):
    """It finds its neighbours, and hides no module of others."""
    path = write('own_counter.py', 'from own_beside import thing\n')
    write('own_beside.py', 'class thing: pass\n')
    assert own_name(f'{path}:thing') is own_name(f'{path}:thing')
    assert sys.path.count(str(tmp_path)) == 1 and sys.path[-1] == str(tmp_path)


@pytest.mark.parametrize('name, text, word, message', [
    ('own_none.py', None, 'x', 'own_none.py: no such Python file'),
    ('own_value.py', 'x = 1\n', 'x', 'is a int; expected a function'),
    ('own_names.py', 'jointnet = 1\n', 'jointnets',
     "no name 'jointnets'; the closest: jointnet"),
    ('own_broken.py', 'a = 1\nb = 1 / 0\n', 'x',
     'own_broken.py, line 2: ZeroDivisionError: division by zero'),
    ('own_syntax.py', 'a = (\n', 'x', 'SyntaxError'),
    ('json.py', 'x = 1\n', 'x', 'another module is called .json.: rename'),
])
def test_what_cannot_be_used(write, tmp_path, name, text, word, message):
    path = str(tmp_path / name) if text is None else write(name, text)
    with pytest.raises(OwnFileError, match=message):
        own_name(f'{path}:{word}')


@pytest.mark.parametrize('text, setting, message', [
    ('def x(*a): return 3', dict(net='{}:x'), 'returned 3; expected the conf'),
    ('def x(*a): return dict(), 3', dict(net='{}:x'), 'expected the config'),
    ('def x(*a): return 3', dict(stream='{}:x_j'), 'expected a Kind'),
    ('def x(*a): return 3', dict(stream='{}:x'), 'PART is one of j, b'),
    ('', dict(net='{}:x'), "no name 'x'"),
    ('', dict(net='own'), 'no such net; .*FILE.py:NAME'),
    ('', dict(normalize='{}:x'), 'no such normalize'),
])
def test_settings_that_cannot_be(write, text, setting, message):
    path = write('own_setting.py', text + '\n')
    setting = {key: value.format(path) for key, value in setting.items()}
    with pytest.raises(SettingError, match=message):
        compose('stream', benchmark='nw_ucla', **setting)


def test_a_net_of_hpnet(write):
    path = write('own_net.py', 'def net(channels, people, size, joints):\n'
                 '    assert (size, joints) == ("full", "coco")\n'
                 '    return dict(type="Own", in_channels=channels), 24\n')
    topology = compose('hpnet', benchmark='ntu120',
                       net=f'{path}:net')['model']['topology']
    assert topology['model'] == dict(type='Own', in_channels=96)
    assert topology['feat_channels'] == 24


def test_a_detector_that_is_none(write):
    path = write('own_detector.py', 'def x(device, score_thr=1): return 3\n')
    with pytest.raises(ValueError, match='is a int; expected a PersonSource'):
        build_detector(f'{path}:x')
    with pytest.raises(OwnFileError, match='no such Python file'):
        build_detector('own_nothing.py:x')


def test_channels_of_recipes_are_known():
    """No transform of a recipe makes the check of channels silent."""
    for recipe, entry in RECIPES.items():
        for stream in entry.settings.get('stream', (None, )):
            config = compose(recipe, benchmark='nw_ucla', **(
                dict(stream=stream) if stream else {}))
            pipeline = config['test_dataloader']['dataset']['pipeline']
            kinds = {step['type'] for step in pipeline}
            if 'LoadPooledFeature' in kinds and \
                    'GenerateHeatmapVolume' not in kinds:
                assert pooled_channels(config, pipeline), (recipe, stream)


def test_import_before_a_command(write, capsys):
    path = write('own_import.py', 'print("imported")\n')
    assert main(['--import', path, '--version']) == 0
    assert capsys.readouterr().out.startswith('imported\nhpnet_plugin ')
    assert main(['--import', path + 'x', '--version']) == 2
    assert 'no such Python file' in capsys.readouterr().err
    assert main(['--import']) == 2
