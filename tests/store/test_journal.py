"""The journal: whatever ends a run, nothing is lost and the files are the
same as those of a run that was not interrupted."""
import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from test_store import BARE, META, add, clip, fill, same_files

from hpnet_plugin.store import FeatureStore, StoreError, StoreWriter, verify
from hpnet_plugin.store import writer as writers
from hpnet_plugin.store.journal import Journal

NAMES = [f'c{i}' for i in range(9)]
BYTES = 60_000


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp('whole') / 'features'
    fill(root, NAMES, shard_bytes=BYTES)
    assert len(list(root.glob('*.safetensors'))) > 2
    return root


def resume(root):
    fill(root, NAMES, shard_bytes=BYTES)
    assert not (root / 'journal').exists()


@pytest.mark.parametrize('count', range(1, 9))
def test_left_after_any_clip(whole, tmp_path, count):
    writer = StoreWriter(tmp_path, META, shard_bytes=BYTES)
    add(writer, NAMES[:count])
    assert writer.names == set(NAMES[:count])
    assert set(FeatureStore(tmp_path).names) <= set(NAMES[:count])
    writer.suspend()
    writer.suspend()
    resume(tmp_path)
    same_files(whole, tmp_path)


def test_cut_off_at_any_byte(whole, tmp_path):
    """An incomplete record at the end is dropped, the others stay."""
    with pytest.raises(KeyboardInterrupt):
        with StoreWriter(tmp_path / 'cut', META, shard_bytes=1 << 30) as out:
            add(out, NAMES[:3])
            sizes = [0]
            for record in out._journal.records.values():
                sizes.append(max(e.offset + e.nbytes
                                 for e in record.arrays.values()))
            raise KeyboardInterrupt
    data = (tmp_path / 'cut/journal').read_bytes()
    assert sizes[-1] == len(data)
    rng = np.random.default_rng(0)
    ends = {*range(30), *sizes, *(s + d for s in sizes[1:] for d in (-1, 1)),
            *rng.integers(len(data), size=60).tolist()}
    path = tmp_path / 'journal'
    for end in sorted(ends):
        path.write_bytes(data[:end])
        journal = Journal(str(path))
        known = sum(size <= end for size in sizes) - 1
        assert list(journal.records) == NAMES[:known]
        assert path.stat().st_size == sizes[known]
        journal.close()
        assert path.exists() == (known > 0)
    # damage in the middle: what follows it is extracted again
    for at in rng.integers(len(data), size=60):
        changed = bytearray(data)
        changed[at] ^= 16
        path.write_bytes(changed)
        journal = Journal(str(path))
        known = sum(size <= at for size in sizes) - 1
        assert list(journal.records) == NAMES[:known]
        journal.close()


@pytest.fixture
def stopped(monkeypatch):
    """Ends the process, as it were, before the call of a given number."""
    class Stop(BaseException):
        pass

    calls, limit = [], [None]

    def counted(name, function):
        def call(*args):
            if limit[0] is not None and len(calls) >= limit[0]:
                raise Stop
            calls.append(name(*args))
            return function(*args)
        return call

    monkeypatch.setattr(writers, 'write_whole', counted(
        lambda path, _: path.rsplit('.')[-1], writers.write_whole))
    monkeypatch.setattr(Journal, 'clear', counted(
        lambda _: 'clear', Journal.clear))
    monkeypatch.setattr(Journal, 'append', counted(
        lambda *_: 'append', Journal.append))
    monkeypatch.setattr(writers, 'consolidate', counted(
        lambda _: 'consolidate', writers.consolidate))
    return calls, limit, Stop


def test_shard_then_index_then_journal(tmp_path, stopped):
    calls = stopped[0]
    writer = StoreWriter(tmp_path, META)
    add(writer, ['c0', 'c1'])
    writer.flush()
    writer.close()
    assert calls == ['append', 'append', 'safetensors', 'index', 'clear',
                     'consolidate']


def test_killed_between_any_two_steps(whole, tmp_path, stopped):
    calls, limit, stop = stopped
    for number in range(100):
        root = tmp_path / str(number)
        calls.clear()
        limit[0] = number
        writer = StoreWriter(root, META, shard_bytes=BYTES)
        try:
            add(writer, NAMES)
            writer.close()
            break
        except stop:
            pass
        finally:
            limit[0] = None
            writer.suspend()
        names = FeatureStore(root).names
        assert verify(root) == []
        with StoreWriter(root, META, shard_bytes=BYTES) as writer:
            assert writer.names >= set(names)
            add(writer, [n for n in NAMES if n not in writer.names])
        same_files(whole, root)
    assert number > 15


def test_killed_at_random_moments(tmp_path):
    """By each of the signals; what is committed is whole every time."""
    program = BARE + """
from test_store import META, add, StoreWriter
with StoreWriter(sys.argv[1], META, shard_bytes=200_000) as writer:
    print('ready', flush=True)
    add(writer, [f'c{i}' for i in range(400) if f'c{i}' not in writer.names])
"""
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    names = [f'c{i}' for i in range(400)]
    fill(whole, names, shard_bytes=200_000)
    rng = np.random.default_rng(0)
    done = 0
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT) * 2:
        process = subprocess.Popen([sys.executable, '-c', program, str(cut)],
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        process.stdout.readline()
        time.sleep(rng.uniform(0, .1))
        process.send_signal(number)
        process.communicate()
        assert verify(cut) == []
        with StoreWriter(cut, META, shard_bytes=200_000) as writer:
            now = len(writer.names)
            writer.suspend()
        assert now >= done
        done = now
    fill(cut, names, shard_bytes=200_000)
    same_files(whole, cut)


def test_full_disk(whole, tmp_path):
    """The system refuses part of a file: nothing half-written, all else is
    safe, and the next run goes on, with a whole number of records."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        largest = max(p.stat().st_size for p in whole.glob('0*.safetensors'))
        for limit in (100, 1000, 30_000, 50_000, largest - 100):
            root = tmp_path / str(limit)
            writer = StoreWriter(root, META, shard_bytes=BYTES)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            try:
                with pytest.raises(OSError, match='no space for.* is safe'):
                    add(writer, NAMES)
                before = writer.names
                writer.suspend()
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            assert not list(root.glob('.tmp-*'))
            assert verify(root) == []
            with StoreWriter(root, META, shard_bytes=BYTES) as writer:
                assert writer.names == before
                add(writer, [n for n in NAMES if n not in before])
            same_files(whole, root)
    finally:
        signal.signal(signal.SIGXFSZ, old)


def test_room_was_made_for_the_same_writer(whole, tmp_path, monkeypatch):
    """A shard that was refused is written by the next clip, or the end."""
    real, refuse = writers.write_whole, [True]

    def write(path, data):
        if refuse[0]:
            raise OSError(errno.ENOSPC, 'No space left on device')
        real(path, data)

    monkeypatch.setattr(writers, 'write_whole', write)
    with StoreWriter(tmp_path, META, shard_bytes=BYTES) as writer:
        for i, name in enumerate(NAMES):
            try:
                add(writer, [name])
            except OSError:
                refuse[0] = False
                writer.flush()
                assert writer.names == set(NAMES[:i + 1])
    same_files(whole, tmp_path)


def test_a_clip_that_another_prefix_stored_meanwhile(tmp_path):
    writer = StoreWriter(tmp_path, META, prefix='a-')
    add(writer, ['c0', 'c1'])
    writer.suspend()
    fill(tmp_path, ['c1'], prefix='b-')
    with StoreWriter(tmp_path, META, prefix='a-') as writer:
        assert writer.names == {'c0', 'c1'}
    assert FeatureStore(tmp_path).names == ['c0', 'c1']
    assert verify(tmp_path) == []


def test_sync_reaches_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, 'fsync', lambda fd: synced.append(
        os.readlink(f'/proc/self/fd/{fd}')))
    with StoreWriter(tmp_path, META) as writer:
        add(writer, ['c0'])
        synced.clear()
        writer.sync()
        assert synced == [str(tmp_path / 'journal'), str(tmp_path)]


def test_arrays_that_are_no_block(tmp_path):
    """Slices and transposed arrays are stored as numpy reads them."""
    arrays = {key: np.asfortranarray(np.repeat(array, 2, 1)[:, ::2])
              for key, array in clip(0).items()}
    with StoreWriter(tmp_path, META) as writer:
        writer.add('c0', arrays, {})
    store = FeatureStore(tmp_path)
    for key, array in clip(0).items():
        np.testing.assert_array_equal(store.read('c0', key), array)


def test_adding_takes_no_memory_of_its_own(tmp_path):
    """32 MB of arrays in the journal and a shard: some MB at the peak."""
    program = BARE + """
import resource
import numpy as np
from hpnet_plugin.store import StoreWriter
shape = (1, 500, 17)
arrays = dict(keypoint=np.ones((*shape, 2), 'f4'),
              keypoint_score=np.ones(shape, 'f4'),
              a=np.ones((*shape, 512), 'f2'))
with StoreWriter(sys.argv[1], dict(taps=dict(a=512))) as writer:
    writer.add('warm', {k: v[:, :1] for k, v in arrays.items()}, {})
    writer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(8):
        writer.add(f'c{i}', arrays, {})
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, '-c', program, str(tmp_path)],
                          capture_output=True, text=True, check=True)
    # one array read back for the shard, and numpy's isfinite of one
    assert float(done.stdout) < 28


def test_damaged_while_it_was_written(tmp_path):
    writer = StoreWriter(tmp_path, META)
    add(writer, ['c0'])
    path = tmp_path / 'journal'
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    with open(path, 'r+b') as file:
        file.write(data)
    with pytest.raises(StoreError, match="journal is damaged at clip 'c0'"):
        writer.close()
    assert not list(tmp_path.glob('0*'))


def test_copies_of_a_run_that_goes_on(whole, tmp_path):
    """A folder copied at any moment is a store that can be resumed."""
    root = tmp_path / 'run'
    with StoreWriter(root, META, shard_bytes=BYTES) as writer:
        for i, name in enumerate(NAMES):
            add(writer, [name])
            if i % 3 == 1:
                shutil.copytree(root, tmp_path / name)
                resume(tmp_path / name)
                same_files(whole, tmp_path / name)
