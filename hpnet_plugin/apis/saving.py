"""Trained models as folders of their own, and what calibration found."""
from __future__ import annotations

import json
import os
import os.path as osp
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..files import write_whole
from .checkpoints import run_results
from .describing import run_name
from .description import FILE, ModelDescription, write_description
from .members import (
    Member,
    default_members,
    fusion_description,
    learnt_members,
)
from .model_card import write_card
from .trained import (
    CALIBRATION,
    WEIGHTS,
    Trained,
    TrainedError,
    from_pretrained,
)


def save_pretrained(trained: Trained | Sequence[Trained],
                    folder: str | os.PathLike[str],
                    members: Sequence[Member] | None = None,
                    learnt: str | os.PathLike[str] | None = None) -> Trained:
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
        learnt: What ``hpnet fuse --learn --save`` wrote, in place of
            ``members``: the models are fused by its layer, one for each of
            its streams, in the same order.

    Returns:
        The model that is there now.

    Raises:
        TrainedError: If the models cannot be fused, or not by the layer.
        ScoreError: If ``learnt`` is no file of a layer.
        OSError: If it cannot be written, or ``learnt`` cannot be read.
    """
    folder, layer = os.fspath(folder), None
    if members and learnt is not None:
        raise TrainedError(f'{os.fspath(learnt)} has the weights of its '
                           'models: leave members out')
    if isinstance(trained, Trained) and learnt is None:
        about = trained.description
        if not about.members:
            _write_model(trained, folder)
            return from_pretrained(folder)
        models = [model for model, _ in trained.members]
        members = [Member(osp.basename(m['path']), m['weight'], m['scores'])
                   for m in about.members]
        name, calibration, layer = about.name, about.calibration, about.learnt
    else:
        models = [trained] if isinstance(trained, Trained) else list(trained)
        name, calibration = run_name(folder), None
        if learnt is None:
            members = list(members or default_members(models))
        else:
            members, layer = learnt_members(models, learnt)
    description = _shareable(
        fusion_description(models, members, name, calibration, layer))
    parts = [_write_model(model, osp.join(folder, member.name))
             for model, member in zip(models, members)]
    # last: a folder with hpnet.json is whole
    write_card(folder, description, parts)
    write_description(description, folder)
    return from_pretrained(folder)


def write_calibration(trained: Trained, found: dict[str, Any]) -> str:
    """Keep what hpnet calibrate found where ``load_trained`` looks for it.

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


def _write_model(trained: Trained, folder: str) -> ModelDescription:
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


def _shareable(about: ModelDescription) -> ModelDescription:
    """A description that does not tell where its files were."""
    return replace(about, **{
        key: _without_places(getattr(about, key))
        for key in ('facts', 'config', 'calibration', 'training')})


def _without_places(value: Any) -> Any:
    """The same without this machine's folders: names of absolute paths."""
    if isinstance(value, Mapping):
        return {key: _without_places(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_without_places, value))
    if isinstance(value, str) and osp.isabs(value):
        return osp.basename(osp.normpath(value))
    return value
