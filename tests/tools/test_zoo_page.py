"""docs/zoo.md is what tools/zoo.py makes of the records beside it."""
import hashlib
import json
import runpy
import shutil

import numpy as np
import pytest

from hpnet_plugin.cli import main
from hpnet_plugin.evaluation.scores import read_scores


@pytest.fixture(scope='module')
def zoo(root):
    return runpy.run_path(str(root / 'tools/zoo.py'))


def test_the_page_is_made_of_the_records(root, zoo):
    records = zoo['read_records'](root / 'docs/zoo')
    assert len(records) >= 8
    page = (root / 'docs/zoo.md').read_text(encoding='utf-8')
    assert page == zoo['page'](records), 'run "python tools/zoo.py"'
    for path in (root / 'docs/zoo').iterdir():
        assert path.suffix == '.json' and path.stat().st_size < 6000


def test_commands_of_the_page(root, zoo, tmp_path, monkeypatch):
    """Each row's command names a config that can be composed."""
    from hpnet_plugin.commands.names import find_config
    from hpnet_plugin.recipes import compose
    for record in zoo['read_records'](root / 'docs/zoo').values():
        words = zoo['command'](record).split()
        named = find_config(words[2])
        if '--benchmark' in words:
            config = compose(named.recipe, **named.settings,
                             benchmark=words[words.index('--benchmark') + 1])
            assert config['train_cfg']['max_epochs'] == record['epochs']


def test_record_of_a_run(zoo, trained, tmp_path, monkeypatch):
    """Numbers of the record are those of the dump and of the checkpoint."""
    run = tmp_path / 'mine'
    shutil.copytree(trained.run, run)
    monkeypatch.chdir(trained.folder.parents[1])
    assert main(['test', str(run), '--dump', str(run) + '.pkl']) == 0
    zoo['main']([str(run), '--data', 'mine', '--hardware', 'one core',
                 '--out', str(tmp_path / 'docs')])
    text = (tmp_path / 'docs/zoo/mine_hp_j_seed0.json').read_text()
    record = json.loads(text)
    scores = read_scores(f'{run}.pkl')
    right = scores.scores.argmax(1) == scores.labels
    top = record['test']['top1']
    assert record['test']['clips'] == len(right) == 12
    assert top['gain'] == pytest.approx(100 * np.mean(right), abs=.01)
    assert 0 <= top['low'] <= top['gain'] <= top['high'] <= 100
    weights = run / 'epoch_3.pth'
    assert record['checkpoint'] == dict(
        file='epoch_3.pth', bytes=weights.stat().st_size,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest())
    assert record['settings'] == dict(recipe='stream', stream='hp_j',
                                      tap='tap')
    assert len(record['curves']['loss']) == record['epochs'] == 3
    assert [step for step, _ in record['curves']['val_top1']] == [1, 2, 3]
    assert record['versions']['torch'] and record['seed'] == 0
    assert record['clips_per_second']['train'] > 0
    assert str(tmp_path) not in text
    page = (tmp_path / 'docs/zoo.md').read_text()
    assert record['checkpoint']['sha256'][:12] in page and 'one core' in page
