"""Curves from logs that mmengine's own Runner wrote."""
import json
import os

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import TensorDataset

from hpnet_plugin.evaluation.curves import read_curves
from hpnet_plugin.visualization.curves import training_figure


class Net(BaseModel):
    """A linear classifier that logs as the toolbox's heads do."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, x, y, mode='tensor'):
        scores = self.linear(x)
        right = (scores.argmax(1) == y).float()
        if mode == 'loss':
            loss = torch.nn.functional.cross_entropy(scores, y)
            return dict(loss_cls=loss, top1_acc=right.mean())
        return [dict(right=float(r)) for r in right]


class Right(BaseMetric):
    default_prefix = 'acc'

    def process(self, data_batch, data_samples):
        self.results += [s['right'] for s in data_samples]

    def compute_metrics(self, results):
        return dict(top1=sum(results) / len(results))


def train(work_dir, epochs, resume=False):
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    loader = dict(
        batch_size=10, dataset=TensorDataset(x, x[:, :3].argmax(1)),
        collate_fn=dict(type='default_collate'),
        sampler=dict(type='DefaultSampler', shuffle=False))
    runner = Runner(
        Net(), str(work_dir), train_dataloader=loader, val_dataloader=loader,
        train_cfg=dict(by_epoch=True, max_epochs=epochs), val_cfg=dict(),
        val_evaluator=[Right()], resume=resume, experiment_name=os.urandom(
            4).hex(),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(logger=dict(type='LoggerHook', interval=2)))
    runner.train()
    return runner


@pytest.fixture(scope='module')
def resumed(tmp_path_factory):
    """A run of 4 epochs that lost the last two, then resumed up to 6."""
    work_dir = tmp_path_factory.mktemp('work_dirs') / 'hp_j'
    first = train(work_dir, 4)
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'epoch_2.pth'))
    # Folders are named by the second.
    os.rename(work_dir / first.timestamp, work_dir / '20200101_000000')
    train(work_dir, 6, resume=True)
    return work_dir


def test_resumed_run_replaces_what_was_lost(resumed):
    logs = sorted(resumed.glob('*/vis_data/scalars.json'))
    assert len(logs) == 2
    both = [json.loads(line) for log in logs
            for line in log.read_text().splitlines()]
    assert sum('acc/top1' in e for e in both) == 8
    train_log, val_log = read_curves(resumed)
    assert [e['at'] for e in val_log] == [1, 2, 3, 4, 5, 6]
    assert [e['iter'] for e in train_log] == list(range(2, 25, 2))
    assert [e['at'] for e in train_log] == [i / 2 for i in range(1, 13)]
    # what is kept of epoch 3 is the resumed run's
    second = [e for e in both[len(both) - len(
        logs[1].read_text().splitlines()):] if 'loss' in e]
    assert train_log[4]['loss'] == second[0]['loss']


def test_figure_shows_the_numbers(resumed):
    _, val_log = read_curves(resumed)
    figure = training_figure({'joint': str(resumed), 'bone': str(resumed)})
    loss, accuracy = figure.axes
    assert [t.get_text() for t in loss.get_legend().get_texts()] == [
        'joint', 'bone']
    drawn = [line.get_ydata().tolist() for line in accuracy.lines]
    assert [100 * e['acc/top1'] for e in val_log] in drawn
    last = 100 * val_log[-1]['acc/top1']
    assert accuracy.texts[0].get_text() == f'{last:.1f}'


def test_half_a_last_line_is_left_out_and_a_broken_one_named(tmp_path):
    log = tmp_path / '20200101_000000' / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    line = '{"loss": 1.0, "epoch": 1, "iter": 1, "step": 1}\n'
    log.write_text(line + '{"loss": 0.')
    assert len(read_curves(tmp_path)[0]) == 1
    log.write_text('{"loss": 0.\n' + line)
    with pytest.raises(ValueError, match='scalars.json, line 1: no JSON'):
        read_curves(tmp_path)


def test_folder_without_a_training(tmp_path):
    with pytest.raises(FileNotFoundError, match='expected the work_dir'):
        read_curves(tmp_path)
