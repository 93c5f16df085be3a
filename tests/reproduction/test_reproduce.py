"""A small table, reproduced by the tool from nothing to the numbers."""
import json
import os
import re
import runpy
import signal
import sys
import traceback
import types
from pathlib import Path

import mmaction
import numpy as np
import pytest
import torch
import yaml
from mmaction.utils import register_all_modules
from mmengine.config import Config

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.commands import reproduce
from hpnet_plugin.evaluation.metrics import softmax
from hpnet_plugin.evaluation.scores import Scores, write_scores
from hpnet_plugin.files import try_locked
from hpnet_plugin.reproduction import execution
from hpnet_plugin.reproduction.decisive import decisive
from hpnet_plugin.reproduction.execution import ReproductionError
from hpnet_plugin.reproduction.gpus import Hardware
from hpnet_plugin.reproduction.paper_tables import read_table
from hpnet_plugin.reproduction.runs import Run
from hpnet_plugin.reproduction.tables import Reproduction

CONFIG = """
_base_ = '{root}/configs/stream.py'
model = dict(backbone=dict(base_channels=4), cls_head=dict(in_channels=16))
train_dataloader = dict(batch_size=4)
val_dataloader = test_dataloader = dict(batch_size=4)
"""
DATA = "data_root = '{data}'\n"
A, B = 'hp_j_ctrgcn_nw_ucla_synthetic', 'pose_j_ctrgcn_nw_ucla_synthetic'
TABLE = dict(
    title='a table', note='What to know.',
    benchmarks={'nw_ucla_synthetic': dict(metric='top1'),
                'nw_ucla': dict(metric='top1')},
    weights=dict(b=2), softmax=['b'],
    rows=[
        dict(id='a', recipe='stream', settings=dict(stream='hp_j',
                                                    net='ctrgcn'),
             published=dict(nw_ucla_synthetic=50., nw_ucla=50.)),
        dict(id='b', recipe='stream', settings=dict(stream='pose_j',
                                                    net='ctrgcn')),
        dict(id='both', name='a + b', fuse=['a', 'b']),
        dict(id='third', of='a', **{'class': 3}),
        dict(id='some', of='both', clips='some.txt'),
        dict(id='theirs', published=dict(nw_ucla_synthetic=75.)),
    ])


@pytest.fixture
def configs(root, tmp_path, monkeypatch):
    """Configs of their own for the tool, in an empty folder."""
    folder = tmp_path / 'configs'
    (folder / 'ablations/table03').mkdir(parents=True)
    (folder / 'ablations/table03/table.yml').write_text(
        yaml.safe_dump(TABLE, sort_keys=False))
    (folder / 'stream.py').write_text(
        (CONFIG + DATA).format(root=root, data=folder / 'data'))
    monkeypatch.setattr(reproduce, 'configs_folder', lambda: folder)
    monkeypatch.chdir(tmp_path)
    return folder


def first_run(configs, **more):
    return Reproduction(read_table(configs, 3), configs, 'out',
                        **more).runs()[0][1]


def scores_of(seed, clips=12, classes=4):
    rng = np.random.RandomState(seed)
    return Scores([f'c{i}' for i in range(clips)],
                  rng.randn(clips, classes), np.arange(clips) % classes, 's')


@pytest.fixture
def done(configs, tmp_path):
    """Scores of both streams, as their runs leave them."""
    runs = {}
    for i, (name, stem) in enumerate(dict(a=A, b=B).items()):
        folder = tmp_path / f'out/{stem}/seed0'
        folder.mkdir(parents=True)
        runs[name] = scores_of(i)
        write_scores(folder / 'scores.pkl', runs[name])
    (configs / 'ablations/table03/some.txt').write_text('c1\nc5\nc6\n')
    return runs


def top1(scores, labels):
    return 100 * np.mean(scores.argmax(1) == labels)


def test_numbers_of_rows(done, capsys):
    """Each kind of row against its own arithmetic."""
    assert reproduce.main(['3', '--out', 'out', '--no-run', '--json', 'o.json']
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
        configs, root, tmp_path, capsys, clips, told):
    """NW-UCLA's views, told by the names of the folder and the split."""
    (configs / 'stream.py').write_text(CONFIG.format(root=root))
    for stem in (A, B):
        folder = tmp_path / f'out/{stem.removesuffix("_synthetic")}/seed0'
        folder.mkdir(parents=True)
        write_scores(folder / 'scores.pkl', scores_of(0, clips))
    assert reproduce.main(['3', '--benchmark', 'nw_ucla', '--out', 'out',
                           '--no-run', '--only', 'a', 'both', '--json',
                           'o.json']) == 0
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
        root / 'configs/streams/ntu120/hp_j_ctrgcn_ntu120.py')
    now = decisive(cfg)
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        assert loader.dataset.type == 'PooledDataset'
        loader.dataset.type = 'PoseDataset'
    assert decisive(cfg) == now
    assert cfg.train_dataloader.dataset.type == 'PoseDataset'


def test_what_is_missing_is_said_first(configs, capsys):
    assert reproduce.main(['III', '--out', 'out']) == 3
    printed = capsys.readouterr().out
    assert printed.index(f'{A}, seed 0 cannot run') < printed.index('Table')
    assert 'annotations.pkl: no such file' in printed
    assert not os.path.exists('out')


def test_dry_run(done, capsys):
    os.remove(f'out/{A}/seed0/scores.pkl')
    os.rmdir(f'out/{A}/seed0')
    assert reproduce.main([
        '3', '--out', 'out', '--dry-run', '--tf32', '--amp', '--cfg-options',
        'train_cfg.max_epochs=3']) == 0
    printed = capsys.readouterr().out
    assert f'# {A}, seed 0: not begun' in printed
    assert f'# {B}, seed 0: done' in printed
    assert 'TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1 mim train mmaction2 ' \
        f'configs/stream.py --work-dir out/{A}/seed0 --seed 0 --amp ' \
        '--cfg-options stream=hp_j net=ctrgcn benchmark=nw_ucla_synthetic ' \
        'train_cfg.max_epochs=3' in printed
    assert '\nmim test mmaction2' in printed  # in float32
    assert 'epoch_3.pth' in printed
    assert 'one A100 in float16, assumed to reach' in printed


def test_all_is_every_benchmark_of_every_table(configs, capsys):
    assert reproduce.main(['all', '--no-run']) == 0
    printed = capsys.readouterr().out
    assert 'Table 3: a table (nw_ucla_synthetic)' in printed
    assert 'Table 3: a table (nw_ucla)' in printed
    assert reproduce.main(['all', '--no-run', '--benchmark', 'nw_ucla']) == 0
    assert '(nw_ucla_synthetic)' not in capsys.readouterr().out


def test_only_and_what_it_is_made_of(configs):
    table = read_table(configs, 3)
    only = Reproduction(table, configs, 'out', seeds=2,
                        only=lambda row: row == 'some')
    assert [(row.id, run.seed) for row, run in only.runs()] == [
        ('a', 0), ('b', 0), ('a', 1), ('b', 1)]
    only = Reproduction(table, configs, 'out',
                        only=lambda row: row == 'third')
    assert [row.id for row, _ in only.runs()] == ['a']


def test_mean_and_spread_of_seeds(done, capsys):
    os.makedirs(f'out/{A}/seed1')
    write_scores(f'out/{A}/seed1/scores.pkl', scores_of(7))
    assert reproduce.main(['3', '--out', 'out', '--no-run', '--seeds',
                           '2']) == 0
    line = next(line for line in capsys.readouterr().out.splitlines()
                if line.startswith('a '))
    values = [top1(s.scores, s.labels) for s in (done['a'], scores_of(7))]
    assert f'{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}' in line


@pytest.mark.parametrize('arguments, message', [
    (['2'], 'there is no table 2'),
    (['3', '--benchmark', 'big'], "no benchmark 'big'"),
    (['3', '--out', 'out', '--cfg-options', 'net=ctrgnc'],
     'closest: ctrgcn'),
])
def test_wrong_usage(configs, capsys, arguments, message):
    assert reproduce.main(arguments) == 2
    assert message in capsys.readouterr().err


def test_list_of_tables(configs, capsys):
    assert reproduce.main([]) == 0
    assert 'a table' in capsys.readouterr().out


def test_stopped(configs, monkeypatch, capsys):
    """Who is told to end says how to go on."""
    write_synthetic(current(configs), configs / 'data', clips=1, frames=4)
    monkeypatch.setattr(
        Run, '__call__',
        lambda run, report: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert reproduce.main(['3', '--only', 'a', '--out', 'out']) == 143
    finally:
        signal.signal(signal.SIGTERM, before)
    assert 'run the same command again' in capsys.readouterr().err


def current(configs):
    """The config of the first row."""
    return first_run(configs).load()


class ForkedMim:
    """``mim train`` and ``mim test`` in a child of this process.

    It runs mmaction2's scripts as mim does, without the time that mim and
    they take to be imported; test_main_job.py runs mim itself.
    """

    def __init__(self, command, env, **_):
        _, what, package, config, *rest = command
        assert package == 'mmaction2'
        if what == 'test':
            assert rest.pop(0) == '--checkpoint'
        script = Path(mmaction.__file__).parent / f'.mim/tools/{what}.py'
        register_all_modules(False)  # once, not in each child
        out, into = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            self._run(script, [config, *rest], into, env)
        os.close(into)
        self.stdout = os.fdopen(out, 'rb')

    def _run(self, script, arguments, into, env):
        os.setsid()
        code = 1
        try:
            sys.stdout = sys.stderr = os.fdopen(into, 'w', buffering=1)
            os.environ.update(env)
            sys.argv = [str(script), *arguments]
            # threads of OpenMP do not survive a fork
            torch.set_num_threads(1)
            runpy.run_path(str(script), run_name='__main__')
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)

    def wait(self):
        self.stdout.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_from_nothing(configs, monkeypatch, capsys):
    """Stopped in the middle of training, resumed, tested, measured."""
    epochs = 12
    monkeypatch.setattr(execution, 'subprocess', types.SimpleNamespace(
        Popen=ForkedMim, PIPE=None, STDOUT=None))
    write_synthetic(current(configs), configs / 'data', clips=4, frames=6)
    option = f'train_cfg.max_epochs={epochs}'
    run = first_run(configs, options=[option])

    def stop(text):
        if text.startswith('epoch 3/'):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(stop)
    assert (run.folder / 'last_checkpoint').exists() and not run.done
    log = (run.folder / 'run.log').read_text()
    assert not re.search(rf'Epoch\(train\) +\[{epochs}\]', log)

    arguments = ['3', '--only', 'a', '--out', 'out', '--cfg-options', option]
    assert reproduce.main(['--json', 'o.json', *arguments]) == 0
    printed = capsys.readouterr().out
    assert 'tested on 4 clips (' in printed and 'difference' in printed
    log = (run.folder / 'run.log').read_text()
    assert 'resumed epoch' in log
    assert len(re.findall(r'Epoch\(train\) +\[1\]', log)) == 1
    record = json.loads((run.folder / 'run.json').read_text())
    assert record['seed'] == 0 and record['clips'] == 4
    assert record['hardware'] and record['versions']['torch']
    with open('o.json') as file:
        found, = json.load(file)[0]['rows'][0]['runs']
    assert found['top1'] == record['top1'] and len(found['loss']) == epochs
    assert np.isfinite(found['loss']).all() and 'decisive' not in found
    assert found['gpus'] == 1 and found['amp'] is found['tf32'] is False
    # what is done is not done again
    before = run.scores.stat().st_mtime_ns
    assert reproduce.main(arguments) == 0
    assert run.scores.stat().st_mtime_ns == before
    # neither another version of the config nor another number of GPUs nor
    # precision goes on with it, nor passes for it
    for more, told in (
            (['optim_wrapper.optimizer.lr=0.5'],
             'optim_wrapper.optimizer.lr was 0.1, it is 0.5'),
            (['--gpus', '4'], 'hardware.gpus was 1, it is 4'),
            (['--amp'], 'hardware.amp was False, it is True')):
        capsys.readouterr()
        assert reproduce.main([*arguments, *more]) == 1
        assert told in capsys.readouterr().err
        run.scores.unlink(missing_ok=True)


def test_two_processes_share_the_work(configs):
    write_synthetic(current(configs), configs / 'data', clips=1, frames=4)
    run = first_run(configs)
    run.folder.mkdir(parents=True)
    with try_locked(run.folder / '.lock') as mine:
        assert mine
        assert run() is False


def test_folder_of_something_else(configs):
    run = first_run(configs)
    run.folder.mkdir(parents=True)
    (run.folder / 'last_checkpoint').write_text('epoch_1.pth')
    with pytest.raises(ReproductionError, match='something else'):
        run.check()


def test_gpus_that_cannot_share_a_batch(configs):
    """Before anything is made."""
    run = first_run(configs, hardware=Hardware(gpus=3))
    with pytest.raises(ReproductionError, match='3 GPUs cannot share'):
        run.commands()
