"""Joint, bone and motion streams of coordinates or pooled features.

Pure functions of numpy arrays or torch tensors of shape (..., T, V, C), for
any C. What they return never shares memory with what they are given: the
released code's joint stream is its motion stream by such an accident.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

STREAMS = ('j', 'b', 'jm', 'bm')
# pyrefly loses such a variable in subscripts
Array = TypeVar('Array', np.ndarray, 'Tensor')


def _copy(x: Array) -> Array:
    return x.copy() if isinstance(x, np.ndarray) else x.clone()


def bone(x: Array, pairs: Sequence[tuple[int, int]],
         parents: Tensor | None = None) -> Array:
    """Difference of each joint and its parent (F_s of the paper).

    Args:
        x: (..., T, V, C).
        pairs: Child and parent, one pair a joint; of
            :func:`hpnet_plugin.graph.bone_pairs`.
        parents: The parents of the pairs, sorted by child, on the device of
            x. Defaults to None: they are copied there.

    Returns:
        The same shape; zero for a joint that is its own parent.

    Raises:
        ValueError: If the pairs are not one a joint.
    """
    children, found = zip(*sorted(pairs))
    if children != tuple(range(x.shape[-2])):
        raise ValueError(
            f'x has {x.shape[-2]} joints, each needs one pair (child, '
            f'parent); the {len(children)} pairs have children {children}: '
            'take the pairs of the layout of x')
    if isinstance(x, np.ndarray):
        # pyrefly: ignore[bad-return]
        return x - x.take(found, -2)
    import torch

    # x[..., parents, :] gathers value by value, ten times as slow
    return x - x.index_select(-2, torch.tensor(
        found, device=x.device) if parents is None else parents)


def motion(x: Array) -> Array:
    """Difference of the next frame and this one (F_m of the paper).

    Args:
        x: (..., T, V, C).

    Returns:
        The same shape; the last frame is zero.
    """
    out = _copy(x)
    # pyrefly: ignore[unsupported-operation]
    out[..., :-1, :, :] = x[..., 1:, :, :] - x[..., :-1, :, :]
    out[..., -1, :, :] = 0
    return out


def stream(x: Array, name: str, pairs: Sequence[tuple[int, int]],
           parents: Tensor | None = None) -> Array:
    """One of the four streams.

    Args:
        x: (..., T, V, C).
        name: ``'j'`` joint, ``'b'`` bone, ``'jm'`` joint motion, or ``'bm'``
            bone motion, which is the motion of the bones.
        pairs: See :func:`bone`.
        parents: See :func:`bone`.

    Returns:
        The same shape, its own memory.

    Raises:
        ValueError: If there is no such stream.
    """
    if name not in STREAMS:
        raise ValueError(f'stream must be one of {STREAMS}, got {name!r}')
    x = bone(x, pairs, parents) if name.startswith('b') else x
    if name.endswith('m'):
        return motion(x)
    return _copy(x) if name == 'j' else x
