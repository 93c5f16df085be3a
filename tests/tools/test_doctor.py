"""The doctor's table and exit code."""
import subprocess
import sys

import pytest
import torch

from hpnet_plugin.compat import checkpoints, doctor


def find(rows, what):
    return next(row for row in rows if row.what == what)


def test_a_good_installation_passes(capsys):
    doctor.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == 'The main job can run.'
    assert any(line.split()[:3] == ['ok', 'torch', 'torch'] for line in lines)
    assert not any(line.startswith('FAIL') for line in lines)


def test_an_interpreter_without_packages_fails(root):
    # -S: no site-packages, as right after an installation of Python.
    done = subprocess.run(
        [sys.executable, '-I', '-S', str(root / 'tools/doctor.py')],
        capture_output=True, text=True)
    assert done.returncode == 1
    assert 'FAIL  torch ' in done.stdout
    assert 'make install' in done.stdout
    assert done.stderr.startswith('The main job cannot run: torch')


@pytest.mark.parametrize('module, name, fix', [
    ('numpy', 'numpy', 'numpy<2'),
    ('pkg_resources', 'setuptools', 'setuptools<82'),
])
def test_a_version_past_its_bound_is_named_with_the_fix(module, name, fix):
    row = doctor.check_package(module, (name, ), '1', '1.20', '')
    assert row.mark == 'FAIL'
    assert 'wanted >=1,<1.20' in row.found
    assert fix in row.fix


def test_an_absent_package_fails_only_where_the_main_job_needs_it():
    absent = ('nothing', ('no-such-distribution', ), '1', '')
    assert doctor.check_package(*absent, '').mark == 'FAIL'
    row = doctor.check_package(*absent, 'captions')
    assert (row.mark, row.what) == ('warn', 'no-such-distribution '
                                    '(for captions)')


def test_a_gap_left_open_fails():
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        row = find(doctor.check_plugin(), checkpoints.NAME)
    finally:
        torch.serialization.add_safe_globals(allowed)
    assert row.mark == 'FAIL'
    assert row.found == 'absent'
    assert find(doctor.check_plugin(), checkpoints.NAME).mark == 'ok'
