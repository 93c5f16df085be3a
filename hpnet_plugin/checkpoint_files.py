"""Checkpoints read by torch, once nothing in them can do harm.

``torch.load`` with ``weights_only`` runs no code, but a small file can still
end the process that reads it or hold what no checkpoint holds. So the
pickles in it are gone through first (:mod:`hpnet_plugin.pickle_scan`), by the
reader that torch itself has, for two readers of zip files may find two files
of one name. Its tensors are dense and lie in the memory of the host.
"""
from __future__ import annotations

import mmap
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .pickle_scan import scan

if TYPE_CHECKING:
    import torch

_ZIP = b'PK\3\4'
# in torch's format of before 1.6: magic number, protocol, system, content,
# keys of the storages
_PICKLES = 5
_TAKES = re.compile(rb'c(builtins|__builtin__)\nbytearray\n')


class CheckpointFileError(ValueError):
    """A file that torch must not read; the message says why."""


def load_tensors(path: str | os.PathLike[str],
                 allowed: Iterable[Any] = ()) -> Any:
    """What ``torch.save`` wrote; large tensors stay in the file.

    Args:
        path: The file.
        allowed: What it may hold beside tensors and containers, as
            ``torch.serialization.safe_globals`` takes it.

    Returns:
        Its content.

    Raises:
        CheckpointFileError: If reading it would do harm, or it holds tensors
            of another kind.
        pickle.UnpicklingError: If it asks for code.
        Exception: Whatever torch raises of a damaged file.
    """
    import torch
    path = os.fspath(path)
    with open(path, 'rb') as file:
        zipped = file.read(len(_ZIP)) == _ZIP
    check_checkpoint(path)
    with torch.serialization.safe_globals(list(allowed)):
        content = torch.load(path, 'cpu', weights_only=True, mmap=zipped)
    for tensor in _tensors(content):
        if tensor.layout is not torch.strided or tensor.is_quantized or \
                tensor.device.type != 'cpu':
            raise CheckpointFileError(
                f'it holds a {tensor.device.type} tensor of the layout '
                f'{tensor.layout} and type {tensor.dtype}; checkpoints hold '
                'dense tensors of numbers')
    return content


def check_checkpoint(path: str | os.PathLike[str]) -> None:
    """Go through the pickles of a checkpoint without building anything.

    Args:
        path: The file.

    Raises:
        CheckpointFileError: If reading it would do harm.
        ValueError: If it is damaged.
        OSError: If it cannot be opened.
    """
    path = os.fspath(path)
    with open(path, 'rb') as file:
        start = file.read(len(_ZIP))
    if start == _ZIP:
        _check(record := _record(path), scan(record))
        return
    with open(path, 'rb') as file:
        try:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise CheckpointFileError('it is empty') from None
    with content:
        at = 0
        for _ in range(_PICKLES):
            if at < len(content):
                at = scan(content, at)
        _check(content, at)


def _check(content: bytes | mmap.mmap, end: int) -> None:
    """Refuse what torch allows and what takes any memory it likes."""
    if _TAKES.search(content, 0, end):
        raise CheckpointFileError(
            'refused: it asks for builtins.bytearray, which takes as much '
            'memory as a file says')


def _record(path: str) -> bytes:
    """``data.pkl`` of a zip file as torch finds it."""
    import torch
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        content = torch._C.PyTorchFileReader(path).get_record('data.pkl') \
            if _plain(entries) else b''
    except CheckpointFileError:
        raise
    except Exception as error:  # both readers raise nearly anything
        reason = str(error).partition('\n')[0]
        raise CheckpointFileError(
            f'it is damaged ({type(error).__name__}: {reason:.200})'
        ) from None
    return content


def _plain(entries: list[zipfile.ZipInfo]) -> bool:
    """True; raise an error if an archive is none that torch writes."""
    if len({entry.filename for entry in entries}) < len(entries):
        raise CheckpointFileError('refused: two files in it have one name')
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointFileError(
            'refused: it is compressed, which torch does not do')
    return True


def _tensors(content: Any) -> Iterator[torch.Tensor]:
    """Tensors at any depth, each container once."""
    import torch
    todo, seen = [content], set()
    while todo:
        value = todo.pop()
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (dict, list, tuple, set)) and \
                id(value) not in seen:
            seen.add(id(value))
            todo += value.values() if isinstance(value, dict) else value
