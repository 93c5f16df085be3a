"""A pose net, its decoding and the pooling at its taps as one ONNX graph.

RGB crops (N, h, w, 3) uint8 in; joints (N, V, 2) in pixels of the crops,
scores (N, V) and each feature (N, V, C), float16, out. N is free.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import torch
from torch import nn

from ..onnx_export import (
    OPSET,
    TOLERANCE,
    ExportError,
    difference,
    to_onnx,
    with_metadata,
)
from ..onnx_session import open_session
from .decoding import decode_heatmaps, decode_simcc, tensor_decoder
from .devices import computing
from .extractor import PooledExtractor
from .mmpose_net import MMPoseNet
from .onnx_extractor import CROPS, JOINTS, KIND, POOLED, SCORES
from .onnx_graphs import tapped_graph
from .onnx_pose_net import OnnxPoseNet
from .pose_net import PoseOutput, as_tensors

if TYPE_CHECKING:
    import onnx

Axes = dict[str, dict[int, str]]

BATCH = {0: 'crops'}
CHECKED = (3, 1, 8)  # sizes of the batches that are compared
# the last opset that torch's exporter knows
LAST_OPSET = 20
# share of joints that may lie in a cell that is as good
MOVED = 0.01
# of a number, what rounding it to float16 changes at most
HALF_STEP = 2.**-11


def export_extractor(extractor: PooledExtractor) -> tuple[bytes, float]:
    """The ONNX graph of a pose net with its pooling.

    Args:
        extractor: On the CPU, of a net in torch or of an ONNX file.

    Returns:
        The graph, with all in its metadata that
        :class:`~hpnet_plugin.estimation.onnx_extractor.OnnxExtractor` needs,
        and its largest difference from the extractor's scores, as a share of
        the largest.

    Raises:
        ExportError: If the net's joints are decoded outside of any graph, it
            cannot be exported, or the graph computes something else.
    """
    net = extractor.net
    if 'heatmap' in extractor.extras:
        raise ExportError("the feature 'heatmap' is no part of an exported "
                          'graph: leave it out of the taps')
    if extractor.rings:
        raise ExportError(f'the feature {min(extractor.rings)!r} needs the '
                          "person's box, which an exported graph is not "
                          'given: leave it out of the taps')
    outputs = dict.fromkeys(
        [JOINTS, SCORES, *(f'{POOLED}{i}'
                           for i in range(len(extractor.taps)))], BATCH)
    if isinstance(net, OnnxPoseNet):
        graph = _around(net, extractor, outputs)
    elif getattr(net, 'backend', None) == 'torch':
        module = _PoseGraph(extractor).eval()
        graph = to_onnx(module, [torch.from_numpy(_people(2, net.size))],
                        {CROPS: BATCH}, outputs)
    else:
        raise ExportError('a pose net in onnxruntime is exported already: '
                          'build it by torch')
    graph = with_metadata(graph, dict(
        kind=KIND, record=extractor.record, size=net.size, udp=net.udp,
        joints=net.num_joints,
        reads=f'{CROPS}: (N, {net.size[1]}, {net.size[0]}, 3) uint8, RGB'))
    return graph, _checked(graph, extractor, list(outputs))


class _PoseGraph(nn.Module):
    """A net of mmpose with all that follows."""

    def __init__(self, extractor: PooledExtractor) -> None:
        super().__init__()
        net = cast(MMPoseNet, extractor.net)
        decode = tensor_decoder(net.model.head, net.size)
        if decode is None:
            raise ExportError(
                f'the joints of this net are decoded by mmpose '
                f'({type(net.model.head.decoder).__name__}), outside of any '
                'graph; heatmaps without DARK and UDP, and SimCC, can be '
                'exported')
        self.model, self.net, self.decode = net.model, net, decode
        self.others = nn.ModuleList(extractor.others)
        self.extractor = extractor

    def forward(self, crops: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs, maps = self.net.forward(crops)
        joints, scores = self.decode(*(value.float() for value in outputs))
        output = PoseOutput(joints, scores, maps, outputs)
        return joints, scores, *_pooled(self.extractor, crops, output)


class _Before(nn.Module):
    """Crops to the input of an ONNX net; the crops themselves as well."""

    def __init__(self, net: OnnxPoseNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, crops: torch.Tensor
                ) -> tuple[torch.Tensor, torch.Tensor]:
        return self.net.normalize(crops), crops.clone()


class _After(nn.Module):
    """Outputs of an ONNX net to joints, scores and features."""

    def __init__(self, extractor: PooledExtractor, net: OnnxPoseNet) -> None:
        super().__init__()
        self.extractor, self.net = extractor, net
        self.others = nn.ModuleList(extractor.others)

    def forward(self, crops: torch.Tensor, *values: torch.Tensor
                ) -> tuple[torch.Tensor, ...]:
        net = self.net
        tensors = dict(zip(net.names, values))
        outputs = tuple(tensors[name] for name in net.output_names)
        joints, scores = as_tensors(
            decode_heatmaps(outputs[0], net.size) if outputs[0].ndim == 4
            else decode_simcc(outputs[0], outputs[1], net.size))
        output = PoseOutput(joints, scores,
                            {tap: tensors[tap] for tap in net.taps}, outputs)
        return joints, scores, *_pooled(self.extractor, crops, output)


def _pooled(extractor: PooledExtractor, crops: torch.Tensor,
            output: PoseOutput[torch.Tensor]) -> list[torch.Tensor]:
    pooled = extractor.pool(crops, output, output.joints)
    return [pooled[name].half() for name in extractor.taps]


def _around(net: OnnxPoseNet, extractor: PooledExtractor, outputs: Axes
            ) -> bytes:
    """An ONNX net between its normalisation and the pooling."""
    from onnx import compose, version_converter
    model, _, _ = tapped_graph(net.path, list(net.taps))
    version = max(entry.version for entry in model.opset_import
                  if entry.domain in ('', 'ai.onnx'))
    opset = min(max(version, OPSET), LAST_OPSET)
    crops = torch.from_numpy(_people(2, net.size))
    with computing(net.device):
        found = {name: value.numpy() for name, value in net.session(
            net.names, net.normalize(crops)).items()}
    # without prefixes, the parts would share names of tensors
    before = _part('before/', _Before(net), [crops], {CROPS: BATCH},
                   dict(images=BATCH, seen=BATCH), opset)
    values = {f'value{i}': found[name] for i, name in enumerate(net.names)}
    after = _part('after/', _After(extractor, net),
                  [crops, *map(torch.from_numpy, values.values())],
                  dict.fromkeys(['seen', *values], BATCH), outputs, opset)
    try:
        _tell_types(model, found)
        if version != opset:
            model = version_converter.convert_version(model, opset)
        # weights that are inputs as well, as old files have them, could not
        # be folded into what is computed from them
        weights = {entry.name for entry in model.graph.initializer}
        inputs = [entry for entry in model.graph.input
                  if entry.name not in weights]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        model.ir_version = before.ir_version
        merged = compose.merge_models(
            before, model, [('before/images', net.session.input)])
        links = {f'after/value{i}': name for i, name in enumerate(net.names)}
        links['after/seen'] = 'before/seen'
        # colours alone are taken from the crops themselves; the exporter
        # drops an input that nothing reads
        used = {entry.name for entry in after.graph.input} & set(links)
        for entry in list(merged.graph.output):
            if entry.name not in {links[name] for name in used}:
                merged.graph.output.remove(entry)
        merged = compose.merge_models(
            merged, after, [(links[name], name) for name in sorted(used)])
    except Exception as error:
        reason = str(error).strip().partition('\n')[0]
        raise ExportError('this ONNX net cannot be joined with its pooling '
                          f'({type(error).__name__}: {reason})') from None
    _rename(merged, {f'before/{CROPS}': CROPS,
                     **{f'after/{name}': name for name in outputs}})
    return merged.SerializeToString()


def _part(prefix: str, module: nn.Module, examples: list[torch.Tensor],
          inputs: Axes, outputs: Axes, opset: int) -> onnx.ModelProto:
    import onnx
    from onnx import compose
    graph = to_onnx(module.eval(), examples, inputs, outputs, opset)
    return compose.add_prefix(onnx.load_from_string(graph), prefix)


def _tell_types(model: onnx.ModelProto, found: dict[str, np.ndarray]) -> None:
    """Types of a model's outputs, which taps lack, in place."""
    from onnx import helper
    for entry in model.graph.output:
        value = found[entry.name]
        entry.CopyFrom(helper.make_tensor_value_info(
            entry.name, helper.np_dtype_to_tensor_dtype(value.dtype),
            ['crops', *value.shape[1:]]))


def _rename(model: onnx.ModelProto, names: dict[str, str]) -> None:
    """Give tensors other names, in place."""
    for node in model.graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
    for entry in (*model.graph.input, *model.graph.output):
        entry.name = names.get(entry.name, entry.name)


def _people(count: int, size: tuple[int, int]) -> np.ndarray:
    """Crops of soft colours, (N, h, w, 3) uint8."""
    rng = np.random.RandomState(count)
    return np.stack([cv2.resize(rng.randint(
        0, 256, (16, 12, 3)).astype(np.uint8), size,
        interpolation=cv2.INTER_CUBIC) for _ in range(count)])


def _checked(graph: bytes, extractor: PooledExtractor, names: list[str]
             ) -> float:
    """Largest difference of scores from the extractor's."""
    net, worst, moved, joints = extractor.net, 0., 0, 0
    session = open_session(graph, 'the exported pose net', threads=1)
    for count in CHECKED:
        crops = _people(count, net.size)
        at, scores, *pooled = map(np.asarray, session.run(
            names, {CROPS: crops}))
        with computing(net.device):
            images = torch.from_numpy(crops)
            output = net.run(images)
            features = extractor.pool(images, output, output.joints)
        expected = output.joints.numpy()
        if at.shape != expected.shape:
            raise ExportError(f'the exported pose net gives {at.shape} for '
                              f'joints {expected.shape}')
        # two cells of a map that are equal but for the last bits
        same = np.abs(at - expected).max(-1) <= TOLERANCE * max(net.size)
        moved, joints = moved + (~same).sum(), joints + same.size
        worst = max(worst, difference([scores], [output.scores.numpy()]))
        for value, name in zip(pooled, extractor.taps):
            wanted = features[name].numpy()[same].astype(np.float64)
            found = value[same].astype(np.float64)
            # what rounding to float16 may add
            excess = np.abs(found - wanted) - HALF_STEP * np.abs(wanted)
            worst = max(worst, excess.max(initial=0.) / max(
                np.abs(wanted).max(initial=0.), 1e-12))
    if not worst <= TOLERANCE or moved > MOVED * joints:
        raise ExportError(
            'the exported pose net computes something else than the pose '
            f'net: scores and features differ by {worst:.1e} of the largest, '
            f'{TOLERANCE:.0e} is allowed, and {moved} of {joints} joints lie '
            'elsewhere')
    return worst
