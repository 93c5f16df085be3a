"""Several writers at once: refused or right, never silent."""
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from test_store import BARE, META, add, clip, fill

from hpnet_plugin.files import (
    PARTIAL,
    FileLock,
    LockedError,
    locked,
    remove_leftovers,
    try_locked,
    write_whole,
)
from hpnet_plugin.store import FeatureStore, StoreError, StoreWriter, verify


def start(program, *args):
    return subprocess.Popen(
        [sys.executable, '-c', BARE + program, *map(str, args)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


HOLD = """
from test_store import META, add, StoreWriter
writer = StoreWriter(sys.argv[1], META)
add(writer, ['c0'])
print('ready', flush=True)
sys.stdin.read()
"""


def test_a_second_writer_is_refused_with_the_first_ones_name(tmp_path):
    process = subprocess.Popen(
        [sys.executable, '-c', BARE + HOLD, str(tmp_path)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == 'ready\n'
    with pytest.raises(StoreError, match="another writer of the prefix ''.*"
                       f'process {process.pid} on {socket.gethostname()}'):
        StoreWriter(tmp_path, META)
    fill(tmp_path, ['c1'], prefix='b-')
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with StoreWriter(tmp_path, META) as writer:  # the system released it
        assert writer.names == {'c0', 'c1'}
    assert (tmp_path / 'writer.lock').read_bytes() == b''


def test_within_one_process(tmp_path):
    with StoreWriter(tmp_path, META) as writer:
        with pytest.raises(StoreError, match='which is this process'):
            StoreWriter(tmp_path, META)
        # a refused one must not release the lock of the first
        with pytest.raises(StoreError, match='which is this process'):
            StoreWriter(os.path.relpath(tmp_path), META)
        process = start(HOLD, tmp_path)
        assert 'another writer' in process.communicate()[1]
    writer = StoreWriter(tmp_path, META)
    del writer  # dropped, not closed
    StoreWriter(tmp_path, META).close()
    with pytest.raises(StoreError, match='layout'):
        StoreWriter(tmp_path, dict(META, layout='halpe'))
    StoreWriter(tmp_path, META).close()


def test_four_writers_of_one_prefix_at_once(tmp_path):
    program = """
from test_store import META, add, StoreWriter
from hpnet_plugin.store import StoreError
try:
    with StoreWriter(sys.argv[1], META, shard_bytes=30_000) as writer:
        for i in range(int(sys.argv[2]), 40, 4):
            add(writer, [f'c{i}'])
            print(f'c{i}')
except StoreError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""
    writers = [start(program, tmp_path, i) for i in range(4)]
    said = set()
    for process in writers:
        out, error = process.communicate()
        said.update(out.split())
        assert process.returncode in (0, 2)
        assert process.returncode == 0 or 'another writer' in error
    assert set(FeatureStore(tmp_path).names) == said and len(said) >= 10
    assert verify(tmp_path) == []


def test_four_prefixes_at_once(tmp_path):
    program = """
from test_store import fill
fill(sys.argv[1], [f'c{i}' for i in range(int(sys.argv[2]), 40, 4)],
     prefix='abcd'[int(sys.argv[2])] + '-', shard_bytes=30_000)
"""
    for process in [start(program, tmp_path, i) for i in range(4)]:
        assert process.communicate()[1] == '' and process.returncode == 0
    assert len(FeatureStore(tmp_path)) == 40 and verify(tmp_path) == []
    names = os.listdir(tmp_path)
    assert 'consolidated.index' in names
    assert not [name for name in names if name.startswith(PARTIAL)]
    assert len(FeatureStore(tmp_path)._catalog.tables) == 1


def test_a_forked_child_is_no_writer(tmp_path):
    writer = StoreWriter(tmp_path, META)
    add(writer, ['c0'])
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            writer.add('c1', clip(1), {})
        except StoreError as error:
            os.write(write, str(error).encode())
        try:
            StoreWriter(tmp_path, META)
        except StoreError as error:
            os.write(write, str(error).encode())
        writer.suspend()
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with open(read, encoding='utf-8') as file:
        said = file.read()
    assert 'not to its child' in said and f'process {os.getpid()} on' in said
    with pytest.raises(StoreError, match='which is this process'):
        StoreWriter(tmp_path, META)
    process = start(HOLD, tmp_path)  # and other processes are kept out, too
    assert f'process {os.getpid()}' in process.communicate()[1]
    writer.close()
    assert FeatureStore(tmp_path).names == ['c0']


def test_try_locked(tmp_path):
    path = tmp_path / 'lock'
    for _ in range(2):
        with try_locked(path) as mine, try_locked(path) as again:
            assert (mine, again) == (True, False)


def test_locked_waits(tmp_path):
    path = tmp_path / 'lock'
    (tmp_path / 'n').write_text('0')
    program = """
from hpnet_plugin.files import locked
for _ in range(50):
    with locked(sys.argv[1] + '/lock'):
        n = int(open(sys.argv[1] + '/n').read())
        open(sys.argv[1] + '/n', 'w').write(str(n + 1))
"""
    processes = [start(program, tmp_path) for _ in range(3)]

    def count():
        for _ in range(50):
            with locked(path):
                number = int((tmp_path / 'n').read_text())
                (tmp_path / 'n').write_text(str(number + 1))

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [p.communicate()[1] for p in processes] == [''] * 3
    assert (tmp_path / 'n').read_text() == '300'
    with locked(path), pytest.raises(LockedError, match='is held by process'):
        FileLock(path).acquire(wait=False)
    with pytest.raises(ValueError), locked(path):
        raise ValueError
    with locked(path, wait=False):
        assert json.loads(path.read_text())['holder'].endswith(
            socket.gethostname())


def test_one_target_by_several_processes(tmp_path):
    """The one temporary name made three of four such writes fail."""
    program = """
from hpnet_plugin.files import write_whole
for i in range(60):
    write_whole(sys.argv[1], [sys.argv[2].encode() * 1000] * 20)
"""
    processes = [start(program, tmp_path / 'x/file', text)
                 for text in 'abcd']
    assert [p.communicate()[1] for p in processes] == [''] * 4
    assert os.listdir(tmp_path / 'x') == ['file']
    data = (tmp_path / 'x/file').read_bytes()
    assert len(data) == 20_000 and len(set(data)) == 1


def test_leftovers_go_and_what_is_being_written_stays(tmp_path):
    (tmp_path / '.tmp-a.123-0123abcd').touch()
    (tmp_path / '.tmp-a').touch()  # as it was called earlier
    (tmp_path / '.tmp-b.123-0123abcd').touch()
    program = """
from hpnet_plugin.files import write_whole
def pieces():
    yield b'1'
    print('ready', flush=True)
    sys.stdin.read()
    yield b'2'
write_whole(sys.argv[1], pieces())
"""
    process = subprocess.Popen(
        [sys.executable, '-c', BARE + program, str(tmp_path / 'a')],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()

    def pieces():
        yield b'3'
        remove_leftovers(str(tmp_path), lambda name: name == 'a')
        left = sorted(name for name in os.listdir(tmp_path))
        assert '.tmp-b.123-0123abcd' in left and len(left) == 3
        yield b'4'

    write_whole(tmp_path / 'a', pieces())
    assert (tmp_path / 'a').read_bytes() == b'34'
    process.communicate('')
    assert process.returncode == 0
    assert (tmp_path / 'a').read_bytes() == b'12'
    assert sorted(os.listdir(tmp_path)) == ['.tmp-b.123-0123abcd', 'a']


def test_an_interrupted_write_leaves_nothing(tmp_path):
    def pieces():
        yield np.zeros(10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / 'a', pieces())
    assert os.listdir(tmp_path) == []
    name = 'n' * 255
    write_whole(tmp_path / name, b'1')
    assert (tmp_path / name).read_bytes() == b'1'
