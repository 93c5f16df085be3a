"""What runs are expected to take."""
import pytest
from mmengine.config import Config

from hpnet_plugin.apis import cost
from hpnet_plugin.recipes import compose
from hpnet_plugin.reproduction.estimates import (
    POSE_MACS,
    RATES,
    clips_of,
    estimate_run,
)
from hpnet_plugin.reproduction.paper_tables import read_table
from hpnet_plugin.reproduction.tables import Reproduction


def test_of_a_stream(root, tmp_path, monkeypatch):
    """Clips of a benchmark that is not here are those published."""
    monkeypatch.chdir(tmp_path)
    cfg = Config(compose('stream', benchmark='ntu60_xsub'))
    assert clips_of(cfg.train_dataloader.dataset) == 40091
    assert clips_of(cfg.test_dataloader.dataset) == 16487
    table = read_table(root / 'configs', 3)
    found = Reproduction(table, root / 'configs', 'out').estimate(
        table['hp_j_ctrgcn'])
    # 1.21 GMAC, three times a step, 65 epochs of 63,026 clips, then a test
    macs = 1.21e9 * (3 * 65 * 63026 + 50919)
    assert found.hours == pytest.approx(
        macs / RATES['graph']['float32'] / 3600, rel=.02)
    # weights and momentum of 1.49 M parameters, two checkpoints
    assert found.disk == pytest.approx(2 * 2 * 4 * 1.49e6, rel=.05)
    # 113,945 clips of 83 frames, 17 joints, 96 channels in half precision
    assert found.extracted == {('data/ntu120', 'backbone.stage4.0.branches.1'):
                               113945 * 83 * 17 * (2 * 96 + 12)}
    assert found.extraction['data/ntu120'] == pytest.approx(
        113945 * 83 * POSE_MACS / RATES['video']['float32'] / 3600)


def test_of_hpnet(tmp_path, monkeypatch):
    """Crops, too; large nets gain by TF32 and float16."""
    monkeypatch.chdir(tmp_path)
    found, measured = [], cost.model_cost
    monkeypatch.setattr(cost, 'model_cost', lambda cfg: (
        found or found.append(measured(cfg)) or found)[0])  # once
    cfg = Config(compose('hpnet', benchmark='smarthome_cs'))
    slow, fast = (estimate_run(cfg, precision)
                  for precision in ('float32', 'tf32'))
    assert slow.hours == pytest.approx(4 * fast.hours)
    clips = 10682 + 5433
    assert slow.extracted['data/smarthome', 'crops'] == clips * 83 * 2600
    # the config stays what it was
    assert cfg.train_dataloader.dataset.data_root == 'data/smarthome'


def test_of_posec3d(tmp_path, monkeypatch):
    """Every clip ten times an epoch; heatmaps have taps of their own."""
    monkeypatch.chdir(tmp_path)
    cfg = Config(compose('posec3d', benchmark='ntu60_xsub',
                         volumes='heatmap'))
    found = estimate_run(cfg)
    macs = 20.42e9 * (3 * 24 * 10 * 40091 + 16487)
    assert found.hours == pytest.approx(
        macs / RATES['video']['float32'] / 3600, rel=.02)
    assert {tap for _, tap in found.extracted} == {'heatmap', 'heatmap_scale'}


def test_unknown_pose_nets_and_clips(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cost, 'model_cost', lambda cfg: cost.Cost(
        dict(net=cost.Part(1, 1, 1)), 0, False, 0))
    cfg = Config(compose('stream', benchmark='nw_ucla_synthetic'))
    assert estimate_run(cfg).hours is None
    cfg = Config(compose('stream', benchmark='nw_ucla', tap=None))
    assert estimate_run(cfg).extraction['data/nw_ucla'] > 0
