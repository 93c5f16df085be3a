"""Rows of the paper's tables: trained, tested, measured."""
import argparse
import contextlib
import fcntl
import json
import os
import os.path as osp
import platform
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, DictAction

from ..datasets.benchmarks import compare_counts, published_clips
from ..datasets.classes import class_names
from ..evaluation.curves import read_curves
from ..evaluation.fusion import join
from ..evaluation.metrics import per_class_accuracy, softmax, summarize
from ..evaluation.scores import ScoreError, read_scores
from ..files import write_whole
from ..recipes.inputs import missing_inputs
from ..recipes.reading import graph_channels, innermost, walk

# what of a config decides its result
DECISIVE = ('model', 'train_dataloader', 'test_dataloader', 'train_cfg',
            'optim_wrapper', 'param_scheduler', 'load_from')
PROGRESS = re.compile(r'Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\].*?'
                      r'eta: (.+?)  ')
# What the estimates assume. Multiply-adds a second of one GPU: small nets
# wait for their memory, large ones come to a quarter of what an A100 reaches
# in dense products of TF32.
RATES = dict(graph=2e12, video=2e13)
BACKWARD = 3  # a training step, in forwards
# Frames a clip, the mean of NTU, and bytes a frame of a crop of 256 pixels,
# of its two samples.
FRAMES, CROP_BYTES = 83, 2600


class ReproductionError(RuntimeError):
    """A run that cannot be made or used; the message says why."""


@dataclass(frozen=True)
class Run:
    """A config with a seed, and the folder of what comes of it.

    Attributes:
        config (str): Path of the config.
        seed (int): Of the training.
        folder (Path): Logs, checkpoints, ``scores.pkl`` and ``run.json``.
        options (tuple[str]): ``--cfg-options`` of both commands.
        gpus (int): GPUs of the training.
    """
    config: str
    seed: int
    folder: Path
    options: tuple = ()
    gpus: int = 1

    @property
    def scores(self):
        """Path: The dump of the test; it is there once all is done."""
        return self.folder / 'scores.pkl'

    @property
    def done(self):
        """bool: Whether trained and tested."""
        return self.scores.is_file()

    def load(self):
        """Config: With the options."""
        parser = argparse.ArgumentParser()  # as mmaction2's tools read them
        parser.add_argument('--options', nargs='+', action=DictAction,
                            default={})
        cfg = Config.fromfile(self.config)
        if self.options:
            cfg.merge_from_dict(parser.parse_args(
                ['--options', *self.options]).options)
        return cfg

    def commands(self):
        """tuple[list[str]]: To train, resuming what is there, and to test."""
        more = ['--cfg-options', *self.options] if self.options else []
        many = ['--gpus', str(self.gpus), '--launcher', 'pytorch'] \
            if self.gpus > 1 else []
        train = ['mim', 'train', 'mmaction2', self.config, '--work-dir',
                 str(self.folder), '--seed', str(self.seed), *many]
        if (self.folder / 'last_checkpoint').is_file():
            train.append('--resume')
        epochs = self.load().train_cfg.max_epochs
        test = ['mim', 'test', 'mmaction2', self.config, '--checkpoint',
                str(self.folder / f'epoch_{epochs}.pth'), '--work-dir',
                str(self.folder / 'test'), '--dump',
                str(self.folder / 'testing.pkl')]
        return train + more, test + more

    def check(self):
        """Refuse a folder that another version of the config has filled.

        Raises:
            ReproductionError: Names what differs.
        """
        path = self.folder / 'run.json'
        if not path.is_file():
            if (self.folder / 'last_checkpoint').exists():
                raise ReproductionError(
                    f'{self.folder} holds a training of something else: move '
                    'it away, or give another --out')
            return
        with open(path, encoding='utf-8') as file:
            before = json.load(file)['settings']
        other = _first_difference(before, _decisive(self.load()))
        if other:
            raise ReproductionError(
                f'{self.folder} was made by {self.config} when {other}: move '
                'it away, or give another --out')

    def __call__(self, report=print):
        """Train and test what is not done yet.

        Args:
            report (Callable): Takes a line of progress.

        Returns:
            bool: Whether it is done; not, if another process is at it.

        Raises:
            ReproductionError: If a command fails; with the end of its log.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with _lock(self.folder / '.lock') as mine:
            if not mine:
                return False
            if self.done:  # by another process, in the meantime
                return True
            self.check()
            cfg, start = self.load(), time.time()
            record = dict(
                config=self.config, options=list(self.options),
                seed=self.seed, gpus=self.gpus, hardware=hardware(),
                versions=_versions(), settings=_decisive(cfg))
            self._record(record)
            epochs = cfg.train_cfg.max_epochs
            if not self._trained(epochs):
                self._execute(self.commands()[0], report, epochs)
            trained = time.time()
            self._execute(self.commands()[1], report)
            scores = read_scores(self.folder / 'testing.pkl')
            self._record(dict(
                record, clips=len(scores.names),
                train_seconds=round(trained - start),
                test_seconds=round(time.time() - trained),
                **summarize(scores.scores, scores.labels)))
            os.replace(self.folder / 'testing.pkl', self.scores)
        return True

    def record(self):
        """What came of it, for tables and files.

        Returns:
            dict: Config, options, seed, hardware, versions, seconds and
            metrics of ``run.json``, and ``loss``, the mean of each epoch.
        """
        with open(self.folder / 'run.json', encoding='utf-8') as file:
            record = json.load(file)
        del record['settings']
        losses = {}
        for entry in read_curves(self.folder)[0]:
            losses.setdefault(entry['epoch'], []).append(entry['loss'])
        return dict(record, loss=[round(float(np.mean(values)), 4)
                                  for _, values in sorted(losses.items())])

    def _record(self, record):
        path = self.folder / 'run.json'
        if path.is_file():  # hours of a run that was stopped count as well
            with open(path, encoding='utf-8') as file:
                record = {**json.load(file), **record}
        write_whole(path, (json.dumps(record, indent=1) + '\n').encode())

    def _trained(self, epochs):
        # mmengine writes the newest checkpoint's name in there
        path = self.folder / 'last_checkpoint'
        return path.is_file() and path.read_text().strip().endswith(
            f'epoch_{epochs}.pth')

    def _execute(self, command, report, epochs=None):
        log = self.folder / 'run.log'
        tool = Path(sys.executable).with_name(command[0])
        with open(log, 'ab') as file:
            # mim starts a process of its own: a group, to stop both
            process = subprocess.Popen(
                [str(tool) if tool.is_file() else command[0], *command[1:]],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True)
            try:
                for line in process.stdout:
                    file.write(line)
                    match = PROGRESS.search(line.decode(errors='replace'))
                    if match:
                        epoch, step, steps, eta = match.groups()
                        report(f'epoch {epoch}/{epochs}, {step}/{steps}, '
                               f'{eta} left')
                code = process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
                raise
        if code:
            lines = log.read_text(errors='replace').splitlines()
            errors = [line for line in lines
                      if re.match(r'\w[\w.]*Error', line)
                      and 'CalledProcessError' not in line]
            raise ReproductionError(
                f'{" ".join(command)} failed: {[*lines, *errors][-1]}; its '
                f'log is {log}')


@contextlib.contextmanager
def _lock(path):
    """Whether this process is the one that has the file."""
    with open(path, 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False


def _decisive(cfg):
    """What decides the result, as JSON would give it back."""
    kept = {key: cfg[key] for key in DECISIVE if key in cfg}
    for phase in ('train', 'test'):
        # how data is read, not what
        kept[f'{phase}_dataloader'] = {
            key: value for key, value in kept[f'{phase}_dataloader'].items()
            if key not in ('num_workers', 'persistent_workers')}
    kept = json.loads(json.dumps(kept, default=str))
    for phase in ('train', 'test'):
        dataset = innermost(kept[f'{phase}_dataloader']['dataset'])
        if dataset['type'] == 'PooledDataset':
            dataset['type'] = 'PoseDataset'  # the same clips, read otherwise
    return kept


def _first_difference(before, now, where=''):
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted({*before, *now}):
            found = _first_difference(before.get(key), now.get(key),
                                      f'{where}.{key}' if where else key)
            if found:
                return found
        return None
    if isinstance(before, list) and isinstance(now, list) and \
            len(before) == len(now):
        for i, pair in enumerate(zip(before, now)):
            found = _first_difference(*pair, f'{where}.{i}')
            if found:
                return found
        return None
    return None if before == now else \
        f'{where} was {before!r:.80}, it is {now!r:.80}'


def hardware():
    """str: What runs here compute on."""
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i)
                 for i in range(torch.cuda.device_count())]
        return ', '.join(names)
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                name = line.partition(':')[2].strip()
                break
    return f'{len(os.sched_getaffinity(0))} cores of {name}' \
        if hasattr(os, 'sched_getaffinity') else name


def _versions():
    from importlib.metadata import version
    return {name: version(name) for name in
            ('torch', 'mmengine', 'mmaction2', 'hpnet-plugin')}


class Reproduction:
    """A table of the paper, made on this machine.

    Args:
        table (Table): Of :func:`~hpnet_plugin.evaluation.paper_tables
            .read_table`.
        configs (str): The folder of configs.
        out (str): Folder of all runs; tables share them.
        seeds (int): Seeds a row. Defaults to 1.
        only (Callable, optional): Of the ids, those that are wanted.
        options (Sequence[str]): ``--cfg-options`` of every run.
        gpus (int): GPUs of a training. Defaults to 1.
    """

    def __init__(self, table, configs, out, seeds=1, only=None, options=(),
                 gpus=1):
        self.table, self.configs, self.out = table, Path(configs), Path(out)
        self.seeds, self.options, self.gpus = seeds, tuple(options), gpus
        self.rows = [row for row in table.rows if only is None or only(row.id)]
        self._costs, self._published = {}, {}

    def run_of(self, row, seed):
        """Run: Of a row that has a config."""
        config = osp.relpath(self.configs / row.config)
        name = osp.splitext(osp.basename(row.config))[0]
        return Run(config, seed, self.out / name / f'seed{seed}',
                   self.options, self.gpus)

    def trained(self):
        """list[Row]: Rows that are trained for those that are wanted."""
        found, todo = {}, list(self.rows)
        while todo:
            row = todo.pop(0)
            if row.config and not row.cost:
                found[row.id] = row
            todo += [self.table[part] for part, _, _ in row.fuse]
            todo += [self.table[row.of]] if row.of else []
        return [row for row in self.table.rows if row.id in found]

    def runs(self):
        """list[tuple[Row, Run]]: In the order of the table, seed by seed."""
        return [(row, self.run_of(row, seed)) for seed in range(self.seeds)
                for row in self.trained()]

    def missing(self, row):
        """What a row needs that is not there, and where to get it.

        Args:
            row (Row): Any row.

        Returns:
            list[str]: A sentence each.
        """
        if row.clips and not (self.table.folder / row.clips).is_file():
            return [f'{self.table.folder / row.clips}: no such list, a clip '
                    'a line; the paper does not say which clips it took']
        if not row.config or row.cost or all(
                self.run_of(row, seed).done for seed in range(self.seeds)):
            return []
        if not (self.configs / row.config).is_file():
            return [f'{self.configs / row.config}: no such config']
        return missing_inputs(self.run_of(row, 0).load())

    def measure(self, row):
        """What a row came to.

        Args:
            row (Row): Any row.

        Returns:
            list[tuple[float, int | None]]: A number a seed, of those that
            are done, in percent, but for costs; and how many clips were
            tested for it, None for costs.
        """
        if row.cost:
            return [(self._cost(row), None)]
        found = []
        for seed in range(self.seeds):
            scores = self._scores(row, seed)
            if scores is not None:
                found.append((self._number(row, scores), len(scores.names)))
        return found

    def published_clips(self, row):
        """int: Clips of the test split that a row's number is of, as
        published; None for costs, and where no number is published."""
        if row.cost or not (row.config or row.fuse or row.of):
            return None
        row = self._trained(row)
        if row.config not in self._published:
            dataset = innermost(
                self.run_of(row, 0).load().test_dataloader.dataset)
            self._published[row.config] = published_clips(
                dataset.get('data_root') or '', dataset.get('split'))
        return self._published[row.config]

    def records(self, row):
        """list[dict]: Of the runs of a row that has a config, done ones."""
        if not row.config or row.cost:
            return []
        runs = [self.run_of(row, seed) for seed in range(self.seeds)]
        return [dict(run.record(), config=row.config) for run in runs
                if run.done and (run.folder / 'run.json').is_file()]

    def _scores(self, row, seed):
        """Scores of a row, or None if they are not there yet."""
        if row.of:
            return self._scores(self.table[row.of], seed)
        if row.config:
            run = self.run_of(row, seed)
            return read_scores(run.scores) if run.done else None
        if not row.fuse:
            return None
        parts = [self._scores(self.table[part], seed)
                 for part, _, _ in row.fuse]
        if any(part is None for part in parts):
            return None
        joined = join(parts)
        total = sum(
            weight * (softmax(scores) if as_probability else scores)
            for scores, (_, weight, as_probability)
            in zip(joined.scores, row.fuse))
        return type(parts[0])(joined.names, total, joined.labels, row.id)

    def _number(self, row, scores):
        if row.label is not None:
            label = row.label
            if isinstance(label, str):
                label = class_names(self._classes(row)).index(label)
            return 100 * per_class_accuracy(scores.scores,
                                            scores.labels)[label]
        values, labels = scores.scores, scores.labels
        if row.clips:
            wanted = set(Path(self.table.folder / row.clips).read_text(
                encoding='utf-8').split())
            kept = np.array([name in wanted for name in scores.names])
            if not kept.any():
                raise ScoreError(f'{row.clips} names none of the clips of '
                                 f'{scores.source}')
            values, labels = values[kept], labels[kept]
        return summarize(values, labels)[self.table.metric]

    def _classes(self, row):
        return Config.fromfile(
            self.configs / self._trained(row).config).model.text.classes

    def _trained(self, row):
        """The row with a config that another is made of; the last of several.
        """
        while not row.config:
            row = self.table[row.of or row.fuse[-1][0]]
        return row

    def _cost(self, row):
        from .cost import model_cost
        if row.config not in self._costs:
            self._costs[row.config] = model_cost(
                Config.fromfile(self.configs / row.config)).total
        total = self._costs[row.config]
        return total.params / 1e6 if row.cost == 'parameters' else \
            total.macs / 1e9

    def estimate(self, row):
        """What a run will take.

        Args:
            row (Row): With a config.

        Returns:
            tuple: GPU hours, None where the clips are not known; bytes of
            checkpoints; and a dict of what is to be extracted first, folder
            and feature (or ``'crops'``) to bytes.
        """
        from .cost import model_cost
        cfg = self.run_of(row, 0).load()
        clips = [clips_of(innermost(cfg[f'{phase}_dataloader']['dataset']))
                 for phase in ('train', 'test')]
        total = model_cost(self.run_of(row, 0).load()).total
        state = 2 if 'Adam' in cfg.optim_wrapper.optimizer.type else 1
        kept = cfg.default_hooks.checkpoint.get('max_keep_ckpts', 1)
        size = 4 * kept * (total.params + state * total.trained)
        if None in clips:
            return None, size, {}
        extracted = {
            key: value for phase, count in zip(('train', 'test'), clips)
            for key, value in to_extract(
                innermost(cfg[f'{phase}_dataloader']['dataset']),
                sum(clips), graph_channels(cfg)).items()}
        repeats = cfg.train_dataloader.dataset.get('times', 1)
        forwards = BACKWARD * clips[0] * repeats * cfg.train_cfg.max_epochs \
            + clips[1]
        rate = RATES['video' if cfg.model.type == 'XCLIPRecognizer'
                     else 'graph']
        return forwards * total.macs / rate / 3600, size, extracted


def to_extract(dataset, clips, channels):
    """Size of what a dataset reads and its folder does not have.

    Args:
        dataset (dict): Config of a ``PoseDataset``.
        clips (int): Of all its splits.
        channels (int): Of its pooled features.

    Returns:
        dict[tuple[str, str], int]: Folder and feature (or ``'crops'``) to
        bytes.
    """
    root, found = dataset.get('data_root') or '', {}
    for step in walk(dataset['pipeline']):
        if step['type'] == 'LoadPooledFeature' and not osp.isdir(
                osp.join(root, 'features')):
            joint = 2 * channels + 4 * 3
            found[root, str(step.get('tap'))] = clips * FRAMES * 17 * joint
        if step['type'] == 'LoadPersonCrops' and not osp.isdir(
                osp.join(root, 'crops')):
            found[root, 'crops'] = clips * FRAMES * CROP_BYTES
    return found


def clips_of(dataset):
    """int: Clips of a dataset's split, None where nobody knows.

    From the folder if it is there, else from what is published.
    """
    root, split = dataset.get('data_root') or '', dataset.get('split', '')
    with contextlib.suppress(OSError, ValueError, KeyError):
        with open(osp.join(root, 'extraction.json'), encoding='utf-8') as file:
            return json.load(file)['splits'][split]
    return published_clips(root, split)


def measured_table(reproduction):
    """A table with what was measured.

    Args:
        reproduction (Reproduction): The table.

    Where a row was tested on another number of clips than the published test
    split has, no difference to the paper's number is given.

    Returns:
        tuple: Rows of text, the first row the header, and the same as a
        dict: ``heading``, ``table``, ``benchmark``, ``metric``,
        ``reference``, which the published numbers are of, ``counts``, a
        sentence for each number of clips that was tested, and ``rows`` with
        ``id``, ``name``, ``published``, ``measured``, a number a seed,
        ``tested``, clips a seed, ``test_clips``, those of the published
        split (None where nobody knows), and ``runs``, what
        :meth:`Run.record` says of each.
    """
    table = reproduction.table
    same = table.reference == table.benchmark
    text = [['', 'paper' if same else f'paper, {table.reference}', 'measured',
             'difference' if same else '', '']]
    record = dict(
        heading=f'Table {table.number}: {table.title} ({table.benchmark})',
        table=table.number, benchmark=table.benchmark, metric=table.metric,
        reference=table.reference, counts=[], rows=[])
    for row in reproduction.rows:
        results = reproduction.measure(row)
        found = [value for value, _ in results]
        tested = [clips for _, clips in results if clips is not None]
        should = reproduction.published_clips(row) if tested else None
        other = should is not None and {*tested} != {should}
        mean, digits = (np.mean(found), 2 if row.cost else 1) if found else \
            (None, 1)
        spread = f' ± {np.std(found, ddof=1):.1f}' if len(found) > 1 else ''
        state = []
        if len(found) < reproduction.seeds and not row.cost:
            state.append('published only' if not (
                row.config or row.fuse or row.of) else 'not run' if not
                found else f'{len(found)} of {reproduction.seeds} seeds')
        if other:
            clips = ' and '.join(f'{n:,}' for n in sorted({*tested}))
            state.append(f'{clips} of {should:,} clips')
        record['counts'] += [compare_counts(n, should) for n in tested]
        text.append([
            row.name,
            '' if row.published is None else f'{row.published:.1f}',
            '' if mean is None else f'{mean:.{digits}f}{spread}',
            '' if mean is None or row.published is None or other or not same
            else f'{mean - row.published:+.{digits}f}', ', '.join(state)])
        record['rows'].append(dict(
            id=row.id, name=row.name, published=row.published,
            measured=[float(value) for value in found], tested=tested,
            test_clips=should, runs=reproduction.records(row)))
    record['counts'] = list(dict.fromkeys(record['counts']))
    return text, record
