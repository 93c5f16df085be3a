"""Fixtures that all tests share, and the order of the files."""
import importlib.util
import os
import pathlib

import pytest
from mmengine.registry import DefaultScope

import hpnet_plugin  # noqa: F401  fills the gaps of the stock packages

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Files that take more than a minute, longest first.
LONGEST = ('test_main_job.py', 'test_hpnet_configs.py',
           'test_xclip_recognizer.py', 'test_reproduce.py',
           'test_stream_configs.py')


def pytest_collection_modifyitems(items):
    """Long files begin first, so that no process waits for one at the end.

    Each file is one process's (``--dist loadfile``), and those that start
    other programs have few tests, by whose number xdist would order them.
    """
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(autouse=True)
def default_scope():
    """Stock code that a test calls may not change the scope of the next."""
    yield
    DefaultScope._instance_dict.clear()


@pytest.fixture(scope='session')
def root():
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope='session')
def shared():
    """Folder of the real clips, weights and golden numbers.

    They are not part of the project (their terms differ): tests that need
    them run where HPNET_SHARED, or ../shared beside the repository, has them.
    """
    path = pathlib.Path(os.environ.get('HPNET_SHARED', ROOT.parent / 'shared'))
    if not (path / 'data').is_dir():
        pytest.skip(f'{path} is absent: set HPNET_SHARED to the folder with '
                    'data/ and golden/')
    return path


@pytest.fixture(scope='session')
def golden(shared):
    """The module that rebuilds the weights behind the golden numbers."""
    spec = importlib.util.spec_from_file_location(
        'golden', shared / 'golden/golden.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
