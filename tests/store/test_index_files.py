"""The index: both formats, damage, many shards."""
import json
import os
import pickle
import runpy
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save
from test_store import BARE, META, ROOT, TAPS, add, clip, fill, same_files

from hpnet_plugin.store import (
    FeatureStore,
    StoreError,
    StoreWriter,
    consolidate,
    upgrade,
    verify,
)
from hpnet_plugin.store import catalog as catalogs
from hpnet_plugin.store.mapping import MappedFile, Shards

NAMES = [f'c{i}' for i in range(7)]


@pytest.fixture
def root(tmp_path):
    fill(tmp_path / 'features', NAMES, shard_bytes=50_000)
    return tmp_path / 'features'


def as_format_1(root):
    """The same store as format 1 wrote it; (name, clip) pairs a shard."""
    store = FeatureStore(root)
    for path in root.glob('*.index'):
        path.unlink()
    (root / 'store.lock').unlink()
    (root / 'writer.lock').unlink()
    meta = json.loads((root / 'meta.json').read_text())
    del meta['crc32']
    (root / 'meta.json').write_text(json.dumps(dict(meta, version=1)) + '\n')
    for path in root.glob('*.safetensors'):
        clips = {}
        for name in dict.fromkeys(k.split('/')[0] for k in load_file(path)):
            arrays = {}
            for key in store.keys(name):
                array = store.read(name, key)
                at = path.read_bytes().index(array.tobytes())
                arrays[key] = dict(
                    offset=at, shape=list(array.shape), dtype=array.dtype.str,
                    crc32=store.checksum(name, key))
            clips[name] = dict(info=store.info(name), arrays=arrays)
        path.with_suffix('.json').write_text(json.dumps(
            dict(bytes=path.stat().st_size, clips=clips),
            separators=(',', ':')) + '\n')


def content(root):
    store = FeatureStore(root)
    return {(name, key): (store.read(name, key).tobytes(),
                          store.shape(name, key), store.info(name))
            for name in store.names for key in store.keys(name)}


def test_shards_are_the_bytes_of_safetensors(root):
    for path in root.glob('*.safetensors'):
        assert path.read_bytes() == save(load_file(path))


@pytest.mark.parametrize('consolidated', [True, False])
def test_more_blocks_than_one(tmp_path, consolidated):
    """Thousands of clips, with the consolidated index and without."""
    arrays = dict(clip(0, frames=1), h2=clip(0, frames=1)['h2'])
    names = [f'S{i * 7919 % 3000:04d}ü' for i in range(3000)]
    with StoreWriter(tmp_path, META, shard_bytes=1 << 20) as writer:
        for i, name in enumerate(names):
            writer.add(name, arrays, dict(number=i))
    assert os.path.getsize(tmp_path / 'consolidated.index') > 4 << 15
    if not consolidated:
        (tmp_path / 'consolidated.index').unlink()
    store = FeatureStore(tmp_path)
    assert store.names == sorted(names) and len(store) == 3000
    for i in range(0, 3000, 17):
        assert store.info(names[i]) == dict(number=i)
        assert names[i] in store and names[i] + 'x' not in store
        np.testing.assert_array_equal(store.read(names[i], 'h2'),
                                      arrays['h2'])
    again = pickle.loads(pickle.dumps(store))
    assert again.names == store.names and again.info('S0000ü') == {
        'number': 0}
    # what travels to a worker: nothing of a mapped index
    assert len(pickle.dumps(store)) < 1000 or not consolidated
    for other in (None, 5, b'S0000', '', '\ud800'):
        assert other not in store


def test_neighbours_are_looked_at_alone(tmp_path, monkeypatch):
    """A missing clip costs some steps, however many there are."""
    arrays = clip(0, frames=1)
    with StoreWriter(tmp_path, META) as writer:
        for i in range(1000):
            writer.add(f'clip{i:04d}', arrays, {})
    store = FeatureStore(tmp_path)
    table, = store._catalog.tables
    touched = []
    name = table._name
    monkeypatch.setattr(table, '_name',
                        lambda row: touched.append(row) or name(row))
    with pytest.raises(KeyError, match="closest: .'clip0500', "):
        store.read('clip0500x', 'h2')
    assert 0 < len(touched) < 40


def test_the_consolidated_index_is_made_of_the_others(root, tmp_path):
    path = root / 'consolidated.index'
    whole = path.read_bytes()
    assert not consolidate(root) and path.read_bytes() == whole
    path.unlink()
    assert content(root) and not path.exists()
    assert consolidate(root) and path.read_bytes() == whole
    # a shard that is not in it yet, one that is gone
    writer = StoreWriter(root, META)
    add(writer, ['c8'])
    writer.flush()
    assert path.read_bytes() == whole and 'c8' in FeatureStore(root)
    assert verify(root) == []
    writer.close()
    assert path.read_bytes() != whole and 'c8' in FeatureStore(root)
    # the same whatever order the writers came in
    for order, prefixes in (('ab', 'ab'), ('ba', 'ba')):
        for prefix in prefixes:
            fill(tmp_path / order, [f'c{ord(prefix)}'], prefix=prefix + '-')
    same_files(tmp_path / 'ab', tmp_path / 'ba')


def test_a_reader_open_while_a_writer_closes(root):
    store = FeatureStore(root)
    data = pickle.dumps(store)
    fill(root, ['c9'])
    assert store.names == NAMES
    assert 'c9' in pickle.loads(data)
    # of a shard that is in no table yet, and is when it is unpickled
    writer = StoreWriter(root, META)
    add(writer, ['d0'])
    writer.flush()
    data = pickle.dumps(FeatureStore(root))
    writer.close()
    assert pickle.loads(data).names == [*NAMES, 'c9', 'd0']


class TestFormat1:

    def test_is_read_resumed_and_upgraded(self, root):
        expected = content(root)
        shards = {path.name: path.read_bytes()
                  for path in root.glob('*.safetensors')}
        as_format_1(root)
        assert content(root) == expected and verify(root) == []
        data = pickle.dumps(FeatureStore(root))
        assert pickle.loads(data).names == NAMES
        count = len(shards)
        assert upgrade(root) == count and upgrade(root) == 0
        assert content(root) == expected and verify(root) == []
        assert not set(root.glob('0*.json'))
        assert shards == {path.name: path.read_bytes()
                          for path in root.glob('*.safetensors')}

    def test_is_resumed(self, root):
        as_format_1(root)
        fill(root, [*NAMES, 'c7'])
        assert FeatureStore(root).names == [*NAMES, 'c7']
        assert FeatureStore(root).meta['version'] == 2
        assert verify(root) == [] and len(list(root.glob('0*.json'))) > 1

    def test_upgrade_killed_anywhere(self, root, monkeypatch, tmp_path):
        """It ends before any write or removal, and is run again."""
        expected = content(root)
        whole = {path.name: path.read_bytes() for path in root.glob('*')}
        as_format_1(root)
        before = {path.name: path.read_bytes() for path in root.glob('*')}
        shards = list(root.glob('*.safetensors'))
        calls = 0

        def counted(function):
            def call(*args):
                nonlocal calls
                calls += 1
                if calls > limit:
                    raise KeyboardInterrupt
                return function(*args)
            return call

        monkeypatch.setattr(catalogs, 'write_whole',
                            counted(catalogs.write_whole))
        monkeypatch.setattr(catalogs, 'write_meta',
                            counted(catalogs.write_meta))
        monkeypatch.setattr(os, 'unlink', counted(os.unlink))
        for number in range(100):
            folder = tmp_path / str(number)
            folder.mkdir()
            for name, data in before.items():
                (folder / name).write_bytes(data)
            calls, limit = 0, number
            try:
                upgrade(folder)
                break
            except KeyboardInterrupt:
                limit = 1 << 30
                assert content(folder) == expected
                upgrade(folder)
            assert content(folder) == expected
            assert not set(folder.glob('0*.json'))
        assert number == 2 + 2 * len(shards)
        for path in [*shards, root / 'meta.json']:
            assert (folder / path.name).read_bytes() == whole[path.name]

    @pytest.mark.parametrize('change, message', [
        (lambda index: {}, 'bytes'),
        (lambda index: [], 'bytes'),
        (lambda index: dict(index, clips={}), 'no clip'),
        (lambda index: dict(index, clips=[]), 'clips'),
        (lambda index: dict(index, bytes=3), '3 bytes|of 3'),
        (lambda index: dict(index, clips={
            'x' + name: entry for name, entry in index['clips'].items()}),
         'not in its index'),
    ])
    def test_damage_is_named(self, root, change, message):
        as_format_1(root)
        path = root / '00000.json'
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
        problems = verify(root)
        assert problems and any(message.split('|')[0] in p or
                                message.split('|')[-1] in p
                                for p in problems), problems

    def test_a_key_twice(self, root):
        as_format_1(root)
        path = root / '00000.json'
        text = path.read_text()
        path.write_text(text.replace('"c1":{', '"c0":{'))
        assert "'c0' stands in it twice" in verify(root)[0]
        with pytest.raises(StoreError, match='twice'):
            FeatureStore(root)


@pytest.mark.parametrize('meta', [
    '[]', '{}', '3', 'null', '', '{"version":2}', '[' * 100_000,
    '{"version":true,"taps":{"h2":8}}', '{"version":1,"taps":["h2"]}',
    '{"version":1,"taps":{"h2":"8"}}', '{"version":1,"taps":{"h2":-8}}',
    '{"version":1,"taps":{"keypoint":8}}', '{"version":[],"taps":{"a":1}}',
    '{"version":2,"taps":{"h2":8},"crc32":1}', '\xff'])
def test_other_metas(root, meta):
    (root / 'meta.json').write_bytes(meta.encode('latin1'))
    with pytest.raises(StoreError, match='meta.json'):
        FeatureStore(root)
    assert len(verify(root)) == 1
    with pytest.raises(StoreError):
        StoreWriter(root, META)


def mutations(data, count, rng):
    for _ in range(count):
        changed = bytearray(data)
        kind = rng.integers(4)
        at = int(rng.integers(len(data)))
        if kind == 0:
            changed[at] ^= 1 << rng.integers(8)
        elif kind == 1:
            changed[at:at + 8] = rng.bytes(8)
        elif kind == 2:
            del changed[at:at + int(rng.integers(1, 40))]
        else:
            changed[at:at] = rng.bytes(int(rng.integers(1, 9)))
        if changed != data:
            yield bytes(changed)


@pytest.mark.parametrize('name, count', [
    ('consolidated.index', 400), ('00001.index', 300), ('meta.json', 300),
    ('00001.json', 400), ('00000.safetensors', 200)])
def test_mutated_files(root, name, count):
    """Only StoreError comes out of the reader, and no wrong array; verify
    names whatever is wrong."""
    if name.endswith('.json') and name != 'meta.json':
        as_format_1(root)
    elif name == '00001.index':
        (root / 'consolidated.index').unlink()
    expected = content(root)
    path = root / name
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for changed in mutations(data, count, rng):
        path.unlink()
        path.write_bytes(changed)
        problems = verify(root)
        assert all(isinstance(problem, str) for problem in problems)
        try:
            store = FeatureStore(root)
            names = store.names
        except StoreError:
            refused += 1
            assert problems
            continue
        same = True
        for clip_name, key in expected:
            try:
                found = (store.read(clip_name, key).tobytes(),
                         store.shape(clip_name, key), store.info(clip_name))
            except (StoreError, KeyError):
                same = False
                continue
            # JSON has no checksum for info and names of format 1
            assert found[:2] == expected[clip_name, key][:2]
            same &= found == expected[clip_name, key]
        if name != '00001.json' and not (same and names == NAMES):
            refused += 1
            assert problems
    assert refused > count * (.2 if name == '00001.json' else .8)


def test_descriptors_and_maps_are_bounded(tmp_path):
    """A shard a clip, all views kept: no descriptor, few maps of ours."""
    names = [f'c{i}' for i in range(60)]
    fill(tmp_path, names, shard_bytes=1)
    assert len(list(tmp_path.glob('*.safetensors'))) == 60
    store = FeatureStore(tmp_path)
    store._shards = Shards(8)
    before = set(os.listdir('/proc/self/fd'))
    views = [store.read(name, 'h2') for name in names]
    assert set(os.listdir('/proc/self/fd')) == before
    assert len(store._shards) == 8
    for i, view in enumerate(views):  # of maps that were put out as well
        np.testing.assert_array_equal(
            view, clip(i, 1 + i % 2, 10 + i % 50)['h2'])
    del views, view
    count = len(open('/proc/self/maps').read().split(str(tmp_path))) - 1
    assert count <= 10


def test_at_a_limit_of_64_descriptors(tmp_path):
    fill(tmp_path, [f'c{i}' for i in range(150)], shard_bytes=1)
    program = BARE + f"""
import resource
from hpnet_plugin.store import FeatureStore, verify
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
store = FeatureStore({str(tmp_path)!r})
print(len([store.read(name, 'h2') for name in store.names]),
      verify({str(tmp_path)!r}))
"""
    done = subprocess.run([sys.executable, '-c', program],
                          capture_output=True, text=True)
    assert done.stdout.strip() == '150 []', done.stderr[-1000:]


def test_more_maps_than_the_system_allows(root, monkeypatch):
    expected = content(root)
    store = FeatureStore(root)

    def refuse(path):
        raise OSError(12, 'Cannot allocate memory')

    monkeypatch.setattr(store._shards, 'get', refuse)
    array = store.read('c3', 'h2')
    assert array.tobytes() == expected['c3', 'h2'][0]
    assert not array.flags.writeable


def test_an_array_is_checked_once(root):
    path = root / '00000.safetensors'
    data = bytearray(path.read_bytes())
    data[data.index(clip(0, 1, 10)['h2'].tobytes()) + 5] ^= 64
    path.write_bytes(data)
    for frames in (None, [3]):
        with pytest.raises(StoreError, match="'c0', 'h2' is damaged"):
            FeatureStore(root).read('c0', 'h2', frames)
    FeatureStore(root).read('c0', 'h3')
    store = FeatureStore(root, check=False)
    assert not np.array_equal(store.read('c0', 'h2'), clip(0, 1, 10)['h2'])
    # what was found right is not looked at again, nor by a child
    store = FeatureStore(root)
    sound = store._sound[id(store._catalog.tables[0])]
    assert sum(sound) == 0
    store.read('c2', 'h2', [1])
    assert sum(sound) == 1
    assert pickle.loads(pickle.dumps(store)).check


def test_an_empty_file_has_a_map(tmp_path):
    (tmp_path / 'a').touch()
    assert len(MappedFile(str(tmp_path / 'a')).data) == 0


def test_upgrade_by_the_tool(root, capsys):
    as_format_1(root)
    main = runpy.run_path(str(ROOT / 'tools/verify_store.py'))['main']
    assert main([str(root), '--upgrade']) == 0
    printed = capsys.readouterr().out
    assert 'indices converted to format 2' in printed
    assert f'taps h2 ({TAPS["h2"]})' in printed
    (root / 'meta.json').write_text('[]')
    assert main([str(root), '--upgrade']) == 3
    assert 'meta.json is damaged' in capsys.readouterr().out
