"""What a config lacks is said, with where to get it."""
import json

import pytest
from mmengine.config import Config

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.recipes import compose
from hpnet_plugin.recipes.inputs import missing_inputs


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder without any data."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_is_there(elsewhere):
    found = missing_inputs(compose('hpnet'))
    assert len(found) == 2  # each thing once
    for text in ('data/ntu120/annotations.pkl', 'rose1.ntu.edu.sg',
                 'hpnet prepare ntu120 xsub xset', 'hpnet extract',
                 '--tap backbone.stage4.0.branches.1', '--crops'):
        assert text in found[0]
    assert 'k600_16_8.pth' in found[1] and '--from xclip' in found[1]


@pytest.mark.parametrize('folder, texts', [
    ('data/smarthome_cv_frame', ('--detector frame', 'smarthome cv1 cv2',
                                 'toyotasmarthome')),
    ('data/ntu60_hrnet', ('--pose hrnet-w48', 'ntu60 xsub xview')),
    ('data/mine', ('hpnet extract VIDEOS --out data/mine makes', )),
])
def test_folders(elsewhere, folder, texts):
    found, = missing_inputs(compose('stream', data_root=folder))
    for text in texts:
        assert text in found


def test_3d_poses(elsewhere):
    found, = missing_inputs(compose('stream', stream='pose3d_j'))
    assert 'annotations_3d.pkl' in found and 'pyskl' in found


@pytest.fixture
def folder(elsewhere):
    """A dataset folder with all that HP-Net needs."""
    cfg = Config(compose('hpnet', benchmark='nw_ucla_synthetic'))
    write_synthetic(cfg, elsewhere / 'data/nw_ucla', clips=1, frames=4)
    return elsewhere / 'data/nw_ucla'


@pytest.fixture
def cfg(folder):
    return Config(compose('hpnet', benchmark='nw_ucla_synthetic'))


def test_nothing_is_missing(cfg):
    assert missing_inputs(cfg) == []


def test_the_clip_list_is_enough(cfg, folder):
    """Of PooledDataset; PoseDataset reads the annotations."""
    (folder / 'annotations.pkl').unlink()
    assert missing_inputs(cfg) == []
    cfg.test_dataloader.dataset.type = 'PoseDataset'
    assert missing_inputs(cfg, ('train', )) == []
    found, = missing_inputs(cfg, ('test', ))
    assert 'data/nw_ucla/annotations.pkl: no such file' in found
    (folder / 'annotations.clips.json').unlink()
    assert len(missing_inputs(cfg, ('train', ))) == 1


def test_crops(cfg, folder):
    (folder / 'crops').rename(folder / 'other')
    found, = missing_inputs(cfg)
    assert 'crops' in found and '--crops' in found


def test_taps(cfg, folder):
    path = folder / 'features/meta.json'
    meta = json.loads(path.read_text())
    tap, = meta['taps']
    for taps, message in ((dict(other=128), f'no features of {tap}, it has '
                           'other'),
                          ({tap: 64}, 'has 64 channels, the config expects '
                           '128')):
        path.write_text(json.dumps(dict(meta, taps=taps)))
        found, = missing_inputs(cfg)
        assert message in found


def test_splits(cfg, folder):
    path = folder / 'dataset.json'
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(dict(facts, splits=dict(train=3, val=1),
                                    use=dict(train='train', val='val'))))
    found, = missing_inputs(cfg)
    assert "no split 'test', it has train, val" in found
    assert missing_inputs(cfg, ('train', )) == []


def test_old_folders(cfg, folder):
    """Of an earlier version, without dataset.json."""
    (folder / 'dataset.json').unlink()
    assert missing_inputs(cfg) == []
