"""Files of what was learnt over streams: JSON, which runs nothing."""
from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...files import write_whole
from ...npy_files import numbers
from ..scores import ScoreError
from .layers import KINDS, Layer
from .stacks import Stack

FORMAT, VERSION = 'hpnet_plugin stack', 1
_LARGEST = 1 << 26  # bytes of a file
_MOST = 1 << 22  # numbers in it


def write_stack(path: str | os.PathLike[str], stack: Stack) -> None:
    """Write what was learnt, whole or not at all.

    Args:
        path: The file.
        stack: What :func:`hpnet_plugin.evaluation.stacking.learn` gave.

    Raises:
        OSError: If it cannot be written.
    """
    write_whole(path, json.dumps(stack_content(stack)).encode() + b'\n')


def stack_content(stack: Stack) -> dict[str, Any]:
    """What was learnt as JSON data, which a file of a model may hold, too.

    Args:
        stack: What :func:`hpnet_plugin.evaluation.stacking.learn` gave.

    Returns:
        What :func:`stack_of` reads.
    """
    layer = stack.layer
    return dict(
        format=FORMAT, version=VERSION,
        layer=dict(kind=layer.kind, base=layer.base.tolist(),
                   weights=layer.weights.tolist(), bias=layer.bias.tolist(),
                   probability=list(layer.probability)),
        weights=stack.weights, searched=stack.searched,
        temperatures=stack.temperatures,
        weights_temperature=stack.weights_temperature,
        searched_temperature=stack.searched_temperature,
        best=stack.best, streams=[
            os.path.basename(name) or name for name in stack.streams],
        clips=stack.clips, record=stack.record)


def read_stack(path: str | os.PathLike[str]) -> Stack:
    """Read what was learnt.

    Args:
        path: What :func:`write_stack` wrote.

    Returns:
        The same.

    Raises:
        ScoreError: If it is anything else.
        OSError: If it cannot be read.
    """
    path = os.fspath(path)
    with open(path, 'rb') as file:
        text = file.read(_LARGEST + 1)
    with _one_line(path):
        if len(text) > _LARGEST:
            raise ValueError(f'it is longer than {_LARGEST} bytes')
        return _stack(json.loads(text))


def stack_of(content: Any, source: str) -> Stack:
    """What JSON data says was learnt.

    Args:
        content: What :func:`stack_content` gave.
        source: Where it comes from, for messages.

    Returns:
        The same.

    Raises:
        ScoreError: If it is anything else.
    """
    with _one_line(source):
        return _stack(content)


@contextlib.contextmanager
def _one_line(source: str) -> Iterator[None]:
    """Whatever is wrong with the content is said in a line."""
    try:
        yield
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError
            ) as error:
        why = f'{error.args[0]} is missing' if isinstance(error, KeyError) \
            else f'{type(error).__name__}: {error}'
        raise ScoreError(f'{source}: not what hpnet fuse --learn --save '
                         f'writes ({why:.200})') from None


def _stack(content: Any) -> Stack:
    """The stack of a file's content."""
    if not isinstance(content, Mapping) or content.get('format') != FORMAT:
        raise ValueError(f'expected the format {FORMAT!r}')
    if content.get('version') != VERSION:
        raise ValueError(f'version {content.get("version")!r:.20}, this '
                         f'package reads {VERSION}: update it')
    layer = _layer(content['layer'])
    count = len(layer.base)
    searched, temperature = (content[key] for key in (
        'searched', 'searched_temperature'))
    best, record = content['best'], content['record']
    if type(best) is not int or not 0 <= best < count:
        raise ValueError(f'best is {best!r:.20}, expected a stream')
    _refuse_record(record, layer)
    if (searched is None) != (temperature is None):
        raise ValueError('searched weights without their temperature')
    return Stack(
        layer=layer, weights=_array(content, 'weights', count).tolist(),
        searched=None if searched is None else
        _array(content, 'searched', count).tolist(),
        temperatures=[_positive(value) for value in _array(
            content, 'temperatures', count).tolist()],
        weights_temperature=_positive(content['weights_temperature']),
        searched_temperature=None if temperature is None else
        _positive(temperature),
        best=best, streams=_texts(content, 'streams', count),
        clips=_texts(content, 'clips'), record=record)


def _refuse_record(record: Any, layer: Layer) -> None:
    """Refuse a record of which not all can be shown."""
    def whole(value: Any) -> bool:
        return type(value) is int and value > 0

    def finite(value: Any) -> bool:
        return type(value) in (int, float) and abs(value) < math.inf

    right = (record['kind'] == layer.kind and whole(record['folds'])
             and record['parameters'] == layer.parameters
             and (record['groups'] is None or whole(record['groups']))
             and record['by'] in ('top1', 'mean_class_accuracy')
             and (record['strength'] is None or finite(record['strength']))
             and isinstance(record['tried'], list))
    if not right or not all(
            row['kind'] in KINDS and all(
                finite(row[key]) for key in ('loss', 'above', 'error'))
            and (row['strength'] is None or finite(row['strength']))
            for row in record['tried']):
        raise ValueError('its record is none of a layer like this')


def _layer(content: Mapping[str, Any]) -> Layer:
    """The layer of a file's content."""
    kind = content['kind']
    if kind not in KINDS:
        raise ValueError(f'kind is {kind!r:.20}, expected one of {KINDS}')
    base, bias = _array(content, 'base'), _array(content, 'bias')
    count, classes = len(base), len(bias)
    shape = dict(fixed=(count, ), stream=(count, ), full=(
        count, classes, classes)).get(kind, (count, classes))
    probability = content['probability']
    if not isinstance(probability, list) or len(probability) != count or \
            not all(type(value) is bool for value in probability):
        raise ValueError(f'probability: expected true or false, {count} of '
                         'them')
    return Layer(kind, base, _array(content, 'weights', *shape), bias,
                 tuple(probability))


def _array(content: Mapping[str, Any], key: str, *shape: int) -> np.ndarray:
    """Finite numbers of a shape; by default of one axis."""
    found = numbers(content[key], _MOST).astype(np.float64)
    if not found.size or not np.isfinite(found).all() or (
            found.shape != shape if shape else found.ndim != 1):
        raise ValueError(f'{key}: found the shape {found.shape}, expected '
                         f'finite numbers of {shape or "one axis"}')
    return found


def _positive(value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise ValueError(f'{value!r:.20} is no number above 0')
    return float(value)


def _texts(content: Mapping[str, Any], key: str, count: int | None = None
           ) -> list[str]:
    found = content[key]
    if not isinstance(found, list) or count not in (None, len(found)) or \
            not all(isinstance(text, str) for text in found):
        raise ValueError(f'{key}: expected a list of texts')
    return found
