"""What a checkpoint of mmengine holds, as torch may read it.

The log of its run: HistoryBuffer, numpy arrays and numbers, and a ``getattr``
that reads nothing but the public methods of HistoryBuffer, because that is
how pickle refers to a method. Arrays and their types are built by stand-ins
(``hpnet_plugin/unpickling.py``), since numpy's own can be made to corrupt
memory. Loading a file still runs no code from it.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, SupportsIndex

import numpy as np
from mmengine.logging import HistoryBuffer

from ..unpickling import (
    PlainDtype,
    UnreadablePickleError,
    UnsafePickleError,
    plain_array,
    plain_scalar,
)

_METHODS = frozenset(
    name for name, value in vars(HistoryBuffer).items()
    if inspect.isfunction(value) and not name.startswith('_'))


def history_buffer_method(owner: type, name: str) -> Callable:
    """Stand in for ``getattr`` while a checkpoint is read.

    Args:
        owner: HistoryBuffer itself.
        name: One of its public methods.

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


class CheckpointArray(np.ndarray):
    """An array of a checkpoint; numpy's own but for how it is filled.

    It is written to the next checkpoint, copied and computed with as an
    array of numpy.
    """

    __array_priority__ = -1.0

    def __new__(cls, *_: Any) -> CheckpointArray:
        return super().__new__(cls, (0, ), np.int8)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise UnreadablePickleError(f'an array of state {state!r:.80}')
        array = plain_array(*state[1:])
        super().__setstate__((1, array.shape, array.dtype, False,
                              array.tobytes()))

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple:
        return self.view(np.ndarray).__reduce_ex__(protocol)

    def __array_wrap__(self, array: np.ndarray, context: tuple | None = None,
                       return_scalar: bool = False) -> Any:
        array = np.asarray(array)
        return array[()] if array.ndim == 0 else array


def _reconstruct(kind: type, *_: Any) -> CheckpointArray:
    """Stand in for numpy's function: an empty array, to be filled."""
    if kind is not CheckpointArray:
        raise UnsafePickleError(f'refused: an array of the kind {kind!r:.40}')
    return CheckpointArray()


def contents() -> list:
    """What a checkpoint of mmengine holds beside tensors.

    Returns:
        As ``torch.serialization.add_safe_globals`` takes it.
    """
    functions = dict(_reconstruct=_reconstruct, scalar=plain_scalar)
    # numpy 2 moved numpy.core: a file names the place of its own numpy.
    named = [(function, f'numpy.{core}.multiarray.{name}')
             for core in ('core', '_core')
             for name, function in functions.items()]
    return [
        HistoryBuffer, (history_buffer_method, 'builtins.getattr'),
        (CheckpointArray, 'numpy.ndarray'), (PlainDtype, 'numpy.dtype'),
        *named
    ]
