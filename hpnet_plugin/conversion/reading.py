"""The tensors of a published file, read without running code from it."""
from __future__ import annotations

import collections
import os
import os.path as osp
import re
import zipfile
from collections.abc import Iterable
from typing import Any

from torch import Tensor

from ..checkpoint_files import load_tensors
from .kind import ConversionError
from .torchscript import read_torchscript, torchscript_root


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint without running code from it.

    Args:
        path: What ``torch.save`` or ``torch.jit.save`` wrote, or a
            ``.safetensors`` file. The weights are its ``model``, its
            ``state_dict`` or all of it.

    Returns:
        Tensors by name, without a ``module.`` before them all.

    Raises:
        FileNotFoundError: If the file is not there.
        ConversionError: If it is broken, asks for code, or holds no weights.
    """
    path = os.fspath(path)
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path}: no such file')
    try:
        content = _load(path)
    except Exception as error:  # a broken file may raise nearly anything
        asked = re.search(r'GLOBAL (\S+)', str(error))
        if asked:
            raise ConversionError(
                f'{path}: refused, because it asks for {asked[1]}. A '
                'checkpoint may hold tensors, numbers, text, lists and dicts; '
                'anything else could run code, and nothing of this file was '
                'run') from None
        reason = (str(error).splitlines() or [''])[0]
        raise ConversionError(
            f'{path}: no checkpoint that can be read, or a truncated one '
            f'({type(error).__name__}: {reason})') from None
    for state in (content.get('model'), content.get('state_dict'), content):
        if isinstance(state, dict) and state and all(
                isinstance(key, str) and isinstance(value, Tensor)
                for key, value in state.items()):
            break
    else:
        raise ConversionError(
            f'{path}: no weights; expected tensors by name, or such under '
            f"'model' or 'state_dict', found {shortened(content)}")
    if all(key.startswith('module.') for key in state):
        state = {key[len('module.'):]: state[key] for key in state}
    return dict(state)


def _load(path: str) -> dict[Any, Any]:
    """What the file holds."""
    if path.endswith('.safetensors'):
        from safetensors.torch import load_file
        return load_file(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            root = torchscript_root(archive)
            if root is not None:
                return read_torchscript(archive, root)
    # X-CLIP's files hold the config of their training; yacs is not needed
    config = (collections.OrderedDict, 'yacs.config.CfgNode')
    content = load_tensors(path, [config])
    if not isinstance(content, dict):
        raise TypeError(f'holds a {type(content).__name__}, no dict')
    return content


def shortened(names: Iterable[object]) -> str:
    """Names for messages, those that begin alike as one.

    Args:
        names: Names with dots.

    Returns:
        Like ``'mit.* (13), logit_scale'``.
    """
    groups: dict[str, list[str]] = {}
    for name in map(str, names):
        groups.setdefault(name.split('.')[0], []).append(name)
    shown = []
    for group in groups.values():
        start = osp.commonprefix(group).rpartition('.')[0]
        shown.append(group[0] if len(group) == 1 else
                     f'{start}.* ({len(group)})')
    return ', '.join(shown)
