"""A small table, reproduced by the tool from nothing to the numbers."""
import json
import os
import re
import signal
import sys
import time

import numpy as np
import pytest
import yaml
from mmengine.config import Config

from hpnet_plugin.apis import reproduction
from hpnet_plugin.apis.reproduction import Reproduction, ReproductionError
from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.commands import reproduce
from hpnet_plugin.evaluation.metrics import softmax
from hpnet_plugin.evaluation.paper_tables import read_table
from hpnet_plugin.evaluation.scores import Scores, write_scores

CONFIG = """
_base_ = '{root}/configs/streams/nw_ucla_small/{kind}_ctrgcn_nw_ucla_small.py'
model = dict(backbone=dict(base_channels=4), cls_head=dict(in_channels=16))
train_cfg = dict(max_epochs={epochs})
train_dataloader = dict(
    batch_size=4, dataset=dict(data_root='{data}', split='train'))
val_dataloader = test_dataloader = dict(
    batch_size=4, dataset=dict(data_root='{data}', split='test'))
"""
TABLE = dict(
    title='a table', note='What to know.',
    benchmarks=dict(small=dict(metric='top1')),
    weights=dict(b=2), softmax=['b'],
    rows=[
        dict(id='a', config='a_{benchmark}.py', published=dict(small=50.)),
        dict(id='b', config='b_{benchmark}.py'),
        dict(id='both', name='a + b', fuse=['a', 'b']),
        dict(id='third', of='a', **{'class': 3}),
        dict(id='some', of='both', clips='some.txt'),
        dict(id='theirs', published=dict(small=75.)),
    ])


def write_configs(folder, root, epochs=2):
    (folder / 'ablations/table03').mkdir(parents=True)
    (folder / 'ablations/table03/table.yml').write_text(yaml.safe_dump(TABLE))
    for name, kind in (('a', 'hpj'), ('b', 'pose_j')):
        (folder / f'{name}_small.py').write_text(CONFIG.format(
            root=root, kind=kind, epochs=epochs, data=folder / 'data'))
    return folder


@pytest.fixture
def tool(root, tmp_path, monkeypatch):
    """hpnet reproduce on configs of its own, in an empty folder."""
    monkeypatch.setattr(reproduce, 'CONFIGS',
                        write_configs(tmp_path / 'configs', root))
    monkeypatch.chdir(tmp_path)
    return reproduce


def scores_of(seed, clips=12, classes=4):
    rng = np.random.RandomState(seed)
    return Scores([f'c{i}' for i in range(clips)],
                  rng.randn(clips, classes), np.arange(clips) % classes, 's')


@pytest.fixture
def done(tool, tmp_path):
    """Scores of both configs, as their runs leave them."""
    runs = {}
    for i, name in enumerate('ab'):
        folder = tmp_path / f'out/{name}_small/seed0'
        folder.mkdir(parents=True)
        runs[name] = scores_of(i)
        write_scores(folder / 'scores.pkl', runs[name])
    (tool.CONFIGS / 'ablations/table03/some.txt').write_text('c1\nc5\nc6\n')
    return runs


def top1(scores, labels):
    return 100 * np.mean(scores.argmax(1) == labels)


def test_numbers_of_rows(tool, done, capsys):
    """Each kind of row against its own arithmetic."""
    assert tool.main(['3', '--out', 'out', '--no-run', '--json', 'o.json']
                     ) == 0
    with open('o.json') as file:
        record, = json.load(file)
    found = {row['id']: row['measured'] for row in record['rows']}
    a, b = done['a'], done['b']
    labels, both = a.labels, a.scores + 2 * softmax(b.scores)
    assert found['a'] == pytest.approx([top1(a.scores, labels)])
    assert found['both'] == pytest.approx([top1(both, labels)])
    third = labels == 2
    assert found['third'] == pytest.approx(
        [top1(a.scores[third], labels[third])])
    some = [1, 5, 6]
    assert found['some'] == pytest.approx([top1(both[some], labels[some])])
    assert found['theirs'] == []
    printed = capsys.readouterr().out
    difference = top1(a.scores, labels) - 50
    assert f'{difference:+.1f}' in printed and 'published only' in printed
    assert 'What to know.' in printed
    # a folder that is named after no benchmark
    assert 'Tested on 12 clips.' in printed
    assert record['counts'] == ['tested on 12 clips']


@pytest.mark.parametrize('clips, told', [
    (464, 'Tested on 464 clips, all 464 of the published test split.'),
    (460, 'Tested on 460 clips, but the published test split has 464: the '
     'accuracy cannot be compared with published ones.')])
def test_difference_needs_the_published_number_of_clips(
        tool, tmp_path, capsys, clips, told):
    """NW-UCLA's views, told by the names of the folder and the split."""
    for name in 'ab':
        path = tool.CONFIGS / f'{name}_small.py'
        path.write_text(path.read_text().replace(
            "split='test'", "split='xview_test'").replace(
            f"{tool.CONFIGS / 'data'}", 'data/nw_ucla'))
        folder = tmp_path / f'out/{name}_small/seed0'
        folder.mkdir(parents=True)
        write_scores(folder / 'scores.pkl', scores_of(0, clips))
    assert tool.main(['3', '--out', 'out', '--no-run', '--only', 'a', 'both',
                      '--json', 'o.json']) == 0
    printed = capsys.readouterr().out
    assert told in printed
    with open('o.json') as file:
        record, = json.load(file)
    for row in record['rows']:
        assert row['tested'] == [clips] and row['test_clips'] == 464
    line = next(line for line in printed.splitlines()
                if line.startswith('a ') and '50.0' in line)
    difference = f'{record["rows"][0]["measured"][0] - 50:+.1f}'
    assert (difference in line) == (clips == 464)
    assert ('460 of 464 clips' in line) == (clips != 464)


def test_results_of_posedataset_still_count(root):
    """What was trained before PooledDataset read the same clips."""
    cfg = Config.fromfile(
        root / 'configs/streams/ntu120/hpj_ctrgcn_ntu120.py')
    now = reproduction._decisive(cfg)
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        assert loader.dataset.type == 'PooledDataset'
        loader.dataset.type = 'PoseDataset'
    assert reproduction._decisive(cfg) == now
    assert cfg.train_dataloader.dataset.type == 'PoseDataset'


def test_what_is_missing_is_said_first(tool, capsys):
    assert tool.main(['III', '--out', 'out']) == 3
    printed = capsys.readouterr().out
    assert printed.index('a_small, seed 0 cannot run') < printed.index('Table')
    assert 'annotations.pkl: no such file' in printed
    assert not os.path.exists('out')


def test_dry_run(tool, done, capsys):
    os.remove('out/a_small/seed0/scores.pkl')
    os.rmdir('out/a_small/seed0')
    assert tool.main(['3', '--out', 'out', '--dry-run', '--cfg-options',
                      'train_cfg.max_epochs=3']) == 0
    printed = capsys.readouterr().out
    assert '# a_small, seed 0: not begun' in printed
    assert '# b_small, seed 0: done' in printed
    assert 'mim train mmaction2 configs/a_small.py --work-dir ' \
        'out/a_small/seed0 --seed 0 --cfg-options train_cfg.max_epochs=3' \
        in printed
    assert 'epoch_3.pth' in printed and 'GPU hours' in printed


def test_only_and_what_it_is_made_of(tool):
    table = read_table(tool.CONFIGS, 3)
    only = Reproduction(table, tool.CONFIGS, 'out', seeds=2,
                        only=lambda row: row == 'some')
    assert [(row.id, run.seed) for row, run in only.runs()] == [
        ('a', 0), ('b', 0), ('a', 1), ('b', 1)]
    only = Reproduction(table, tool.CONFIGS, 'out',
                        only=lambda row: row == 'third')
    assert [row.id for row, _ in only.runs()] == ['a']


def test_mean_and_spread_of_seeds(tool, done, capsys):
    os.makedirs('out/a_small/seed1')
    write_scores('out/a_small/seed1/scores.pkl', scores_of(7))
    assert tool.main(['3', '--out', 'out', '--no-run', '--seeds', '2']) == 0
    line = next(line for line in capsys.readouterr().out.splitlines()
                if line.startswith('a '))
    values = [top1(s.scores, s.labels) for s in (done['a'], scores_of(7))]
    assert f'{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}' in line


@pytest.mark.parametrize('arguments, message', [
    (['2'], 'there is no table 2'),
    (['3', '--benchmark', 'big'], "no benchmark 'big'"),
])
def test_wrong_usage(tool, capsys, arguments, message):
    assert tool.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_list_of_tables(tool, capsys):
    assert tool.main([]) == 0
    assert 'a table' in capsys.readouterr().out


def test_estimates(root, tmp_path, monkeypatch):
    """Clips of a benchmark that is not here are those published."""
    monkeypatch.chdir(tmp_path)
    cfg = Config.fromfile(
        root / 'configs/streams/ntu60_xsub/hpj_ctrgcn_ntu60_xsub.py')
    assert reproduction.clips_of(cfg.train_dataloader.dataset) == 40091
    assert reproduction.clips_of(cfg.test_dataloader.dataset) == 16487
    table = read_table(root / 'configs', 3)
    hours, size, first = Reproduction(
        table, root / 'configs', 'out').estimate(table['hpj_ctrgcn'])
    # 1.19 GMAC, three times a step, 65 epochs of 63,026 clips, then a test
    macs = 1.19e9 * (3 * 65 * 63026 + 50919)
    rate = reproduction.RATES['graph']
    assert hours == pytest.approx(macs / rate / 3600, rel=.02)
    # weights and momentum of 1.49 M parameters, two checkpoints
    assert size == pytest.approx(2 * 2 * 4 * 1.49e6, rel=.05)
    # 113,945 clips of 83 frames, 17 joints, 96 channels in half precision
    assert first == {('data/ntu120', 'backbone.stage4.0.branches.1'):
                     113945 * 83 * 17 * (2 * 96 + 12)}


def forked(function, log):
    """Call it in a child, which takes its imports along; its number."""
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        sys.stdout = sys.stderr = open(log, 'w', buffering=1)
        status = function()
    finally:
        os._exit(status)


def test_from_nothing(tool, root, tmp_path, capsys):
    """Stopped in the middle of training, resumed, tested, measured."""
    epochs = 8
    write_synthetic(Config.fromfile(tool.CONFIGS / 'a_small.py'),
                    tool.CONFIGS / 'data', clips=4, frames=6)
    arguments = ['3', '--only', 'a', '--out', 'out', '--cfg-options',
                 f'train_cfg.max_epochs={epochs}']
    first = forked(lambda: tool.main(arguments), tmp_path / 'printed')
    folder = tmp_path / 'out/a_small/seed0'
    while not (folder / 'last_checkpoint').exists():
        assert os.waitpid(first, os.WNOHANG) == (0, 0)
        time.sleep(.005)
    os.kill(first, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) == 130
    assert 'the same command goes on' in (tmp_path / 'printed').read_text()
    assert not (folder / 'scores.pkl').exists()
    log = (folder / 'run.log').read_text()
    assert not re.search(rf'Epoch\(train\) +\[{epochs}\]', log)

    assert tool.main(['--json', 'o.json', *arguments]) == 0
    printed = capsys.readouterr().out
    assert 'tested on 4 clips (' in printed and 'difference' in printed
    log = (folder / 'run.log').read_text()
    assert 'resumed epoch' in log
    assert len(re.findall(r'Epoch\(train\) +\[1\]', log)) == 1
    record = json.loads((folder / 'run.json').read_text())
    assert record['seed'] == 0 and record['clips'] == 4
    assert record['hardware'] and record['versions']['torch']
    with open('o.json') as file:
        run, = json.load(file)[0]['rows'][0]['runs']
    assert run['top1'] == record['top1'] and len(run['loss']) == epochs
    assert np.isfinite(run['loss']).all() and 'settings' not in run
    # what is done is not done again
    before = (folder / 'scores.pkl').stat().st_mtime_ns
    assert tool.main(arguments) == 0
    assert (folder / 'scores.pkl').stat().st_mtime_ns == before
    # and another version of the config does not go on with it,
    # nor passes for it
    for _ in range(2):
        capsys.readouterr()
        assert tool.main([*arguments, 'optim_wrapper.optimizer.lr=0.5']) == 1
        assert 'optim_wrapper.optimizer.lr was 0.05, it is 0.5' in \
            capsys.readouterr().err
        (folder / 'scores.pkl').unlink(missing_ok=True)


def test_two_processes_share_the_work(tool, tmp_path, monkeypatch):
    write_synthetic(Config.fromfile(tool.CONFIGS / 'a_small.py'),
                    tool.CONFIGS / 'data', clips=1, frames=4)
    reproduction_ = Reproduction(read_table(tool.CONFIGS, 3), tool.CONFIGS,
                                 'out')
    _, run = reproduction_.runs()[0]
    run.folder.mkdir(parents=True)
    with reproduction._lock(run.folder / '.lock') as mine:
        assert mine
        assert run() is False


def test_folder_of_something_else(tool):
    _, run = Reproduction(read_table(tool.CONFIGS, 3), tool.CONFIGS,
                          'out').runs()[0]
    run.folder.mkdir(parents=True)
    (run.folder / 'last_checkpoint').write_text('epoch_1.pth')
    with pytest.raises(ReproductionError, match='something else'):
        run.check()
