import filecmp
import json
import os
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors import safe_open

from hpnet_plugin.store import FeatureStore, StoreError, StoreWriter, verify
from hpnet_plugin.store.released import TAP, read_released

TAPS = dict(h2=8, h3=12)
META = dict(taps=TAPS, layout='coco')


def clip(seed, people=1, frames=20):
    rng = np.random.default_rng(seed)
    base = (people, frames, 17)
    arrays = {tap: rng.standard_normal((*base, c)).astype(np.float16)
              for tap, c in TAPS.items()}
    arrays['keypoint'] = rng.random((*base, 2), np.float32)
    arrays['keypoint_score'] = rng.random(base, np.float32)
    return arrays


def fill(root, names, **kwargs):
    with StoreWriter(root, META, **kwargs) as writer:
        for name in names:
            seed = int(name[1:])
            writer.add(name, clip(seed, 1 + seed % 2, 10 + seed),
                       dict(seed=seed))


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


def test_an_error_elsewhere_keeps_what_was_added(tmp_path):
    with pytest.raises(RuntimeError):
        with StoreWriter(tmp_path / 'features', META) as writer:
            writer.add('c0', clip(0), {})
            raise RuntimeError
    assert FeatureStore(tmp_path / 'features').names == ['c0']


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
            for suffix in ('.safetensors', '.json'):
                os.link(root / (stem + suffix), part / (stem + suffix))
        os.link(root / 'meta.json', part / 'meta.json')
        (part / '.tmp-00009.safetensors').write_bytes(b'half')
        # written but not committed
        os.link(root / f'{shards[keep]}.safetensors',
                part / f'{shards[keep]}.safetensors')
        (part / '.tmp-1of2-00000.json').touch()  # another writer's
        writer = StoreWriter(part, META, shard_bytes=50_000)
        fill(part, [n for n in names if n not in writer.names],
             shard_bytes=50_000)
        assert (part / '.tmp-1of2-00000.json').exists()
        (part / '.tmp-1of2-00000.json').unlink()
        assert sorted(os.listdir(part)) == sorted(os.listdir(root))
        assert filecmp.cmpfiles(root, part, os.listdir(root),
                                shallow=False)[1:] == ([], [])


def test_several_writers(tmp_path):
    root = tmp_path / 'features'
    fill(root, ['c0', 'c2'], prefix='1of2-')
    fill(root, ['c1', 'c3'], prefix='2of2-')
    assert FeatureStore(root).names == ['c0', 'c1', 'c2', 'c3']
    assert StoreWriter(root, META).names == {'c0', 'c1', 'c2', 'c3'}


PROGRAM = """
import sys
sys.path[:0] = {path!r}
from test_store import fill
fill(sys.argv[1], [f'c{{i}}' for i in range(300)], shard_bytes=100_000)
"""


def test_killed_while_writing(tmp_path):
    program = PROGRAM.format(
        path=[os.path.dirname(__file__), os.getcwd(), *sys.path])
    whole = tmp_path / 'whole'
    assert subprocess.call([sys.executable, '-c', program, str(whole)]) == 0
    cut = tmp_path / 'cut'
    process = subprocess.Popen([sys.executable, '-c', program, str(cut)])
    while len(list(cut.glob('0*.json'))) < 10:
        assert process.poll() is None
        time.sleep(.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert verify(cut) == []
    done = len(FeatureStore(cut))
    assert 0 < done < 300
    fill(cut, [f'c{i}' for i in range(done, 300)], shard_bytes=100_000)
    names = os.listdir(whole)
    assert sorted(os.listdir(cut)) == sorted(names)
    assert filecmp.cmpfiles(whole, cut, names, shallow=False)[1:] == ([], [])


def test_full_disk(tmp_path):
    """The system refuses a file: nothing half-written, all else is safe."""
    program = f"""
import sys
sys.path[:0] = {[os.path.dirname(__file__), os.getcwd(), *sys.path]!r}
import resource, signal
from test_store import META, clip, fill
from hpnet_plugin.store import StoreWriter
fill(sys.argv[1], ['c0', 'c1'])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with StoreWriter(sys.argv[1], META) as writer:
    for i in range(2, 60):
        writer.add(f'c{{i}}', clip(i, frames=100), {{}})
    writer.flush()
"""
    root = tmp_path / 'features'
    done = subprocess.run([sys.executable, '-c', program, str(root)],
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert 'no space for' in done.stderr and 'is safe' in done.stderr
    assert sorted(os.listdir(root)) == [
        '00000.json', '00000.safetensors', 'meta.json']
    assert verify(root) == [] and FeatureStore(root).names == ['c0', 'c1']


class TestDamage:

    def test_flipped_bit(self, root):
        assert verify(root) == []
        path = sorted(root.glob('*.safetensors'))[1]
        data = bytearray(path.read_bytes())
        data[-10] ^= 4
        path.write_bytes(data)
        problems = verify(root)
        assert len(problems) == 1 and 'checksum' in problems[0]

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

    def test_tool(self, root):
        tool = [sys.executable, os.path.join(
            os.path.dirname(__file__), '../../tools/verify_store.py')]
        done = subprocess.run([*tool, str(root.parent)], capture_output=True,
                              text=True)
        assert done.returncode == 0 and '7 clips are well' in done.stdout
        path = sorted(root.glob('*.safetensors'))[1]
        path.write_bytes(path.read_bytes()[:-1] + b'!')
        done = subprocess.run([*tool, str(root)], capture_output=True,
                              text=True)
        assert done.returncode == 3 and 'damaged' in done.stdout
        assert subprocess.run([*tool, str(root / 'none')],
                              capture_output=True).returncode == 2


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
