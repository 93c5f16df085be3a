"""What a clip was called once it is always called."""
import json

import pytest

from hpnet_plugin.datasets.names import read_names, write_names
from hpnet_plugin.datasets.sources import SourceError, list_clips


@pytest.fixture
def videos(tmp_path):
    def touch(*paths):
        for path in paths:
            path = tmp_path / 'videos' / path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return str(tmp_path / 'videos')
    return touch


def found(source, out):
    """Names of clips, as a run of the extraction finds and keeps them."""
    clips = list_clips(source, read_names(out)).clips
    write_names(out, clips, source)
    return {clip.path[len(source) + 1:]: clip.name for clip in clips}


def test_a_video_that_comes_later_changes_no_name(videos, tmp_path):
    out = str(tmp_path / 'out')
    first = found(videos('walk/001.mp4', 'walk/002.mp4'), out)
    assert first == {'walk/001.mp4': '001', 'walk/002.mp4': '002'}
    second = found(videos('run/001.mp4', 'run/003.mp4'), out)
    assert second == {**first, 'run/001.mp4': 'run__001',
                      'run/003.mp4': '003'}
    third = found(videos('jump/001.avi', 'jump/003.mp4', 'sit/004.mp4',
                         'jump/004.mp4'), out)
    assert third == {**second, 'jump/001.avi': 'jump__001',
                     'jump/003.mp4': 'jump__003', 'jump/004.mp4': 'jump__004',
                     'sit/004.mp4': 'sit__004'}
    # nothing changes where nothing is new
    before = (tmp_path / 'out/names.json').read_bytes()
    assert found(videos(), out) == third
    assert (tmp_path / 'out/names.json').read_bytes() == before


def test_all_at_once(videos, tmp_path):
    """Both have their folder's name; so stores made before names.json."""
    assert found(videos('walk/001.mp4', 'run/001.mp4', 'run/2.mp4'),
                 str(tmp_path / 'out')) == {
        'walk/001.mp4': 'walk__001', 'run/001.mp4': 'run__001',
        'run/2.mp4': '2'}


def test_one_that_is_gone(videos, tmp_path):
    out = str(tmp_path / 'out')
    source = videos('walk/001.mp4', 'run/001.mp4')
    first = found(source, out)
    (tmp_path / 'videos/walk/001.mp4').unlink()
    assert found(source, out) == {'run/001.mp4': first['run/001.mp4']}
    assert found(videos('walk/001.mp4'), out) == first


def test_moved_videos_keep_their_names(videos, tmp_path):
    """A list of files in another folder than before."""
    out = str(tmp_path / 'out')
    names = []
    for folder in ('a', 'b'):
        source = videos(f'{folder}/x.mp4', f'{folder}/y.mp4')
        path = tmp_path / 'clips.txt'
        path.write_text(f'{source}/{folder}/x.mp4\n{source}/{folder}/y.mp4\n')
        clips = list_clips(str(path), read_names(out)).clips
        write_names(out, clips, str(path))
        names.append([clip.name for clip in clips])
    assert names == [['x', 'y'], ['x', 'y']]


def test_a_flat_folder_needs_no_memory(videos, tmp_path):
    out = str(tmp_path / 'out')
    assert found(videos('a.mp4'), out) == {'a.mp4': 'a'}
    assert not (tmp_path / 'out').exists()
    assert found(videos('more/a.mp4'), out) == {'a.mp4': 'a',
                                                'more/a.mp4': 'more__a'}


def test_two_that_cannot_be_told_apart(videos, tmp_path):
    source = videos('walk/001.mp4', 'walk/001.avi')
    with pytest.raises(SourceError, match="two videos are named 'walk__001'"):
        list_clips(source)


def test_damaged(tmp_path):
    (tmp_path / 'names.json').write_text(json.dumps([1]))
    with pytest.raises(ValueError, match='expected a JSON object'):
        read_names(str(tmp_path))
    (tmp_path / 'names.json').write_text(json.dumps(dict(walk=3)))
    with pytest.raises(ValueError, match='names of clips'):
        read_names(str(tmp_path))
