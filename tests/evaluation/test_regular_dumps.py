"""Dumps whose samples look alike give the same as the unpickler, or none."""
import pickle

import numpy as np
import pytest
import torch

from hpnet_plugin.evaluation.scores import regular
from hpnet_plugin.evaluation.scores.dumps import from_content, from_regular
from hpnet_plugin.evaluation.scores.regular import read_regular
from hpnet_plugin.unpickling import UnreadablePickleError, unpickle

TINY = dict(clips=14, classes=5)


def samples(clips=40, classes=7, batch=None, views=False,
            dtype=torch.float32):
    """As they come from the toolbox; in batches from another process each
    batch brings keys of its own."""
    torch.manual_seed(0)
    found, keys = [], ['frame_dir', 'img_shape', 'gt_label']
    for i in range(clips):
        if batch and i % batch == 0:
            keys = [''.join(list(key)) for key in keys]
        if i % 4 == 0:
            scores = torch.randn(4, classes).to(dtype)
        found.append({
            keys[0]: f'clip{i} \xe4\u20ac', keys[1]: (64, 17 + 300 * (i % 2)),
            'pred_label': torch.tensor([i % classes]),
            'pred_score': scores[i % 4] if views else scores[i % 4].clone(),
            'pred_score_j': -scores[i % 4].clone(),
            keys[2]: torch.tensor([i % classes]), 'timestamp': i / 3})
    return found


def write(path, content):
    path.write_bytes(pickle.dumps(content, 2))
    return path


def check(path, stream=None):
    """Both ways give the same; the one without samples gives something."""
    found = read_regular(path, stream)
    assert found is not None
    ours = from_regular(found, 'x')
    theirs = from_content(unpickle(path, arrays=True), stream, None, 'x')
    assert ours.names == theirs.names
    assert ours.scores.dtype == theirs.scores.dtype
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    np.testing.assert_array_equal(ours.labels, theirs.labels)
    return ours


@pytest.mark.parametrize('changes', [
    {}, dict(batch=8), dict(views=True), dict(clips=1), dict(clips=1001),
    dict(clips=1000, batch=16), dict(views=True, dtype=torch.bfloat16),
    dict(dtype=torch.float64), dict(dtype=torch.float16), dict(classes=300),
    dict(classes=300, views=True)], ids=str)
def test_the_same_as_the_unpickler(tmp_path, changes):
    path = write(tmp_path / 'x.pkl', samples(**changes))
    scores = check(path)
    wide = changes.get('dtype') is torch.float64
    assert scores.scores.dtype == (np.float64 if wide else np.float32)
    assert scores.names[0] == 'clip0 \xe4\u20ac'
    np.testing.assert_array_equal(check(path, 'j').scores, -scores.scores)
    assert read_regular(path, 'b') is None


def test_small_windows_and_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(regular, '_WINDOW', 10_000)
    monkeypatch.setattr(regular, '_TOGETHER', 3)
    check(write(tmp_path / 'x.pkl', samples(batch=5)))


def changed(change):
    content = samples()
    change(content)
    return content


@pytest.mark.parametrize('content', [
    [], {}, [1], samples()[0], [[1]],
    changed(lambda c: c[3].pop('gt_label')),
    changed(lambda c: c[3].pop('frame_dir')),
    changed(lambda c: c[3].update(pred_score=torch.zeros(6))),
    changed(lambda c: c[3].update(pred_score=dict(item=torch.zeros(7)))),
    changed(lambda c: c[3].update(pred_score=torch.zeros(1, 7))),
    changed(lambda c: c[3].update(gt_label=torch.zeros(2))),
    changed(lambda c: c[3].update(gt_label=3)),
    changed(lambda c: c[3].update(more=[c[0]])),
], ids=range(13))
def test_others_are_left_to_the_unpickler(tmp_path, content):
    assert read_regular(write(tmp_path / 'x.pkl', content), None) is None


def test_places_of_the_memo(tmp_path):
    """A name that stands where the key of all samples is looked up."""
    path = write(tmp_path / 'x.pkl', samples(60))
    data = bytearray(path.read_bytes())
    at = data.index(b'clip50') - 5
    put = data.index(b'r', at + 11)
    assert data[put:put + 1] == b'r'
    for place in (2, 10**6):  # the first is that of "frame_dir"
        data[put + 1:put + 5] = place.to_bytes(4, 'little')
        path.write_bytes(data)
        assert read_regular(path, None) is None


def test_changed_dumps_give_the_same_or_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(regular, '_TOGETHER', 4)
    rng, path, same = np.random.default_rng(0), tmp_path / 'x.pkl', 0
    contents = [pickle.dumps(samples(**TINY, **more), 2)
                for more in ({}, dict(batch=4), dict(views=True))]
    for turn in range(120):
        data = bytearray(contents[turn % 3])
        at = rng.integers(len(data))
        match turn % 5:
            case 0:
                data[at] = rng.integers(256)
            case 1:
                del data[at:at + rng.integers(1, 9)]
            case 2:
                data[at] ^= 1 << rng.integers(8)
            case _:  # the place of a put, a look-up, a number
                at = data.index((b'r', b'j', b'K')[turn % 3], at // 2) + 1
                data[at] = (data[at] + rng.integers(1, 4)) % 256
        path.write_bytes(data)
        if read_regular(path, None) is not None:
            same += 1
            check(path)
    assert same > 3


def test_a_damaged_dump_is_refused_by_the_unpickler(tmp_path):
    data = pickle.dumps(samples(), 2)
    for broken in (data[:-1], data[:len(data) // 2], data[:40]):
        (tmp_path / 'x.pkl').write_bytes(broken)
        assert read_regular(tmp_path / 'x.pkl', None) is None
        with pytest.raises(UnreadablePickleError):
            unpickle(tmp_path / 'x.pkl')
