"""Checkpoints of mmengine under torch's weights_only."""
import os
import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_from_local
from torch.utils.data import Dataset

from hpnet_plugin.compat import checkpoints
from hpnet_plugin.compat.checkpoint_contents import history_buffer_method


class Line(Dataset):
    """Eight points of y = 2 x."""

    def __len__(self):
        return 8

    def __getitem__(self, i):
        return dict(x=torch.tensor([float(i)]), y=torch.tensor([2.0 * i]))


class Slope(BaseModel):
    """y = a x + b."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(1, 1)

    def forward(self, x, y, mode='tensor'):
        return dict(loss=(self.net(x) - y).square().mean())


def run(work_dir, epochs, **options):
    """Train y = a x with mmengine's own Runner."""
    # A Runner makes its scope the default of the whole process.
    with DefaultScope.overwrite_default_scope('mmengine'):
        runner = Runner(
            Slope(),
            work_dir=str(work_dir),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                dataset=Line(),
                collate_fn=dict(type='default_collate'),
                sampler=dict(type='DefaultSampler', shuffle=False)),
            train_cfg=dict(by_epoch=True, max_epochs=epochs),
            optim_wrapper=dict(
                optimizer=dict(type='SGD', lr=0.01, momentum=0.9)),
            default_hooks=dict(checkpoint=dict(type='CheckpointHook')),
            default_scope='mmengine',
            experiment_name=f'run{epochs}',
            log_level='ERROR',
            cfg=Config(),
            **options)
        runner.train()
    return runner


def test_runner_resumes_from_its_own_checkpoint(tmp_path):
    first = run(tmp_path, 1)
    checkpoint = load_from_local(str(tmp_path / 'epoch_1.pth'), 'cpu')
    logs = checkpoint['message_hub']['log_scalars']['train/loss']
    assert isinstance(logs, HistoryBuffer)
    expected = first.message_hub.get_scalar('train/loss').data[0]
    np.testing.assert_array_equal(logs.data[0], expected)
    assert logs.statistics('mean') == pytest.approx(expected.mean())

    second = run(tmp_path, 2, resume=True)
    assert second.epoch == 2
    assert second.iter == 4


@pytest.mark.skipif(not checkpoints.needed(), reason='no gap here')
def test_without_the_list_torch_refuses(tmp_path):
    path = tmp_path / 'log.pth'
    torch.save(HistoryBuffer([1.0], [1]), path)
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        with pytest.raises(pickle.UnpicklingError, match='HistoryBuffer'):
            load_from_local(str(path), 'cpu')
    finally:
        torch.serialization.add_safe_globals(allowed)
    assert load_from_local(str(path), 'cpu').current() == 1


class Reduce:
    """Pickles as the call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('wrap', [
    lambda mark: Reduce(os.system, f'touch {mark}'),
    lambda mark: Reduce(eval, f'open({str(mark)!r}, "w")'),
    lambda mark: Reduce(
        getattr, Reduce(getattr, HistoryBuffer, '__init__'), '__globals__'),
    lambda mark: Reduce(getattr, HistoryBuffer, '__subclasses__'),
    lambda mark: Reduce(getattr, HistoryBuffer, 'register_statistics'),
    lambda mark: Reduce(getattr, np.ndarray, 'tofile'),
    lambda mark: Reduce(getattr, 'text', 'format'),
], ids=['system', 'eval', 'globals', 'dunder', 'classmethod', 'owner', 'str'])
def test_a_checkpoint_that_reaches_for_more_is_refused(tmp_path, wrap):
    mark = tmp_path / 'was-here'
    path = tmp_path / 'evil.pth'
    torch.save(dict(state_dict={}, meta=wrap(mark)), path)
    with pytest.raises((pickle.UnpicklingError, ValueError)):
        load_from_local(str(path), 'cpu')
    assert not mark.exists()


def test_numbers_of_every_kind_survive(tmp_path):
    path = tmp_path / 'numbers.pth'
    saved = [np.arange(3).astype(kind) for kind in
             ('bool', 'uint8', 'int32', 'int64', 'float16', 'float32')]
    saved += [np.float32(0.5), np.int64(-3)]
    torch.save(saved, path)
    for before, after in zip(saved, load_from_local(str(path), 'cpu')):
        assert after.dtype == before.dtype
        np.testing.assert_array_equal(after, before)


def test_the_stand_in_reads_methods_of_the_history_only():
    method = history_buffer_method(HistoryBuffer, 'mean')
    assert method is HistoryBuffer.mean
    with pytest.raises(ValueError, match="'__globals__'"):
        history_buffer_method(method, '__globals__')


def test_arrays_of_a_checkpoint_are_as_any(tmp_path):
    path = tmp_path / 'log.pth'
    torch.save(dict(log=HistoryBuffer([1.0, 2.0], [1, 1]),
                    array=np.arange(6, dtype='>i2').reshape(2, 3).T), path)
    read = load_from_local(str(path), 'cpu')
    array = read['array']
    np.testing.assert_array_equal(array, np.arange(6).reshape(2, 3).T)
    assert type(array + np.ones(2)) is np.ndarray
    assert type(np.append(array, 3)) is np.ndarray
    assert array.sum() == 15 and not isinstance(array.sum(), np.ndarray)
    read['log'].update(3.0)
    assert read['log'].mean() == 2
    # and what is saved again names numpy alone
    data = pickle.dumps(read)
    assert b'hpnet_plugin' not in data
    assert type(pickle.loads(data)['array']) is np.ndarray


@pytest.mark.parametrize('array', [
    np.array([{}], object), np.zeros(2, [('a', 'f4')])])
def test_objects_in_arrays_are_refused_by_name(tmp_path, array):
    torch.save(array, tmp_path / 'a.pth')
    with pytest.raises((pickle.UnpicklingError, ValueError), match="'[OV]"):
        load_from_local(str(tmp_path / 'a.pth'), 'cpu')
