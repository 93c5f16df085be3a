"""Weights by name: where they are on this machine, downloaded, checked."""
from __future__ import annotations

import hashlib
import os
import os.path as osp
import re
import tempfile
from http.client import HTTPException
from typing import NamedTuple
from urllib.request import Request, urlopen

from ..files import sha256_of

FOLDER_VARIABLE = 'HPNET_WEIGHTS'
TIMEOUT = 30  # seconds without a byte, after which a download is given up


class Model(NamedTuple):
    """A pose net or a detector with weights.

    Attributes:
        config: In the folder of configs.
        weights: Address of its weights; a file of the package; or the name of
            a file that has no public address.
        package: What must be installed to run it.
        note: What it is, where its weights are from, their licence.
        taps: Feature maps to pool by default.
        get: How to come by weights without an address.
    """
    config: str
    weights: str
    package: str
    note: str
    taps: tuple[str, ...] = ()
    get: str = ''


class WeightsError(ValueError):
    """Weights are not there or not whole; the message says what to do."""


def find_weights(model: Model) -> str | None:
    """Where the weights of a model are.

    Args:
        model: The pose net or detector.

    Returns:
        The file, None if they are not here.
    """
    for folder in weight_folders():
        # an absolute path, of the package's own, stays as it is
        path = osp.join(folder, _file_name(model))
        if osp.isfile(path):
            return path
    return None


def weight_folders() -> list[str]:
    """Folders in which weights are looked for.

    Returns:
        Their paths; downloads go to the first.
    """
    # as torch.hub has it, which need not be installed
    cache = os.environ.get('XDG_CACHE_HOME', '~/.cache')
    home = os.environ.get('TORCH_HOME', osp.join(cache, 'torch'))
    folders = [osp.join(osp.expanduser(home), 'hub', 'checkpoints')]
    if os.environ.get(FOLDER_VARIABLE):
        folders.insert(0, os.environ[FOLDER_VARIABLE])
    return folders


def get_weights(name: str, model: Model) -> str:
    """Weights of a model, downloaded if they are not here.

    Args:
        name: Of the model.
        model: The model.

    Returns:
        The file, whole.

    Raises:
        WeightsError: If they cannot be had, or are not whole.
    """
    path = find_weights(model)
    if path is None:
        path = _download(name, model)
    digits = digits_of(path)
    if digits and not sha256_of(path).startswith(digits):
        raise WeightsError(
            f'{path} is damaged: its sha256 does not begin with {digits}, as '
            'its name says; remove it and run again')
    return path


def _file_name(model: Model) -> str:
    return model.weights if osp.isabs(model.weights) else \
        osp.basename(model.weights)


def digits_of(path: str) -> str | None:
    """The digits of its sha256 that a published file's name ends in.

    Args:
        path: The file or its address.

    Returns:
        Eight digits, None if its name has none.
    """
    match = re.search(r'-([0-9a-f]{8})(_\d{8})?\.pth$', osp.basename(path))
    return match and match[1]


def _download(name: str, model: Model) -> str:
    """Download weights: the file appears whole and checked, or not."""
    file, folders = _file_name(model), weight_folders()
    put = (f'put {file} into {folders[-1]}, or into a folder that '
           f'{FOLDER_VARIABLE} names')
    if '://' not in model.weights:
        raise WeightsError(f'the weights of {name!r} have no public address: '
                           f'{model.get}, and {put}; or give the file as the '
                           'checkpoint')
    path = osp.join(folders[0], file)
    os.makedirs(folders[0], exist_ok=True)
    print(f'downloading {model.weights} to {folders[0]}', flush=True)
    request = Request(model.weights, headers={'User-Agent': 'hpnet_plugin'})
    partial = None
    try:
        with urlopen(request, timeout=TIMEOUT) as source, \
                tempfile.NamedTemporaryFile(dir=folders[0], prefix='.tmp-',
                                            delete=False) as target:
            partial, digest = target.name, hashlib.sha256()
            while block := source.read(1 << 20):
                digest.update(block)
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
        if not digest.hexdigest().startswith(digits_of(path) or ''):
            raise WeightsError(
                f'{model.weights} gave another file than its name says '
                f'(sha256 {digest.hexdigest()[:8]}…): try again, or get it '
                f'elsewhere and {put}')
        os.chmod(partial, 0o644)
        os.replace(partial, path)
        partial = None
    except (OSError, HTTPException) as error:
        raise WeightsError(
            f'the weights of {name!r} are not here and cannot be downloaded '
            f'({getattr(error, "reason", error)}): get {model.weights} '
            f'elsewhere and {put}') from None
    finally:
        if partial:
            os.unlink(partial)
    return path
