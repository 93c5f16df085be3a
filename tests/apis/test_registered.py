"""Nothing in the data of a model runs when it is loaded and built."""
import json
import pathlib
import shutil
import sys

import pytest

from hpnet_plugin.apis.registered import UnregisteredError
from hpnet_plugin.apis.scorers import TorchScorer
from hpnet_plugin.apis.trained import from_pretrained


@pytest.fixture
def changed(models, tmp_path):
    """A model whose description was changed by somebody."""

    def change(edit):
        folder = tmp_path / 'model'
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(models('hp_j'), folder)
        path = pathlib.Path(folder, 'hpnet.json')
        content = json.loads(path.read_text())
        edit(content['config'])
        path.write_text(json.dumps(content))
        return from_pretrained(folder)

    return change


def test_commands_do_not_run(changed, tmp_path):
    """At the top, inside, in a list, and as an attribute of a package."""
    mark = tmp_path / 'ran'
    run = dict(type='subprocess.check_output', args=['touch', str(mark)])
    for edit in (
            lambda config: config.update(model=run),
            lambda config: config['model'].update(backbone=run),
            lambda config: config['model']['backbone'].update(act_cfg=run),
            lambda config: config['model'].update(x=[dict(y=run)]),
            lambda config: config['model'].update(backbone=dict(
                type='mmengine.load', file=str(mark))),
            lambda config: config['model'].update(backbone=dict(type=3))):
        with pytest.raises(UnregisteredError, match='no registered class'):
            changed(edit).build()
    assert not mark.exists()


def test_steps_of_the_test_pipeline_do_not_run(changed, tmp_path):
    mark = tmp_path / 'ran'
    run = dict(type='subprocess.check_output', args=['touch', str(mark)])

    def steps(config):
        return config['test_dataloader']['dataset']['pipeline']

    for edit in (lambda config: steps(config).insert(0, run),
                 lambda config: steps(config)[0].update(x=[run])):
        with pytest.raises(UnregisteredError, match='no registered class'):
            TorchScorer(changed(edit))
    assert not mark.exists()


def test_no_module_is_imported(changed, tmp_path, monkeypatch):
    """A file of the folder that mmengine would import by its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / 'stranger').mkdir()
    (tmp_path / 'stranger/__init__.py').touch()
    (tmp_path / 'stranger/registry.py').touch()
    for edit in (
            lambda config: config['model'].update(type='stranger'),
            lambda config: config['model'].update(type='stranger.X'),
            lambda config: config.update(default_scope='stranger'),
            lambda config: config['model']['backbone'].update(
                _scope_='stranger')):
        with pytest.raises(UnregisteredError):
            changed(edit).build()
    assert 'stranger' not in sys.modules


def test_registered_classes_are_built(changed):
    """Also by the package that they are of."""
    net = changed(lambda config: config['model']['backbone'].update(
        type='mmaction.CTRGCN')).build()
    assert type(net.backbone).__name__ == 'CTRGCN'
