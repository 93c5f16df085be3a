"""The doctor's table, its exit code, and what it would install."""
import importlib.util
import shlex
import subprocess
import sys

import mmcv  # noqa: F401  what its import fills, is filled
import pytest
import torch

from hpnet_plugin.compat import checkpoints, doctor, repair
from hpnet_plugin.compat.packages import OPENMMLAB, OWN, Package


def find(rows, what):
    return next(row for row in rows if row.what == what)


def test_a_good_installation_passes(capsys):
    assert doctor.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == 'The main job can run.'
    assert any(line.split()[:3] == ['ok', 'torch', 'torch'] for line in lines)
    assert not any(line.startswith('FAIL') for line in lines)


def test_help_says_what_fix_does_and_examines_nothing(capsys):
    with pytest.raises(SystemExit):
        doctor.main(['--help'])
    out = ' '.join(capsys.readouterr().out.split())
    assert 'mmcv-lite' in out and 'printed first' in out
    assert 'ok ' not in out


def test_an_interpreter_without_packages_fails(root):
    # -S: no site-packages, as right after an installation of Python.
    done = subprocess.run(
        [sys.executable, '-I', '-S', str(root / 'tools/doctor.py')],
        capture_output=True, text=True)
    assert done.returncode == 1
    assert 'FAIL  torch ' in done.stdout
    assert 'hpnet doctor --fix' in done.stdout
    assert 'The main job cannot run: hpnet_plugin, torch' in done.stderr


def test_a_version_out_of_its_range_is_named():
    row = doctor.check_package(Package('numpy', ('numpy', ), '1', '1.20'))
    assert row.mark == 'FAIL'
    assert 'wanted >=1,<1.20' in row.found
    assert row.fix == 'hpnet doctor --fix'


def test_an_absent_package_fails_only_where_the_main_job_needs_it():
    absent = Package('nothing', ('no-such-distribution', ), '1')
    assert doctor.check_package(absent).mark == 'FAIL'
    row = doctor.check_package(absent._replace(use='captions', extra='text'))
    assert (row.mark, row.what) == ('warn', 'no-such-distribution '
                                    '(for captions)')
    assert row.fix == 'pip install "hpnet-plugin[text]"'


def test_a_gap_left_open_fails():
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        row = find(doctor.check_gaps(), checkpoints.NAME)
    finally:
        torch.serialization.add_safe_globals(allowed)
    assert row.mark == 'FAIL'
    assert row.found == 'a gap'
    assert find(doctor.check_gaps(), checkpoints.NAME).mark == 'ok'


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Metadata of installed packages, for a program that looks there only."""

    def write(**versions):
        for name, version in versions.items():
            file = name.replace('-', '_')
            folder = tmp_path / f'{file}-{version}.dist-info'
            folder.mkdir()
            (folder / 'METADATA').write_text(
                f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
        monkeypatch.setattr(sys, 'path', [str(tmp_path)])

    return write


def versions(**changed):
    """All that is needed, in the lowest versions that will do."""
    found = {package.names[0]: package.least for package in OWN + OPENMMLAB}
    found.update({name.partition('>')[0]: '99'
                  for name in repair.PACKAGES['OF_OPENMMLAB']})
    return {name: version for name, version in {**found, **changed}.items()
            if version}


def test_nothing_is_repaired_where_nothing_is_wrong(site):
    site(**versions())
    assert repair.repairs() == []


def test_what_pip_cannot_resolve_is_installed_by_itself(site):
    site(**versions(**{package.names[0]: None for package in OPENMMLAB}))
    assert repair.repairs() == [[
        'install', '--no-deps', 'mmcv-lite>=2.1.0,<2.3',
        'mmaction2>=1.2.0,<2', 'openmim>=0.3.9', 'mmpose>=1.3.2,<2',
        'mmdet>=3.2.0,<3.4']]


def test_full_mmcv_is_kept_where_it_will_do(site):
    site(**versions(**{'mmcv-lite': None, 'mmcv': '2.1.0'}))
    assert repair.repairs() == []


def test_builds_that_own_the_same_files_are_replaced(site):
    site(**versions(mmcv='2.2.0', six=None))
    assert repair.repairs() == [
        ['uninstall', '--yes', 'mmcv-lite', 'mmcv'], ['install', 'six'],
        ['install', '--no-deps', 'mmcv-lite>=2.1.0,<2.3']]


def test_an_opencv_that_does_not_load_gives_way_to_the_headless_one(
        site, tmp_path):
    site(**versions())
    (tmp_path / 'cv2.py').write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file')\n")
    kept = sys.modules.pop('cv2', None)
    try:
        assert repair.repairs() == [
            ['uninstall', '--yes', 'opencv-python'],
            ['install', '--no-deps', 'opencv-python-headless>=4.11']]
    finally:
        if kept:
            sys.modules['cv2'] = kept


def test_uv_is_told_of_this_python():
    words = ['uninstall', '--yes', 'mmcv']
    assert repair.command(['python', '-m', 'pip'], words) == [
        'python', '-m', 'pip', *words]
    assert repair.command(['uv', 'pip'], words) == [
        'uv', 'pip', 'uninstall', '--python', sys.executable, 'mmcv']


@pytest.mark.parametrize('lacks, statuses', [
    ({}, [0]), ({}, [1]), (dict(six=None), [0, 1]), (dict(six=None), [1])])
def test_fix_prints_the_commands_and_examines_anew(
        lacks, statuses, site, root, capsys, monkeypatch):
    """In a new process, unless a command fails."""
    site(**versions(**lacks))
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: name)
    pip, ran = [sys.executable, '-m', 'pip'], []

    def run(words):
        ran.append(words)
        return subprocess.CompletedProcess(words, statuses[len(ran) - 1])

    monkeypatch.setattr(subprocess, 'run', run)
    assert doctor.main(['--fix']) == statuses[-1]
    new = [sys.executable, str(root / 'hpnet_plugin/compat/doctor.py')]
    assert ran == [[*pip, 'install', 'six'], new][-2 if lacks else -1:][
        :len(statuses)]
    said = capsys.readouterr()
    first = shlex.join([*pip, 'install', 'six'])
    assert said.out == (f'To be done:\n  {first}\n' if lacks else
                        'There is nothing to be fixed.\n')
    assert said.err == (f'hpnet doctor: this failed: {first}\n'
                        if lacks and len(ran) == 1 else '')
