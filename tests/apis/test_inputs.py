"""What a config lacks is said first, with where to get it."""
import json

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from hpnet_plugin.apis import MissingInputError, missing_inputs
from hpnet_plugin.apis.synthetic import write_synthetic


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder without any data."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_is_there(root, elsewhere):
    found = missing_inputs(Config.fromfile(root / 'configs/hpnet_ntu120.py'))
    assert len(found) == 2  # each thing once
    for text in ('data/ntu120/annotations.pkl', 'rose1.ntu.edu.sg',
                 'tools/prepare.py ntu120 xsub xset', 'tools/extract.py',
                 '--tap backbone.stage4.0.branches.1', '--crops'):
        assert text in found[0]
    assert 'k600_16_8.pth' in found[1] and '--from xclip' in found[1]
    # a test brings its own checkpoint, which is not that of the training
    found = missing_inputs(Config.fromfile(
        root / 'configs/ablations/table13/frame_hpnet_smarthome_cs.py'))
    assert '--detector frame' in found[0] and 'toyotasmarthome' in found[0]


def test_3d_poses(root, elsewhere):
    found, = missing_inputs(Config.fromfile(
        root / 'configs/streams/ntu120/pose3d_j_ctrgcn_ntu120.py'))
    assert 'annotations_3d.pkl' in found and 'pyskl' in found


@pytest.fixture
def folder(root, elsewhere):
    """A config with all that it needs."""
    cfg = Config.fromfile(root / 'configs/hpnet_nw_ucla_small.py')
    write_synthetic(cfg, elsewhere / 'data/nw_ucla', clips=1, frames=4)
    return elsewhere / 'data/nw_ucla'


@pytest.fixture
def cfg(root, folder):
    return Config.fromfile(root / 'configs/hpnet_nw_ucla_small.py')


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
    (folder / 'extraction.json').write_text(
        json.dumps(dict(splits=dict(train=3, val=1))))
    found, = missing_inputs(cfg)
    assert "no split 'test', it has train, val" in found
    assert missing_inputs(cfg, ('train', )) == []


def test_the_runner_says_it_first(root, elsewhere):
    """As mim runs it: tools/train.py builds what runner_type names."""
    from mmaction.registry import RUNNERS
    cfg = Config.fromfile(
        root / 'configs/streams/nw_ucla_small/hpj_ctrgcn_nw_ucla_small.py')
    cfg.work_dir = str(elsewhere / 'work')
    with DefaultScope.overwrite_default_scope('mmaction'):
        runner = RUNNERS.build(cfg)
        for start in (runner.train, runner.test):
            with pytest.raises(MissingInputError,
                               match='data/nw_ucla/annotations.pkl'):
                start()


def test_every_config_checks_first(root):
    """All that train on a dataset folder."""
    for path in (root / 'configs').rglob('*.py'):
        if not {'_base_', 'pose', 'detectors'} & set(path.parts):
            assert Config.fromfile(path).runner_type == 'CheckedRunner', path
