"""Trained models: from a work dir, a checkpoint or a folder of their own.

    trained = load_trained('work_dirs/hp_j_ctrgcn_mine')
    save_pretrained(trained, 'models/hp_j')
    model = from_pretrained('models/hp_j').build('cuda')

A folder of :func:`save_pretrained` holds what a model is as data
(``hpnet.json``), its weights (``model.safetensors``) and a model card
(``README.md``). That of a fusion holds its members, a folder each. Nothing
is run from any of these files. Neither torch nor mmaction is imported before
weights are asked for, but for a checkpoint, which torch reads.
"""
from __future__ import annotations

import json
import os
import os.path as osp
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..config_text import building, read_config
from ..facts import FUSION
from ..files import write_whole
from ..weights import compare, unfit
from .checkpoints import (
    CheckpointError,
    newest_checkpoint,
    newest_config,
    read_checkpoint,
    run_results,
)
from .describing import data_folder, describe, run_name
from .description import (
    FILE,
    ModelDescription,
    is_calibration,
    read_description,
    write_description,
)
from .model_card import write_card

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS = 'model.safetensors'
CALIBRATION = 'calibration.json'


class TrainedError(ValueError):
    """A trained model that cannot be used; the message says why."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model, or a fusion of several.

    Attributes:
        description: What it is.
        folder: Where it lies.
        checkpoint: The file of its weights; None of a fusion.
        state: Gives its weights by name; empty of a fusion.
    """
    description: ModelDescription
    folder: str
    checkpoint: str | None
    state: Callable[[], dict[str, Tensor]]

    @property
    def members(self) -> list[tuple[Trained, float]]:
        """The models of a fusion with their weights; empty of one model.

        What a weight is of stands in ``description.members``: ``scores``.
        """
        return [(from_pretrained(osp.join(self.folder, member['path'])),
                 member['weight']) for member in self.description.members]

    def build(self, device: str = 'cpu') -> nn.Module:
        """The recogniser of mmaction2 with its weights, in eval mode.

        Its ``cfg`` is the config, as mmaction2's own tools expect it.

        Args:
            device: Where it is put.

        Raises:
            TrainedError: If it is a fusion.
            UnbuildableConfigError: If its config describes no model.
            CheckpointError: If its weights are not those of its config.
        """
        if self.description.members:
            raise TrainedError(
                f'{self.folder} is a fusion of '
                f'{len(self.description.members)} models: build its members')
        import torch
        from mmaction.registry import MODELS
        from mmengine.config import Config
        from mmengine.registry import DefaultScope
        config = Config(self.description.config)
        name = f'the config of {self.description.name}'
        with DefaultScope.overwrite_default_scope(
                config.get('default_scope') or 'mmaction'), building(name):
            model = MODELS.build(config.model)
        state = self.state()
        try:
            keys = model.load_state_dict(state, strict=False)
            wrong = any(keys) and compare(state, model.state_dict())
        except RuntimeError as error:  # shapes that differ
            wrong = compare(state, model.state_dict()) or error
        if wrong:
            raise CheckpointError(unfit(str(self.checkpoint), wrong,
                                        self.description.name))
        model.cfg = config
        return model.to(torch.device(device)).eval()


def load_trained(path: str | os.PathLike,
                 checkpoint: str | os.PathLike | None = None) -> Trained:
    """Load what was trained.

    Args:
        path: The work dir of a training, whose newest checkpoint is taken; a
            checkpoint of one (``.pth``); or a folder with ``hpnet.json``.
        checkpoint: Of the work dir, in place of the newest.

    Raises:
        FileNotFoundError: If something is not there.
        CheckpointError: If the checkpoint cannot be read.
        DescriptionError: If the description is damaged.
        TrainedError: If an older checkpoint has no description, and it
            cannot be made from its config and dataset folder.
    """
    path = os.fspath(path)
    if osp.isfile(osp.join(path, FILE)):
        if checkpoint is not None:
            raise TrainedError(f'{path} has weights of its own: leave the '
                               f'checkpoint {checkpoint} out')
        return from_pretrained(path)
    if osp.isdir(path):
        folder, file = path, checkpoint or newest_checkpoint(path)
    elif osp.basename(path) == FILE:
        return from_pretrained(osp.dirname(path))
    else:
        if not osp.exists(path):
            raise FileNotFoundError(
                f'{path}: no such file or folder; expected the work dir of a '
                f'training, a checkpoint of one, or a folder with {FILE}')
        folder, file = osp.dirname(path) or '.', path
    file = os.fspath(file)
    meta = read_checkpoint(file).get('meta') or {}
    if meta.get('hpnet'):
        description = ModelDescription.from_json(meta['hpnet'], file)
    else:
        description = _rebuilt(folder, file)
    training = dict(description.training, checkpoint=osp.basename(file),
                    **{ours: meta[key] for ours, key in (
                        ('epoch', 'epoch'), ('saved', 'time'))
                       if key in meta})
    description = replace(description, training=training)
    description = replace(
        description, calibration=_calibration(folder, training))
    return Trained(description, folder, file,
                   lambda: read_checkpoint(file)['state_dict'])


def from_pretrained(folder: str | os.PathLike) -> Trained:
    """Load a folder that :func:`save_pretrained` wrote.

    Raises:
        FileNotFoundError: If it or its weights are not there.
        DescriptionError: If its description is damaged.
    """
    folder = os.fspath(folder)
    description = read_description(folder)
    if description.members:
        for member in description.members:
            read_description(osp.join(folder, member['path']))
        return Trained(description, folder, None, dict)
    path = osp.join(folder, WEIGHTS)
    if not osp.isfile(path):
        raise FileNotFoundError(
            f'{path}: no such file; it holds the weights of the model that '
            f'{FILE} describes. What hpnet export wrote runs by onnxruntime '
            'alone: take the model that it was made of')
    return Trained(description, folder, path, lambda: _read_weights(path))


def save_pretrained(trained: Trained | Sequence[Trained],
                    folder: str | os.PathLike,
                    members: Sequence[Member] | None = None) -> Trained:
    """Write a trained model, or a fusion, into a folder of its own.

    A model gives ``hpnet.json``, ``model.safetensors`` and ``README.md``, a
    model card; a fusion gives a folder a member, ``hpnet.json`` and
    ``README.md``. Nothing of the folder is needed from elsewhere. Files of
    these names are replaced. Of absolute paths, such as that of the dataset
    folder, only the last name is written: a folder that is shared does not
    tell where it was made.

    Args:
        trained: A model or a fusion; or several models, for a fusion.
        folder: The folder; it is made if need be.
        members: Of several models: the weight of each. By default those of
            :func:`default_members`.

    Returns:
        The model that is there now.

    Raises:
        TrainedError: If the models cannot be fused.
        OSError: If it cannot be written.
    """
    folder = os.fspath(folder)
    several = not isinstance(trained, Trained)
    if not several and trained.description.members:
        models = [member for member, _ in trained.members]
        members = [Member(osp.basename(m['path']), m['weight'], m['scores'])
                   for m in trained.description.members]
        calibration = trained.description.calibration
        several, name = True, trained.description.name
    elif several:
        models, calibration, name = list(trained), None, run_name(folder)
        members = list(members or default_members(models))
    if not several:
        _write_model(trained, folder)
        return from_pretrained(folder)
    description = _shareable(
        fusion_description(models, members, name, calibration))
    parts = [_write_model(model, osp.join(folder, member.name))
             for model, member in zip(models, members)]
    # last: a folder with hpnet.json is whole
    write_card(folder, description, parts)
    write_description(description, folder)
    return from_pretrained(folder)


def write_calibration(trained: Trained, found: dict[str, Any]) -> str:
    """Keep what hpnet calibrate found, where :func:`load_trained` finds it.

    Args:
        trained: The model that it was found for.
        found: JSON data, with ``temperature`` and ``threshold``.

    Returns:
        The file that has it: ``calibration.json`` of a work dir, else
        ``hpnet.json``, whose model card is written anew, too.
    """
    about = trained.description
    path = osp.join(trained.folder, FILE)
    if osp.isfile(path):
        about = _shareable(replace(about, calibration=found))
        write_card(trained.folder, about, [
            member.description for member, _ in trained.members])
        write_description(about, trained.folder)
        return path
    path = osp.join(trained.folder, CALIBRATION)
    mine = {key: about.training.get(key) for key in ('checkpoint', 'saved')}
    write_whole(path, (json.dumps(dict(mine, **found), indent=1)
                       + '\n').encode())
    return path


class Member(NamedTuple):
    """A model's part in a fusion.

    Attributes:
        name: Of its folder.
        weight: Of its scores.
        scores: What the weight is of: ``'logit'`` or ``'probability'``.
    """
    name: str
    weight: float
    scores: str


def default_members(models: Sequence[Trained],
                    weights: Sequence[float] | None = None) -> list[Member]:
    """What the models of a fusion weigh.

    The authors add up logits of streams and probabilities of HP-Net; with
    weights of one's own the same is weighed. Where one of the models is none
    of theirs, such as a stream of 2D pose, all weigh the same: their logits,
    or their probabilities where one gives no logits.

    Args:
        models: At least one.
        weights: One a model. By default those of their dataset
            (:class:`hpnet_plugin.facts.Facts`), published or not.
    """
    about = [model.description for model in models]
    streams = [_stream(one) for one in about]
    kinds = ['probability' if stream == 'hpnet' else one.output
             for one, stream in zip(about, streams)]
    if weights is None:
        weights = [{**FUSION, **one.facts.get('fusion', {})}.get(stream)
                   for one, stream in zip(about, streams)]
        if None in weights:
            weights = [1.] * len(models)
            kinds = ['logit' if all(one.output == 'logit' for one in about)
                     else 'probability'] * len(models)
    members = [Member(one.name, float(weight), kind)
               for one, weight, kind in zip(about, weights, kinds)]
    names = [member.name for member in members]
    return [member if names.count(member.name) == 1 else
            member._replace(name=f'{member.name}_{number}')
            for number, member in enumerate(members)]


def _stream(about):
    """What fusion weights call a model: a stream, or ``'hpnet'``."""
    model = about.config.get('model') or {}
    if model.get('type') == 'XCLIPRecognizer' and model.get('topology'):
        return 'hpnet'
    if 'stream' in about.config:
        return about.config['stream']
    reads = about.input or {}
    return f'hp_{reads["stream"]}' if reads.get('key') == 'pooled_feat' \
        else None


def fusion_description(models: Sequence[Trained], members: Sequence[Member],
                       name: str, calibration: dict[str, Any] | None = None
                       ) -> ModelDescription:
    """The description of a fusion.

    Args:
        models: Its members.
        members: The part of each.
        name: Of the fusion.
        calibration: Of its fused scores.

    Raises:
        TrainedError: If they are fusions, or do not know the same classes, or
            need different pose nets.
    """
    first = models[0].description
    for model, member in zip(models, members):
        about = model.description
        if about.members:
            raise TrainedError(f'{model.folder} is a fusion itself: fuse its '
                               'members')
        if about.classes != first.classes:
            raise TrainedError(
                f'{about.name} and {first.name} do not know the same classes '
                f'({len(about.classes)} and {len(first.classes)}), or not in '
                'the same order: they cannot be fused')
        if member.scores == 'logit' and about.output == 'probability':
            raise TrainedError(f'{about.name} gives probabilities, no logits')
    extraction = dict(first.extraction)
    for about in (model.description for model in models):
        here, there = (_pose_of(e) for e in (about.extraction, extraction))
        if here and there and here != there:
            raise TrainedError(
                f'{about.name} and {first.name} were trained on features of '
                f'different pose nets ({here}, {there}): one pass over a '
                'video cannot serve both. hpnet fuse fuses their score files')
        extraction = {**about.extraction, **extraction, 'taps': {
            **extraction.get('taps', {}), **about.extraction.get('taps', {})}}
    windows = next((model.description.windows for model in models
                    if model.description.windows), {})
    return ModelDescription(
        name=name, classes=first.classes, facts=first.facts,
        extraction=extraction, windows=windows, calibration=calibration,
        members=[dict(path=member.name, weight=member.weight,
                      scores=member.scores) for member in members])


def _pose_of(extraction):
    """What must agree for one pose pass to serve several models."""
    pose = extraction.get('pose') or {}
    if not pose.get('sha256'):
        return None
    return pose['sha256'][:12], pose.get('norm'), *(
        extraction.get(key) for key in ('region', 'grid', 'aspect', 'padding'))


def _write_model(trained, folder):
    """Write one model; its description, with the results of its run."""
    from safetensors.torch import save
    about = trained.description
    if osp.abspath(folder) == osp.abspath(trained.folder):
        raise TrainedError(f'{folder} is the folder of the model itself: take '
                           'another')
    results = run_results(trained.folder, trained.checkpoint) \
        if trained.checkpoint and not trained.checkpoint.endswith(WEIGHTS) \
        else []
    if results:
        about = replace(about, training=dict(about.training, results=results))
    about = _shareable(about)
    # tensors that share memory are written apart
    state = {name: value.detach().contiguous().clone()
             for name, value in trained.state().items()}
    write_whole(osp.join(folder, WEIGHTS), save(state, dict(format='pt')))
    write_card(folder, about)
    write_description(about, folder)
    return about


def _shareable(about):
    """A description that does not tell where its files were."""
    return replace(about, **{
        key: _without_places(getattr(about, key))
        for key in ('facts', 'config', 'calibration', 'training')})


def _without_places(value):
    """The same without this machine's folders: names of absolute paths."""
    if isinstance(value, Mapping):
        return {key: _without_places(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_without_places, value))
    if isinstance(value, str) and osp.isabs(value):
        return osp.basename(osp.normpath(value))
    return value


def _read_weights(path):
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f'{path} is damaged: {error}') from None


def _rebuilt(folder, file):
    """The description of a checkpoint that was saved before it had one."""
    try:
        config = newest_config(folder)
    except FileNotFoundError:
        raise TrainedError(
            f'{file} carries no description of its model (it was saved by '
            'another program, or by an earlier version of this package), and '
            f'there is no config in {folder} to make one from: put the '
            'config of its training beside it') from None
    content = read_config(config).to_dict()
    if not isinstance(content.get('model'), dict):
        raise TrainedError(
            f'{file} carries no description of its model, nor is there one '
            f'in {config}, which stands beside it: put the config of its '
            'training there')
    data = data_folder(content)
    if data and not osp.isdir(data):
        raise TrainedError(
            f'{file} carries no description of its model, because an earlier '
            f'version of this package saved it, and its dataset folder '
            f'{data}, which has what is missing, is not there: run this from '
            'the folder in which it was trained')
    return describe(content, run_name(folder))


def _calibration(folder, training):
    """What hpnet calibrate found for this checkpoint, None if nothing."""
    path = osp.join(folder, CALIBRATION)
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise TrainedError(f'{path} is no JSON file ({error}): run hpnet '
                           'calibrate again, or remove it') from None
    if not is_calibration(content) or \
            content.get('saved') != training.get('saved') or \
            content.get('checkpoint') != training.get('checkpoint'):
        return None  # of another checkpoint, whose scores are others
    return content
