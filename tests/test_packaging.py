"""A wheel carries all that mim and the package need, and nothing else."""
import os
import subprocess
import sys
import zipfile
from collections import Counter

import pytest
import yaml


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
    expected.add('hpnet_plugin/.mim/model-index.yml')
    assert names == expected


def test_mim_finds_the_installed_wheel_from_any_folder(wheel, tmp_path):
    site = tmp_path / 'site'
    subprocess.run(
        [sys.executable, '-m', 'pip', 'install', '-q', '--no-deps',
         '--no-index', '--target', site, wheel], check=True)

    def mim(*args):
        return subprocess.run(
            [sys.executable, '-c', 'from mim.cli import cli; cli()', *args],
            cwd=tmp_path, env=dict(os.environ, PYTHONPATH=str(site)),
            check=True, capture_output=True, text=True).stdout

    found = mim('search', 'hpnet_plugin', '--valid-config')
    assert 'hp_j_ctrgcn_ntu120' in found
    shown = mim('run', 'hpnet_plugin', 'doctor')
    assert str(site / 'hpnet_plugin/.mim/tools/doctor.py') in shown
    assert 'The main job can run.' in shown
    assert 'warn  mim' not in shown


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
