"""What to say of a file that is not the checkpoint it should be."""
from __future__ import annotations

import re
import textwrap

LONGEST = 500  # characters of a message that names every single weight


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or is of another model."""


def unreadable(checkpoint: str, error: Exception) -> str:
    """Why a file cannot be read as a checkpoint.

    torch's own text is left out: it advises to load without
    ``weights_only``, which would run code that the file may hold.

    Args:
        checkpoint (str): The file.
        error (Exception): What ``torch.load`` raised.
    """
    named = re.search(r'GLOBAL (\S+)', str(error))
    found = f'it holds a {named[1]}, and only weights are read from a ' \
        'checkpoint, never code' if named else \
        f'{type(error).__name__} on reading it'
    return f'{checkpoint} is no checkpoint: {found}'


def unfit(checkpoint: str, error: Exception, model: str) -> str:
    """Why the weights of a file do not fit a model, in a line.

    Args:
        checkpoint (str): The file.
        error (Exception): What loading them strictly raised.
        model (str): What the model is called.
    """
    reason = textwrap.shorten(str(error), LONGEST, placeholder=' …')
    return f'{checkpoint}: does not fit the model of {model}: {reason}'


def problem(checkpoint: str, error: Exception, model: str) -> str:
    """Why mmengine could not load a checkpoint into a model.

    Args:
        checkpoint (str): The file.
        error (Exception): What its loader raised.
        model (str): What the model is called.
    """
    if isinstance(error, FileNotFoundError):
        return f'{checkpoint}: no such checkpoint'
    # names and shapes; of a damaged archive torch raises a RuntimeError, too
    if isinstance(error, (RuntimeError, ValueError)) and not isinstance(
            error, UnicodeError) and 'PytorchStreamReader' not in str(error):
        return unfit(checkpoint, error, model)
    return unreadable(checkpoint, error) + '; give the .pth file of a training'
