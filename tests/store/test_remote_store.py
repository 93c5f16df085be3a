"""Stores and datasets at an object store: a real S3 server, killed too."""
import functools
import json
import multiprocessing
import os
import threading
import time

import numpy as np
import pytest

from hpnet_plugin.cli import main
from hpnet_plugin.extraction.failures import FailureLog
from hpnet_plugin.extraction.upload import Upload
from hpnet_plugin.mirrors import Mirror, local_folder
from hpnet_plugin.remote import MissingObjectError, UnreachableError
from hpnet_plugin.store import FeatureStore, StoreError, StoreWriter

pytest.importorskip('s3fs')
pytest.importorskip('moto')
META = dict(taps=dict(tap=3))
NAMES = [f'c{i}' for i in range(6)]


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    from hpnet_plugin.benchmarks.s3_server import S3Server
    with S3Server(tmp_path_factory.mktemp('s3')) as server, \
            pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        # pauses are what a test would wait for
        patch.setenv('AWS_MAX_ATTEMPTS', '1')
        patch.setattr('hpnet_plugin.remote.patience.FIRST', .05)
        yield server


@pytest.fixture
def url(server, request, tmp_path, monkeypatch):
    """A URL of its own for each test, and an empty cache."""
    monkeypatch.setenv('HPNET_CACHE', str(tmp_path / 'cache'))
    return f's3://bucket/{request.node.name}/mine'


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Go to another computer: one with an empty cache."""
    numbers = iter(range(99))
    return lambda: monkeypatch.setenv(
        'HPNET_CACHE', str(tmp_path / f'other{next(numbers)}'))


def clip(name):
    rng = np.random.default_rng(int(name[1:]))
    shape = 1, 10 + rng.integers(20), 17
    return dict(keypoint=rng.random((*shape, 2), 'f4'),
                keypoint_score=rng.random(shape, 'f4'),
                tap=rng.normal(size=(*shape, 3)).astype('f2'))


def fill(root, names=NAMES, meta=META, prefix='', **options):
    with StoreWriter(root, meta, shard_bytes=12_000, prefix=prefix,
                     **options) as store:
        for name in names:
            if name not in store.names:
                store.add(name, clip(name), dict(name=name))


def fill_there(url, names=NAMES, **options):
    upload = Upload(url)
    fill(upload.store, names, on_commit=upload.commit, **options)
    upload.finish(lambda: None)


def objects(url):
    """Names and bytes of all objects, without our own code."""
    import fsspec
    system = fsspec.filesystem('s3', use_listings_cache=False)
    root = url.partition('://')[2]
    return {path[len(root) + 1:]: system.cat_file(path)
            for path in system.find(root)}


def files(root):
    return {f'features/{path.name}': path.read_bytes()
            for path in root.iterdir() if not path.name.endswith('.lock')}


@pytest.fixture(scope='module')
def expected(tmp_path_factory):
    """The files of a store that nobody stopped."""
    root = tmp_path_factory.mktemp('peace') / 'features'
    fill(root)
    assert len(list(root.glob('*.safetensors'))) == 3
    return files(root)


@pytest.fixture(scope='module')
def filled(server, tmp_path_factory):
    """The URL of a store that is only read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('HPNET_CACHE', str(tmp_path_factory.mktemp('filled')))
        fill_there('s3://bucket/filled/mine')
    return 's3://bucket/filled/mine'


def test_the_same_store(url, server, expected):
    before = len(server.requests())
    fill_there(url)
    assert objects(url) == expected
    put = [line.rpartition('/')[2] for line in server.requests()[before:]
           if line.startswith('PUT')]
    assert put[:4] == ['.hpnet-probe', 'meta.json', '00000.safetensors',
                       '00000.index']
    assert put[-1] == 'consolidated.index'
    # again, with nothing to do: no shard is asked for or written
    before = len(server.requests())
    fill_there(url)
    assert not [line for line in server.requests()[before:]
                if '.safetensors' in line or 'GET' in line and '.index' in
                line]
    assert objects(url) == expected
    # other programs see that the folder is a copy
    with open(Mirror(url).path('remote.json')) as file:
        content = json.load(file)
    assert content['url'] == url
    assert set(content['shards']['features']) >= {'00000', '00001'}


@pytest.mark.parametrize('number, where', [
    (4, 'elsewhere'), (4, 'here')])
def test_stopped_at_any_object(url, expected, elsewhere, monkeypatch, number,
                               where):
    """Before a shard, between it and its index, and after that."""
    from hpnet_plugin.remote import Objects
    put, count = Objects.put, iter(range(99))

    def stopping(self, path, name):
        if next(count) == number:
            raise KeyboardInterrupt
        put(self, path, name)

    with monkeypatch.context() as patch:
        patch.setattr(Objects, 'put', stopping)
        with pytest.raises(KeyboardInterrupt):
            fill_there(url)
    there = set(objects(url))
    for name in there:
        if name.endswith('.index'):
            assert name.replace('.index', '.safetensors') in there
    if where == 'elsewhere':
        elsewhere()
    fill_there(url)
    assert objects(url) == expected


def test_another_computer_went_on_meanwhile(url, expected, elsewhere,
                                            tmp_path, monkeypatch):
    """What it has stored is not stored again when the first comes back."""
    upload = Upload(url)
    # committed here, never sent, under other numbers than there
    fill(upload.store, NAMES[:2], prefix='late-')
    elsewhere()
    fill_there(url)
    monkeypatch.setenv('HPNET_CACHE', str(tmp_path / 'cache'))
    fill_there(url)
    assert objects(url) == expected


def test_several_ranks(url, elsewhere):
    """Whoever ends has all; one that began with nothing there, too."""
    seen = []

    def write():
        if not seen:  # another ends while the first writes
            elsewhere()
            fill_there(url, NAMES[3:4], prefix='3of3-')
        store = FeatureStore(late.store)
        seen.append(len(store))
        assert all(store.read(name, 'tap').size for name in store.names)
        return len(store)

    late = Upload(url)
    FailureLog(late.folder).add('one', 'no video')
    fill(late.store, NAMES[::2], prefix='1of3-', on_commit=late.commit)
    elsewhere()
    other = Upload(url)
    FailureLog(other.folder).add('two', 'no person')
    fill(other.store, NAMES[1::4], prefix='2of3-', on_commit=other.commit)
    other.finish(lambda: None)
    assert late.finish(write) == len(NAMES)
    assert seen == [len(NAMES) - 1, len(NAMES)]
    elsewhere()
    folder = local_folder(url)
    assert FailureLog(folder).read() == dict(one='no video', two='no person')
    store = FeatureStore(folder + '/features')
    assert store.names == NAMES
    assert all((store.read(name, 'tap') == clip(name)['tap']).all()
               for name in NAMES)


def test_others_in_the_same_folder(url, elsewhere):
    """With the same prefix, or with another pose net: refused."""
    late, other = Upload(url), dict(META, pose='other')
    elsewhere()
    third = Upload(url)
    elsewhere()
    fill_there(url)
    with pytest.raises(StoreError, match='made otherwise.*pose: None there'):
        fill_there(url, meta=other)
    # nor where all began with nothing there
    with pytest.raises(StoreError, match='makes features otherwise'):
        fill(late.store, meta=other, on_commit=late.commit)
    with pytest.raises(StoreError, match='00000.index was written by another'
                       ' run meanwhile.*--shard 1/2'):
        fill(third.store, ['c77', *NAMES], on_commit=third.commit)


def test_made_anew_by_another_pose_net(url, elsewhere, tmp_path, monkeypatch):
    """What the first cache has not sent is not of the new store."""
    import fsspec
    upload = Upload(url)
    fill(upload.store, NAMES[:2], on_commit=upload.commit)
    fill(upload.store, NAMES[2:])  # never sent
    fsspec.filesystem('s3').rm(url.partition('://')[2], recursive=True)
    elsewhere()
    meta = dict(META, pose='other')
    fill_there(url, NAMES[:2], meta=meta)
    monkeypatch.setenv('HPNET_CACHE', str(tmp_path / 'cache'))
    fill_there(url, NAMES[:2], meta=meta)
    assert FeatureStore(local_folder(url) + '/features').names == NAMES[:2]


def test_forked_readers_fetch_a_shard_once(filled, server, elsewhere):
    elsewhere()
    store = FeatureStore(local_folder(filled) + '/features')
    before = len(server.requests())
    with multiprocessing.get_context('fork').Pool(2) as pool:
        found = pool.map(functools.partial(store.read, key='tap'), NAMES, 1)
    for name, array in zip(NAMES, found):
        assert (array == clip(name)['tap']).all()
    shards = [line for line in server.requests()[before:]
              if line.startswith('GET') and 'safetensors' in line]
    assert len(shards) == len(set(shards)) == 3


def test_joints_are_fetched_without_features(filled, server, elsewhere):
    """What training on poses, and the files of a dataset, need of a shard."""
    elsewhere()
    folder = local_folder(filled) + '/features'
    store, before = FeatureStore(folder), len(server.requests())
    for name in NAMES:
        for key in ('keypoint', 'keypoint_score'):
            assert (store.read(name, key) == clip(name)[key]).all()
        assert (store.read(name, 'keypoint', [3, 1])
                == clip(name)['keypoint'][:, [3, 1]]).all()
    assert not [name for name in os.listdir(folder)
                if name.endswith('.safetensors')]
    asked = [line for line in server.requests()[before:]
             if '.safetensors' in line]
    assert len(asked) == 3
    size = sum(os.path.getsize(f'{folder}/{name}')
               for name in os.listdir(folder) if name.endswith('.head'))
    assert 0 < size < sum(store._catalog.tables[0].sizes)
    assert (store.read('c1', 'tap') == clip('c1')['tap']).all()


def test_damaged_there(filled, elsewhere, capsys):
    """What comes is compared with its index, and not kept."""
    import fsspec
    shard = f'{filled}/features/00001.safetensors'
    system = fsspec.filesystem('s3')
    data = bytearray(system.cat(shard))
    data[-1] ^= 1
    system.pipe(shard, bytes(data))
    elsewhere()
    folder = local_folder(filled)
    store = FeatureStore(folder + '/features')
    broken = [name for name in NAMES if store._find(name)[0].array(
        store._find(name)[0].clip(store._find(name)[1]), 'tap'
    ).stem == '00001']
    with pytest.raises(StoreError, match=f'{shard}: clip .* is damaged'):
        store.read(broken[0], 'tap')
    assert not os.path.exists(folder + '/features/00001.safetensors')
    assert main(['verify', filled]) == 3
    assert 'damaged, its checksum' in capsys.readouterr().out
    # mended there: the damaged copy does not stay
    data[-1] ^= 1
    system.pipe(shard, bytes(data))
    assert main(['verify', filled]) == 0
    assert store.read(broken[0], 'tap').size
    # cut off: its index knows better than the listing
    system.pipe(shard, bytes(data[:-9]))
    with pytest.raises(StoreError, match='00001.safetensors: .* expected'):
        FeatureStore(local_folder_anew(filled) + '/features')
    system.rm(shard)
    with pytest.raises(StoreError, match='00001.safetensors: .* missing'):
        FeatureStore(local_folder_anew(filled) + '/features')
    system.pipe(shard, bytes(data))


def local_folder_anew(url):
    import shutil
    mirror = Mirror(url)
    shutil.rmtree(mirror.folder)
    mirror.refresh()
    return mirror.folder


def test_removed_and_changed_there(url):
    """The copy follows; a shard stays as long as its index is the same."""
    import fsspec
    fill_there(url)
    mirror = Mirror(url)
    system = fsspec.filesystem('s3', use_listings_cache=False)
    shard = mirror.path('features/00000.safetensors')
    assert os.path.exists(shard)
    for end in ('index', 'safetensors'):
        system.rm(f'{url}/features/00000.{end}')
    mirror.refresh()
    assert not os.path.exists(shard)
    lost = set(NAMES) - set(FeatureStore(mirror.path('features')).names)
    assert lost
    fill_there(url)  # they are made again
    assert FeatureStore(mirror.path('features')).names == NAMES


def test_the_server_is_killed(url, server, monkeypatch, expected, capfd):
    """And stays away for too long; then it comes back in time."""
    upload = Upload(url)
    server.kill()
    with monkeypatch.context() as patch:
        patch.setenv('HPNET_REMOTE_TIMEOUT', '.1')
        with pytest.raises(UnreachableError, match=f'{url}/features'):
            fill(upload.store, on_commit=upload.commit)
        assert main(['fetch', url]) == 1
    capfd.readouterr()
    timer = threading.Timer(.2, server.start)
    timer.start()
    fill_there(url)
    timer.join()
    assert objects(url) == expected
    said = capfd.readouterr().err
    assert said.count('cannot be reached') == 1 and 'is back' in said


def test_no_bucket_and_no_credentials(url, monkeypatch, capfd):
    began = time.monotonic()
    with pytest.raises(MissingObjectError, match='s3://nobody/mine'):
        Upload('s3://nobody/mine')
    for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
        monkeypatch.delenv(name)
    monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')
    monkeypatch.setenv('AWS_SHARED_CREDENTIALS_FILE', os.devnull)
    monkeypatch.setattr('hpnet_plugin.remote.objects._SYSTEMS', {})
    import s3fs
    s3fs.S3FileSystem.clear_instance_cache()
    assert main(['fetch', url]) == 2
    assert 'no credentials' in capfd.readouterr().err
    assert time.monotonic() - began < 300  # nothing was tried again
    s3fs.S3FileSystem.clear_instance_cache()


