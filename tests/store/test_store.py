import filecmp
import json
import os
import pathlib
import pickle
import runpy
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open

from hpnet_plugin.store import (
    FeatureStore,
    StoreError,
    StoreWriter,
    reader,
    verify,
)
from hpnet_plugin.store.mapping import MappedFile, read_ranges
from hpnet_plugin.store.released import TAP, read_released

TAPS = dict(h2=8, h3=12)
META = dict(taps=TAPS, layout='coco')
ROOT = pathlib.Path(__file__).resolve().parents[2]


def clip(seed, people=1, frames=20):
    rng = np.random.default_rng(seed)
    base = (people, frames, 17)
    arrays = {tap: rng.standard_normal((*base, c)).astype(np.float16)
              for tap, c in TAPS.items()}
    arrays['keypoint'] = rng.random((*base, 2), np.float32)
    arrays['keypoint_score'] = rng.random(base, np.float32)
    return arrays


def add(writer, names):
    for name in names:
        seed = int(name[1:])
        writer.add(name, clip(seed, 1 + seed % 2, 10 + seed % 50),
                   dict(seed=seed))


def fill(root, names, **kwargs):
    with StoreWriter(root, META, **kwargs) as writer:
        add(writer, [name for name in names if name not in writer.names])


def same_files(one, other):
    names = sorted(os.listdir(one))
    assert sorted(os.listdir(other)) == names
    assert filecmp.cmpfiles(one, other, names, shallow=False)[1:] == ([], [])


@pytest.fixture
def root(tmp_path):
    fill(tmp_path / 'features', [f'c{i}' for i in range(7)],
         shard_bytes=50_000)
    return tmp_path / 'features'


def test_what_was_added_is_read(root):
    store = FeatureStore(root)
    assert len(list(root.glob('*.safetensors'))) > 1
    assert store.names == [f'c{i}' for i in range(7)] and 'c3' in store
    assert store.taps == TAPS and len(store) == 7
    for i in range(7):
        arrays = clip(i, 1 + i % 2, 10 + i)
        assert store.info(f'c{i}') == dict(seed=i)
        for key, array in arrays.items():
            read = store.read(f'c{i}', key)
            assert read.dtype == array.dtype
            assert store.shape(f'c{i}', key) == array.shape
            np.testing.assert_array_equal(read, array)
        np.testing.assert_array_equal(
            store.read(f'c{i}', ['h3', 'h2']),
            np.concatenate((arrays['h3'], arrays['h2']), -1))
        assert store.shape(f'c{i}', ['h3', 'h2'])[-1] == 20


def test_reads_are_views_of_the_file(root):
    array = FeatureStore(root).read('c2', 'h2')
    assert not array.flags.owndata and not array.flags.writeable
    frames = [3, 3, 9]
    some = FeatureStore(root).read('c2', 'h2', frames)
    np.testing.assert_array_equal(some, array[:, frames])
    assert some.flags.writeable


def test_shards_are_safetensors(root):
    """Another reader of the format finds the same numbers."""
    seen = 0
    for shard in root.glob('*.safetensors'):
        with safe_open(shard, 'np') as file:
            for key in file.keys():
                name, _, array = key.partition('/')
                np.testing.assert_array_equal(
                    file.get_tensor(key), FeatureStore(root).read(name, array))
                seen += 1
    assert seen == 7 * 4


def test_pickled_and_forked(root):
    store = FeatureStore(root)
    store.read('c1', 'h2')
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(again.read('c1', 'h2'),
                                  store.read('c1', 'h2'))
    assert len(pickle.dumps(store)) < 10_000


def test_wrong_names(root):
    store = FeatureStore(root)
    with pytest.raises(KeyError, match="'c33' is not in.*7 clips.*'c3'"):
        store.read('c33', 'h2')
    with pytest.raises(KeyError, match='h22.*h2'):
        store.read('c3', 'h22')
    with pytest.raises(StoreError, match='several taps'):
        store.read('c3')


@pytest.mark.parametrize('change, message', [
    (dict(h2=None), 'arrays'),
    (dict(h2=np.zeros((1, 20, 17, 9), np.float16)), r'\(1, 20, 17, 8\)'),
    (dict(h2=np.zeros((1, 19, 17, 8), np.float16)), r'\(1, 20, 17, 8\)'),
    (dict(h2=np.zeros((1, 20, 17, 8), np.float32)), 'expected float16'),
    (dict(h3=np.full((1, 20, 17, 12), np.nan, np.float16)),
     f'{20 * 17 * 12} of {20 * 17 * 12} values are not finite'),
])
def test_wrong_arrays(tmp_path, change, message):
    writer = StoreWriter(tmp_path / 'features', META)
    arrays = {**clip(0), **change}
    arrays = {key: array for key, array in arrays.items() if array is not None}
    with pytest.raises(StoreError, match=message):
        writer.add('c0', arrays, {})
    writer.add('c0', clip(0), {})
    with pytest.raises(StoreError, match='already in'):
        writer.add('c0', clip(0), {})
    with pytest.raises(StoreError, match='no clip name'):
        writer.add('', clip(0), {})


@pytest.mark.parametrize('kind', [RuntimeError, KeyboardInterrupt, OSError])
def test_an_error_elsewhere_keeps_what_was_added(tmp_path, kind):
    """In the journal: no short shard, so that a resumed run gives the same
    files as one that was not interrupted."""
    with pytest.raises(kind):
        with StoreWriter(tmp_path / 'features', META) as writer:
            writer.add('c0', clip(0), {})
            raise kind
    assert FeatureStore(tmp_path / 'features').names == []
    with StoreWriter(tmp_path / 'features', META) as writer:
        assert writer.names == {'c0'}
        with pytest.raises(StoreError, match='already in'):
            writer.add('c0', clip(0), {})
    assert FeatureStore(tmp_path / 'features').names == ['c0']
    assert not (tmp_path / 'features/journal').exists()
    with pytest.raises(StoreError, match='closed'):
        writer.add('c1', clip(1), {})
    writer.close()


def test_other_settings_are_refused(root):
    with pytest.raises(StoreError, match='layout: coco there, halpe now'):
        StoreWriter(root, dict(META, layout='halpe'))


def test_resumed_is_the_same(root, tmp_path):
    """Cut at any shard, with leftovers of a killed run, byte for byte."""
    names = [f'c{i}' for i in range(7)]
    shards = sorted(path.stem for path in root.glob('*.safetensors'))
    for keep in range(len(shards)):
        part = tmp_path / f'part{keep}'
        part.mkdir()
        for stem in shards[:keep]:
            for suffix in ('.safetensors', '.index'):
                os.link(root / (stem + suffix), part / (stem + suffix))
        os.link(root / 'meta.json', part / 'meta.json')
        (part / '.tmp-00009.safetensors').write_bytes(b'half')
        (part / '.tmp-00009.index.77-0123abcd').write_bytes(b'half')
        # written but not committed
        os.link(root / f'{shards[keep]}.safetensors',
                part / f'{shards[keep]}.safetensors')
        (part / '.tmp-1of2-00000.index').touch()  # another writer's
        with StoreWriter(part, META, shard_bytes=50_000) as writer:
            done = writer.names
            assert not (part / f'{shards[keep]}.safetensors').exists()
            add(writer, [n for n in names if n not in done])
        (part / '.tmp-1of2-00000.index').unlink()
        same_files(root, part)


def test_several_writers(tmp_path):
    root = tmp_path / 'features'
    fill(root, ['c0', 'c2'], prefix='1of2-')
    fill(root, ['c1', 'c3'], prefix='2of2-')
    assert FeatureStore(root).names == ['c0', 'c1', 'c2', 'c3']
    with StoreWriter(root, META) as writer:
        assert writer.names == {'c0', 'c1', 'c2', 'c3'}


def test_a_clip_that_is_there_is_refused(tmp_path):
    root = tmp_path / 'features'
    with StoreWriter(root, META) as writer:
        add(writer, ['c0'])
        writer.flush()
        with pytest.raises(StoreError, match="'c0' is already in"):
            add(writer, ['c0'])
        # the other writer cannot see this one's clips before they are
        # committed; when both are, both names are told
        other = StoreWriter(root, META, prefix='b-')
        add(writer, ['c1'])
        add(other, ['c1'])
        other.close()
        with pytest.raises(StoreError, match="'c1' is in 00001.* and in "
                           'b-00000.*: remove one'):
            writer.close()
    with pytest.raises(StoreError, match="'c1' is in .* and in "):
        FeatureStore(root)
    assert "'c1' is in " in verify(root)[0]


def test_the_place_of_a_removed_shard_is_taken_again(root, tmp_path):
    """A damaged shard goes with its index; the later ones stay."""
    whole = tmp_path / 'whole'
    shutil.copytree(root, whole)
    (root / '00001.index').unlink()
    assert len(FeatureStore(root)) < 7  # whatever the consolidated index says
    fill(root, [f'c{i}' for i in range(7)], shard_bytes=50_000)
    same_files(whole, root)


def test_times(tmp_path):
    times = np.arange(20) / 30
    with StoreWriter(tmp_path, META) as writer:
        writer.add('c0', dict(clip(0), timestamp=times), {})
        writer.add('c1', clip(1), {})
        with pytest.raises(StoreError, match=r"'timestamp'.*\(20,\)"):
            writer.add('c2', dict(clip(0), timestamp=times[1:]), {})
        with pytest.raises(StoreError, match='float64'):
            writer.add('c2', dict(clip(0), timestamp=times.astype('f4')), {})
    store = FeatureStore(tmp_path)
    np.testing.assert_array_equal(store.read('c0', 'timestamp'), times)
    np.testing.assert_array_equal(
        store.read('c0', 'timestamp', [3, 1]), times[[3, 1]])
    assert store.shape('c0', 'timestamp') == (20, )
    with pytest.raises(KeyError, match="'c1' in .* without times"):
        store.read('c1', 'timestamp')
    assert verify(tmp_path) == []
    with pytest.raises(StoreError, match="named \\['timestamp'\\]"):
        StoreWriter(tmp_path / 'b', dict(taps=dict(timestamp=3)))


@pytest.mark.parametrize('frames', [
    [], [0, 5, 5], range(0, 9, 2), np.array([-1]), np.arange(12) % 2 == 0])
def test_frames_are_those_numpy_would_take(root, frames):
    store = FeatureStore(root)
    whole = store.read('c2', 'h2')
    expected = whole[:, np.asarray(frames, None if len(frames) else int)]
    np.testing.assert_array_equal(store.read('c2', 'h2', frames), expected)
    with pytest.raises(IndexError):
        store.read('c2', 'h2', [12])


@pytest.mark.parametrize('there', [True, False, None])
@pytest.mark.parametrize('frames', [[3], [8, 0, 8], [5, -1], range(12)])
def test_bits_do_not_depend_on_what_is_in_memory(root, monkeypatch, there,
                                                 frames):
    """Few frames that are not are read by themselves, much as a whole."""
    asked, alone = [], []
    monkeypatch.setattr(MappedFile, 'in_memory', lambda self, at: there)
    monkeypatch.setattr(MappedFile, 'will_need', lambda self, start, stop:
                        asked.append(stop - start))
    monkeypatch.setattr(reader, 'read_ranges', lambda *args: (
        alone.append(len(args[1])), read_ranges(*args)))
    store = FeatureStore(root, check=False)
    whole = clip(5, 2, 15)
    for key in ('h2', 'keypoint_score'):
        asked.clear(), alone.clear()
        found = store.read('c5', key, frames)
        np.testing.assert_array_equal(found, whole[key][:, frames])
        few = len(frames) == 1 or frames == [8, 0, 8]
        assert alone == [2 * len(frames)] * (few and there is False)
        assert len(asked) == (len(frames) == 12 and there is False)
    asked.clear()
    for _ in range(2):
        np.testing.assert_array_equal(store.read('c5', 'h3'), whole['h3'])
    assert asked == [whole['h3'].nbytes] * (1 if there else 2)


def test_pages_of_a_file(root):
    mapped = MappedFile(str(next(root.glob('*.safetensors'))))
    assert mapped.data[0] >= 0 and mapped.in_memory(0) is True
    mapped._tells = False  # of another user's
    assert mapped.in_memory(0) is None


@pytest.mark.parametrize('prefix', ['a/b', '.a', 'part1', 'a\n'])
def test_wrong_prefixes(tmp_path, prefix):
    with pytest.raises(StoreError, match='no prefix'):
        StoreWriter(tmp_path, META, prefix=prefix)


def test_nothing_of_the_store_imports_torch():
    """The files by themselves: __init__ of the package imports more."""
    program = BARE + """
import hpnet_plugin.store, hpnet_plugin.store.released
print({name.split(".")[0] for name in sys.modules}
      & {"torch", "mmaction", "mmengine", "mmcv", "cv2"})
"""
    done = subprocess.run([sys.executable, '-c', program],
                          capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'set()'


# For programs: the store without the rest of the package, which takes long.
BARE = f"""
import sys, types
sys.path[:0] = {[str(pathlib.Path(__file__).parent), *sys.path]!r}
package = types.ModuleType('hpnet_plugin')
package.__path__ = [{str(ROOT / 'hpnet_plugin')!r}]
sys.modules['hpnet_plugin'] = package
"""


class TestDamage:

    def test_flipped_bit(self, root):
        assert verify(root) == []
        path = sorted(root.glob('*.safetensors'))[1]
        data = bytearray(path.read_bytes())
        data[-10] ^= 4
        path.write_bytes(data)
        problems = verify(root)
        assert len(problems) == 1 and 'checksum' in problems[0]
        name, key = problems[0].split(':')[0].split(', ')
        with pytest.raises(StoreError, match=f"'{name}', '{key}' is damaged"):
            FeatureStore(root).read(name, key)

    def test_cut_off_and_missing(self, root):
        path = sorted(root.glob('*.safetensors'))[0]
        data = path.read_bytes()
        path.write_bytes(data[:-5])
        with pytest.raises(StoreError, match=f'{len(data)} bytes expected, '
                           f'{len(data) - 5} found'):
            FeatureStore(root)
        path.unlink()
        assert 'it is missing' in verify(root)[0]

    def test_index_or_meta(self, root):
        meta = json.loads((root / 'meta.json').read_text())
        (root / 'meta.json').write_text(json.dumps({**meta, 'version': 9}))
        with pytest.raises(StoreError, match='version 9'):
            FeatureStore(root)
        (root / 'meta.json').write_text(json.dumps(meta)[:-3])
        with pytest.raises(StoreError, match='damaged'):
            FeatureStore(root)
        with pytest.raises(StoreError, match='no feature store'):
            FeatureStore(root.parent)

    def test_tool(self, root, capsys):
        main = runpy.run_path(str(ROOT / 'tools/verify_store.py'))['main']
        assert main([str(root.parent)]) == 0
        assert '7 clips are intact' in capsys.readouterr().out
        path = sorted(root.glob('*.safetensors'))[1]
        path.write_bytes(path.read_bytes()[:-1] + b'!')
        assert main([str(root)]) == 3
        assert 'damaged' in capsys.readouterr().out
        assert main([str(root / 'none')]) == 2


class TestReleased:
    """The authors' own files: (64, 2, 17, 96), 835,712 bytes each."""

    @pytest.mark.parametrize('action, people', [(1, 1), (50, 2)])
    def test_into_a_store(self, shared, tmp_path, action, people):
        name = f'S001C001P001R001A{action:03d}'
        path = shared / f'data/ntu/{name}.npy'
        source = np.load(path)
        with StoreWriter(tmp_path, dict(taps={TAP: 96})) as writer:
            writer.add(name, read_released(path), {})
        store = FeatureStore(tmp_path)
        features = store.read(name)
        assert features.shape == (people, 64, 17, 96)
        for slot in range(2):
            np.testing.assert_allclose(
                features[min(slot, people - 1)], source[:, slot], rtol=1e-3,
                atol=1e-3)
        assert (store.read(name, 'keypoint_score') == 1).all()
        size = sum(path.stat().st_size for path in tmp_path.iterdir())
        # a one-person clip in a quarter of the released bytes, or less
        assert people == 2 or features.nbytes <= 835_712 / 4
        assert size < people * 240_000

    def test_other_files(self, tmp_path):
        np.save(tmp_path / 'a.npy', np.zeros((64, 17, 96)))
        with pytest.raises(StoreError, match=r'\(64, 17, 96\)'):
            read_released(tmp_path / 'a.npy')
        np.save(tmp_path / 'b.npy', np.array([{}], object))
        with pytest.raises(StoreError, match='no released feature file'):
            read_released(tmp_path / 'b.npy')
