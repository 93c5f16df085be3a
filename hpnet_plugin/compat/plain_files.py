"""mmengine reads pickles and YAML by loaders that run code from a file.

``annotations.pkl`` of ``PoseDataset``, skeletons, proposals and dumps of
scores are read by ``mmengine.load``, which is ``pickle.load``; YAML by
PyYAML's full loader. Both build whatever a file names. Where mmaction2 is in
use, pickles are read by :mod:`hpnet_plugin.unpickling` in its place, which
knows tensors, arrays, numbers, text and containers and refuses all else by
name; and YAML is read by the safe loader, which knows tuples as well, in
every program.
"""
from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

from . import hooks

if TYPE_CHECKING:
    import yaml

NAME = 'pickles and YAML that run code when mmengine reads them'
FIX = 'none but this package: read no such file of a stranger without it'

_LOAD, _PICKLE, _YAML = (f'mmengine.fileio.{name}' for name in (
    'io', 'handlers.pickle_handler', 'handlers.yaml_handler'))
_PICKLES = ('pkl', 'pickle')


def needed() -> bool:
    """Always: it is how mmengine reads them."""
    return True


def filled() -> bool:
    """Whether all three are read without running code."""
    try:
        load, pickles, yamls = (sys.modules[name] for name in (
            _LOAD, _PICKLE, _YAML))
    except KeyError:
        return False
    return all(map(_is_ours, (
        load.load, pickles.PickleHandler.load_from_fileobj,
        yamls.YamlHandler.load_from_fileobj)))


def apply() -> None:
    """Read them so, once mmengine's readers are imported."""
    hooks.after(_LOAD, _wrap_load)
    hooks.after(_PICKLE, _wrap_pickle)
    hooks.after(_YAML, _wrap_yaml)


def _is_ours(function: Callable) -> bool:
    return hasattr(function, '__wrapped__')


def _in_use() -> bool:
    """Whether pickles are those of mmaction2.

    mmdet's proposals are pickled objects of its own.
    """
    return 'mmaction' in sys.modules


def _wrap_load() -> None:
    """Files of this machine: the error names them."""
    load = sys.modules[_LOAD].load
    if _is_ours(load):
        return

    @functools.wraps(load)
    def checked(file: Any, file_format: str | None = None,
                *args: Any, **kwargs: Any) -> Any:
        path = os.fspath(file) if isinstance(file, os.PathLike) else file
        if isinstance(path, str) and _in_use() and (
                file_format or path.rpartition('.')[2]) in _PICKLES and \
                os.path.isfile(path) and not args and not kwargs:
            from ..unpickling import unpickle
            return unpickle(path)
        return load(file, file_format, *args, **kwargs)

    # some may have it by its name already
    for name, module in list(sys.modules.items()):
        if module and name.partition('.')[0].startswith('mm') and \
                vars(module).get('load') is load:
            vars(module)['load'] = checked


def _wrap_pickle() -> None:
    """Files of elsewhere, and those that are open."""
    handler = sys.modules[_PICKLE].PickleHandler
    load = handler.load_from_fileobj
    if _is_ours(load):
        return

    @functools.wraps(load)
    def checked(self: Any, file: IO[bytes], **kwargs: Any) -> Any:
        if not _in_use():
            return load(self, file, **kwargs)
        from ..unpickling import unpickle
        name = str(getattr(file, 'name', 'the pickle'))
        return unpickle(name, file=file, **kwargs)

    handler.load_from_fileobj = checked


def _wrap_yaml() -> None:
    handler = sys.modules[_YAML].YamlHandler
    load = handler.load_from_fileobj
    if _is_ours(load):
        return

    @functools.wraps(load)
    def checked(self: Any, file: IO[str], **kwargs: Any) -> Any:
        kwargs['Loader'] = _plain_loader()
        return load(self, file, **kwargs)

    handler.load_from_fileobj = checked


@functools.cache
def _plain_loader() -> type[yaml.SafeLoader]:
    """Plain data, and tuples, which mmengine itself writes."""
    import yaml
    base = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)

    class PlainLoader(base):
        """Knows no objects of Python."""

    PlainLoader.add_constructor(
        'tag:yaml.org,2002:python/tuple',
        lambda loader, node: tuple(loader.construct_sequence(node, deep=True)))
    return PlainLoader
