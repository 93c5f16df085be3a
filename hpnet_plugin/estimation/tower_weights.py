"""Weights of image nets: found, downloaded, loaded completely."""
from __future__ import annotations

import os.path as osp
from typing import Any

from torch import Tensor

from ..files import sha256_of
from ..weights import compare
from .checkpoints import state_of
from .tap_names import NetName
from .towers import Tower, tags_of, weights_of
from .weight_files import FOLDER_VARIABLE, WeightsError, weight_folders

SAFE = '.safetensors'


def find_tower_weights(net: NetName) -> str:
    """The file with the weights of an image net, downloaded if need be.

    Args:
        net: Its name.

    Returns:
        The file.

    Raises:
        TapError: If there is no such net.
        WeightsError: If the name says of no weights, they are not here, or
            they cannot be downloaded; the message says what to do.
    """
    hub = weights_of(net)
    if net.file:
        return _given(net)
    if not net.tag:
        known = tags_of(net)
        advice = f'name published weights ({", ".join(known[:5])}' \
            f'{", …" if len(known) > 5 else ""})' if known else \
            'the library publishes none'
        raise WeightsError(f'{net} says of no weights, and a net without '
                           f'weights sees nothing: {advice}, or give a file '
                           f'of weights, {net}=FILE')
    if not hub:
        raise WeightsError(
            f'the library does not say where the weights of {net} are: get '
            f'them elsewhere and give the file, {net}=FILE')
    return _downloaded(net, *hub)


def _given(net: NetName) -> str:
    path = osp.expanduser(net.file)
    name = osp.basename(path)
    # a model that was trained knows the name alone
    folders = weight_folders() if name == net.file else []
    for place in (path, *(osp.join(folder, name) for folder in folders)):
        if osp.isfile(place):
            return place
    raise WeightsError(
        f'{path}: no such file, the weights of {net.title}'
        + (f'; put it into {folders[-1]}, or into a folder that '
           f'{FOLDER_VARIABLE} names' if folders else ''))


def _downloaded(net: NetName, repository: str, *files: str) -> str:
    """From the Hugging Face Hub, or from its cache on this machine."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import (
        EntryNotFoundError,
        LocalEntryNotFoundError,
    )
    for file in files:
        path = try_to_load_from_cache(repository, file)
        if isinstance(path, str):
            return path
    print(f'downloading the weights of {net} from the Hugging Face Hub, '
          f'{repository}', flush=True)
    reason = f'{repository} has none of {", ".join(files)}'
    for file in files:
        try:
            return hf_hub_download(repository, file)
        except LocalEntryNotFoundError:
            reason = 'the Hugging Face Hub cannot be reached'
            break
        except EntryNotFoundError:
            continue
        except Exception as error:  # whatever its client raises
            reason = (str(error).splitlines() or [''])[0]
            break
    raise WeightsError(
        f'the weights of {net} are not here and cannot be downloaded '
        f'({reason}): get {files[0]} of {repository} elsewhere and give the '
        f'file, {net}=FILE') from None


def load_tower_weights(tower: Tower, file: str) -> str:
    """Load weights into an image net completely or not at all.

    Args:
        tower: The net, changed in place.
        file: What ``torch.save`` wrote, or a safetensors file.

    Returns:
        Sha256 of the file.

    Raises:
        WeightsError: If the file holds no weights, or those of another net.
    """
    state, wanted = _read(file), tower.model.state_dict()
    if tower.adapt is not None:
        try:
            state = _adapted(tower, state)
        except Exception as error:  # it expects the net's own names
            raise WeightsError(
                f'{file} holds weights of another net: '
                f'{type(error).__name__}: {error}') from None
    used = {key: value for key, value in state.items() if key in wanted}
    differences = compare(used, wanted)
    if differences:
        raise WeightsError(f'{file} holds weights of another net: '
                           f'{differences}')
    tower.model.load_state_dict(used, strict=False)
    return sha256_of(file)


def _adapted(tower: Tower, state: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(tower.adapt(state, tower.model))
    except TypeError:  # some of timm's take the weights alone
        return dict(tower.adapt(state))


def _read(file: str) -> dict[str, Tensor]:
    if file.endswith(SAFE):
        from safetensors import SafetensorError
        from safetensors.torch import load_file
        try:
            state = load_file(file)
        except (SafetensorError, OSError) as error:
            raise WeightsError(f'{file} is no safetensors file: {error}'
                               ) from None
    else:
        try:
            state = state_of(file)
        except ValueError as error:
            raise WeightsError(str(error)) from None
    if all(key.startswith('module.') for key in state):
        state = {key[len('module.'):]: value for key, value in state.items()}
    return state
