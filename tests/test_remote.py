"""URLs, web servers, patience: what needs no object store."""
import contextlib
import errno
import functools
import http.server
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hpnet_plugin.cli import main
from hpnet_plugin.datasets.clips import SourceError
from hpnet_plugin.datasets.sources import list_clips
from hpnet_plugin.extraction.worker_process import is_fatal
from hpnet_plugin.mirrors import Mirror, local_folder
from hpnet_plugin.remote import (
    MissingObjectError,
    Objects,
    RefusedError,
    RemoteError,
    TooLargeError,
    UnreachableError,
    is_url,
    is_video,
    name_of,
    patience,
    shown,
    video_file,
    videos,
)
from hpnet_plugin.store import FeatureStore, StoreError, StoreWriter


class Handler(http.server.SimpleHTTPRequestHandler):
    """A web server of a folder that fails as it is told, and counts."""

    def __init__(self, *args, said, **kwargs):
        self.said = said
        super().__init__(*args, **kwargs)

    def do_GET(self):
        self.said['asked'].append(self.path)
        status = self.said['statuses'].pop(0) if self.said['statuses'] else 0
        if status == 'cut':  # promises more than it sends
            self.send_response(200)
            self.send_header('Content-Length', '1000')
            self.end_headers()
            self.wfile.write(b'half')
        elif status:
            self.send_error(status)
        else:
            super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A web server: ``url``, ``folder``, ``statuses`` to answer, ``asked``."""
    pytest.importorskip('aiohttp')
    folder, said = tmp_path / 'web', dict(statuses=[], asked=[])
    folder.mkdir()
    monkeypatch.setenv('HPNET_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(patience, 'FIRST', .01)
    server = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0),
        functools.partial(Handler, directory=folder, said=said))
    thread = threading.Thread(target=server.serve_forever, args=[.01])
    thread.start()
    said.update(folder=folder, url=f'http://127.0.0.1:{server.server_port}')
    yield said
    server.shutdown()
    thread.join()
    server.server_close()


def write_store(folder, clips=5, **options):
    """A store with a few shards."""
    rng = np.random.default_rng(0)
    with StoreWriter(folder, dict(taps=dict(tap=3)),
                     **dict(dict(shard_bytes=5000), **options)) as store:
        for i in range(clips):
            store.add(f'clip{i}', dict(
                keypoint=rng.random((1, 9, 17, 2), 'f4'),
                keypoint_score=rng.random((1, 9, 17), 'f4'),
                tap=rng.normal(size=(1, 9, 17, 3)).astype('f2')), {})
    return folder


@pytest.mark.parametrize('text, url', [
    ('s3://bucket/a', True), ('https://host/a', True), ('file:///a', True),
    ('data/mine', False), ('/data/s3://x', False), ('C:/a', False),
    ('s3:/a', False), ('://a', False), (None, False)])
def test_what_is_a_url(text, url):
    assert is_url(text) is url


def test_names_and_what_is_shown():
    signed = 'https://me:secret@host/a%20b/clip.MP4?sig=secret#x'
    assert shown(signed) == 'https://host/a%20b/clip.MP4'
    assert name_of(signed) == 'clip.MP4' and is_video(signed)
    assert name_of('https://host/a%20b/') == 'a b'
    # a key of an object store may hold anything
    assert name_of('s3://b/what?.mp4') == 'what?.mp4'
    assert shown('s3://key:secret@b/x?y') == 's3://b/x?y'
    assert shown('here/a@b') == 'here/a@b' and name_of('a/b.mp4') == 'b.mp4'


def test_a_server_that_comes_back(web, tmp_path, capfd):
    (web['folder'] / 'a').write_bytes(b'whole')
    web['statuses'] += [503, 'cut', 429]
    Objects(web['url']).get('a', str(tmp_path / 'a'))
    assert (tmp_path / 'a').read_bytes() == b'whole'
    said = capfd.readouterr().err
    assert said.count('cannot be reached') == 1
    assert f'{web["url"]}/a is back' in said


def test_all_that_wait_say_so_once(web, capfd):
    for name in 'abcd':
        (web['folder'] / name).write_bytes(name.encode())
    together, count = threading.Barrier(4), threading.local()

    def read(name):
        def call():
            count.calls = getattr(count, 'calls', 0) + 1
            together.wait(60)
            if count.calls < 3:
                raise ConnectionError('gone')
            return name
        return patience.patiently(f'{web["url"]}/{name}', call)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, 'abcd')) == [*'abcd']
    said = capfd.readouterr().err
    assert said.count('cannot be reached') == said.count('is back') == 1


def test_a_server_that_is_gone(web, tmp_path, monkeypatch):
    monkeypatch.setenv('HPNET_REMOTE_TIMEOUT', '.05')
    web['statuses'] += ['cut'] * 99
    with pytest.raises(UnreachableError, match='/a could not be reached for '
                       r'0\.05 s \(Client') as found:
        Objects(web['url']).get('a', str(tmp_path / 'to/a'))
    assert not os.listdir(tmp_path / 'to')
    # no clip is to blame: the extraction ends, and is resumed
    assert found.value.errno == errno.EHOSTUNREACH and is_fatal(found.value)
    again = pickle.loads(pickle.dumps(found.value))
    assert type(again) is UnreachableError and str(again) == str(found.value)
    monkeypatch.setenv('HPNET_REMOTE_TIMEOUT', 'soon')
    with pytest.raises(ValueError, match="HPNET_REMOTE_TIMEOUT is 'soon'"):
        Objects(web['url']).get('a', str(tmp_path / 'to/a'))


@pytest.mark.parametrize('status, kind', [
    (404, MissingObjectError), (403, RefusedError), (401, RefusedError),
    (400, RefusedError)])
def test_what_waiting_does_not_mend(web, tmp_path, status, kind):
    web['statuses'] += [status]
    with pytest.raises(kind, match='/x'):
        Objects(web['url']).get('x', str(tmp_path / 'x'))
    assert web['asked'] == ['/x']
    assert not is_fatal(kind('x'))


def test_no_such_file_system(tmp_path):
    with pytest.raises(RemoteError, match='nix://a/b: .*not known: nix'):
        Objects('nix://a').get('b', str(tmp_path / 'b'))


def test_a_video_is_a_file_while_it_is_read(web, tmp_path, monkeypatch):
    (web['folder'] / 'a b').mkdir()
    (web['folder'] / 'a b/clip.mp4').write_bytes(bytes(3000))
    url, place = web['url'] + '/a%20b/clip.mp4?sig=1', tmp_path / 'temp'
    place.mkdir()
    with video_file(url, folder=str(place)) as path:
        assert os.path.getsize(path) == 3000 and path.startswith(str(place))
        assert 'clip' not in path and path.endswith('.mp4')
    assert not os.listdir(place)
    monkeypatch.setattr(videos, 'LARGEST', 2000)
    with pytest.raises(TooLargeError, match='clip.mp4 has more than 2,000'), \
            video_file(url, folder=str(place)):
        pass
    assert not os.listdir(place)
    with video_file('here.mp4') as path:
        assert path == 'here.mp4'


def test_signs_of_life(monkeypatch):
    monkeypatch.setattr(patience, 'BEAT', .01)
    heard = threading.Event()
    assert patience.patiently('s3://a', lambda: heard.wait(60), heard.set)


def test_lists_of_urls(web, tmp_path):
    (tmp_path / 'list.txt').write_text(
        f'{web["url"]}/run/001.mp4?sig=1 run\n'
        f'{web["url"]}/walk/001.mp4 walk\ns3://b/a b.mp4 wave hello\n')
    clips = list_clips(str(tmp_path / 'list.txt')).clips
    assert [(clip.name, clip.label) for clip in clips] == [
        ('a b', 'wave hello'), ('run__001', 'run'), ('walk__001', 'walk')]
    assert clips[1].path.endswith('?sig=1')
    # a list at a URL: relative paths are beside it
    (web['folder'] / 'list.txt').write_text('run/001.mp4 3\n')
    clip, = list_clips(web['url'] + '/list.txt').clips
    assert clip == ('001', web['url'] + '/run/001.mp4', '3')
    with pytest.raises(SourceError, match='cannot be listed; give'):
        list_clips(web['url'] + '/run')


def test_folders_at_a_url_are_as_local_ones(tmp_path):
    for name in ('run/001.mp4', 'walk/001.mp4', 'walk/x/2.mp4', 'walk/.a.mp4',
                 'note.md', '.x/3.mp4'):
        path = tmp_path / 'videos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'x')
    here = list_clips(str(tmp_path / 'videos'))
    there = list_clips(f'file://{tmp_path}/videos/')
    prefix = f'file://{tmp_path}/videos'
    assert [clip._replace(path=str(tmp_path / 'videos')
                          + clip.path.removeprefix(prefix))
            for clip in there.clips] == here.clips
    assert [why for _, why in sorted(there.skipped.items())] == [
        why for _, why in sorted(here.skipped.items())]


def test_a_dataset_of_a_web_server(web):
    """Which lists nothing: names are known, or stand in the index."""
    write_store(web['folder'] / 'mine/features')
    url = web['url'] + '/mine'
    store = FeatureStore(local_folder(url) + '/features')
    assert not [path for path in web['asked'] if 'safetensors' in path]
    expected = FeatureStore(web['folder'] / 'mine/features')
    for _ in range(2):
        assert (store.read('clip1', 'tap')
                == expected.read('clip1', 'tap')).all()
    assert len([p for p in web['asked'] if 'safetensors' in p]) == 1
    assert store.names == expected.names
    with pytest.raises(MissingObjectError, match='no dataset folder'):
        Mirror(web['url'] + '/other').refresh()


def test_names_in_an_index_are_no_paths(web):
    """An index that lists ``../x`` makes no file outside the cache."""
    from hpnet_plugin.store.building import build, part_of
    folder = web['folder'] / 'mine/features'
    write_store(folder)
    (folder / 'consolidated.index').write_bytes(
        b''.join(build([part_of('../00000', 100, [])])))
    with pytest.raises(StoreError, match='shards'):
        Mirror(web['url'] + '/mine').refresh()


def test_commands_say_what_is_wrong(web, tmp_path, capfd):
    url = web['url']
    assert main(['fetch', url + '/no']) == 2
    assert f'hpnet fetch: {url}/no: no dataset' in capfd.readouterr().err
    assert main(['train', 'hp_j', '--data', url + '/no']) == 2
    assert main(['verify', url + '/no']) == 2
    assert main(['extract', str(tmp_path), '--out', url + '/x']) == 2
    assert 'web servers are only read' in capfd.readouterr().err
    with pytest.raises(SystemExit):
        main(['fetch', 'data/mine'])
    assert 'data/mine is no URL' in capfd.readouterr().err


def test_a_file_system_that_is_not_atomic(tmp_path):
    """A file appears under its name when it is whole."""
    (tmp_path / 'a').write_bytes(b'new')
    there = Objects(f'file://{tmp_path}/there')
    there.put(str(tmp_path / 'a'), 'features/a')
    assert os.listdir(tmp_path / 'there/features') == ['a']
    assert there.read('features/a') == b'new'
    assert there.read('features/a', 1, 2) == b'e'
    assert there.listing('features')['a'].size == 3
    assert there.listing('nothing') == {}
    there.remove('features/a')
    there.remove('features/a')
    assert there.entry('features/a') is None


def test_local_folders_need_no_fsspec(tmp_path):
    write_store(tmp_path / 'store')
    code = ('import sys; from hpnet_plugin.store import FeatureStore; '
            f'FeatureStore({str(tmp_path / "store")!r}).read("clip1", "tap");'
            'from hpnet_plugin.recipes.settings import find_facts; '
            'from hpnet_plugin.datasets.sources import list_clips; '
            'print({"fsspec", "aiohttp"} & set(sys.modules))')
    assert subprocess.run([sys.executable, '-c', code], check=True, text=True,
                          capture_output=True).stdout == 'set()\n'


def test_a_cache_of_ones_own(monkeypatch, tmp_path):
    monkeypatch.setenv('HPNET_CACHE', str(tmp_path))
    one, other = Mirror('s3://b/x/mine/'), Mirror('s3://b/y/mine')
    assert one.folder.startswith(str(tmp_path / 'remote/s3-b-x-mine-'))
    assert os.path.basename(one.folder) == 'mine' == os.path.basename(
        other.folder) and one.folder != other.folder
    # whatever a URL is called, it is a folder in the cache
    for url in ('s3://b/..', 's3://b/.', 's3://b/a/../..', 's3://b'):
        folder = Mirror(url).folder
        assert os.path.realpath(folder).startswith(
            os.path.realpath(tmp_path) + '/remote/')
        assert os.path.basename(folder) not in ('', '.', '..')
    with contextlib.suppress(KeyError):
        monkeypatch.delenv('HPNET_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert Mirror('s3://b/x').folder.startswith(
        str(tmp_path / 'xdg/hpnet_plugin/remote/'))
