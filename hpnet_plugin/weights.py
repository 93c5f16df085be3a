"""Whether weights fit a model, and what to say of a file that holds none."""
from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .checkpoint_files import CheckpointFileError
from .pickle_scan import ScanError

if TYPE_CHECKING:
    from torch import nn

LONGEST = 500  # characters of a message of the toolbox
SHOWN = 3  # names in a message


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or is of another model."""


@dataclass(frozen=True)
class Differences:
    """What keeps weights from a model; false where nothing does.

    As text it counts and names them: ``2 missing (fc.bias, fc.weight),
    1 of another shape (w is (3,) instead of (4,))``.

    Attributes:
        missing: Names that the model has alone.
        unexpected: Names that the weights have alone.
        shapes: Name to the shape of the weights and that of the model, where
            they differ; the name of a type where something is no array.
    """
    missing: Collection[str] = ()
    unexpected: Collection[str] = ()
    shapes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.shapes)

    def __str__(self) -> str:
        shapes = [f'{name} is {found} instead of {wanted}'
                  for name, (found, wanted) in self.shapes.items()]
        return ', '.join(
            f'{len(names)} {what} ({", ".join(list(names)[:SHOWN])}'
            f'{", …" if len(names) > SHOWN else ""})'
            for what, names in (('missing', self.missing),
                                ('unexpected', self.unexpected),
                                ('of another shape', shapes)) if names)


def compare(found: Mapping[str, Any], wanted: Mapping[str, Any]
            ) -> Differences:
    """Compare weights with those that a model has.

    Args:
        found: The weights, arrays or tensors by name.
        wanted: The model's ``state_dict``. The counters of batch norms may
            be missing: files of torch before 0.4.1 have none.

    Returns:
        What differs.
    """
    shapes = {name: (_shape(found[name]), _shape(value))
              for name, value in wanted.items() if name in found}
    return Differences(
        [name for name in wanted
         if name not in found and 'num_batches_tracked' not in name],
        [name for name in found if name not in wanted],
        {name: pair for name, pair in shapes.items() if pair[0] != pair[1]})


def _shape(value: Any) -> tuple[int, ...] | str:
    shape = getattr(value, 'shape', None)
    return type(value).__name__ if shape is None else tuple(shape)


def unreadable(checkpoint: str, error: Exception) -> str:
    """Why a file cannot be read as a checkpoint.

    torch's own text is left out: it advises to load without
    ``weights_only``, which would run code that the file may hold.

    Args:
        checkpoint: The file.
        error: What ``torch.load`` raised.

    Returns:
        A sentence.
    """
    if isinstance(error, (CheckpointFileError, ScanError)):  # our own words
        return f'{checkpoint} is no checkpoint: {error}'
    named = re.search(r'GLOBAL (\S+)', str(error))
    found = f'it holds a {named[1]}, and only weights are read from a ' \
        'checkpoint, never code' if named else \
        f'{type(error).__name__} on reading it'
    return f'{checkpoint} is no checkpoint: {found}'


def unfit(checkpoint: str, why: object, model: str) -> str:
    """Why the weights of a file do not fit a model, in a line.

    Args:
        checkpoint: The file.
        why: The differences, or what loading the weights raised.
        model: What the model is called.

    Returns:
        A sentence.
    """
    reason = textwrap.shorten(str(why), LONGEST, placeholder=' …')
    return f'{checkpoint}: does not fit the model of {model}: {reason}'


def problem(checkpoint: str, error: Exception, name: str, model: nn.Module
            ) -> str:
    """Why mmengine could not load a checkpoint into a model.

    Args:
        checkpoint: The file.
        error: What its loader raised.
        name: What the model is called.
        model: The model.

    Returns:
        A sentence.
    """
    if isinstance(error, FileNotFoundError):
        return f'{checkpoint}: no such checkpoint'
    if isinstance(error, (CheckpointFileError, ScanError)):
        return unreadable(checkpoint, error)
    # names and shapes; of a damaged archive torch raises a RuntimeError, too
    if isinstance(error, (RuntimeError, ValueError)) and not isinstance(
            error, UnicodeError) and 'PytorchStreamReader' not in str(error):
        return unfit(checkpoint, _differences(checkpoint, model) or error,
                     name)
    return unreadable(checkpoint, error) + '; give the .pth file of a training'


def _differences(checkpoint: str, model: nn.Module) -> Differences | None:
    """Of weights that mmengine has read already, at a file or address."""
    from mmengine.runner.checkpoint import CheckpointLoader
    from torch import nn
    try:
        content = CheckpointLoader.load_checkpoint(checkpoint, 'cpu')
        state = content.get('state_dict', content)
        wrapped = getattr(model, 'module', None)  # in a parallel training
        return compare({key.removeprefix('module.'): value
                        for key, value in state.items()},
                       (wrapped if isinstance(wrapped, nn.Module) else model
                        ).state_dict())
    except Exception:  # the error that is explained may be one of reading
        return None
