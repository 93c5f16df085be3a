"""Checkpoints of pose nets and detectors: got, checked, loaded whole."""
from __future__ import annotations

import os
import os.path as osp
from typing import Any

import torch
from torch import nn

from ..checkpoint_files import load_tensors
from ..files import sha256_of
from ..weights import compare, unreadable


def load_weights(model: nn.Module, checkpoint: str) -> str:
    """Load a checkpoint completely or not at all.

    Args:
        model: The net.
        checkpoint: File or address.

    Returns:
        Sha256 of the file.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If it is no checkpoint; or keys are missing or shapes
            differ, with the names.
    """
    checkpoint = local_file(checkpoint)
    state = state_of(checkpoint)
    wanted = model.state_dict()
    used = {key: value for key, value in state.items() if key in wanted}
    differences = compare(used, wanted)
    if differences:
        raise ValueError(f'{checkpoint} is the checkpoint of another net: '
                         f'{differences}')
    try:
        model.load_state_dict(used, strict=False)
    except Exception as error:
        raise ValueError(f'{checkpoint}: its weights cannot be copied into '
                         f'the net: {error}') from None
    return sha256_of(checkpoint)


def check_weights(checkpoint: str) -> None:
    """Raise an error if a file holds no weights.

    Args:
        checkpoint: The file.

    Raises:
        ValueError: If it does not; the text says what it holds.
    """
    state_of(checkpoint)


def state_of(checkpoint: str) -> dict[str, Any]:
    """The weights in a file, by name.

    Args:
        checkpoint: The file.

    Returns:
        What it holds, or what it holds as ``state_dict``.

    Raises:
        ValueError: If it holds no weights; the text says what it holds.
    """
    advice = 'give a file that torch.save wrote of weights (.pth), of this ' \
        'net; an ONNX file goes in the place of the config'
    try:
        loaded = load_tensors(checkpoint)
    except Exception as error:
        raise ValueError(f'{unreadable(checkpoint, error)}; {advice}'
                         ) from None
    state = loaded.get('state_dict', loaded) if isinstance(
        loaded, dict) else loaded
    if not isinstance(state, dict) or not any(
            isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f'{checkpoint} is no checkpoint: it holds a '
                         f'{type(state).__name__} without weights; {advice}')
    return state


def local_file(checkpoint: str) -> str:
    """Path of a checkpoint, downloaded first if it is an address.

    mmengine's loader of addresses would run code that such a file may hold:
    a file that lies here is read with ``weights_only``.

    Args:
        checkpoint: File or address.

    Returns:
        The file; what was downloaded stays in torch's cache.

    Raises:
        FileNotFoundError: If the file is not there.
        ValueError: If the address gives nothing.
    """
    checkpoint = str(checkpoint)
    if '://' in checkpoint:
        folder = osp.join(torch.hub.get_dir(), 'checkpoints')
        path = osp.join(folder, osp.basename(checkpoint))
        if not osp.isfile(path):
            os.makedirs(folder, exist_ok=True)
            try:
                torch.hub.download_url_to_file(checkpoint, path)
            except OSError as error:
                raise ValueError(
                    f'{checkpoint} cannot be downloaded '
                    f'({getattr(error, "reason", error)}): get it elsewhere '
                    f'and put it at {path}, or give the file as the '
                    'checkpoint') from None
        return path
    if not osp.isfile(checkpoint):
        raise FileNotFoundError(f'{checkpoint}: no such checkpoint')
    return checkpoint
