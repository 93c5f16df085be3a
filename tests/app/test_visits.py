"""Folders of visitors, and when they go."""
import os
import tempfile

import pytest

from hpnet_plugin.app import visits as module
from hpnet_plugin.app.visits import VisitorLeftError, Visits


@pytest.fixture
def visits(tmp_path, monkeypatch):
    """The folders of a page."""
    monkeypatch.setenv('GRADIO_TEMP_DIR', 'elsewhere')
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    visits = Visits()
    yield visits
    visits.close()


def upload(visits, name='clip.mp4', content=b'video', folder='0123'):
    """A file as Gradio leaves it."""
    path = os.path.join(visits.root, folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(content)
    return path


def folders(visits):
    return os.listdir(os.path.join(visits.root, 'visits'))


def test_a_visitor_has_one_video_at_a_time(visits):
    path = upload(visits)
    first = visits.begin('anna', path, 'clip.mp4')
    with open(first.video, 'rb') as file:
        assert file.read() == b'video'
    other = visits.begin('ben', path, 'clip.mp4')
    assert len(folders(visits)) == 2
    second = visits.begin('anna', path, 'clip.mp4')
    assert visits.of('anna') is second
    assert first.left and not os.path.exists(first.folder)
    visits.leave('anna')
    visits.leave('nobody')
    assert folders(visits) == [os.path.basename(other.folder)]


def test_a_folder_that_is_worked_on_goes_when_the_work_ends(visits):
    visit = visits.begin('anna', upload(visits), 'clip.mp4')
    with pytest.raises(VisitorLeftError), visit:
        visits.leave('anna')
        assert os.path.exists(visit.video)
        visit.check()
    assert not os.path.exists(visit.folder)
    # work that had to wait does not begin
    late = visits.begin('anna', upload(visits), 'clip.mp4')
    visits.leave('anna')
    with pytest.raises(VisitorLeftError), late:
        pytest.fail('it began')


def test_only_what_was_sent_to_the_page_is_taken(visits, tmp_path):
    mine = tmp_path / 'mine.mp4'
    mine.write_bytes(b'video')
    link = os.path.join(visits.root, 'link.mp4')
    os.symlink(mine, link)
    hers = visits.begin('hers', upload(visits), 'clip.mp4')
    for path in (str(mine), link, f'{visits.root}/../mine.mp4', hers.video,
                 f'{visits.root}/lock'):
        with pytest.raises(PermissionError):
            visits.begin('anna', path, 'clip.mp4')
    with pytest.raises(FileNotFoundError):
        visits.begin('anna', f'{visits.root}/gone.mp4', 'clip.mp4')
    assert folders(visits) == [os.path.basename(hers.folder)]


def test_uploads_that_nobody_took_are_removed(visits):
    old, new = upload(visits), upload(visits, folder='4567')
    part = upload(visits, 'tmpabc', folder='')
    taken = visits.begin('anna', old, 'clip.mp4')
    for path in (old, os.path.dirname(old), part):
        os.utime(path, (1, 1))
    visits.sweep()
    assert sorted(os.listdir(visits.root)) == [
        '4567', 'examples', 'lock', 'visits']
    assert os.path.exists(new) and os.path.exists(taken.video)


def test_an_upload_may_not_take_for_ever(visits, monkeypatch):
    part = upload(visits, 'tmpabc', folder='')
    visits.sweep()
    assert os.path.exists(part)
    monkeypatch.setattr(module, 'SLOWEST', -1)
    visits.sweep()
    assert not os.path.exists(part)


def test_results_of_long_ago_are_removed(visits, monkeypatch):
    visit = visits.begin('anna', upload(visits), 'clip.mp4')
    visits.sweep()
    assert os.path.exists(visit.folder)
    monkeypatch.setattr(module, 'SHOWN', -1)
    visits.sweep()
    assert not os.path.exists(visit.folder) and visits.of('anna') is None


def test_folders_of_pages_that_were_killed_are_removed(tmp_path, visits):
    dead = tmp_path / f'{module.PREFIX}dead'
    dead.mkdir()
    (dead / 'lock').write_bytes(b'')
    (dead / 'video').write_bytes(b'video')
    other = Visits()
    assert not dead.exists()
    assert os.path.isdir(visits.root)  # another page that lives
    other.close()
    assert sorted(os.listdir(tmp_path)) == [os.path.basename(visits.root)]
    assert os.environ['GRADIO_TEMP_DIR'] == other.root
