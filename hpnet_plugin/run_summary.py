"""What a training says on the terminal: what, on what, how long, where."""
from __future__ import annotations

import logging
import os.path as osp
import time
from collections.abc import Iterator, Sized
from typing import TYPE_CHECKING, Any, cast

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .recipes.compose import as_composed
from .recipes.processes import clips_of_update
from .recipes.reading import graph_net_of, innermost, num_classes

if TYPE_CHECKING:
    from .recipes.reading import ConfigLike

# said by stock packages in every run; what of it matters is in the summary
NOISE = ('"FileClient" will be deprecated', '"HardDiskBackend" is the alias',
         'Checkpoints will be saved to', 'Exp name:')
REMAIN = 'videos remain after valid thresholding'
WIDEST = 500  # characters of a line; longer ones name every single weight
STEPS = 10  # after which the time of a training is estimated


class Terse(logging.Formatter):
    """Shortens the lines of a handler that are too long to be read.

    Args:
        formatter: What the handler had.
    """

    def __init__(self, formatter: logging.Formatter | None) -> None:
        super().__init__()
        self.formatter = formatter or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Format a record, and shorten its lines.

        Args:
            record: The record.

        Returns:
            Its lines, none longer than ``WIDEST``.
        """
        return '\n'.join(
            line if len(line) <= WIDEST
            else f'{line[:WIDEST]} … (the whole line is in the log file)'
            for line in self.formatter.format(record).split('\n'))


def quieten(handler: logging.Handler) -> None:
    """Keep noise from a handler, and long lines short.

    Args:
        handler: Of the console. One that was quietened stays as it is.
    """
    if not isinstance(handler.formatter, Terse):
        handler.addFilter(_matters)
        handler.setFormatter(Terse(handler.formatter))


def _matters(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return not text.startswith(NOISE) and REMAIN not in text


class RunSummaryHook(Hook):
    """Says what is trained before the first step, and soon how long it takes.

    The first steps tell the time that a step takes, the first validation the
    time that it takes.

    Attributes:
        begun (bool): Whether the first step may have been made.
    """

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.begun = False
        self._first = self._steps = 0
        self._since = self._val_since = 0.
        # s of a step and of a validation, once they are known
        self._step: float | None = None
        self._val: float | None = None

    def before_train(self, runner: Runner) -> None:
        """Log the summary.

        Args:
            runner: The training.
        """
        self.begun = True
        self._first = runner.iter
        runner.logger.info('\n  '.join(['This training:', *summary(runner)]))

    def after_train_iter(self, runner: Runner, batch_idx: int, *args: Any,
                         **kwargs: Any) -> None:
        """Log how long all will take, once that is known.

        Args:
            runner: The training.
            batch_idx: See mmengine's ``Hook``.
            *args: Likewise.
            **kwargs: Likewise.
        """
        # the first step warms up
        done = runner.iter - self._first
        if done == 0:
            self._since = time.monotonic()
        elif done == min(STEPS, max(1, runner.max_iters // 4)):
            self._step = (time.monotonic() - self._since) / done
            self._tell(runner, self._step,
                       f'a step takes {duration(self._step)}')

    def before_val(self, runner: Runner) -> None:
        """Start the clock.

        Args:
            runner: The training.
        """
        self._val_since = time.monotonic()

    def after_val(self, runner: Runner) -> None:
        """Log how long all will take, now that validations are known.

        Args:
            runner: The training.
        """
        if self._val is None and self._step:
            self._val = time.monotonic() - self._val_since
            self._tell(runner, self._step,
                       f'a validation takes {duration(self._val)}')

    def _tell(self, runner: Runner, step: float, why: str) -> None:
        steps = runner.max_iters - runner.iter - 1
        rest = step * steps
        if self._val is not None:
            rest += self._val * _validations(runner)
        elif _validations(runner):
            why += ', validations come on top'
        if steps > 0:
            runner.logger.info(
                f'About {duration(rest)} are left for {_count(steps, "step")} '
                f'({why}); the end is expected at '
                + time.strftime('%d %b %H:%M',
                                time.localtime(time.time() + rest)))


def duration(seconds: float) -> str:
    """A time as a reader would say it.

    Args:
        seconds: The time.

    Returns:
        ``'0.4 s'``, ``'35 s'``, ``'12 min'``, ``'3 h 20 min'``.
    """
    if seconds < 10:
        return f'{seconds:.2g} s'
    if seconds < 100:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    if minutes < 100:
        return f'{minutes} min'
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f'{hours} h {minutes} min'
    return f'{hours / 24:.1f} days'


def summary(runner: Runner) -> Iterator[str]:
    """What a training is, a line each.

    Args:
        runner: A Runner whose loops are built.

    Yields:
        Model, device, data, length, results.
    """
    config, model = runner.cfg, runner.model
    model = getattr(model, 'module', model)
    names = [type(model).__name__]
    net = graph_net_of(config).get('type')
    if net:
        names.append(net if isinstance(net, str) else net.__name__)
    size = sum(p.numel() for p in model.parameters())
    learn = sum(p.numel() for p in model.parameters() if p.requires_grad)
    size, learn = f'{size / 1e6:.2f} M', f'{learn / 1e6:.2f} M'
    frozen = '' if learn == size else f' ({learn} of them learn)'
    yield f'model: {" with ".join(names)}, {size} parameters{frozen}'
    if config.get('load_from') and not config.get('resume'):
        yield f'starts from: {config.load_from}'
    yield f'device: {_device(runner)}'
    classes = num_classes(config)
    loader = runner.train_dataloader
    of = f' of {classes} classes' if classes else ''
    yield (f'training data: {_data(config, "train")}, '
           f'{_count(len(cast(Sized, loader.dataset)), "sample")}{of}, '
           f'{loader.batch_size} a step'
           + ' of a process' * (runner.world_size > 1))
    yield _update(runner)
    if runner.val_loop is not None:
        clips = cast(Sized, runner.val_loop.dataloader.dataset)
        yield (f'validation data: {_data(config, "val")}, '
               f'{_count(len(clips), "sample")}, '
               f'every {_count(runner.val_interval, "epoch")}')
    yield _length(runner)
    yield (f'results: {osp.abspath(runner.work_dir)} (checkpoints, log, '
           f'curves); test them by: hpnet test {runner.work_dir}')


def _update(runner: Runner) -> str:
    """What an update learns from, and at which rate."""
    config, count = runner.cfg, runner.world_size
    batch, steps, _ = clips_of_update(config)
    text = f'update: {_count(count * steps * batch, "sample")}'
    shares = [_count(count, 'process', 'es')] * (count > 1)
    shares += [_count(steps, 'step')] * (steps > 1)
    if shares:
        text += f' ({" x ".join([*shares, str(batch)])})'
    optimizer = config['optim_wrapper'].get('optimizer') or {}
    rate = optimizer.get('lr')
    scale = config.get('auto_scale_lr') or {}
    if rate and scale.get('enable'):
        rate *= count * batch / scale['base_batch_size']
    if rate:
        text += f', learning rate {rate:.4g}'
    recipe = as_composed(config) or config
    meant = clips_of_update(recipe)[2]
    usual = recipe['optim_wrapper'].get('optimizer') or {}
    if meant != count * steps * batch and rate == usual.get('lr'):
        text += (f'; this rate is meant for {_count(meant, "sample")}: '
                 'change the batch size or the rate, or give --auto-scale-lr')
    return text


def _device(runner: Runner) -> str:
    device = next(runner.model.parameters()).device
    if device.type == 'cpu':
        each = f'{_count(torch.get_num_threads(), "thread")}'
        return f'CPU, {each}' if runner.world_size == 1 else \
            f'CPU, {_count(runner.world_size, "process", "es")} of {each}'
    name = torch.cuda.get_device_name(device)
    return f'{_count(runner.world_size, "GPU")}, {name}'


def _data(config: ConfigLike, phase: str) -> str:
    dataset = innermost(config[f'{phase}_dataloader']['dataset'])
    where = dataset.get('data_root') or dataset.get('ann_file') or \
        dataset['type']
    split = dataset.get('split')
    return f'{where}, split {split}' if split else where


def _length(runner: Runner) -> str:
    total = f'length: {_count(runner.max_iters, "step")}'
    if runner.max_epochs and runner.max_iters % runner.max_epochs == 0:
        an_epoch = runner.max_iters // runner.max_epochs
        total = f'length: {_count(runner.max_epochs, "epoch")} of ' \
            f'{_count(an_epoch, "step")}'
    if runner.iter:
        total += f', {runner.iter:,} steps of them are done'
    return total + '; the time is told after the first steps'


def _validations(runner: Runner) -> int:
    """How many are still to come."""
    if runner.val_loop is None or not runner.max_epochs:
        return 0
    begin, interval = runner.val_begin, runner.val_interval
    return sum(
        epoch >= begin and (epoch % interval == 0
                            or epoch == runner.max_epochs)
        for epoch in range(runner.epoch + 1, runner.max_epochs + 1))


def _count(number: int, one: str, several: str = 's') -> str:
    return f'{number:,} {one}{several * (number != 1)}'
