"""Clips from the clip list, joints from the store: as PoseDataset has them."""
import json
import os
import pickle
import tracemalloc

import numpy as np
import pytest
from mmaction.datasets import PoseDataset
from mmaction.registry import DATASETS
from mmengine.registry import DefaultScope

from hpnet_plugin.datasets.annotations import (
    pickled,
    read_annotations,
    write_annotations,
)
from hpnet_plugin.datasets.clip_list import (
    ClipListError,
    OutdatedClipListError,
    clip_list_path,
    read_clip_list,
)
from hpnet_plugin.datasets.pooled import PooledDataset
from hpnet_plugin.evaluation.annotations import read_clips
from hpnet_plugin.evaluation.fisher import read_clip_labels
from hpnet_plugin.store import FeatureStore, StoreWriter
from hpnet_plugin.unpickling import unpickle

LABELS = dict(a=2, b=0, d=1)
SPLITS = dict(train=['d', 'a', 'gone'], test=['c', 'b', 'b'])


@pytest.fixture(autouse=True)
def mmaction_scope():
    with DefaultScope.overwrite_default_scope('mmaction'):
        yield


@pytest.fixture
def folder(tmp_path):
    """Four clips; in c nobody was found."""
    rng = np.random.RandomState(0)
    with StoreWriter(str(tmp_path / 'features'), dict(taps=dict(t=4))) as out:
        for i, name in enumerate('abcd'):
            shape = (1 + (name == 'b'), 5 + i, 17)
            here = name != 'c'
            out.add(name, dict(
                keypoint=here * rng.rand(*shape, 2).astype(np.float32),
                keypoint_score=here * rng.rand(*shape).astype(np.float32),
                t=here * rng.rand(*shape, 4).astype(np.float16)),
                dict(img_shape=[90 + i, 160], num_frames=5 + i,
                     **({} if here else dict(nobody=True))))
    store = FeatureStore(str(tmp_path / 'features'))
    write_annotations(store, str(tmp_path / 'annotations.pkl'), LABELS,
                      SPLITS)
    return tmp_path


def build(kind, folder, pipeline=(), split='test', **kwargs):
    # serialising collects garbage first, which takes longer than a test
    return DATASETS.build({**dict(
        type=kind, data_root=str(folder), ann_file='annotations.pkl',
        split=split, pipeline=list(pipeline), serialize_data=False),
        **kwargs})


def assert_same(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert type(value) is type(second[key]), key
        if isinstance(value, np.ndarray):
            assert value.dtype == second[key].dtype
        np.testing.assert_array_equal(value, second[key], key)


class TestAnnotations:

    def test_content(self, folder):
        """All that PoseDataset's format has, as pickle.dumps writes it."""
        with open(folder / 'annotations.pkl', 'rb') as file:
            content = pickle.load(file)
        assert content['split'] == dict(train=['d', 'a'],
                                        test=['c', 'b', 'b'])
        assert type(content['annotations']) is list
        store = FeatureStore(str(folder / 'features'))
        assert [a['frame_dir'] for a in content['annotations']] == store.names
        for i, found in enumerate(content['annotations']):
            name = found['frame_dir']
            assert_same(found, dict(
                frame_dir=name, total_frames=5 + i, img_shape=(90 + i, 160),
                original_shape=(90 + i, 160), label=LABELS.get(name, -1),
                keypoint=np.array(store.read(name, 'keypoint')),
                keypoint_score=np.array(store.read(name, 'keypoint_score')),
                **(dict(nobody=True) if name == 'c' else {})))
        # and for who runs no code
        assert len(unpickle(folder / 'annotations.pkl')['annotations']) == 4

    def test_any_number(self):
        for number in (0, 1, 3000):
            clips = [dict(i=i, same='text', x=np.full(3, i))
                     for i in range(number)]
            content = pickle.loads(b''.join(pickled({}, iter(clips))))
            assert [c['i'] for c in content['annotations']] == [*range(number)]
            assert all((c['x'] == c['i']).all()
                       for c in content['annotations'])

    def test_one_clip_in_memory(self, tmp_path):
        """40 clips of 0.4 MB; pickle.dumps takes more than twice the sum."""
        shape = (1, 200, 170)

        class Store:
            names = [f'{i:02d}' for i in range(40)]

            def info(self, name):
                return dict(img_shape=[9, 9])

            def shape(self, name, key):
                return (*shape, 2)

            def read(self, name, key):
                return np.ones((*shape, 2)[:4 if key == 'keypoint' else 3],
                               np.float32)

        tracemalloc.start()
        try:
            write_annotations(Store(), str(tmp_path / 'a.pkl'), {}, {})
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        size = (tmp_path / 'a.pkl').stat().st_size
        assert size > 40 * 4e5 and peak < size / 8
        with open(tmp_path / 'a.pkl', 'rb') as file:
            assert len(pickle.load(file)['annotations']) == 40
        assert len(os.listdir(tmp_path)) == 2

    def test_store_without_clips(self, tmp_path):
        with StoreWriter(str(tmp_path / 'f'), dict(taps=dict(t=4))):
            pass
        write_annotations(FeatureStore(str(tmp_path / 'f')),
                          str(tmp_path / 'annotations.pkl'), {}, {})
        assert unpickle(tmp_path / 'annotations.pkl') == dict(
            split={}, annotations=[])


class TestPooledDataset:

    @pytest.mark.parametrize('split', ['train', 'test'])
    @pytest.mark.parametrize('prefix', [{}, dict(video='features')])
    def test_is_posedataset(self, folder, split, prefix):
        stock, pooled = (build(kind, folder, split=split, data_prefix=prefix)
                         for kind in ('PoseDataset', 'PooledDataset'))
        assert len(stock) == len(pooled) == 2
        for i in range(2):
            assert_same(stock[i], pooled[i])
            pooled[i]['keypoint'][:] = 9  # its own: no view of the store
            assert_same(stock[i], pooled[i])

    def test_joints_are_not_in_memory(self, folder):
        """Neither the annotations nor their joints are looked at."""
        pooled, stock = (build(kind, folder, serialize_data=True)
                         for kind in ('PooledDataset', 'PoseDataset'))
        joints = sum(stock[i][key].nbytes for i in range(2)
                     for key in ('keypoint', 'keypoint_score'))
        assert len(pooled.data_bytes) < len(stock.data_bytes) - joints
        with open(folder / 'annotations.pkl', 'r+b') as file:
            time = os.stat(file.name).st_mtime_ns
            file.write(b'no pickle')
        os.utime(folder / 'annotations.pkl', ns=(time, time))
        assert_same(build('PooledDataset', folder)[1], pooled[1])

    def test_large_file_may_be_removed(self, folder):
        os.remove(folder / 'annotations.pkl')
        assert [clip['frame_dir'] for clip in build('PooledDataset', folder)
                ] == ['b', 'c']

    def test_features_alone(self, folder):
        """What loads features needs no joints, and says so if it does."""
        load = dict(type='LoadPooledFeature')
        prefix = dict(video='features')
        pooled = build('PooledDataset', folder, [load], data_prefix=prefix)
        stock = build('PoseDataset', folder, [load], data_prefix=prefix)
        for i in range(2):
            clip = stock[i]
            del clip['keypoint'], clip['keypoint_score']
            assert_same(pooled[i], clip)
        nested = dict(type='RandomApply', prob=1., transforms=[load])
        pooled = build('PooledDataset', folder,
                       [nested, dict(type='NormalizeKeypoint')],
                       data_prefix=prefix)
        with pytest.raises(KeyError, match='clip b: .*joints=True'):
            pooled[0]

    def test_folder_without_clip_list(self, folder):
        expected = build('PooledDataset', folder)[0]
        os.remove(clip_list_path(folder / 'annotations.pkl'))
        assert_same(build('PooledDataset', folder)[0], expected)
        os.remove(folder / 'annotations.pkl')
        with pytest.raises(FileNotFoundError, match='annotations.pkl'):
            build('PooledDataset', folder)

    def test_changed_annotations_count(self, folder):
        """New splits, or labels of which the file gets no longer."""
        path = folder / 'annotations.pkl'
        time = os.stat(path).st_mtime_ns
        with open(path, 'rb') as file:
            content = pickle.load(file)
        content['split']['new'] = ['a']
        path.write_bytes(pickle.dumps(content))
        os.utime(path, ns=(time, time))
        assert build('PooledDataset', folder, split='new')[0]['label'] == 2
        with pytest.raises(OutdatedClipListError, match='bytes'):
            read_clip_list(str(path))
        write_annotations(FeatureStore(str(folder / 'features')), str(path),
                          LABELS, SPLITS)
        size = path.stat().st_size
        with open(path, 'rb') as file:
            content = pickle.load(file)
        content['annotations'][1]['label'] = 7
        path.write_bytes(b''.join(pickled(content['split'],
                                          content['annotations'])))
        later = os.stat(clip_list_path(path)).st_mtime_ns + 1
        os.utime(path, ns=(later, later))
        assert path.stat().st_size == size
        assert build('PooledDataset', folder)[0]['label'] == 7

    def test_unknown_split(self, folder):
        with pytest.raises(KeyError, match="annotations.pkl: no split 'x', "
                           'there are train, test'):
            build('PooledDataset', folder, split='x')

    def test_travels_to_a_worker(self, folder):
        pooled = build('PooledDataset', folder, serialize_data=True)
        first = pooled[0]
        assert pooled._store is not None
        again = pickle.loads(pickle.dumps(pooled))
        assert again._store is None
        assert_same(again[0], first)

    def test_other_annotations(self, folder):
        """A clip list is that of one file, not of all in its folder."""
        (folder / 'annotations_3d.pkl').write_bytes(
            (folder / 'annotations.pkl').read_bytes())
        with pytest.raises(FileNotFoundError):
            read_clip_list(str(folder / 'annotations_3d.pkl'))


class TestClipList:

    def test_read_in_place_of_annotations(self, folder):
        """By fuse.py and analyze.py, who need names and labels alone."""
        path = str(folder / 'annotations.pkl')
        whole, listed = unpickle(path), read_annotations(path)
        assert read_clips(path, 'test') == dict(b=0, c=-1)
        assert read_clip_labels(str(folder), 'train') == dict(a=2, d=1)
        for clip in whole['annotations']:
            del clip['keypoint'], clip['keypoint_score']
        assert listed.clips == whole['annotations']
        assert listed.splits == dict(train=['a', 'd'], test=['b', 'c'])
        os.remove(clip_list_path(path))
        assert 'keypoint' in read_annotations(path).clips[0]
        assert read_clips(path, 'test') == dict(b=0, c=-1)

    def test_nobody(self, folder):
        clips = read_clip_list(str(folder / 'annotations.pkl'))
        assert clips.nobody == {2} and clips.splits['test'] == [1, 2]
        assert isinstance(PooledDataset(
            str(folder / 'annotations.pkl'), []), PoseDataset)

    @pytest.mark.parametrize('change, message', [
        (dict(format='x'), 'format'), (dict(version=2), 'version 2'),
        (dict(names=['a', 'b', 'c', 3]), 'names'),
        (dict(names=['a', 'b', 'c', 'c']), 'twice'),
        (dict(labels=[1]), 'labels must be 4 of int'),
        (dict(frames=None), 'frames'), (dict(frames=[1, 2, 3, 4.]), 'frames'),
        (dict(shapes=[[1, 2]] * 3 + [[1]]), 'shapes'),
        (dict(shapes=[[1, 2]] * 3 + [5]), 'shapes'),
        (dict(splits=dict(train=[4])), 'train must be positions below 4'),
        (dict(splits=dict(train=[-1])), 'train'),
        (dict(splits=dict(train=3)), 'train'), (dict(nobody=['c']), 'nobody'),
    ])
    def test_damaged(self, folder, change, message):
        path = clip_list_path(folder / 'annotations.pkl')
        with open(path) as file:
            content = json.load(file)
        with open(path, 'w') as file:
            json.dump({**content, **change}, file)
        with pytest.raises(ClipListError, match=f'clips.json.*{message}'):
            build('PooledDataset', folder)

    @pytest.mark.parametrize('content', [b'', b'[]', b'{"names": [', b'\xff',
                                         b'[' * 100000])
    def test_no_clip_list(self, folder, content):
        path = clip_list_path(folder / 'annotations.pkl')
        with open(path, 'wb') as file:
            file.write(content)
        with pytest.raises(ClipListError, match='hpnet extract again'):
            build('PooledDataset', folder)
