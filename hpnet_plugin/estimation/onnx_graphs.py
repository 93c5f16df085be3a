"""Graphs of ONNX pose nets: mended, their batch freed, their taps exposed."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from .sessions import OnnxSession, load_onnx
from .taps import TapError, unknown_tap

if TYPE_CHECKING:
    import onnx


def tapped_graph(path: str | Path, taps: Sequence[str]
                 ) -> tuple[onnx.ModelProto, list[str], str]:
    """The graph of an ONNX pose net that gives its taps out as well.

    Args:
        path: The file.
        taps: Names of tensors.

    Returns:
        The ``onnx.ModelProto``, whose batch is free; the names of the net's
        own outputs; the sha256 of the file.

    Raises:
        TapError: If a tap is not there.
        ValueError: If it is no ONNX file, or a damaged one.
    """
    graph, sha256 = load_onnx(path)
    with reading(path):
        free_batch(graph)
        _mend_norms(graph)
        outputs = [value.name for value in graph.graph.output]
        names = _tensor_names(graph)
        for tap in taps:
            if tap not in names:
                raise unknown_tap(tap, names, 'tensor', path)
        _expose(graph, taps)
    return graph, outputs, sha256


def maps_of_graph(path: str | Path) -> dict[str, tuple[int, int, int]]:
    """All feature maps of an ONNX pose net.

    Args:
        path: The file.

    Returns:
        Name of a tensor to (C, h, w), in the order of the net.

    Raises:
        ValueError: If it is no ONNX file, or a damaged one.
    """
    graph, _ = load_onnx(path)
    with reading(path):
        free_batch(graph)
        _mend_norms(graph)
        names = _tensor_names(graph)
        shapes = _shapes_of_tensors(graph, names, path)
    found = {}
    for name in names:
        shape = shapes.get(name, ())
        if len(shape) == 4 and shape[0] == 1:
            found[name] = shape[1], shape[2], shape[3]
    return found


def _shapes_of_tensors(graph: onnx.ModelProto, names: list[str],
                       pose: str | Path) -> dict[str, tuple[int, ...]]:
    """Shapes, for one crop, of the tensors of floats that can be had.

    A tensor that is given out is not fused with its neighbours, and then
    some graphs do not run: halves that fail are tried by halves.
    """
    import onnx
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    _expose(copy, names)
    try:
        session = OnnxSession(copy.SerializeToString(), torch.device('cpu'),
                              pose)
        width, height = session.size
        found = session.session.run(names, {session.input: np.zeros(
            (1, 3, height, width), session.element)})
    except Exception:
        if len(names) == 1:
            return {}
        half = len(names) // 2
        return {**_shapes_of_tensors(graph, names[:half], pose),
                **_shapes_of_tensors(graph, names[half:], pose)}
    return {name: value.shape for name, value in zip(names, found)
            if isinstance(value, np.ndarray) and value.dtype.kind == 'f'}


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """What a damaged graph brings onnx to raise is the file's fault.

    Args:
        path: The file, for messages.

    Raises:
        ValueError: In place of any error that does not name the file.
    """
    try:
        yield
    except ValueError as error:
        if isinstance(error, TapError) or str(path) in str(error):
            raise
        raise ValueError(f'{path} is a damaged ONNX file: {error}') from None
    except Exception as error:
        raise ValueError(f'{path} is a damaged ONNX file: '
                         f'{type(error).__name__}: {error}') from None


def _tensor_names(graph: onnx.ModelProto) -> list[str]:
    """Names of what the nodes of an ONNX model put out, in their order."""
    return list(dict.fromkeys(name for node in graph.graph.node
                              for name in node.output if name))


def _expose(graph: onnx.ModelProto, names: Sequence[str]) -> None:
    """Make tensors outputs of an ONNX model, in place."""
    import onnx
    given = {value.name for value in graph.graph.output}
    for name in names:
        if name not in given:
            graph.graph.output.append(onnx.ValueInfoProto(name=name))


def _mend_norms(graph: onnx.ModelProto) -> None:
    """Let the batch norms of an ONNX model run alone, in place.

    MXNet's exporter marks them as not spatial, which asks for a scale for
    each pixel, and writes a scale for each channel. onnxruntime runs those
    only where it can melt them into the convolution before them, so that
    no map between the two could be given out.
    """
    rank = {w.name: len(w.dims) for w in graph.graph.initializer}
    for node in graph.graph.node:
        if node.op_type == 'BatchNormalization' and len(
                node.input) > 1 and rank.get(node.input[1]) == 1:
            for attribute in list(node.attribute):
                if attribute.name == 'spatial':
                    node.attribute.remove(attribute)


def free_batch(graph: onnx.ModelProto) -> None:
    """Make the batch of an ONNX model dynamic, in place.

    Many exported files fix it to 1, in their inputs and outputs and in the
    target shapes of Reshape nodes.

    Args:
        graph: The model.
    """
    from onnx import numpy_helper
    weights = {w.name for w in graph.graph.initializer}
    for value in [*graph.graph.input, *graph.graph.output]:
        shape = value.type.tensor_type.shape
        if value.name not in weights and shape.dim:
            shape.dim[0].dim_param = 'batch'
    del graph.graph.value_info[:]
    shapes = {node.input[1] for node in graph.graph.node
              if node.op_type == 'Reshape'}
    tensors = [w for w in graph.graph.initializer if w.name in shapes]
    tensors += [a.t for node in graph.graph.node
                if node.op_type == 'Constant' and node.output[0] in shapes
                for a in node.attribute if a.name == 'value']
    for tensor in tensors:
        shape = numpy_helper.to_array(tensor).copy()
        if shape.ndim == 1 and len(shape) and shape[0] == 1:
            shape[0] = 0  # Reshape reads 0 as: keep this dimension
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
