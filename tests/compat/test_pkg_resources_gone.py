"""pkg_resources for mim and mmengine, where setuptools has none."""
from importlib import metadata

import pytest

from hpnet_plugin.compat import distributions

PROGRAM = """
import importlib.util
assert importlib.util.find_spec('pkg_resources') is None
from mmengine.utils import get_installed_path, is_installed
assert is_installed('mmaction2') and not is_installed('no_such_one')
assert get_installed_path('mmaction2').endswith('/mmaction')
import pkg_resources
assert pkg_resources.__name__ == 'hpnet_plugin.compat.distributions'
from mim.cli import cli
cli()
"""


def test_mim_and_mmengine_work_without_it(run_without):
    done = run_without(('pkg_resources', ), PROGRAM, 'list')
    for name in ('mmaction2', 'mmengine', 'mmpose'):
        assert f'{name} ' in done.stdout, done.stderr
    assert metadata.version('mmaction2') in done.stdout


def test_others_do_not_find_it(run_without):
    done = run_without(('pkg_resources', ), 'import hpnet_plugin\n'
                       'import pkg_resources')
    assert "No module named 'pkg_resources'" in done.stderr


def test_it_answers_as_pkg_resources():
    stock = pytest.importorskip('pkg_resources')
    for name in ('mmaction2', 'openmim', 'torch'):
        ours = distributions.get_distribution(name)
        theirs = stock.get_distribution(name)
        assert ours.version == theirs.version
        assert ours.location == theirs.location
        assert ours.project_name == theirs.project_name
        assert ours.get_metadata('top_level.txt').split() == \
            theirs.get_metadata('top_level.txt').split()
    assert not ours.has_metadata('nothing.txt')
    with pytest.raises(FileNotFoundError, match="torch .*'nothing.txt'"):
        ours.get_metadata('nothing.txt')
    with pytest.raises(distributions.DistributionNotFound):
        distributions.get_distribution('no-such-distribution')
    assert {found.project_name for found in distributions.working_set} >= {
        'mmaction2', 'openmim', 'torch'}
