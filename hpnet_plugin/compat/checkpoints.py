"""mmengine 0.10.7 cannot load its own checkpoints under torch >= 2.6.

``torch.load`` then refuses every global that is not on its list
(``weights_only``), and a checkpoint of mmengine holds the log of its run:
HistoryBuffer, numpy arrays and numbers. They are put on the list, and with
them a ``getattr`` that reads nothing but the public methods of
HistoryBuffer, because that is how pickle refers to a method. Loading a file
still runs no code from it.
"""
import inspect

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.utils import digit_version

NAME = 'mmengine checkpoints under weights_only'
FIX = 'pip install "torch<2.6" (mmengine 0.10.7 has no fix)'

_METHODS = frozenset(
    name for name, value in vars(HistoryBuffer).items()
    if inspect.isfunction(value) and not name.startswith('_'))


def history_buffer_method(owner, name):
    """Stand in for ``getattr`` while a checkpoint is read.

    Args:
        owner (type): HistoryBuffer itself.
        name (str): One of its public methods.

    Raises:
        ValueError: For any other owner or name.
    """
    if owner is not HistoryBuffer or name not in _METHODS:
        raise ValueError(
            f'The checkpoint asks for attribute {name!r} of {owner!r}. Only '
            f'the methods {sorted(_METHODS)} of HistoryBuffer of mmengine '
            'are allowed: a checkpoint that asks for more may run code when '
            'it is loaded. Do not use it.')
    return getattr(HistoryBuffer, name)


def _allowed():
    """What a checkpoint of mmengine holds beside tensors."""
    numbers = '?' + np.typecodes['AllInteger'] + np.typecodes['AllFloat']
    number_types = {type(np.dtype(code)) for code in numbers}
    # _reconstruct and scalar, had from where numpy hands them to pickle.
    functions = (np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0])
    # numpy 2 moved numpy.core: a file names the place of its own numpy.
    named = [(function, f'numpy.{core}.multiarray.{function.__name__}')
             for core in ('core', '_core') for function in functions]
    return [
        HistoryBuffer, (history_buffer_method, 'builtins.getattr'),
        np.ndarray, np.dtype, *number_types, *named
    ]


def needed():
    """Whether torch reads weights only and mmengine does not say otherwise."""
    from mmengine.runner.checkpoint import load_from_local
    return (digit_version(torch.__version__) >= digit_version('2.6')
            and 'weights_only' not in inspect.getsource(load_from_local))


def filled():
    """Whether torch allows what such a checkpoint holds."""
    return HistoryBuffer in torch.serialization.get_safe_globals()


def apply():
    """Put the contents of such a checkpoint on torch's list."""
    torch.serialization.add_safe_globals(_allowed())
