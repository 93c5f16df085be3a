"""Models that come as data are made of registered classes, of nothing else.

mmengine imports whatever a ``type`` names that no registry knows, calls it
with the other keys of its dict, and imports ``SCOPE.registry`` of any scope.
A config that somebody wrote may do so. The data of a shared model may not:
loading it would run a command. Nor may it name files or addresses: its
weights come with it, and nothing is to be looked for elsewhere.
"""
from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

# packages that may give classes, as SCOPE.CLASS
SCOPES = ('mmengine', 'mmaction', 'mmcv', 'mmdet', 'mmpose')
REGISTRIES = ('MODELS', 'TASK_UTILS', 'WEIGHT_INITIALIZERS')
# where initial weights come from, which those of the model replace
_INITIAL = ('init_cfg', 'pretrained')
# what a network is built of one after the other, for hours if need be
_COUNTS = ('num_stages', 'num_layers', 'num_blocks', 'num_levels', 'num_convs',
           'layers', 'depth')
MOST_LAYERS = 1000
_ELSEWHERE = re.compile(r'[a-zA-Z][a-zA-Z0-9+.-]*://|[/~\\]|[a-zA-Z]:[/\\]')
_NETWORK = ('socket.connect', 'socket.getaddrinfo', 'urllib.Request')


class UnregisteredError(ValueError):
    """A model's data name what is no registered class."""


def refuse_unregistered(config: Mapping[str, Any], name: str) -> None:
    """Raise an error if the data of a model name what is not registered.

    Args:
        config: The config of a model, of a checkpoint or of ``hpnet.json``.
        name: What the message calls it.

    Raises:
        UnregisteredError: Names the class, the scope, the file or the
            address, and what to do.
    """
    _refuse(without_initial_weights(config.get('model')),
            config.get('default_scope'), name, REGISTRIES)


def without_initial_weights(model: Any) -> Any:
    """The config of a model that looks for no initial weights.

    Args:
        model: The config, with ``init_cfg`` and ``pretrained`` at any depth.

    Returns:
        A copy in which both are None; the rest is as it was.
    """
    if isinstance(model, Mapping):
        return {key: None if key in _INITIAL else
                without_initial_weights(value)
                for key, value in model.items()}
    if isinstance(model, (list, tuple)):
        return type(model)(map(without_initial_weights, model))
    return model


@contextmanager
def offline(name: str) -> Iterator[None]:
    """Let nothing in this thread reach for the network meanwhile.

    Some registered classes download what they are made of.

    Args:
        name: What the message calls what is built.

    Raises:
        UnregisteredError: In place of a connection.
    """
    if not _WATCH.begun:
        _WATCH.begun = True
        sys.addaudithook(_refuse_network)
    before, _BUILDING.name = getattr(_BUILDING, 'name', None), name
    try:
        yield
    finally:
        _BUILDING.name = before


class _Watch:
    begun = False


_WATCH, _BUILDING = _Watch(), threading.local()


def _refuse_network(event: str, args: tuple) -> None:
    if event in _NETWORK and getattr(_BUILDING, 'name', None):
        raise UnregisteredError(
            f'{_BUILDING.name} reaches for the network while it is built, '
            'which the data of a model must not: a class in it downloads '
            'something')


def refuse_unregistered_steps(pipeline: Any, name: str) -> None:
    """Raise an error if a pipeline names what is no registered transform.

    Args:
        pipeline: Its steps, of the config of a model.
        name: What the message calls it.

    Raises:
        UnregisteredError: Names the class or the scope, and what to do.
    """
    _refuse(pipeline, None, name, ('TRANSFORMS', ))


def _refuse(data: Any, default_scope: str | None, name: str,
            registries: tuple[str, ...]) -> None:
    for scope in (default_scope, *_values(data, '_scope_')):
        if scope is not None and scope not in SCOPES:
            raise UnregisteredError(
                f'{name} has the scope {scope!r}; a model that is loaded has '
                f'one of {", ".join(SCOPES)}')
    known: set[str] = set()
    for kind in _values(data, 'type'):
        known = known or _registered(registries)
        scope, _, short = kind.rpartition('.') if isinstance(kind, str) \
            else ('', '', None)
        if short not in known or scope and scope not in SCOPES:
            raise UnregisteredError(
                f'{name} cannot be built: {kind!r} is no registered class. '
                'If it is one of your own, import its file first (hpnet '
                '--import FILE.py …, or import in Python)')
    for key in _COUNTS:
        for count in _values(data, key):
            if isinstance(count, (int, float)) and count > MOST_LAYERS:
                raise UnregisteredError(
                    f'{name} has {key}={count!r:.40}; a model that is loaded '
                    f'has at most {MOST_LAYERS}')
    for text in _texts(data):
        if _ELSEWHERE.match(text) or '..' in re.split(r'[/\\]', text):
            raise UnregisteredError(
                f'{name} names {text!r:.80}; the data of a model name no '
                'addresses, and no files outside of the folder that it runs '
                'in: write into its config what stands there')


def _values(data: Any, key: str) -> Iterator[Any]:
    """Values of a key, at any depth."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            if name == key and not (key == 'type'
                                    and isinstance(value, Mapping)):
                yield value
            yield from _values(value, key)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _values(value, key)


def _texts(data: Any) -> Iterator[str]:
    """All texts, at any depth."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, (Mapping, list, tuple)):
        for value in data.values() if isinstance(data, Mapping) else data:
            yield from _texts(value)


def _registered(registries: tuple[str, ...]) -> set[str]:
    """Names that some registries of the installed packages know."""
    import mmaction.registry
    import mmcv.cnn  # noqa: F401  registers layers and norms
    import mmengine.registry
    names: set[str] = set()
    for package in (mmengine.registry, mmaction.registry):
        for registry in (getattr(package, name, None) for name in registries):
            if registry is not None:
                registry.import_from_location()
                for one in (registry, *registry.children.values()):
                    names.update(one.module_dict)
    return names
