"""A drawn video."""
import pytest

from hpnet_plugin.demo import people


@pytest.fixture(scope='session')
def clip(tmp_path_factory):
    """A video of two seconds, in which somebody waves."""
    path = tmp_path_factory.mktemp('clip') / 'wave.mp4'
    people.save_video(path, people.make_clip(4, 3, length=32).frames)
    return str(path)
