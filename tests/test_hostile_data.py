"""Files that mean harm: claims, nesting, names and numbers in them.

Each was found by tests/fuzz, or is of the kind that it looks for.
"""
import json
import os
import pickle
import resource
import struct
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz.readers_store import META, index_repaired, write_store  # noqa: E402

from hpnet_plugin.benchmark_files import FactsError, read_benchmark
from hpnet_plugin.datasets.crops import Crops, CropsError, read_timelines
from hpnet_plugin.datasets.imports import (
    ImportedPosesError,
    read_poses,
    write_poses,
)
from hpnet_plugin.datasets.labelling import assign_labels, read_labels
from hpnet_plugin.datasets.lists import PreparationError, read_named_clips
from hpnet_plugin.datasets.sources import SourceClip, SourceError
from hpnet_plugin.datasets.split_lists import read_split_lists
from hpnet_plugin.evaluation.scores import ScoreError, read_scores
from hpnet_plugin.extraction.failures import FailureLog
from hpnet_plugin.facts import read_facts
from hpnet_plugin.files import write_whole
from hpnet_plugin.npy_files import numbers, read_npy
from hpnet_plugin.store import FeatureStore, StoreError, StoreWriter
from hpnet_plugin.store.contents import shards_of
from hpnet_plugin.store.index import HEADER
from hpnet_plugin.store.inspection import rescued
from hpnet_plugin.store.journal import _HEAD, _MAGIC
from hpnet_plugin.store.released import read_released
from hpnet_plugin.store.table import Table
from hpnet_plugin.unpickling import UnreadablePickleError, unpickle

DEEP = '[' * 100_000


def in_child(function):
    """Signal or exit status of a child that calls a function."""
    child = os.fork()
    if not child:
        code = 3
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize('claim', [
    b'\x8e' + struct.pack('<Q', 1 << 40), b'\x96' + struct.pack('<Q', 1 << 40),
    b'\x8d' + struct.pack('<Q', 1 << 40), b'B\xff\xff\xff\x7f',
    b'X\xff\xff\xff\x7f', b'\x8b\xff\xff\xff\x7f',
    b'\x95' + struct.pack('<Q', 1 << 40), b'Nr\xff\xff\xff\x7f',
    b'Np999999999\n', b'Np' + b'9' * 20 + b'\n'])
def test_a_pickle_claims_more_than_it_has(tmp_path, claim):
    path = tmp_path / 'x.pkl'
    path.write_bytes(b'\x80\x04]K\x01aN0' + claim + b'.')
    with pytest.raises(UnreadablePickleError,
                       match='x.pkl: (it cl|refused: it n)'):
        unpickle(path)


def test_what_stands_behind_a_long_text_is_looked_at(tmp_path):
    """Lengths are followed: bytes of texts are no operations."""
    path = tmp_path / 'x.pkl'
    content = ['r' * 300, b'\x8e' * 400, 'p9999999999\n' * 30, 1 << 80]
    for protocol in (0, 1, 2, 4, 5):
        path.write_bytes(pickle.dumps(content, protocol))
        if protocol > 1:  # bytes of older ones are made of text by a function
            assert unpickle(path) == content
        path.write_bytes(pickle.dumps(content, protocol)[:-1] + b'B\0\0\0\x10')
        with pytest.raises(UnreadablePickleError, match='claims 268435456'):
            unpickle(path)


def test_tuples_in_each_other_overflow_no_stack(tmp_path):
    """The key of a dict is hashed, tuple by tuple."""
    path = tmp_path / 'x.pkl'
    for deep in (300, 400_000):
        path.write_bytes(b'\x80\x02})' + b'\x85' * deep + b'Ns.')

        def read():
            with pytest.raises(UnreadablePickleError, match='key of a dict'):
                unpickle(path)

        assert in_child(read) == 0
    path.write_bytes(b'\x80\x02)' + b'\x85' * 9_000 + b'.')
    assert len(unpickle(path)) == 1


def annotation(**more):
    return dict(frame_dir='a', label=0, total_frames=2, img_shape=(48, 64),
                keypoint=np.ones((1, 2, 17, 2), 'f4'),
                keypoint_score=np.ones((1, 2, 17), 'f4'), **more)


def lists():
    box = [0., 0.]
    for _ in range(31):
        box = [box, box]
    return box


@pytest.mark.parametrize('key, value, message', [
    ('keypoint', lists(), 'lists of more than'),
    ('keypoint', np.full((1, 2, 17, 2), '1'), 'expected numbers'),
    ('keypoint', np.ones((1, 2, 17, 2), 'c8'), 'expected numbers'),
    ('keypoint', np.ones((1, 0, 17, 2), 'f4'), 'has the shape'),
    ('label', 10**12, 'has the label 1e.12'), ('label', -2, 'the label -2'),
    ('label', .5, 'another type'), ('original_shape', 'ab', 'expected num'),
    ('img_shape', (1 << 20, 5), 'img_shape'), ('frame_dir', 5, 'expected'),
    ('total_frames', 10**12, 'total_frames 1e.12'),
])
def test_poses_of_other_types(tmp_path, key, value, message):
    path = tmp_path / 'x.pkl'
    path.write_bytes(pickle.dumps([{**annotation(), key: value}]))
    with pytest.raises(ImportedPosesError, match=f'x.pkl.*{message}'):
        read_poses(str(path))


def test_numbers_in_lists_are_counted():
    assert numbers([[0] * 4] * 2, most=10).shape == (2, 4)
    with pytest.raises(ValueError, match='lists of more than 10 numbers'):
        numbers([[0] * 5] * 2, most=10)


def test_joints_that_are_not_seen_have_no_place(tmp_path):
    """NaN is one way to write it, where the score is 0."""
    item = annotation()
    item['keypoint'][0, 1, 3] = np.nan
    path, out = tmp_path / 'x.pkl', str(tmp_path / 'out.pkl')
    path.write_bytes(pickle.dumps([item]))
    with pytest.raises(ImportedPosesError, match='x.pkl: a: keypoint holds N'):
        write_poses(read_poses(str(path)), out)
    item['keypoint_score'][0, 1, 3] = 0
    path.write_bytes(pickle.dumps([item]))
    poses = read_poses(str(path))
    assert write_poses(poses, out) == {}
    assert (poses.annotations['a']['keypoint'][0, 1] == 1).sum() == 32


@pytest.mark.parametrize('frame, message', [
    (10**9, 'at most 1000000'), (0, 'numbers from 1'), (2.5, 'numbers from'),
    (True, 'numbers from 1')])
def test_kinetics_frames(tmp_path, frame, message):
    path = tmp_path / 'x.json'
    path.write_text(json.dumps(dict(data=[dict(frame_index=frame, skeleton=[
        dict(pose=[.5] * 36, score=[1] * 18)])])))
    with pytest.raises(ImportedPosesError, match=f'x.json.*{message}'):
        read_poses(str(path))


def npy(header, data=b''):
    text = header.encode().ljust(118 - 10) + b'\n'
    return b'\x93NUMPY\x01\0' + struct.pack('<H', len(text)) + text + data


@pytest.mark.parametrize('header, message', [
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, )}",
     '4398046511104 bytes; 8 are there'),
    ("{'descr': '|O', 'fortran_order': False, 'shape': (1, )}", 'object'),
    ("{'descr': '<U2', 'fortran_order': False, 'shape': (1, )}", '<U2'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -1)}", 'shape'),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, )}", '12 bytes'),
    ('{' * 40, 'no header')])
def test_arrays_that_lie(tmp_path, header, message):
    path = tmp_path / 'x.npy'
    path.write_bytes(npy(header, bytes(8)))
    with pytest.raises(ValueError, match=message):
        read_npy(path)
    with pytest.raises(StoreError, match='x.npy'):
        read_released(str(path))
    with pytest.raises(ScoreError, match='x.npy'):
        read_scores(str(path))


def test_the_header_of_an_array_is_as_long_as_the_file(tmp_path):
    """Of version 2 it may say 4 GB, which numpy would allocate."""
    path = tmp_path / 'x.npy'
    path.write_bytes(b'\x93NUMPY\x02\0\xff\xff\xff\xff{')

    def read():
        limit = int(Path('/proc/self/statm').read_text().split()[0]) * 4096
        resource.setrlimit(resource.RLIMIT_AS, (limit + (1 << 28), ) * 2)
        with pytest.raises(ValueError, match='no header'):
            read_npy(path)

    assert in_child(read) == 0


@pytest.mark.parametrize('order', 'CF')
def test_arrays_are_read_as_numpy_reads_them(tmp_path, order):
    array = np.arange(24, dtype='>i2').reshape(2, 3, 4, order=order)
    np.save(tmp_path / 'x.npy', array)
    found = read_npy(tmp_path / 'x.npy')
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.fixture
def root(tmp_path):
    return write_store(tmp_path)


def changed_index(root, change):
    path = root / 'consolidated.index'
    head = list(HEADER.unpack_from(path.read_bytes()))
    path.write_bytes(index_repaired(change(path.read_bytes(), head)))
    return FeatureStore(root)


def in_head(at, value):
    def change(data, head):
        head[at] = value
        return HEADER.pack(*head) + data[HEADER.size:]
    return change


def replaced(old, new):
    assert len(old) == len(new)
    return lambda data, head: data.replace(old, new)


@pytest.mark.parametrize('change, message', [
    (in_head(1, 1 << 40), 'bytes of clips'),
    (in_head(2, 1 << 60), 'bytes of arrays'),
    (in_head(3, 3), '3 buckets'), (in_head(3, 1 << 30), 'bytes of starts'),
    (replaced(b'"00000"', b'"../00"'), 'names of shards'),
    (replaced(b'"00000"', b'"00001"'), 'names of shards'),
    (replaced(b'"sizes"', b'"sizex"'), 'sizes of 2'),
    (replaced(b'"marks"', b'"markx"'), 'marks of 2'),
    (replaced(b'<f4', b'|O8'), 'expected a type'),
    (replaced(b'"M"', b'"Q"'), 'expected dimensions'),
    (replaced(b'[[["', b'[{["'), 'in the JSON'),
    (replaced(b'clip0clip1', b'clip0\xff\xff\xff\xff1'), 'is no text'),
])
def test_an_index_with_right_checksums(root, change, message):
    with pytest.raises(StoreError, match=f'consolidated.index.*{message}'):
        changed_index(root, change).names  # noqa: B018


@pytest.mark.parametrize('stem', [
    '../00000', '/00000', 'a/00000', '.00000', 'a\n00000', 'n' * 300 + '00000',
    'a', '0000', 5, None])
def test_names_of_shards_lead_nowhere(stem):
    columns = dict(sizes=[1], marks=[0])
    assert shards_of(dict(columns, stems=['a00000']))['stems'] == ['a00000']
    with pytest.raises(ValueError, match='names of shards'):
        shards_of(dict(columns, stems=[stem]))


def test_clips_of_an_index(root):
    """What is wrong with one clip is seen when it is asked for."""
    def change(data, head):
        content = bytearray(data)
        struct.pack_into('<I', content, head[6] + 32, 7)  # the first's shard
        struct.pack_into('<Q', content, head[6] + 52 + 16, 1 << 40)
        return bytes(content)

    store = changed_index(root, change)
    with pytest.raises(StoreError, match='in shard 7'):
        store.info('clip0')
    with pytest.raises(StoreError, match='array 10995'):
        store.read('clip1', 'tap')
    assert store.read('clip2', 'tap').size


@pytest.mark.parametrize('header, message', [
    ([1], 'unpack'), ([5, '{}', []], 'the name 5'),
    (['a', '{', []], 'Expecting'),
    (['a', '{}', [['keypoint', '|O', [1], 0]]], 'an array'),
    (['a', '{}', [['keypoint', '<f4', [1 << 40], 0]]], 'another size'),
    (['a', '{}', [['keypoint', '<f4', [-1], 0]]], 'an array'),
    (['a', '{}', []], 'expected .*keypoint')])
def test_a_journal_with_right_checksums(root, header, message):
    import zlib
    text = json.dumps(header).encode()
    (root / 'journal').write_bytes(_HEAD.pack(
        _MAGIC, len(text), 0, zlib.crc32(text)) + text)
    with pytest.raises(StoreError, match=f'journal is damaged.*{message}'):
        StoreWriter(root, META)


BENCHMARK = dict(
    title='Mine', folder='data/mine', classes=['a', 'b'], people=2, frames=64,
    names=dict(pattern=r'P(?P<subject>\d\d)A(?P<action>\d\d)', layout='PA',
               example='P01A02', actions=['01-02']),
    protocols=dict(xsub=dict(by='subject', train=[1])))
RECORDED = dict(name='P{subject:02d}A{action:02d}', of_each=['subject'],
                all={}, actions=[dict(action=['1-2'])])


@pytest.mark.parametrize('change, message', [
    (dict(base='x.json'), 'leads back'),
    (dict(base=5), "unknown benchmark '5'"),
    (dict(title=5), 'title = 5'), (dict(protocols=[]), 'protocols'),
    (dict(protocols=dict(a=dict(by='subject', test=['1-99999999999']))),
     'the range 1-99999999999'),
    (dict(names=dict(BENCHMARK['names'], recorded=dict(
        RECORDED, name='{subject:09999999d}'))), 'expected a field'),
    (dict(names=dict(BENCHMARK['names'], recorded=dict(
        RECORDED, name='{subject.real}'))), 'expected a field'),
    (dict(names=dict(BENCHMARK['names'], recorded=dict(
        RECORDED, all=dict(x=[1])))), 'no groups'),
    (dict(names=dict(BENCHMARK['names'], recorded=dict(
        RECORDED, actions=[dict(action=['1-9999'])] * 2))), 'clips of each'),
])
def test_a_benchmark_that_means_millions(tmp_path, monkeypatch, change,
                                         message):
    monkeypatch.chdir(tmp_path)
    Path('x.json').write_text(json.dumps({**BENCHMARK, **change}))
    read_benchmark.cache_clear()
    with pytest.raises(FactsError, match=f'^x.json.*{message}'):
        read_benchmark('x.json')
    Path('x.json').write_text(json.dumps(dict(BENCHMARK, names=dict(
        BENCHMARK['names'], recorded=RECORDED))))
    assert read_benchmark('x.json')['title'] == 'Mine'
    read_benchmark.cache_clear()


def test_images_that_claim_to_be_large(tmp_path):
    """And those of another kind, whatever they are called."""
    folder = tmp_path / 'walk'
    folder.mkdir()
    image = np.full((20, 30, 3), 90, np.uint8)
    data = cv2.imencode('.jpg', image)[1].tobytes()
    (folder / '0.jpg').write_bytes(data)
    assert Crops(str(folder)).read([0])[0].shape == (20, 30, 3)
    at = data.index(b'\xff\xc0') + 5
    # the second one OpenCV would read
    for claim in (b'\xff\xff\xff\xff', b'\x18\0\x18\0'):
        (folder / '0.jpg').write_bytes(data[:at] + claim + data[at + 4:])
        with pytest.raises(CropsError, match='0.jpg is no JPEG image'):
            Crops(str(folder)).read([0])
    (folder / '0.jpg').write_bytes(cv2.imencode('.png', image)[1].tobytes())
    with pytest.raises(CropsError, match='0.jpg is no JPEG image'):
        Crops(str(folder)).read([0])


def test_nesting_and_types_of_small_files(tmp_path):
    def file(name, text):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    with pytest.raises(SourceError, match='s.json is no JSON'):
        read_split_lists(file('s.json', DEEP))
    with pytest.raises(ImportedPosesError, match='p.json'):
        read_poses(file('p.json', DEEP))
    for text in (DEEP, '[5]', '[{"id": 1, "template": 5}]'):
        with pytest.raises(PreparationError, match='n.json is no list'):
            read_named_clips(file('n.json', text))
    for text in (DEEP, '[]', '{"a": -1}', '{"a": "5"}'):
        file('frames.json', text)
        with pytest.raises(CropsError, match='frames.json'):
            read_timelines(str(tmp_path))
    file('failures.jsonl', DEEP + '\n{"clip": "a", "why": "b"}\n')
    assert FailureLog(str(tmp_path)).read() == {'a': 'b'}
    file('dataset.json', json.dumps(dict(
        format='hpnet_plugin dataset', version=1, classes=5)))
    with pytest.raises(FactsError, match='dataset.json'):
        read_facts(str(tmp_path))
    labels = read_labels(file('l.txt', 'a ' + '9' * 5000))
    with pytest.raises(SourceError, match='no class'):
        assign_labels([SourceClip('a', 'a.mp4')], labels, ['b'])


@pytest.mark.skipif(not os.access('/dev/shm', os.W_OK), reason='no /dev/shm')
def test_files_in_memory_are_replaced():
    """/dev/shm holds ordinary files, unlike the rest of /dev."""
    path = f'/dev/shm/hpnet_test_{os.getpid()}'
    try:
        for text in (b'long', b'a'):
            write_whole(path, text)
        assert Path(path).read_bytes() == b'a'
    finally:
        os.unlink(path)


def test_an_index_that_contradicts_itself_rescues_nothing(root, monkeypatch):
    path = root / 'consolidated.index'
    table = Table(memoryview(path.read_bytes()), str(path))
    assert rescued(table, '00000').names == [b'clip0', b'clip1']
    clips, arrays, infos = table.columns()
    clips = clips.copy()
    clips['schema'] = 99
    monkeypatch.setattr(Table, 'columns', lambda self: (clips, arrays, infos))
    assert rescued(table, '00000') is None
