"""Top-down pose nets of mmpose, in torch or exported to onnxruntime."""
from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config_text import read_config
from .checkpoints import load_weights
from .decoding import batched_decoder
from .pose_net import PoseNet, PoseOutput, as_tensors, planes
from .sessions import OnnxSession
from .taps import ModuleTaps

if TYPE_CHECKING:
    from mmengine import Config


class MMPoseNet(PoseNet):
    """A top-down pose net of mmpose.

    Args:
        config: See :func:`~hpnet_plugin.estimation.pose.build_pose_net`, as
            all the others.
        checkpoint: Likewise.
        taps: Likewise.
        device: Likewise.
        norm: Likewise.
        precision: Likewise.
        threads: Likewise.

    Raises:
        ValueError: If no weights are named, or the net is of another kind.
    """

    backend = 'torch'

    def __init__(self,
                 config: str | Path,
                 checkpoint: str | None,
                 taps: Sequence[str],
                 device: torch.device,
                 norm: str,
                 precision: str = 'fp32',
                 threads: int = 1) -> None:
        model, settings = build_model(config)
        checkpoint = checkpoint or settings.get('load_from')
        if not checkpoint:
            raise ValueError(f'{config} names no weights (load_from): '
                             'give a checkpoint')
        sha256 = load_weights(model, checkpoint)
        if norm == 'crop':
            use_crop_statistics(model)
        # pyrefly: ignore[read-only]  # torch.device is no descriptor
        self.device = device
        self.precision, self.threads = precision, threads
        # crops are channels last as they come, and nets run faster so
        self.model = model.to(device, memory_format=torch.channels_last).eval()
        self.kept = ModuleTaps(self.model, taps, config)

        width, height = model.head.decoder.input_size
        self.size = int(width), int(height)
        self.udp = any(
            step['type'] == 'TopdownAffine' and step.get('use_udp', False)
            for step in _test_pipeline(settings))
        self.layout = (model.dataset_meta or {}).get('dataset_name', 'coco')
        stats = settings.model.get('data_preprocessor', {})
        self.to_rgb = stats.get('bgr_to_rgb', False)
        self.mean, self.std = (
            torch.tensor(stats.get(key, default)).float().expand(3).to(device)
            for key, default in (('mean', (0., )), ('std', (1., ))))
        self.decoder = batched_decoder(model.head, self.size)
        self.record = dict(
            config=osp.basename(str(config)),
            checkpoint=osp.basename(str(checkpoint)),
            sha256=sha256,
            norm=norm,
            size=list(self.size))
        if precision != 'fp32':
            self.record['precision'] = precision
        self._prepare(tuple(taps), settings)
        self._probe()

    def _prepare(self, taps: tuple[str, ...], settings: Config) -> None:
        """What the backend needs beside the model."""
        # a row of pixels at a time: colours alternate along it
        self.row = [value.repeat(self.size[0])
                    for value in (self.mean, self.std)]

    def run(self, images: Tensor) -> PoseOutput[Tensor]:
        """Run the net; see :meth:`PoseNet.run`.

        Args:
            images: RGB crops, (N, h, w, 3) uint8, on the device.

        Returns:
            Joints, scores and maps, tensors on the device.
        """
        outputs, maps = self.forward(images)
        outputs = tuple(value.float() for value in outputs)
        if self.decoder is not None:
            joints, scores = as_tensors(self.decoder(*outputs))
        else:
            joints, scores = self._decode_each(outputs)
        return PoseOutput(joints.to(self.device), scores.to(self.device),
                          maps, outputs)

    def forward(self, images: Tensor
                ) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """The net alone, nothing decoded.

        Args:
            images: RGB crops, (N, h, w, 3) uint8, on the device.

        Returns:
            What the head gives, and tap to feature map.
        """
        n, h, w, _ = images.shape
        if not self.to_rgb:  # the net wants what OpenCV reads, BGR
            images = images.flip(-1)
        mean, std = self.row
        inputs = images.reshape(n, h, w * 3).float().sub_(mean).div_(std)
        inputs = inputs.view(n, h, w, 3).permute(0, 3, 1, 2)
        outputs = self.model.head(self.model.extract_feat(inputs))
        return (outputs if isinstance(outputs, tuple) else (outputs, ),
                self.kept.take())

    def _decode_each(self, outputs: tuple[Tensor, ...]
                     ) -> tuple[Tensor, ...]:
        """Joints and scores by mmpose itself, crop by crop, on the host."""
        decoded = self.model.head.decode(
            outputs if len(outputs) > 1 else outputs[0])
        joints = np.stack([_numpy(p.keypoints)[0] for p in decoded])
        scores = np.stack([_numpy(p.keypoint_scores)[0] for p in decoded])
        return as_tensors((joints[..., :2].astype(np.float32),
                            scores.astype(np.float32)))


class ExportedPoseNet(MMPoseNet):
    """A pose net of mmpose in onnxruntime; see :class:`MMPoseNet`."""

    backend = 'onnxruntime'

    def _prepare(self, taps: tuple[str, ...], settings: Config) -> None:
        from .export import export_pose_net

        graph, self.names = export_pose_net(
            self.model, self.kept, self.size,
            key=dict(model=settings.model.to_dict(), taps=taps,
                     sha256=self.record['sha256'], norm=self.record['norm']))
        self.session = OnnxSession(
            graph, self.device, self.record['config'], self.threads,
            self.precision == 'tf32')
        self.record['backend'] = self.backend
        self.mean, self.std = (value.view(3, 1, 1)
                               for value in (self.mean, self.std))
        # its weights are in the session; the head still decodes
        self.model.backbone = None

    def forward(self, images: Tensor
                ) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
        """The net alone, nothing decoded.

        See :meth:`MMPoseNet.forward`.
        """
        inputs = planes(images, self.to_rgb).sub_(self.mean).div_(self.std)
        outputs = self.session(self.names, inputs)
        taps = self.kept.names
        values = [outputs[name] for name in self.names]
        return (tuple(values[:len(values) - len(taps)]),
                dict(zip(taps, values[len(values) - len(taps):])))


def _numpy(value: np.ndarray | Tensor) -> np.ndarray:
    return value.cpu().numpy() if isinstance(value, torch.Tensor) else value


def _test_pipeline(config: Config) -> list[dict[str, Any]]:
    for key in ('test_dataloader', 'val_dataloader'):
        if key in config:
            return config[key].dataset.get('pipeline', [])
    return []


def build_model(config: str | Path) -> tuple[Any, Config]:
    """The top-down net of an mmpose config, without weights, and the config.

    Args:
        config: The file.

    Returns:
        The ``TopdownPoseEstimator``, on the CPU, and its config.

    Raises:
        ValueError: If the config is of another kind.
    """
    # mmpose and what it imports cost seconds: only who needs them pays
    from mmengine import DefaultScope
    from mmpose.apis import init_model
    from mmpose.models import TopdownPoseEstimator

    wanted = 'only top-down nets of mmpose (TopdownPoseEstimator) give maps ' \
        'of a person'
    settings = read_config(config, imports=True)
    kind = (settings.get('model') or {}).get('type', 'no model at all')
    kind = kind if isinstance(kind, str) else kind.__name__
    if kind.rpartition('.')[2] != TopdownPoseEstimator.__name__:
        raise ValueError(f'{config} describes {kind}; {wanted}')
    # mmpose would make its scope the default of the whole process
    settings.default_scope = None
    try:
        with DefaultScope.overwrite_default_scope('mmpose'):
            model = init_model(settings, device='cpu')
    except Exception as error:
        raise ValueError(f'{config} describes no net that mmpose can build: '
                         f'{type(error).__name__}: {error}') from None
    if not isinstance(model, TopdownPoseEstimator) or not hasattr(
            getattr(model.head, 'decoder', None), 'input_size'):
        raise ValueError(
            f'{config} describes a {type(model).__name__} with the head '
            f'{type(model.head).__name__}; {wanted}, with a head that has '
            'a decoder')
    return model, settings


def use_crop_statistics(model: nn.Module) -> None:
    """Let each batch norm use the statistics of the single crop.

    The released extraction leaves its pose net in train mode and feeds crops
    one by one; that is instance norm with the batch norm's own affine.

    Args:
        model: The net, changed in place.
    """

    def forward(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
        return F.instance_norm(
            x, weight=norm.weight, bias=norm.bias, eps=norm.eps)

    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.forward = forward.__get__(module)
