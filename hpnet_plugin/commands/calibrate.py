"""Fit how sure a trained model is, and when it says "unknown".

    hpnet calibrate work_dirs/hp_j_ctrgcn_mine
    hpnet calibrate models/fusion --data data/mine --unknown others.pkl
    hpnet calibrate work_dirs/hp_j_ctrgcn_mine --scores val.pkl

RUN is the work dir of a training, one of its checkpoints, or a folder of
hpnet save. Its validation clips are scored by the toolbox's own test, unless
--scores has their scores (of a fusion: one file a member, in its order). To
them are fitted: a temperature, which makes the softmax as sure as it is
right; and a threshold, below which the answer is "unknown", so that few right
answers are lost. Prediction takes both from where they are written:
calibration.json of a work dir, or hpnet.json.

Clips that were trained on are refused, and test clips as well unless they are
asked for by --split test: whatever is fitted to them looks better on them
than it is.

How well unknown actions are told from known ones is estimated by leaving
each class out of the answer in turn. The model was trained on these classes
all the same: for a measurement, give --unknown scores of clips of actions that
it was trained without (hpnet test RUN --data FOLDER --dump FILE.pkl).

Exit status: 0 written, 2 wrong usage, or the clips cannot be used, 1 the test
failed, 130 stopped.
"""
from __future__ import annotations

import argparse
import os
import os.path as osp
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..apis.describing import data_folder
from ..datasets.clip_list import clip_list_path
from ..evaluation.annotations import read_clips
from ..evaluation.calibration import as_logits, calibrate, summary
from ..evaluation.fusion import fuse_members, join
from ..evaluation.scores import listed, read_scores
from ..evaluation.stacking import digest
from ..evaluation.tables import format_table
from ..recipes.reading import PHASES, innermost
from ..stock import ANNOTATIONS
from .command import Command
from .options import number, whole_number
from .train import add_config_options

if TYPE_CHECKING:
    import numpy as np

    from ..apis.trained import Trained
    from ..evaluation.scores import Scores


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add its options."""
    add = parser.add_argument
    add('run', metavar='RUN')
    add('--data', metavar='FOLDER',
        help='dataset folder of the clips (default: that of the training)')
    add('--split', metavar='NAME',
        help='their split (default: the validation split); test: the test '
        'split, with a warning')
    add('--scores', nargs='+', metavar='FILE.pkl',
        help='their scores, in place of a test')
    add('--lost', type=number(0, 99), default=5, metavar='PERCENT',
        help='of the right answers that may fall below the threshold '
        '(default 5)')
    unknown = parser.add_mutually_exclusive_group()
    unknown.add_argument(
        '--unknown', nargs='+', metavar='FILE.pkl',
        help='scores of clips of actions that the model was trained without; '
        'of a fusion one file a member')
    unknown.add_argument(
        '--hold-out', type=whole_number(), default=1, metavar='N',
        help='classes that are left out of the answer at a time (default 1)')
    add_config_options(parser)


def check(parser: argparse.ArgumentParser,
          args: argparse.Namespace) -> None:
    """End the program where options do not fit together."""
    if args.scores and (args.data or args.cfg_options):
        parser.error('--data and --cfg-options are for a test, which is not '
                     'run with --scores')


def run(args: argparse.Namespace) -> int:
    """Score, fit, print, write."""
    from ..apis import load_trained, write_calibration
    trained = load_trained(args.run)
    models = [model for model, _ in trained.members] or [trained]
    if args.scores:
        known = [read_scores(file) for file in args.scores]
        config = models[0].description.config
        clips = Clips.of(config, args.split)
        clips.refuse(data_folder(config), known[0].names)
    else:
        with tempfile.TemporaryDirectory(prefix='hpnet-') as folder:
            known, clips = _tested(models, args, folder)
    if all(stream.labels is None for stream in known):
        raise ValueError(f'{known[0].source}: its clips have no labels; '
                         'calibration needs clips of known classes')
    _say_learnt(trained, known[0].names)
    logits, labels = _fused(trained, models, known)
    unknown = None
    if args.unknown:
        unknown, _ = _fused(trained, models, [
            replace(read_scores(file), labels=None) for file in args.unknown])
    found = calibrate(logits, labels, args.lost / 100, args.hold_out, unknown)
    path = write_calibration(trained, dict(
        data=clips.folder, split=clips.split, on=clips.on, **found))
    if clips.on == 'test':
        print('hpnet calibrate: fitted to TEST clips: on them, all that '
              'follows looks better than it is', file=sys.stderr)
    print(format_table([('calibration', ''), *summary(found)]))
    print(f'wrote {path}')
    return 0


class Clips(NamedTuple):
    """The clips that a calibration is fitted to.

    Attributes:
        folder: Their dataset folder.
        split: Their split.
        on: ``'validation'`` or ``'test'``.
        splits: Splits of the folder that train and test.
    """
    folder: str | None
    split: str | None
    on: str
    splits: dict[str, str | None]

    @classmethod
    def of(cls, config: Mapping[str, Any], split: str | None) -> Clips:
        """Those of a config.

        Args:
            config: The config.
            split: ``'test'``, the name of a split, or None: the validation
                split.

        Raises:
            ValueError: If there is no validation split of its own.
        """
        splits = {part: innermost(config[f'{part}_dataloader'][
            'dataset']).get('split') for part in PHASES
            if config.get(f'{part}_dataloader')}
        folder = data_folder(config)
        name = splits.get(split or 'val', split)
        if split is None and name in (None, splits.get('test')):
            raise ValueError(
                f'{folder} has no validation split of its own'
                + (f', {name} is also its test split' if name else '')
                + ': name a split of clips that neither train nor test by '
                '--split, or another folder by --data; or ask for the test '
                'split by --split test')
        tests = name == splits.get('test')
        return cls(folder, name, 'test' if tests else 'validation', splits)

    def refuse(self, trained_on: str | None,
               names: Sequence[str] | None = None) -> None:
        """Refuse clips that the model knows, or that are to be tested.

        Args:
            trained_on: The dataset folder of the training.
            names: The clips that were scored; by default all of the split.

        Raises:
            ValueError: If there are any, with some of their names.
        """
        if not self.folder or not trained_on or \
                osp.realpath(self.folder) != osp.realpath(trained_on):
            return
        path = osp.join(self.folder, ANNOTATIONS)
        if not osp.isfile(path) and not osp.isfile(clip_list_path(path)):
            print(f'hpnet calibrate: {path} is not there, so that nobody can '
                  'say whether the clips were trained on', file=sys.stderr)
            return
        known = {*(read_clips(path, self.split) if names is None else names)}
        for part, why in (
                ('train', 'were trained on: the model is surer of them than '
                 'of any new clip'),
                ('test', 'are test clips: give others, or --split test')):
            split = self.splits.get(part)
            if not split or part == 'test' and self.on == 'test':
                continue
            common = sorted(known & {*read_clips(path, split)})
            if common:
                raise ValueError(f'{listed(common)} {why}')


def _tested(models: list[Trained], args: argparse.Namespace,
            folder: str) -> tuple[list[Scores], Clips]:
    """Scores of the clips by each model, and which they are."""
    import torch
    from mmengine.config import Config

    from .names import Named
    from .scripts import run_script
    from .settled import settle
    found = []
    for i, model in enumerate(models):
        about, place = model.description, osp.join(folder, str(i))
        os.mkdir(place)
        config = osp.join(place, 'trained.py')
        Config(about.config).dump(config)
        job = settle(Named(config, about.name),
                     dict(data_root=args.data) if args.data else {},
                     args.cfg_options, ('test', ))
        clips = Clips.of(job.config, args.split)
        clips.refuse(data_folder(about.config))
        dataset = innermost(job.config['test_dataloader']['dataset'])
        dataset['split'] = clips.split
        weights = model.checkpoint
        if weights is None or not weights.endswith('.pth'):
            weights = osp.join(place, 'weights.pth')
            torch.save(dict(state_dict=model.state()), weights)
        dump = osp.join(place, 'scores.pkl')
        status = run_script('test', [
            job.write(place, 'calibrate'), weights, '--work-dir', place,
            '--dump', dump])
        if status:
            raise SystemExit(status)  # the test has said why
        found.append(read_scores(dump))
    return found, clips


def _say_learnt(trained: Trained, names: Sequence[str]) -> None:
    """Say if a fusion's layer was learnt on some of the clips."""
    stack = trained.description.stack
    known = set(() if stack is None else stack.clips)
    common = [name for name in names if digest(name) in known]
    if common:
        print(f'hpnet calibrate: the layer of {trained.folder} was learnt on '
              f'{listed(common)}: it is surer of them than of any new clip, '
              'so that the threshold may be too high for new ones; give '
              'other clips by --data or --scores where there are any',
              file=sys.stderr)


def _fused(trained: Trained, models: list[Trained],
           streams: list[Scores]) -> tuple[np.ndarray, np.ndarray]:
    """Logits of what a model, or a fusion, says of clips; their labels."""
    about = trained.description
    if len(streams) != len(models):
        raise ValueError(f'a file of scores a model is needed, in the order '
                         f'of the fusion: {len(models)}, not {len(streams)}')
    labels = None if any(s.labels is not None for s in streams) else \
        dict.fromkeys(streams[0].names, 0)
    joined = join(streams, labels)
    if joined.scores.shape[2] != len(about.classes):
        raise ValueError(f'{streams[0].source}: scores of '
                         f'{joined.scores.shape[2]} classes, {about.name} '
                         f'knows {len(about.classes)}')
    if about.members:
        stack = about.stack
        scores = fuse_members(
            [scores.astype('f8') for scores in joined.scores],
            [model.description.output for model in models], about.members,
            None if stack is None else stack.layer)
    else:
        scores = joined.scores[0]
    return as_logits(scores, about.output), joined.labels


main = Command('calibrate', __doc__, run, add_options, check,
               folders=('data', ))
