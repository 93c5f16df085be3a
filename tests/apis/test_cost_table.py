"""A row a model, of all kinds of nets."""
import json

import pytest
from mmengine.config import Config

from hpnet_plugin.apis import cost
from hpnet_plugin.apis.cost import model_cost
from hpnet_plugin.commands.cost import main
from hpnet_plugin.recipes import compose

SMALL = 'benchmark=nw_ucla_synthetic'


def test_posec3d(root):
    """The paper's SlowOnly: 2.0 M parameters, 15.9 G at 48 x 56 x 56."""
    found = model_cost(Config.fromfile(
        root / 'configs/posec3d/posec3d_joint_slowonly_ntu120.py'))
    assert found.parts['backbone'].params == pytest.approx(2.0e6, rel=.01)
    assert found.total.macs * (56 / 64)**2 == pytest.approx(15.9e9, rel=.02)
    assert found.inputs == 17 * 48 * 64 * 64 * 4


def test_table(root, tmp_path, capsys):
    """Configs with settings, each its own row."""
    specs = ['hp_j,benchmark=nw_ucla', f'posec3d,net=x3dshallow,{SMALL}',
             f'{root}/configs/rgbpose.py,{SMALL}']
    names = ['hp_j_nw_ucla', 'posec3d_x3dshallow_nw_ucla_synthetic',
             'rgbpose_nw_ucla_synthetic']
    out = tmp_path / 'cost.json'
    assert main([*specs, '--json', str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == names
    found = json.loads(out.read_text())
    assert list(found) == names
    sizes = [found[name]['input_bytes'] for name in names]
    # float16 features; float32 volumes; 8-bit colours and volumes
    assert sizes == [32 * 17 * 96 * 2, 17 * 24 * 32 * 32 * 4,
                     3 * 4 * 72 * 72 + 17 * 16 * 18 * 18 * 4]


@pytest.mark.parametrize('spec, message', [
    ('posec3d,net', 'expected KEY=VALUE'),
    ('posec3d,net=slowly', 'there is no such net; the closest: slowonly'),
    ('none.py', 'none.py')])
def test_wrong_settings(capsys, spec, message):
    assert main([spec]) == 2
    assert message in capsys.readouterr().err


def test_speed_is_of_the_clip(monkeypatch):
    """Of a clock that a pass of the model moves on by a quarter second."""
    one_clip, now, passes = cost._one_clip, [0.], []

    def timed_clip(cfg):
        model, batch = one_clip(cfg)
        forward = model.forward

        def timed(inputs, **kwargs):
            now[0] += .25
            passes.append(len(inputs))
            return forward(inputs, **kwargs)

        model.forward = timed
        return model, batch

    monkeypatch.setattr(cost, '_one_clip', timed_clip)
    monkeypatch.setattr(cost.time, 'perf_counter', lambda: now[0])
    cfg = Config(compose('posec3d', net='x3dshallow',
                         benchmark='nw_ucla_synthetic'))
    assert cost.clips_per_second(cfg, seconds=1.) == 4
    assert passes == 6 * [1]  # to begin with, to see how long one takes, four
