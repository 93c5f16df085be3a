"""What the Runner does before any work starts, as mim starts it."""
import pathlib
import runpy
import sys

import mmaction
import pytest
import torch
from forked import forked
from mmaction.utils import register_all_modules
from mmengine.config import Config

from hpnet_plugin.apis.synthetic import write_synthetic
from hpnet_plugin.recipes import compose


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A working folder with data/mine: two classes, one person."""
    monkeypatch.chdir(tmp_path)
    cfg = Config(compose('stream', benchmark='nw_ucla_synthetic', frames=8))
    write_synthetic(cfg, tmp_path / 'data/mine', clips=4, frames=8)
    return tmp_path / 'data/mine'


def build(root, name='stream', work='work', **options):
    """What tools/train.py of mmaction2 builds."""
    from mmaction.registry import RUNNERS
    cfg = Config.fromfile(root / f'configs/{name}.py')
    cfg.work_dir = work
    cfg.merge_from_dict(options)
    return RUNNERS.build(cfg)


@pytest.mark.parametrize('options, words', [
    (dict(data_root='data/none'), ('data/none/annotations.pkl',
                                   'hpnet extract')),
    (dict(), ('data/ntu120/annotations.pkl', 'rose1.ntu.edu.sg')),
    (dict(data_root='data/mine', people=2), ('1 person a clip', 'reads 2')),
    (dict(data_root='data/mine', tap='H9'), ('H9', 'data/mine has no')),
    ({'data_root': 'data/mine', 'model.cls_head.num_classes': 5},
     ('data/mine has 10 classes', 'num_classes is 5')),
    ({'data_root': 'data/mine', 'model.backbone.in_channels': 5},
     ('has 128 channels', 'expects 5')),
    ({'data_root': 'data/mine', 'train_dataloder.batch_size': 5},
     ('train_dataloder', "closest is 'train_dataloader'")),
    (dict(stream='hp_k'), ("stream='hp_k'", 'closest: hp_')),
    (dict(net='ctrgc'), ("net='ctrgc'", 'closest: ctrgcn')),
    (dict(benchmark='ntu61'), ("benchmark='ntu61'", 'ntu60_xsub')),
])
def test_refused_before_anything_is_built(root, data, options, words, capsys):
    with pytest.raises(SystemExit) as error:
        build(root, **options)
    for word in words:
        assert word in str(error.value)
    printed = capsys.readouterr()
    assert not printed.out and 'Traceback' not in printed.err
    assert not (data.parents[1] / 'work').exists()


def test_foreign_class_names(root, data):
    """D2: HP-Net on the folder of another benchmark with as many classes."""
    path = data / 'dataset.json'
    path.write_text(path.read_text().replace('"sit down"', '"sit"'))
    roots = {f'{phase}_dataloader.dataset.data_root': 'data/mine'
             for phase in ('train', 'val', 'test')}
    for name in ('hpnet', 'stream'):
        with pytest.raises(SystemExit, match="class 4 is 'sit' in data/mine "
                           "and 'sit down' in the config"):
            build(root, name, benchmark='nw_ucla_synthetic', **roots)


def test_a_missing_split(root, data):
    """A folder may be for testing only: training says what it lacks."""
    runner = build(root, data_root='data/mine', size='small',
                   **{'train_dataloader.dataset.split': 'elsewhere'})
    with pytest.raises(SystemExit, match="no split 'elsewhere', it has "
                       'train, test'):
        runner.train()


def test_settings_take_effect(root, data):
    """One setting takes the folder; the rates follow the epochs."""
    runner = build(root, data_root='data/mine', size='small', net='mixformer',
                   **{'train_cfg.max_epochs': 2,
                      'train_dataloader.batch_size': 2})
    assert type(runner.model.backbone).__name__ == 'SkeletonMixFormer'
    assert runner.model.cls_head.num_classes == 10
    assert runner.cfg.composed.facts.classes[0] == 'pick up with one hand'
    runner.train()
    assert runner.epoch == 2
    scheduler, = runner.param_schedulers
    assert (scheduler.begin, scheduler.end) == (1, 2)
    dumped = Config.fromfile('work/stream.py')
    assert dumped.data_root == 'data/mine' and dumped.epochs == 2
    assert dumped.benchmark is None


def test_old_configs_run(root, data):
    """Dumped before there were settings."""
    with_settings = build(root, data_root='data/mine', size='small').cfg
    old = with_settings.to_dict()
    for key in (*old['composed'], 'composed'):
        old.pop(key, None)
    from mmaction.registry import RUNNERS
    cfg = Config(dict(old, train_cfg=dict(old['train_cfg'], max_epochs=1)))
    runner = RUNNERS.build(cfg)
    runner.train()
    assert runner.epoch == 1


def test_the_message_is_the_last_word(root, tmp_path, monkeypatch):
    """By mmaction2's own script: no log before it, no traceback after it."""
    script = f'{mmaction.__path__[0]}/.mim/tools/train.py'
    monkeypatch.setattr(
        sys, 'argv', [script, str(root / 'configs/hpnet_ntu120.py')])
    register_all_modules(False)  # not in the child
    status, printed = forked(
        lambda: runpy.run_path(script, run_name='__main__'), tmp_path)
    assert status == 2
    lines = printed.strip().splitlines()
    assert 'Traceback' not in printed and len(lines) < 12
    assert lines[-1].startswith('- checkpoints/xclip-b16-8_k600.pth: no such')
    assert lines[-2].startswith('- data/ntu120/annotations.pkl: no such file')


def test_a_config_that_cannot_be_built(root, data, capsys):
    """Before the first step: one line, and the traceback in the log."""
    options = dict(data_root='data/mine', size='small')
    with pytest.raises(SystemExit) as end:
        build(root, **options, **{'model.backbone.nosuch': 1})
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith('\nERROR: this config cannot be built: TypeError: ')
    assert "'nosuch'" in said and 'Traceback' not in said
    log = said.rpartition('the traceback is in ')[2].strip()
    assert 'Traceback' in pathlib.Path(log).read_text()
    runner = build(root, **options, **{'train_dataloader.batch_size': 0})
    with pytest.raises(SystemExit, match='got batch_size=0'):
        runner.train()
    runner = build(root, **options,
                   **{'optim_wrapper.type': 'AmpOptimWrapper'})
    if not torch.cuda.is_available():
        with pytest.raises(SystemExit, match='needs a GPU'):
            runner.train()


def test_an_error_of_the_training_is_no_wrong_config(root, data, monkeypatch):
    """From the first step on, the traceback is what is needed."""
    runner = build(root, data_root='data/mine', size='small')

    def broken(*args, **kwargs):
        raise RuntimeError('of a step')

    monkeypatch.setattr(runner.model, 'train_step', broken)
    with pytest.raises(RuntimeError, match='of a step'):
        runner.train()


@pytest.mark.parametrize('content, message', [
    (b'this is text', 'x.pth is no checkpoint: '),
    (b'', 'x.pth is no checkpoint: '),
    (None, 'x.pth: does not fit the model of '),
])
def test_a_checkpoint_that_is_none(root, data, content, message):
    """Weights of another net tested like chance, and nothing said so."""
    path = data.parents[1] / 'x.pth'
    if content is None:
        torch.save(dict(state_dict={'backbone.w': torch.ones(2)}), path)
    else:
        path.write_bytes(content)
    runner = build(root, data_root='data/mine', size='small',
                   load_from=str(path))
    with pytest.raises(SystemExit) as end:
        runner.test()
    assert end.value.code == 2 and message in str(end.value)
    assert 'weights_only' not in str(end.value) and len(str(end.value)) < 900


def test_every_config_checks_first(root):
    """All that train on a dataset folder."""
    for path in (root / 'configs').rglob('*.py'):
        if not {'_base_', 'pose', 'detectors'} & set(path.parts):
            assert Config.fromfile(path).runner_type == 'CheckedRunner', path
