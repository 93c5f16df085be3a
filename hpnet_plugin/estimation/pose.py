"""Pose nets: crops in, joints, scores and tapped feature maps out.

Two kinds are served, any top-down net of mmpose and any ONNX file, behind
one interface, so that the rest of the package need not know which it has.

What a crop's result depends on. The same crops give the same bits, for 1 and
2 threads and at any place of a batch. On a CPU the batch's size does not
matter to onnxruntime either, and to PyTorch only where a crop is alone: its
kernels for one image round otherwise (2e-6 of simple nets' maps).
"""
from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from pathlib import Path

import torch

from .checkpoints import load_weights
from .devices import PRECISIONS, computing, device_of
from .mmpose_net import ExportedPoseNet, MMPoseNet, build_model
from .onnx_graphs import maps_of_graph
from .onnx_pose_net import OnnxPoseNet
from .pose_net import PoseNet, PoseOutput
from .taps import maps_of_modules

__all__ = ['PoseNet', 'PoseOutput', 'build_pose_net', 'list_taps']

NORMS = ('eval', 'crop')
BACKENDS = ('torch', 'onnxruntime')


def build_pose_net(pose: str | Path, checkpoint: str | None = None,
                   taps: Sequence[str] = (), device: str = 'cpu',
                   norm: str = 'eval', backend: str = 'torch',
                   precision: str = 'fp32', threads: int = 1) -> PoseNet:
    """Build the pose net that a config or an ONNX file describes.

    Args:
        pose: An mmpose config of a top-down net, or a ``.onnx`` file. An ONNX
            net takes RGB crops normalised with ImageNet's mean and standard
            deviation and gives either heatmaps (N, V, h, w) or two SimCC
            arrays (N, V, W'), (N, V, H').
        checkpoint: Weights of the mmpose net, a file or an address; by default
            the config's ``load_from``.
        taps: Maps to give out: module paths of the mmpose net
            (``backbone.stage4.0.branches.1``) or tensor names of the ONNX
            graph; :func:`list_taps` lists them.
        device: Where the net runs. Defaults to ``'cpu'``.
        norm: ``'eval'``, or ``'crop'``: batch norm with the statistics of each
            single crop, as the released extraction ran it.
        backend: What runs an mmpose net: ``'torch'``, or ``'onnxruntime'``, to
            which the net is exported once, and kept in the user's cache; maps
            equal those of torch to 1e-4. An ONNX file always runs in
            onnxruntime. Defaults to ``'torch'``.
        precision: ``'fp32'``; on a GPU also ``'tf32'``, convolutions of
            rounded factors; ``'fp16'`` and ``'bf16'``, autocast of an mmpose
            net in torch. Defaults to ``'fp32'``.
        threads: Threads on a CPU. Defaults to 1: work is spread over
            processes, one a core.

    Returns:
        The net.

    Raises:
        TapError: If a tap is not there; the message has the closest names.
        FileNotFoundError: If ``pose`` or ``checkpoint`` is not there.
        ValueError: If the net is of another kind, the checkpoint of another
            net, the device not here, or an option unknown or not possible with
            this net.
    """
    _check_options(norm, backend, precision, threads)
    place = device_of(device)
    if precision in ('fp16', 'bf16') and (
            backend == 'onnxruntime' or _is_onnx(pose)):
        raise ValueError(
            f'precision={precision!r} is for an mmpose net in torch; '
            'onnxruntime runs a net as its file has it: leave it out, or '
            'convert the ONNX file to half precision')
    _check_file(pose)
    if _is_onnx(pose):
        if checkpoint:
            raise ValueError(f'{pose} holds its own weights: leave the '
                             f'checkpoint {checkpoint} out')
        if norm != 'eval':
            raise ValueError("norm='crop' needs an mmpose net: the batch norm "
                             f'of {pose} is part of its graph')
        return OnnxPoseNet(pose, taps, place, precision, threads)
    kind = MMPoseNet if backend == 'torch' else ExportedPoseNet
    return kind(pose, checkpoint, taps, place, norm, precision, threads)


def list_taps(pose: str | Path, checkpoint: str | None = None
              ) -> dict[str, tuple[int, int, int]]:
    """Every feature map that a pose net can give out.

    Args:
        pose: mmpose config or ONNX file.
        checkpoint: Not needed: the weights change no shape. If given, it must
            be of this net.

    Returns:
        Name to (C, h, w), in the order of the net; each can be a tap of
        :func:`build_pose_net`.

    Raises:
        FileNotFoundError: If ``pose`` or ``checkpoint`` is not there.
        ValueError: If the net is of another kind, or the checkpoint of another
            net.
    """
    _check_file(pose)
    if not _is_onnx(pose):
        model, _ = build_model(pose)
        if checkpoint:
            load_weights(model, checkpoint)
        width, height = model.head.decoder.input_size
        images = torch.zeros(1, 3, int(height), int(width))
        with computing(torch.device('cpu')):
            return maps_of_modules(
                model.eval(), lambda: model.head(model.extract_feat(images)))
    return maps_of_graph(pose)


def _check_options(norm: str, backend: str, precision: str,
                   threads: int) -> None:
    for name, value, known in (('norm', norm, NORMS),
                               ('backend', backend, BACKENDS),
                               ('precision', precision, PRECISIONS)):
        if value not in known:
            raise ValueError(f'{name} must be one of {known}, got {value!r}')
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f'threads must be 1 or more, got {threads!r}')


def _is_onnx(pose: str | Path) -> bool:
    return str(pose).endswith('.onnx')


def _check_file(pose: str | Path) -> None:
    if not osp.isfile(pose):
        raise FileNotFoundError(
            f'{pose}: no such pose net; give an mmpose config (.py) or an '
            'ONNX file (.onnx)')
    if not str(pose).endswith(('.py', '.onnx')):
        raise ValueError(f'{pose} is no pose net: give an mmpose config (.py) '
                         'or an ONNX file (.onnx)')
