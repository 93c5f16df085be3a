"""Weights of a published file under the names of this package's models."""
from __future__ import annotations

import fnmatch
import io
import os
import os.path as osp
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from mmengine.registry import DefaultScope
from torch import Tensor

from ..files import sha256_of, write_whole
from ..version import __version__
from ..weights import Differences, compare
from . import clip, ctrgcn, hpnet, simcc, xclip_weights
from .kind import ConversionError, Kind
from .reading import read_weights

KINDS = {
    'hpnet': hpnet.KIND,
    'ctrgcn': ctrgcn.KIND,
    'xclip': xclip_weights.KIND,
    'clip': clip.KIND,
    'simcc': simcc.KIND,
}


class Conversion(NamedTuple):
    """What became of a checkpoint.

    Attributes:
        state_dict: Weights by their new names; floating point numbers are
            float32.
        left_out: Reason to the keys not taken.
        options: Of the model's config, as far as the file tells.
    """
    state_dict: dict[str, Tensor]
    left_out: dict[str, list[str]]
    options: dict[str, Any]


def convert(state: Mapping[str, Tensor], kind: str, prompts: bool = False,
            **towers: Any) -> Conversion:
    """Give weights the names of this package's models.

    Args:
        state: Of :func:`~hpnet_plugin.conversion.read_weights`.
        kind: One of :data:`KINDS`.
        prompts: Whether X-CLIP's prompts are kept.
        **towers: Options of both towers that the weights do not tell.

    Returns:
        All keys, taken or left out.

    Raises:
        ConversionError: If a key is unknown, or one is missing, or tensors
            are of a shape that the model has not; says what the file looks
            like.
    """
    what = KINDS[kind]
    left_out: dict[str, list[str]] = {}
    names: dict[str, str | None] = {}
    for key in state:
        reason = None if prompts else what.reason(key)
        if reason:
            left_out.setdefault(reason, []).append(key)
        else:
            names[key] = what.name(key)
    needs = (*what.needs, 'prompts_visual_proj') if prompts else what.needs
    found = Differences(
        missing=[key for key in needs if key not in state],
        unexpected=[key for key, name in names.items() if name is None])
    options: dict[str, Any] = {}
    if not found:
        taken = {key: state[key] for key in names}
        options = _options(what, taken, towers)
        found = compare(taken, _wanted(what, options, names))
    if found:
        like = [name for name in KINDS
                if name != kind and KINDS[name].fits(state)]
        raise ConversionError(
            f'no {what.what} (--from {kind}): {found}. It looks like '
            f'{" or ".join(like) or f"none of {list(KINDS)}"}')
    weights = {
        str(name): state[key].to(
            torch.float32 if state[key].is_floating_point() else
            state[key].dtype, copy=True).contiguous()
        for key, name in names.items()}
    return Conversion(weights, left_out, options)


def _options(what: Kind, state: Mapping[str, Tensor],
             towers: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the model that weights tell, and those that are given."""
    try:
        options = what.options(state)
    except (ArithmeticError, IndexError, RuntimeError, TypeError,
            ValueError) as error:
        raise ConversionError(
            f'not the sizes of a {what.what}: {error}') from None
    for tower in ('backbone', 'text') if towers else ():
        options[tower].update(towers)
    return options


def _wanted(what: Kind, options: Mapping[str, Any],
            names: Mapping[str, str | None]) -> dict[str, Tensor]:
    """Weights of the model, by the names that the file has for them."""
    try:
        with torch.device('meta'), \
                DefaultScope.overwrite_default_scope('mmaction'):
            model = what.build(options).state_dict()
    except (ArithmeticError, IndexError, RuntimeError, TypeError,
            ValueError) as error:
        raise ConversionError(
            f'not the sizes of a {what.what}: {error}') from None
    theirs = {name: key for key, name in names.items()}
    return {theirs.get(name, name): value for name, value in model.items()
            if name in theirs or not any(
                fnmatch.fnmatchcase(name, p) for p in what.fresh)}


def convert_checkpoint(source: str | os.PathLike[str],
                       out: str | os.PathLike[str], kind: str,
                       prompts: bool = False) -> Conversion:
    """Convert a published checkpoint.

    Args:
        source: The file; for ``'clip'`` also ``MODEL:TAG`` of open_clip,
            which is downloaded.
        out: File to write, with ``state_dict`` and ``meta``; it appears
            whole or not at all.
        kind: One of :data:`KINDS`.
        prompts: Whether X-CLIP's prompts are kept.

    Returns:
        What was written, and what was not.

    Raises:
        ConversionError: If the file is not of this kind; see
            :func:`~hpnet_plugin.conversion.read_weights` and :func:`convert`.
        OSError: If a file cannot be read or written.
    """
    if prompts and kind != 'xclip':
        raise ConversionError(f'only xclip has prompts to keep, not {kind}')
    source, towers = os.fspath(source), {}
    if kind == 'clip' and ':' in source and not osp.exists(source):
        source, towers = clip.download_clip(source)
    state = read_weights(source)
    if osp.exists(out) and osp.samefile(source, out):
        raise ConversionError(f'{out} is the source itself: name another')
    try:
        result = convert(state, kind, prompts, **towers)
    except ConversionError as error:
        raise ConversionError(f'{source}: {error}') from None
    meta = dict(
        hpnet_plugin=__version__,
        kind=kind,
        source=osp.basename(source),
        sha256=sha256_of(source),
        left_out=result.left_out,
        options=result.options)
    buffer = io.BytesIO()
    torch.save(dict(state_dict=result.state_dict, meta=meta), buffer)
    write_whole(out, buffer.getvalue())
    return result
