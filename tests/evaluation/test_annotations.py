"""Clips of an annotation file, in the order of the stock dataset."""
import pickle

import numpy as np
import pytest
from mmaction.datasets import PoseDataset

from hpnet_plugin.evaluation.annotations import read_clips
from hpnet_plugin.evaluation.scores import ScoreError


def write(path, data):
    path.write_bytes(pickle.dumps(data))
    return path


def clips(names, key='frame_dir', **more):
    return [{'frame_dir': name, key: name, 'label': np.int64(i),
             'total_frames': 4, 'keypoint': np.ones((1, 4, 17, 2)), **more}
            for i, name in enumerate(names)]


@pytest.mark.parametrize('key', ['frame_dir', 'filename'])
def test_order_is_that_of_the_stock_dataset(tmp_path, key):
    path = write(tmp_path / 'a.pkl', dict(
        split=dict(xsub_val=list('dac'), xsub_train=['b']),
        annotations=clips('abcd', key)))
    stock = PoseDataset(str(path), [], split='xsub_val')
    expected = {stock.get_data_info(i)['frame_dir']:
                stock.get_data_info(i)['label'] for i in range(len(stock))}
    found = read_clips(path, 'xsub_val')
    assert list(found.items()) == list(expected.items())
    assert list(found) == ['a', 'c', 'd']


def test_plain_list_and_missing_labels(tmp_path):
    path = write(tmp_path / 'a.pkl', clips(['x.mp4', 'y'], label=None))
    assert read_clips(path) == dict(x=None, y=None)


@pytest.mark.parametrize('data, split, message', [
    (dict(split=dict(a=[], b=[]), annotations=clips('x')), None,
     'name the split by --split, .*--tune-split; it has a, b'),
    (dict(split=dict(a=[], b=[]), annotations=clips('x')), 'c',
     "no split 'c'; it has a, b"),
    (clips('x'), 'test', "no split 'test'; it has none"),
    (clips('xx'), None, 'names 2 clips, but only 1 of the names differ'),
    ([dict(label=1)], None, 'a list of annotations, each with frame_dir'),
    (7, None, 'expected .* or a list'),
    (np.random.default_rng, None, 'not a readable .*refused: it asks for'),
])
def test_refuses(tmp_path, data, split, message):
    path = write(tmp_path / 'a.pkl', data)
    with pytest.raises(ScoreError, match=message):
        read_clips(path, split)
    with pytest.raises(ScoreError, match='not a readable annotations file'):
        read_clips(tmp_path / 'absent.pkl')
