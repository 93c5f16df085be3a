"""A trained model as a folder of ONNX files, which runs without torch.

See :func:`export_trained`; who runs it is
:class:`hpnet_plugin.apis.onnx_scorer.OnnxScorer` and
:class:`hpnet_plugin.estimation.onnx_extractor.OnnxExtractor`.
"""
from __future__ import annotations

import os
import os.path as osp
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn

from .. import onnx_export
from ..files import write_whole
from ..onnx_export import ExportError
from ..onnx_session import open_session
from .description import ModelDescription, write_description
from .inputs import FEATURES, IMAGES
from .onnx_scorer import MODEL, POSE, SCORES, description_facts
from .trained import Trained

if TYPE_CHECKING:
    from torch import Tensor

    from ..estimation.extractor import PooledExtractor

FREE = {FEATURES: {0: 'clips', 2: 'frames'}, IMAGES: {0: 'clips'},
        SCORES: {0: 'clips'}}
CLIPS = 2  # of the example; the exporter takes sizes of 1 for fixed
TOWER = '/backbone/'  # how names of nodes of the video tower begin
INT8_TOLERANCE = .1  # on noise; on clips it is a tenth of that


class Exported(NamedTuple):
    """What was exported.

    Attributes:
        file: In the folder.
        what: For people.
        difference: Largest difference from torch; None of a copy.
    """
    file: str
    what: str
    difference: float | None = None


def export_trained(trained: Trained, folder: str,
                   extractor: PooledExtractor | None = None,
                   detector: str | None = None,
                   done: Callable[[Exported], object] = lambda part: None,
                   int8: bool = False) -> list[Exported]:
    """Export a trained model into a folder, whole or not at all.

    The folder holds ``hpnet.json``, the description; ``model.onnx``, of a
    fusion one in a folder a member; and ``pose.onnx``, pose net, decoding
    and pooling.

    Args:
        trained: A stream of a graph network, HP-Net, or a fusion of these.
        folder: A new folder, or an empty one.
        extractor: What makes the features, on the CPU; its graph becomes
            ``pose.onnx``. None leaves it out.
        detector: What finds people: the path of an ONNX file, as
            ``build_detector`` takes it, which is copied; or a detector
            without a file (``'hog'``). By default that of the training
            features is named.
        done: Called after each file.
        int8: Whether the video tower of HP-Net gets int8 weights, see
            :func:`export_scores`; of a fusion, that of each HP-Net in it.

    Returns:
        What was written.

    Raises:
        ExportError: If a model cannot be exported, or ONNX gives other
            scores than torch. Nothing is left behind.
        FileExistsError: If the folder holds something.
        OSError: If it cannot be written.
    """
    folder = osp.abspath(folder)
    if int8 and not any(_has_tower(model) for _, model in _models(trained)):
        raise ExportError(
            f'{trained.description.name}: int8 weights are for the video '
            'tower of HP-Net, and this model has none')
    if osp.exists(folder) and (not osp.isdir(folder) or os.listdir(folder)):
        raise FileExistsError(f'{folder} is there already and not empty: '
                              'remove it, or name another folder')
    os.makedirs(osp.dirname(folder), exist_ok=True)
    parts = []
    with tempfile.TemporaryDirectory(
            prefix='.tmp-' + osp.basename(folder), dir=osp.dirname(folder)
            ) as partial:
        os.chmod(partial, 0o755)
        for part in _parts(trained, partial, extractor, detector, int8):
            parts.append(part)
            done(part)
        if osp.isdir(folder):
            os.rmdir(folder)
        os.rename(partial, folder)
        os.mkdir(partial)  # what the context removes
    return parts


def _parts(trained: Trained, folder: str, extractor: PooledExtractor | None,
           detector: str | None, int8: bool) -> Iterator[Exported]:
    """Write all files, the quick ones first, and the description last."""
    about = _portable(trained.description)
    if detector is not None:
        record, part = _detector(detector, folder)
        about = replace(about, extraction=dict(about.extraction,
                                               detector=record))
        if part is not None:
            yield part
    if extractor is not None:
        from ..estimation.pose_graph import export_extractor
        graph, worst = export_extractor(extractor)
        write_whole(osp.join(folder, POSE), graph)
        yield Exported(POSE, 'pose net, decoding and pooling', worst)
        record, pose = extractor.record, about.extraction.get('pose', {})
        about = replace(about, extraction=dict(
            about.extraction, **dict(
                record, pose=dict(pose, **record['pose']))))
    for path, model in _models(trained):
        smaller = int8 and _has_tower(model)
        graph, worst = export_scores(model, smaller)
        write_whole(osp.join(folder, path, MODEL), graph)
        if path:
            write_description(_portable(model.description),
                              osp.join(folder, path))
        yield Exported(osp.join(path, MODEL), model.description.name
                       + ', int8 weights' * smaller, worst)
    write_description(about, folder)


def export_scores(trained: Trained, int8: bool = False
                  ) -> tuple[bytes, float]:
    """The ONNX graph of one model, its description in the metadata.

    Clips and frames are free, people are not: a graph network has an input
    norm for each. The text features of HP-Net's classes are constants.

    Args:
        trained: A stream of a graph network, or HP-Net.
        int8: Whether HP-Net's video tower gets int8 weights, see
            :func:`~hpnet_plugin.apis.export_int8.to_int8`. The float32 graph
            is compared with torch as always; the scores of the other may
            differ by 10 %. Defaults to False.

    Returns:
        The graph, and its largest difference from torch's scores, measured
        with other numbers of clips and frames than those it was exported
        with: plain, or as a share of the largest score where that is above
        1.

    Raises:
        ExportError: If it cannot be exported, or differs by more than 1e-4,
            with int8 weights by more than 10 %.
    """
    about, spec = trained.description, trained.description.input
    if spec is None:
        raise ExportError(
            f'{about.name}: its test pipeline is not one that can be made '
            'without mmaction; streams of graph networks (hp_*, pose_*, '
            'simcc_*, rgb_*) and HP-Net can be exported')
    with torch.inference_mode(False):
        model = trained.build()
        graph = _Scores(model, spec, about.output).eval()
        shapes = _shapes(model, spec, CLIPS, spec['frames'])
        data = _exported(graph, shapes, about.name)
        worst = _compare(data, graph, model, spec, about.name)
        if int8:
            from .export_int8 import to_int8
            data = to_int8(data, TOWER)
            worst = _compare(data, graph, model, spec,
                             about.name + ' with int8 weights',
                             INT8_TOLERANCE)
    return onnx_export.with_metadata(data, dict(
        description_facts(_portable(about)), reads={
            name: 'float32 ' + str(tuple(
                FREE[name].get(axis, size) for axis, size in
                enumerate(shape)))
            for name, shape in shapes.items()},
        weights='int8' if int8 else 'float32', difference=worst)), worst


def _has_tower(trained: Trained) -> bool:
    return (trained.description.input or {}).get('kind') == 'hpnet'


def _exported(graph: nn.Module, shapes: Mapping[str, tuple[int, ...]],
              name: str) -> bytes:
    examples = _noise(shapes)
    try:
        return onnx_export.to_onnx(
            graph, list(examples.values()),
            {key: FREE[key] for key in examples}, {SCORES: FREE[SCORES]})
    except ExportError as error:
        raise ExportError(f'{name}: {error}') from None


def _compare(data: bytes, graph: nn.Module, model: nn.Module,
             spec: Mapping[str, Any], name: str,
             tolerance: float = onnx_export.TOLERANCE) -> float:
    """Largest difference of the ONNX graph's scores from the module's."""
    session = open_session(data, f'{name}.onnx', threads=1)
    frames, worst = spec['frames'], 0.
    for clips, length in ((1, frames), (3, frames + 5),
                          (2, max(frames // 2, 8) + 1)):
        inputs = _noise(_shapes(model, spec, clips, length))
        with torch.no_grad():
            expected = graph(*inputs.values()).numpy()
        where = f'{name}: with {clips} clips of {length} frames'
        try:
            found = session.run([SCORES], {
                key: value.numpy() for key, value in inputs.items()})
        except Exception as error:
            reason = str(error).strip().partition('\n')[0]
            raise ExportError(f'{where} the ONNX graph, which was exported '
                              f'with {CLIPS} of {frames}, fails: {reason}'
                              ) from None
        off = onnx_export.difference(
            list(map(np.asarray, found)), [expected], least=1.)
        if not off <= tolerance:
            raise ExportError(
                f'{where} the scores of the ONNX graph, which was exported '
                f'with {CLIPS} of {frames}, differ from those of PyTorch by '
                f'{off:.1e}; {tolerance:.0e} is allowed')
        worst = max(worst, off)
    return worst


def _shapes(model: Any, spec: Mapping[str, Any], clips: int, frames: int
            ) -> dict[str, tuple[int, ...]]:
    """Shapes of the inputs, of the model and not of its description."""
    whole = spec['kind'] == 'hpnet'
    people, joints, channels = _input_shape(
        model.topology.models[0] if whole else model.backbone, spec)
    shapes: dict[str, tuple[int, ...]] = {
        FEATURES: (clips, people, frames, joints, channels)}
    if whole:
        side = spec['side']
        shapes[IMAGES] = (clips, spec['crops'], 3, side, side)
    return shapes


def _input_shape(backbone: Any, spec: Mapping[str, Any]
                 ) -> tuple[int, int, int]:
    """People, joints and channels that a graph network reads."""
    if hasattr(backbone, 'input_shape'):
        return backbone.input_shape
    # STGCN and AAGCN of the toolbox: a norm of joints times channels
    from ..graph import bone_pairs
    joints = len(bone_pairs(spec['layout']))
    size = backbone.data_bn.num_features
    if backbone.data_bn_type == 'MVC':
        size //= spec['people']
    return spec['people'], joints, size // joints


def _noise(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    rng = np.random.RandomState(0)
    return {name: torch.from_numpy(rng.standard_normal(shape).astype(
        np.float32)) for name, shape in shapes.items()}


class _Text(nn.Module):
    """The text features of the classes, computed once."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features: Tensor
        self.register_buffer('features', features)

    def forward(self) -> Tensor:
        return self.features


class _Scores(nn.Module):
    """What ``mim test --dump`` holds, of the inputs of a model."""

    def __init__(self, model: Any, spec: Mapping[str, Any], output: str
                 ) -> None:
        super().__init__()
        self.model: Any = model
        self.output = output
        if spec['kind'] == 'hpnet':
            with torch.no_grad():
                model.text = _Text(model.text().clone())

    def forward(self, features: Tensor, imgs: Tensor | None = None) -> Tensor:
        if imgs is None:
            scores = self.model.cls_head(self.model.backbone(features))
        else:
            scores = self.model._forward(dict(
                imgs=imgs, pooled_feat=features[:, None])).fused
        return scores.softmax(-1) if self.output == 'probability' else scores


def _models(trained: Trained) -> Iterator[tuple[str, Trained]]:
    """Folder and model of each member; of one model, its own folder."""
    if not trained.description.members:
        yield '', trained
    for member, (model, _) in zip(trained.description.members,
                                  trained.members):
        yield member['path'], model


def _portable(about: ModelDescription) -> ModelDescription:
    """A description without what is of the training and this machine.

    Of the config it keeps what usual weights in a fusion are found by.
    """
    config = {key: about.config[key] for key in ('recipe', 'stream', 'net')
              if key in about.config}
    facts = {key: value for key, value in about.facts.items()
             if key != 'folder'}
    return replace(about, facts=facts, config=config)


def _detector(spec: str, folder: str
              ) -> tuple[dict[str, Any], Exported | None]:
    """Record of a detector, and its ONNX file, which is copied."""
    from ..estimation.detectors import build_detector
    from ..estimation.onnx_detector import OnnxDetector
    source = build_detector(spec)
    if not isinstance(source, OnnxDetector):
        return dict(source.record), None
    # its kind may be told by nothing but its name
    file = f'detector_{source.kind}.onnx'
    shutil.copyfile(source.path, osp.join(folder, file))
    return dict(source.record, file=file), Exported(
        file, f'detector, a copy of {osp.basename(source.path)}')
