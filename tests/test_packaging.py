"""A wheel carries all that mim and the package need, and nothing else."""
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter

import pytest
import yaml

from hpnet_plugin.compat.doctor import in_range
from hpnet_plugin.compat.packages import OPENMMLAB, OPTIONAL, OWN

# What is installed after the lock.
BESIDE = ('app', 'browser', 'cluster', 'checks', 'docs')


@pytest.fixture(scope='module')
def wheel(root, tmp_path_factory):
    """A wheel of this tree, built without writing into it."""
    out = tmp_path_factory.mktemp('wheel')
    subprocess.run(
        [sys.executable, '-W', 'ignore', 'setup.py', '-q', 'egg_info',
         '--egg-base', out, 'build', '--build-base', out / 'build',
         'bdist_wheel', '--dist-dir', out],
        cwd=root, check=True, capture_output=True)
    path, = out.glob('hpnet_plugin-*-py3-none-any.whl')
    return path


def tracked(folder):
    """Files of a folder of the tree that belong to the project."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob('*')
        if path.is_file() and not {'.mim', '__pycache__'} & set(path.parts)
    }


def test_wheel_holds_the_package_with_its_mim_folder(root, wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist()
                 if '.dist-info/' not in name}
    expected = {f'hpnet_plugin/{name}'
                for name in tracked(root / 'hpnet_plugin')}
    for folder in ('configs', 'tools'):
        expected |= {f'hpnet_plugin/.mim/{folder}/{name}'
                     for name in tracked(root / folder)}
    expected |= {'hpnet_plugin/.mim/model-index.yml',
                 'hpnet_plugin_startup.py', 'hpnet_plugin_startup.pth'}
    assert names == expected


def metadata_of(wheel, name):
    """A file of the wheel's metadata, as text."""
    with zipfile.ZipFile(wheel) as archive:
        path, = (path for path in archive.namelist()
                 if path.endswith(f'.dist-info/{name}'))
        return archive.read(path).decode()


def test_pip_is_asked_only_for_what_it_can_resolve(root, wheel):
    """What is left out, "hpnet doctor --fix" installs by itself."""
    lines = metadata_of(wheel, 'METADATA').splitlines()
    assert 'Requires-Python: >=3.11' in lines
    asked = {re.match(r'Requires-Dist: ([\w.-]+)', line)[1].lower()
             for line in lines if line.startswith('Requires-Dist: ')}
    assert asked >= {'torch', 'mmengine', 'open_clip_torch', 'pycocotools'}
    assert not asked & {
        'mmaction2', 'mmcv', 'mmcv-lite', 'mmpose', 'mmdet', 'openmim',
        'xtcocotools', 'chumpy', 'decord'}
    # mim takes the first line for the folder with .mim
    assert metadata_of(wheel, 'top_level.txt').split() == [
        'hpnet_plugin', 'hpnet_plugin_startup']
    assert 'hpnet = hpnet_plugin.cli:main' in metadata_of(
        wheel, 'entry_points.txt')


def pins_of(root, name):
    """(package, version) of a lock file, whose lines all have hashes."""
    text = (root / f'requirements/{name}.txt').read_text()
    pins = [entry.split() for entry in text.replace('\\\n', ' ').splitlines()]
    assert all(any(word.startswith('--hash=sha256:') for word in entry)
               for entry in pins)
    return [entry[0].partition('==')[::2] for entry in pins]


def test_the_lock_is_what_the_ranges_allow(root):
    """Each pin has hashes, and is in the range of the package's table."""
    named = pins_of(root, 'lock')
    source = (root / 'requirements/lock.in').read_text()
    assert {name for name, _ in named} == {
        name.lower().replace('_', '-').replace('.', '-')
        for name in re.findall(r'(?m)^([\w.-]+)==', source)}
    beside = [pin for lock in BESIDE for pin in pins_of(root, lock)
              if pin not in named]
    table = {name.lower().replace('_', '-'): package
             for package in (*OWN, *OPENMMLAB, *OPTIONAL)
             for name in package.names}
    checked = [name for name, version in named + beside
               if name in table and in_range(table[name], version)]
    assert len(set(checked)) == len(OWN + OPENMMLAB + OPTIONAL)
    assert len(checked) == sum(name in table for name, _ in named + beside)


def test_every_file_is_installed_by_its_hash(root):
    """Whatever make installs is a lock, and pip refuses what it lacks."""
    makefile = (root / 'Makefile').read_text()
    hashed = re.search(r'(?m)^HASHED := (.*)$', makefile)[1].split()
    assert {'--no-deps', '--require-hashes'} <= set(hashed)
    asked = re.findall('pip install -.*', makefile.replace('\\\n', ''))
    assert len(asked) == 2  # by uv, or by pip; nothing beside these
    assert all('$(HASHED)' in command for command in asked)
    installed = set(re.findall(r'\$\(INSTALL\)/(\w+)\.txt', makefile))
    locks = {path.stem for path in (root / 'requirements').glob('*.txt')}
    assert installed == locks == {'lock', *BESIDE}
    for name in locks:
        assert pins_of(root, name)
    # nothing is built, so nothing unpinned is downloaded to build with
    assert 'setup.py -q develop --no-deps' in makefile
    assert '--no-binary' not in makefile
    assert ('setuptools', '79.0.1') in pins_of(root, 'lock')


@pytest.mark.parametrize('lock', BESIDE)
def test_what_is_installed_beside_the_lock_leaves_it_as_it_is(root, lock):
    pins = {}
    for name, version in pins_of(root, 'lock'):
        pins.setdefault(name, set()).add(version)
    for name, version in pins_of(root, lock):
        assert version in pins.get(name, {version}), name


MIM = """
import site, subprocess, sys
site.addsitedir(sys.argv[1])  # runs the installation's start-up file
print('hpnet_plugin_startup' in sys.modules, 'hpnet_plugin' in sys.modules)
import mmcv
print('hpnet_plugin.compat' in sys.modules)
from mim.cli import cli
cli(['search', 'hpnet_plugin', '--valid-config'], standalone_mode=False)
from hpnet_plugin.compat.doctor import check_mim
print('mim', check_mim().mark)
try:
    cli(['run', 'hpnet_plugin', 'verify_store', 'none'],
        standalone_mode=False)
except subprocess.CalledProcessError as error:
    print('ran', error.cmd[1], error.returncode)
"""


@pytest.mark.slow
def test_mim_finds_the_installed_wheel_from_any_folder(wheel, tmp_path):
    site = tmp_path / 'site'
    subprocess.run(
        [sys.executable, '-m', 'pip', 'install', '-q', '--no-deps',
         '--no-index', '--target', site, wheel], check=True)
    assert (site / 'bin/hpnet').is_file()
    done = subprocess.run(
        [sys.executable, '-c', MIM, site], cwd=tmp_path, text=True,
        env=dict(os.environ, PYTHONPATH=str(site)), capture_output=True)
    lines = done.stdout.splitlines()
    assert lines[:2] == ['True False', 'True'], done.stderr
    assert any('hp_j_ctrgcn_ntu120' in line for line in lines)
    assert any('hpnet_ntu120' in line for line in lines)
    assert 'mim ok' in lines and lines[-1] == 'ran ' + str(
        site / 'hpnet_plugin/.mim/tools/verify_store.py') + ' 2'
    assert 'hpnet verify: none: no such folder' in done.stderr


def entry_configs(root):
    """The configs a user names: all but the parts that they are made of."""
    return sorted(path for path in (root / 'configs').rglob('*.py')
                  if '_base_' not in path.parts)


def test_a_config_is_found_by_its_name_alone(root):
    """mim searches by the last part of the path, and two hits are an error."""
    count = Counter(path.name for path in (root / 'configs').rglob('*.py'))
    for path in entry_configs(root):
        assert count[path.name] == 1, path


def test_model_index_lists_every_config_that_trains(root):
    index = yaml.safe_load((root / 'configs/model-index.yml').read_text())
    models = []
    for name in index['Import']:
        meta = yaml.safe_load((root / name).read_text())
        models += meta['Models']
        collections = {one['Name'] for one in meta['Collections']}
        assert {model['In Collection'] for model in meta['Models']} \
            <= collections
    listed = {model['Config'] for model in models}
    trains = {
        path.relative_to(root).as_posix() for path in entry_configs(root)
        if not {'pose', 'detectors', 'demo'} & set(
            path.relative_to(root).parts)
    }
    assert listed == trains
    assert len({model['Name'] for model in models}) == len(models)


def test_mim_finds_configs_by_name(root):
    """mim refuses a name that two files of the package have.

    Three have always been two: mim is given their path.
    """
    package = root / 'hpnet_plugin'
    modules = {path.name for path in package.rglob('*.py')
               if '.mim' not in path.parts}
    assert modules & {path.name for path in (root / 'configs').glob('*.py')} \
        == {'hpnet.py', 'posec3d.py', 'rgbpose.py'}
