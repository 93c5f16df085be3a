"""A run says what it read; features of another pose net are refused."""
import json
import shutil

import pytest

from hpnet_plugin.apis.checkpoints import read_checkpoint
from hpnet_plugin.apis.read_data import (
    data_note,
    data_read,
    fingerprints,
    other_data,
    refuse_other_net,
)
from hpnet_plugin.apis.trained import load_trained
from hpnet_plugin.cli import main
from hpnet_plugin.config_text import read_config
from hpnet_plugin.recipes.checks import ConfigError
from hpnet_plugin.store import StoreWriter, fingerprint
from hpnet_plugin.visualization.sections import dataset_section


@pytest.fixture
def config(trained):
    return read_config(next(str(path) for path in trained.run.glob('*.py')))


def test_a_training_notes_what_it_read(trained, config):
    digits = fingerprint(trained.folder / 'features')
    known = load_trained(str(trained.run)).description.training['data']
    name = trained.folder.name
    assert known == {name: fingerprints(str(trained.folder))}
    assert known[name]['store'] == digits
    log = next(trained.run.glob('*/*.log')).read_text()
    assert f'read from {trained.folder}: features {digits}, annotations' in \
        log
    assert data_read(config) == known and digits in data_note(config)
    rows = dataset_section(trained.folder).table
    assert ('fingerprint', digits) in rows


def test_other_data(trained, config):
    meta = dict(hpnet=load_trained(str(trained.run)).description.to_json())
    assert other_data(config, meta) == ''
    name = trained.folder.name
    meta['hpnet']['training']['data'][name]['store'] = 'x' * 16
    assert other_data(config, meta) == (
        f'other data than this training began with: store of {name} '
        f'({"x" * 16} then, {fingerprint(trained.folder / "features")} now)')
    for nothing in ({}, dict(hpnet=None), dict(hpnet=dict(training=3))):
        assert other_data(config, nothing) == ''


def other_folder(trained, place, sha256):
    """The same clips, whose features say what made them."""
    from hpnet_plugin.store import FeatureStore
    shutil.copytree(trained.folder, place)
    shutil.rmtree(place / 'features')
    store = FeatureStore(trained.folder / 'features')
    meta = dict(taps=store.taps, pose=dict(config='x/net.py', sha256=sha256))
    with StoreWriter(place / 'features', meta) as writer:
        for name in store.names:
            writer.add(name, {key: store.read(name, key)
                              for key in store.keys(name)}, store.info(name))
    (place / 'extraction.json').write_text(json.dumps(meta))
    return place


def test_another_pose_net(trained, config, tmp_path):
    meta = dict(hpnet=dict(extraction=dict(
        pose=dict(config='net.py', sha256='a' * 64), region=1)))
    refuse_other_net(config, meta, 'x.pth')  # nothing is known of the folder
    folder = other_folder(trained, tmp_path / 'other', 'b' * 64)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[loader].dataset.data_root = str(folder)
    with pytest.raises(ConfigError, match='made otherwise than those that '
                       r'x.pth was trained on \(pose net net.py with the '
                       r'sha256 bbbbbbbb…, then net.py with aaaaaaaa…\)'):
        refuse_other_net(config, meta, 'x.pth')
    meta['hpnet']['extraction']['pose']['sha256'] = 'b' * 64
    refuse_other_net(config, meta, 'x.pth')


def test_a_test_on_features_of_another_net_is_refused(
        trained, tmp_path, capsys, monkeypatch):
    """hpnet test ends with the message and status 2."""
    import torch
    run = tmp_path / 'run'
    shutil.copytree(trained.run, run)
    checkpoint = read_checkpoint(str(run / 'epoch_3.pth'))
    checkpoint['meta']['hpnet']['extraction'] = dict(
        pose=dict(config='net.py', sha256='a' * 64))
    path = run / 'of_another.pth'  # the first is mapped
    torch.save(checkpoint, path)
    folder = other_folder(trained, tmp_path / 'mine', 'b' * 64)
    monkeypatch.chdir(tmp_path)
    assert main(['test', str(run), str(path), '--data', str(folder)]) == 2
    assert 'they mean nothing to this model' in capsys.readouterr().err
