"""ONNX graphs with int8 weights, which a CPU multiplies faster."""
from __future__ import annotations

import os.path as osp
import tempfile

# what onnxruntime would ask for by a warning: shapes are known already
PREPARED = {'onnx.quant.pre_process': 'onnxruntime.quant'}


def to_int8(graph: bytes, under: str = '') -> bytes:
    """Quantize the weights of matrix products, by onnxruntime.

    A weight becomes int8, of which it uses seven bits, with a scale for each
    output channel: any CPU then computes the same. The other
    factor is quantized to uint8 as it comes, with one scale a tensor, so
    nothing has to be calibrated. Products of two activations stay in float32.

    Args:
        graph: The content of an ONNX file of float32.
        under: How the names of the nodes begin whose weights are quantized.
            Defaults to ``''``, all.

    Returns:
        The content of another, without metadata.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    model = onnx.load_from_string(graph)
    onnx.helper.set_model_props(model, PREPARED)
    names = [node.name for node in model.graph.node
             if node.op_type in ('MatMul', 'Gemm')
             and node.name.startswith(under)]
    with tempfile.TemporaryDirectory() as folder:
        source, target = (osp.join(folder, name) for name in 'ab')
        onnx.save(model, source)
        quantize_dynamic(
            source, target, op_types_to_quantize=['MatMul'],
            per_channel=True, weight_type=QuantType.QInt8,
            # of seven bits: sums of two products of eight do not fit where a
            # CPU without VNNI keeps them, and what does not fit is cut off
            reduce_range=True,
            # a Gemm is taken apart first, into nodes named after it
            nodes_to_quantize=names + [f'{name}_MatMul' for name in names])
        model = onnx.load(target)
    del model.metadata_props[:]
    return model.SerializeToString()
