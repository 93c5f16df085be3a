"""The tensors of a TorchScript archive, without running it.

``torch.jit.load``, which open_clip uses for the files of OpenAI
(``open_clip.openai.load_openai_model``), runs the archive: a ``__setstate__``
in it is called while it is loaded and may write any file. Only the pickle
that holds the attributes of the modules is read here, and the code beside it
is not looked at.
"""
from __future__ import annotations

import collections
import io
import pickle
from collections.abc import Callable, Iterator
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import Tensor

from ..pickle_scan import scan

_DTYPES = {
    'DoubleStorage': torch.float64,
    'FloatStorage': torch.float32,
    'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16,
    'LongStorage': torch.int64,
    'IntStorage': torch.int32,
    'ShortStorage': torch.int16,
    'CharStorage': torch.int8,
    'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool,
}


def torchscript_root(archive: ZipFile) -> str | None:
    """The folder of a TorchScript archive that holds its files.

    Args:
        archive: A zip file.

    Returns:
        Its name with a slash, empty if the files are in no folder; None if
        the zip file is no TorchScript archive.
    """
    names = archive.namelist()
    root = next((name[:-len('data.pkl')] for name in names
                 if name.split('/')[1:] == ['data.pkl']), '')
    return root if f'{root}constants.pkl' in names else None


def read_torchscript(archive: ZipFile, root: str) -> dict[str, Tensor]:
    """Tensors of a TorchScript archive, as ``state_dict`` names them.

    Args:
        archive: The open file.
        root: See :func:`torchscript_root`.

    Returns:
        Parameters, buffers and other attributes.

    Raises:
        pickle.UnpicklingError: If it asks for anything but tensors, modules
            and containers.
    """
    content = _read(archive, f'{root}data.pkl')
    scan(content)
    module = _Unpickler(io.BytesIO(content), archive, root).load()
    return dict(_tensors(module, '', set()))


def _read(archive: ZipFile, name: str) -> bytes:
    """A file of the archive, which tensors and pickles are not packed in."""
    if archive.getinfo(name).compress_type != ZIP_STORED:
        raise pickle.UnpicklingError(
            f'{name} in it is compressed, which torch does not do')
    return archive.read(name)


def _tensors(module: object, prefix: str, seen: set[int]
             ) -> Iterator[tuple[str, Tensor]]:
    seen.add(id(module))
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        # a file may refer to a module from anywhere, and from itself
        elif type(value) is type(module) and id(value) not in seen:
            yield from _tensors(value, f'{prefix}{name}.', seen)


class _Unpickler(pickle.Unpickler):
    """Modules become plain holders of attributes; no code is looked at."""

    def __init__(self, file: IO[bytes], archive: ZipFile, root: str) -> None:
        super().__init__(file)
        storages: dict[str, Tensor] = {}

        class Holder:
            """Any class of the archive."""

        def storage(kind: str, dtype: torch.dtype, name: str, location: str,
                    number: int) -> Tensor:
            if name not in storages:
                data = bytearray(_read(archive, f'{root}data/{name}'))
                storages[name] = torch.frombuffer(data, dtype=dtype) \
                    if data else torch.empty(0, dtype=dtype)
            return storages[name]

        def tensor(storage: Tensor, offset: int, size: tuple[int, ...],
                   stride: tuple[int, ...], *_: object) -> Tensor:
            return torch.as_strided(storage, size, stride, offset)

        def same(value: object, *_: object) -> object:
            return value  # of lists, whose type the archive adds

        self.holder, self.storage = Holder, storage
        # made anew for each file: none can leave anything for the next
        self.allowed: dict[str, Any] = {
            'collections.OrderedDict': collections.OrderedDict,
            'torch._utils._rebuild_tensor_v2': tensor,
            **{f'torch.{name}': dtype for name, dtype in _DTYPES.items()},
            **dict.fromkeys(
                (f'torch.jit._pickle.{name}' for name in (
                    'restore_type_tag', 'build_intlist', 'build_tensorlist',
                    'build_doublelist', 'build_boollist')), same),
        }

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if module.split('.')[0] == '__torch__':
            return self.holder
        key = f'{module}.{name}'
        if key not in self.allowed:
            raise pickle.UnpicklingError(f'GLOBAL {key} is not allowed')
        return self.allowed[key]

    def persistent_load(self, pid: tuple) -> Tensor:
        return self.storage(*pid)
