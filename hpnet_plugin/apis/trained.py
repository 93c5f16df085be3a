"""Trained models: from a work dir, a checkpoint or a folder of their own.

    trained = load_trained('work_dirs/hp_j_ctrgcn_mine')
    save_pretrained(trained, 'models/hp_j')
    model = from_pretrained('models/hp_j').build('cuda')

A folder of :func:`hpnet_plugin.apis.save_pretrained` holds what a model is
as data (``hpnet.json``), its weights (``model.safetensors``) and a model card
(``README.md``). That of a fusion holds its members, a folder each. Nothing
is run from any of these files. Neither torch nor mmaction is imported before
weights are asked for, but for a checkpoint, which torch reads.
"""
from __future__ import annotations

import json
import os
import os.path as osp
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..config_text import building, read_config
from ..weights import compare, unfit
from .checkpoints import (
    CheckpointError,
    newest_checkpoint,
    newest_config,
    read_checkpoint,
)
from .describing import data_folder, describe, run_name
from .description import (
    FILE,
    ModelDescription,
    is_calibration,
    read_description,
)
from .registered import (
    offline,
    refuse_unregistered,
    without_initial_weights,
)

if TYPE_CHECKING:
    import torch
    from mmaction.models import BaseRecognizer
    from torch import Tensor

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

    def build(self, device: str | torch.device = 'cpu') -> BaseRecognizer:
        """The recogniser of mmaction2 with its weights, in eval mode.

        Its ``cfg`` is the config, as mmaction2's own tools expect it.

        Args:
            device: Where it is put.

        Returns:
            The model.

        Raises:
            TrainedError: If it is a fusion.
            UnregisteredError: If its config names what is no registered
                class.
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
        refuse_unregistered(self.description.config, name)
        with DefaultScope.overwrite_default_scope(
                config.get('default_scope') or 'mmaction'), \
                building(name), offline(name):
            model = MODELS.build(Config(dict(model=without_initial_weights(
                config.model))).model)
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


def load_trained(path: str | os.PathLike[str],
                 checkpoint: str | os.PathLike[str] | None = None) -> Trained:
    """Load what was trained.

    Args:
        path: The work dir of a training, whose newest checkpoint is taken; a
            checkpoint of one (``.pth``); or a folder with ``hpnet.json``.
        checkpoint: Of the work dir, in place of the newest.

    Returns:
        The model; its weights are read when they are needed.

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


def from_pretrained(folder: str | os.PathLike[str]) -> Trained:
    """Load a folder that :func:`hpnet_plugin.apis.save_pretrained` wrote.

    Args:
        folder: The folder.

    Returns:
        The model; its weights are read when they are needed.

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


def _read_weights(path: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f'{path} is damaged: {error}') from None


def _rebuilt(folder: str, file: str) -> ModelDescription:
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


def _calibration(folder: str, training: Mapping[str, Any]
                 ) -> dict[str, Any] | None:
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
