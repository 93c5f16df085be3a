"""A row a model, of all kinds of nets."""
import json
import runpy
import sys

import pytest
import torch
from mmengine.config import Config

from hpnet_plugin.apis.cost import clips_per_second, model_cost

SMALL = 'configs/posec3d/nw_ucla_small'


def test_posec3d(root):
    """The paper's SlowOnly: 2.0 M parameters, 15.9 G at 48 x 56 x 56."""
    cost = model_cost(Config.fromfile(
        root / 'configs/posec3d/ntu120/posec3d_joint_slowonly_ntu120.py'))
    assert cost.parts['backbone'].params == pytest.approx(2.0e6, rel=.01)
    assert cost.total.macs * (56 / 64)**2 == pytest.approx(15.9e9, rel=.02)
    assert cost.inputs == 17 * 48 * 64 * 64 * 4


def test_table(root, tmp_path, monkeypatch, capsys):
    names = ['hpj_ctrgcn_nw_ucla', 'posec3d_joint_x3dshallow_nw_ucla_small',
             'rgbpose_conv3d_nw_ucla_small']
    paths = [root / f'configs/streams/nw_ucla/{names[0]}.py',
             *(root / SMALL / f'{name}.py' for name in names[1:])]
    out = tmp_path / 'cost.json'
    monkeypatch.setattr(sys, 'argv', [
        'model_cost.py', *map(str, paths), '--json', str(out)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(root / 'tools/model_cost.py'), run_name='__main__')
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == names
    found = json.loads(out.read_text())
    assert list(found) == names
    sizes = [found[name]['input_bytes'] for name in names]
    # float16 features; float32 volumes; 8-bit colours and volumes
    assert sizes == [32 * 17 * 96 * 2, 17 * 24 * 32 * 32 * 4,
                     3 * 4 * 72 * 72 + 17 * 16 * 18 * 18 * 4]


def test_speed_is_of_the_clip(root):
    """As many clips as a stopwatch counts, roughly."""
    torch.set_num_threads(1)
    cfg = Config.fromfile(
        root / SMALL / 'posec3d_joint_x3dshallow_nw_ucla_small.py')
    assert 1 < clips_per_second(cfg, seconds=.2) < 2000
