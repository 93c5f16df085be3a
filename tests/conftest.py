"""Fixtures that all tests share."""
import importlib.util
import os
import pathlib

import pytest
from mmengine.registry import DefaultScope

import hpnet_plugin  # noqa: F401  fills the gaps of the stock packages

ROOT = pathlib.Path(__file__).resolve().parents[1]


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
