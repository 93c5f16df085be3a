"""Modules of torch as ONNX graphs, and whether the two compute the same."""
from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

OPSET = 17
# largest difference from torch that an exported graph may have
TOLERANCE = 1e-4


class ExportError(ValueError):
    """A net cannot be exported, or not faithfully; the message says why."""


def to_onnx(module: nn.Module, examples: Sequence[Tensor],
            inputs: Mapping[str, Mapping[int, str]],
            outputs: Mapping[str, Mapping[int, str]],
            opset: int = OPSET) -> bytes:
    """The ONNX graph of a module.

    By torch's exporter that traces, the one that needs no other package.

    Args:
        module: In eval mode, on the CPU.
        examples: An example of each input; of free axes no size of 1.
        inputs: Name of each input to its free axes and their names.
        outputs: Likewise.
        opset: Version of ONNX's operators.

    Returns:
        The content of an ONNX file.

    Raises:
        ExportError: If it cannot be exported.
    """
    import torch
    buffer, fast = io.BytesIO(), torch.backends.mha.get_fastpath_enabled()
    try:
        # no operator of ONNX is what attention is fused into
        torch.backends.mha.set_fastpath_enabled(False)
        # not under inference mode, whose tensors the tracer cannot follow;
        # what it warns of, constants where sizes were, is looked for after
        with torch.no_grad(), warnings.catch_warnings(), \
                contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            torch.onnx.export(
                module, tuple(examples), cast(Any, buffer), dynamo=False,
                opset_version=opset, input_names=list(inputs),
                output_names=list(outputs), dynamic_axes={
                    name: dict(axes)
                    for name, axes in (*inputs.items(), *outputs.items())
                    if axes})
    except Exception as error:
        reason = str(error).strip().partition('\n')[0]
        raise ExportError('this net cannot be exported to ONNX '
                          f'({type(error).__name__}: {reason})') from None
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return buffer.getvalue()


def difference(found: Sequence[np.ndarray], expected: Sequence[np.ndarray],
               least: float = 1e-12) -> float:
    """Largest difference of outputs, as a share of each one's largest value.

    Args:
        found: Of the graph.
        expected: Of torch.
        least: What counts as the largest value where all are smaller: 1 for
            the plain difference of small values.

    Returns:
        Infinite where shapes differ or a value is not finite.
    """
    worst = 0.
    for a, b in zip(found, expected, strict=True):
        if a.shape != b.shape or not (
                np.isfinite(a).all() and np.isfinite(b).all()):
            return np.inf
        a, b = a.astype(np.float64), b.astype(np.float64)
        if a.size:
            worst = max(worst, np.abs(a - b).max()
                        / max(np.abs(b).max(), least))
    return float(worst)


def with_metadata(graph: bytes, facts: Mapping[str, Any]) -> bytes:
    """A graph that carries facts, as JSON, in its metadata.

    Args:
        graph: The content of an ONNX file.
        facts: JSON data by key.

    Returns:
        The content with ``metadata_props``.
    """
    import onnx
    model = onnx.load_from_string(graph)
    onnx.helper.set_model_props(
        model, {key: json.dumps(value) for key, value in facts.items()})
    return model.SerializeToString()
