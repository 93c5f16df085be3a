"""Batches that loader processes stack, in shared memory that is used again.

A loader process hands a tensor to the main process in shared memory: a file,
which is opened, sent, mapped and filled anew for each tensor of each clip, and
new memory costs several times what the copy costs. Here a batch is one tensor,
in memory that the process takes again as soon as the main process holds no
tensor of it any more.
"""
from __future__ import annotations

import ctypes
import functools
import io
import math
import multiprocessing
import os
import pickle
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch import Tensor
from torch.utils.data import get_worker_info

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
MOST = 16  # pieces of shared memory a process keeps
_pieces: list[Tensor] = []  # of this process, for others
_mapped: dict[int, dict[int, Tensor]] = {}  # of other processes, in this one


@FUNCTIONS.register_module()
def stack_in_worker(data_batch: Sequence[dict]) -> dict[str, Any]:
    """Collate a batch as ``pseudo_collate`` does, in one piece of memory.

    In a loader process the inputs, or each of several, are stacked if they
    are of one shape and type; what arrives is the list of them, which lie one
    after the other. Without loader processes it is ``pseudo_collate``. The
    process that loads keeps up to 256 MiB of memory that it does not use.

    Args:
        data_batch: What ``PackActionInputs`` made of each clip.

    Returns:
        ``inputs`` and ``data_samples``.
    """
    batch = pseudo_collate(data_batch)
    _keep_memory()
    if get_worker_info() is not None:
        inputs = batch['inputs']
        batch['inputs'] = {key: _stack(one) for key, one in inputs.items()} \
            if isinstance(inputs, dict) else _stack(inputs)
        batch['data_samples'] = _Samples(batch['data_samples'])
    return batch


@functools.cache
def _keep_memory() -> None:
    """Let this process keep what the clips of a batch leave behind.

    They are all gone at the same time, and the C library would give their
    memory back to the system, to ask for it again with the next batch.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return
    mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the largest
    mallopt(M_TRIM_THRESHOLD, 256 << 20)


class _Samples(list):
    """Samples whose small tensors travel by value, not as a file each."""

    def __reduce__(self) -> tuple[Callable, tuple]:
        buffer = io.BytesIO()
        _ByValue(buffer, pickle.HIGHEST_PROTOCOL).dump(list(self))
        return pickle.loads, (buffer.getvalue(), )


class _ByValue(pickle.Pickler):

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is Tensor and _is_plain(obj):
            return torch.from_numpy, (obj.numpy(), )
        return NotImplemented


class _Stacked:
    """Tensors in a piece of shared memory; unpickled they are a list.

    The last byte of a piece is 1 until all of them are gone.
    """

    def __init__(self, piece: Tensor, tensors: list[Tensor]) -> None:
        first = tensors[0].numpy()
        self.piece = piece
        self.layout = first.dtype, (len(tensors), *first.shape)
        piece[-1] = 1
        torch.stack(tensors, out=torch.from_numpy(_view(piece, *self.layout)))

    def __reduce__(self) -> tuple[Callable, tuple]:
        return _received, (os.getpid(), self.piece, *self.layout)


def _stack(tensors: list[Tensor]) -> Any:
    """Tensors of one shape and type together; others as they are."""
    first = tensors[0]
    if not all(isinstance(one, Tensor) and _is_plain(one) and
               one.shape == first.shape and one.dtype == first.dtype
               for one in tensors):
        return tensors
    size = len(tensors) * first.numel() * first.element_size()
    piece = _piece(size)
    return tensors if piece is None else _Stacked(piece, tensors)


def _is_plain(tensor: Tensor) -> bool:
    """Whether numpy can view a tensor."""
    return tensor.layout == torch.strided and tensor.device.type == 'cpu' \
        and not tensor.requires_grad and tensor.dtype != torch.bfloat16


def _piece(size: int) -> Tensor | None:
    """Shared memory of this process that nobody uses, uint8, or a new one.

    None where as many as may be are in use: whoever iterates keeps batches.
    """
    free = [one for one in _pieces if not one[-1] and len(one) > size]
    if free:
        return min(free, key=len)
    for i, one in enumerate(_pieces):
        if not one[-1]:  # too small
            del _pieces[i]
            break
    if len(_pieces) == MOST:
        return None
    _pieces.append(torch.zeros(size + 1, dtype=torch.uint8).share_memory_())
    return _pieces[-1]


def _view(piece: Tensor, dtype: np.dtype, shape: tuple[int, ...]
          ) -> np.ndarray:
    size = math.prod(shape) * dtype.itemsize
    return piece.numpy()[:size].view(dtype).reshape(shape)


def _received(pid: int, piece: Tensor, dtype: np.dtype,
              shape: tuple[int, ...]) -> list[Tensor]:
    """The tensors in the main process, which give the piece back."""
    if pid not in _mapped:
        for process in multiprocessing.active_children():
            if process.pid == pid:
                _mapped[pid] = {}
                _when_gone(process, _mapped.pop, pid)
    # a piece that stays mapped until its process is gone is not mapped anew
    _mapped.get(pid, {})[piece.data_ptr()] = piece
    view = _view(piece, dtype, shape)
    # whatever shares the tensors' memory holds the view
    _when_gone(view, piece.numpy().__setitem__, -1, 0)
    return list(torch.from_numpy(view))


def _when_gone(value: object, call: Callable, *args: Any) -> None:
    undo = weakref.finalize(value, call, *args)
    # it has this attribute, which the checker's stub lacks
    undo.atexit = False  # pyrefly: ignore[missing-attribute]
