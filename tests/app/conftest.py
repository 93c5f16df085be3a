"""A drawn video, and a model of those of tests/apis."""
import importlib.util
from pathlib import Path

import pytest

from hpnet_plugin.demo import people

_SPEC = importlib.util.spec_from_file_location(
    'apis_fixtures', Path(__file__).parents[1] / 'apis/conftest.py')
_APIS = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_APIS)
_APIS.RUNS = ('hp_j', )
drawn, models = _APIS.drawn, _APIS.models


@pytest.fixture(scope='session')
def clip(tmp_path_factory):
    """A video of two seconds, in which somebody waves."""
    path = tmp_path_factory.mktemp('clip') / 'wave.mp4'
    people.save_video(path, people.make_clip(4, 3, length=32).frames)
    return str(path)
