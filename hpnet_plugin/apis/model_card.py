"""The README of a folder with a trained model: a model card from its run."""
from __future__ import annotations

import os
import os.path as osp
from collections.abc import Iterable, Sequence
from typing import Any

from ..datasets.clips import count
from ..evaluation.calibration import summary
from ..evaluation.stacking import MEANINGS, Stack
from ..files import write_whole
from .description import ModelDescription

CARD = 'README.md'
_SCORES = dict(logit='logits', probability='probabilities')
_HEAD = """---
library_name: hpnet_plugin
pipeline_tag: video-classification
tags: [action-recognition, skeleton, mmaction2]
---
"""
_LICENCE = """## Licence

The licence of these weights depends on the videos that they were trained on
and on the weights that they started from. Write it here before you share
them.
"""


def write_card(folder: str | os.PathLike[str], description: ModelDescription,
               members: Sequence[ModelDescription] = ()) -> None:
    """Write the model card of a folder.

    Args:
        folder: The folder of the model.
        description: Of the model, or of the fusion.
        members: Of a fusion: the descriptions of its members.
    """
    write_whole(osp.join(folder, CARD),
                model_card(description, members).encode())


def model_card(description: ModelDescription,
               members: Sequence[ModelDescription] = ()) -> str:
    """A model card in Markdown.

    Args:
        description: Of the model, or of the fusion.
        members: Of a fusion: the descriptions of its members.

    Returns:
        The text.
    """
    about = description
    parts = [_HEAD, f'# {about.name}\n', _what(about, members),
             '## Training data\n', _data(about), _classes(about),
             '## Results\n', _results(members or [about])]
    if about.calibration:
        parts += ['## Calibration\n', _calibration(about.calibration)]
    parts += ['## Prediction\n', _usage(about), _LICENCE]
    return '\n'.join(parts)


def _what(about: ModelDescription, members: Sequence[ModelDescription]) -> str:
    if not members:
        return (f'A model of hpnet_plugin for MMAction2: {_net(about)}. Its '
                f'scores are '
                f'{dict(logit="logits").get(about.output, "probabilities")}.'
                f'{_training(about)}\n')
    stack = about.stack
    if stack is not None:
        return _learnt(about, members, stack)
    rows = [(f'`{m["path"]}`', _net(member), f'{m["weight"]:g}',
             _SCORES[m['scores']]) for m, member in zip(
                 about.members, members)]
    return ('A fusion of several models of hpnet_plugin for MMAction2: the '
            'weighted sum of their scores.\n\n'
            + _table(('member', 'model', 'weight', 'of its'), rows))


def _learnt(about: ModelDescription, members: Sequence[ModelDescription],
            stack: Stack) -> str:
    """What a fusion is whose weights were learnt."""
    layer, record = stack.layer, stack.record
    rows = [(f'`{m["path"]}`', _net(member), _SCORES[m['scores']], stream)
            for m, member, stream in zip(
                about.members, members, stack.streams)]
    groups = '' if record['groups'] is None else \
        f' of {record["groups"]} groups of clips'
    return ('A fusion of several models of hpnet_plugin for MMAction2 by a '
            'linear layer over their scores, whose weights were learnt on '
            f'{count(len(stack.clips), "clip")} (`hpnet fuse --learn`). It '
            f'is {MEANINGS[layer.kind]}: {layer.parameters:,} numbers, '
            f'chosen by cross-validation in {record["folds"]} parts{groups}. '
            'Its scores are logits.\n\n'
            + _table(('member', 'model', 'gives its', 'in place of'), rows))


def _net(about: ModelDescription) -> str:
    """'CTRGCN on pooled features (joints)' or the like."""
    config, model = about.config, about.config.get('model') or {}
    net = (model.get('backbone') or {}).get('type', 'a network')
    what = config.get('stream') or config.get('recipe')
    if model.get('type') == 'XCLIPRecognizer':
        net = 'HP-Net' if model.get('topology') else 'X-CLIP'
        what = None
    return f'{net}, stream `{what}`' if what else net


def _training(about: ModelDescription) -> str:
    known = about.training
    words = []
    if known.get('epoch') is not None:
        words.append(f'{known["epoch"]} of {known["epochs"]} epochs'
                     if known.get('epochs') else f'{known["epoch"]} epochs')
    if known.get('seed') is not None:
        words.append(f'seed {known["seed"]}')
    words += [f'{name} {number}'
              for name, number in known.get('versions', {}).items()]
    return f' It was trained for {", ".join(words)}.' if words else ''


def _data(about: ModelDescription) -> str:
    facts, rows = about.facts, []
    if facts:
        rows.append(('dataset', facts.get('title') or facts.get('name')))
        part = facts.get('use', {}).get('train')
        clips = facts.get('splits', {}).get(part)
        if part:
            rows.append(('training split', f'{part}, {clips} clips'
                         if clips is not None else part))
        rows.append(('people a clip', facts.get('people')))
    if about.windows:
        rows.append(('length of its clips',
                     '{median:.1f} s (median), {longest:.1f} s (longest), '
                     '{fps:.3g} frames a second'.format_map(about.windows)))
    for folder, known in (about.training.get('data') or {}).items():
        rows += [(f'fingerprint of the {dict(store="features").get(key, key)}'
                  f' of {osp.basename(folder)}', f'`{digits}`')
                 for key, digits in known.items()]
    for key in ('pose', 'detector'):
        net = about.extraction.get(key)
        if net:
            name = net.get('zoo') or net.get('name') or net.get(
                'onnx') or net.get('config')
            digest = (net.get('sha256') or '')[:12]
            rows.append((dict(pose='pose net').get(key, key),
                         name + (f' (sha256 {digest}…)' if digest else '')))
    taps = (about.input or {}).get('taps')
    if taps:
        rows.append(('feature maps', ', '.join(f'`{tap}`' for tap in taps)))
    return _table(('', ''), rows) if rows else 'Nothing is known of it.\n'


def _classes(about: ModelDescription) -> str:
    return (f'{len(about.classes)} classes, in the order of the scores: '
            f'{", ".join(about.classes)}.\n')


def _results(members: Sequence[ModelDescription]) -> str:
    rows = [(f'`{about.name}`', dict(
        val='validation during training').get(found['part'], 'test'),
        ' '.join(filter(None, (found.get('data'), found.get('split')))),
        found.get('epoch', ''), ', '.join(
            f'{key.rpartition("/")[2]} {_percent(value)}'
            for key, value in found['metrics'].items()))
        for about in members for found in about.training.get('results', ())]
    if not rows:
        return 'No result is known: its run was neither validated nor ' \
            'tested.\n'
    note = ('The same split validated and tested: its numbers are too high '
            'wherever an epoch, a setting or a weight was chosen by them.\n')
    same = any(about.training.get('splits', {}).get('val')
               and about.training['splits'].get('val')
               == about.training['splits'].get('test') for about in members)
    return _table(('model', 'what', 'split', 'epoch', 'in percent'),
                  rows) + ('\n' + note if same else '')


def _percent(value: object) -> object:
    return f'{100 * value:.2f}' if isinstance(value, float) else value


def _calibration(found: dict[str, Any]) -> str:
    where = ' '.join(filter(None, (found.get('data'), found.get('split'))))
    words = (f'Fitted to {where}'
             + (', the TEST clips' if found.get('on') == 'test' else '')
             + '. Scores divided by the temperature and put through the '
             'softmax are probabilities; below the threshold the answer is '
             '`unknown`.\n\n')
    return words + _table(('', ''), summary(found))


def _usage(about: ModelDescription) -> str:
    return f"""    hpnet predict VIDEO --model FOLDER

or in Python

    from hpnet_plugin.apis import HPNetInferencer
    predict = HPNetInferencer('FOLDER')
    for result in predict('VIDEO'):
        print(result.predictions)

where FOLDER is this folder ({about.name}). hpnet_plugin installs by
`pip install hpnet-plugin`.
"""


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, tuple('---' for _ in header), *rows]
    return '\n'.join('| ' + ' | '.join(
        str(cell).replace('|', '\\|') for cell in line) + ' |'
        for line in lines) + '\n'
