"""Pose nets in ONNX files."""
from __future__ import annotations

import os.path as osp
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .decoding import decode_heatmaps, decode_simcc, on_host
from .onnx_graphs import reading, tapped_graph
from .pose_net import PoseNet, PoseOutput, as_tensors, planes
from .sessions import OnnxSession

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class OnnxPoseNet(PoseNet):
    """A pose net in an ONNX file.

    Args:
        path: See :func:`~hpnet_plugin.estimation.pose.build_pose_net`, as all
            the others.
        taps: Likewise.
        device: Likewise.
        precision: Likewise.
        threads: Likewise.

    Attributes:
        output_names: Of the graph's own outputs, without the taps.

    Raises:
        TapError: If a tap is not there.
        ValueError: If it is no such net, or its crops depend on each other.
    """

    def __init__(self,
                 path: str | Path,
                 taps: Sequence[str],
                 device: torch.device,
                 precision: str = 'fp32',
                 threads: int = 1) -> None:
        graph, self.output_names, sha256 = tapped_graph(path, taps)
        with reading(path):
            serialised = graph.SerializeToString()
        if len(self.output_names) not in (1, 2):
            raise ValueError(
                f'{path} has the outputs {self.output_names}; one (heatmaps) '
                'or two (SimCC x and y) are understood')
        self.path = str(path)
        # pyrefly: ignore[read-only]  # torch.device is no descriptor
        self.device = device
        self.precision, self.threads = precision, threads
        self.session = OnnxSession(serialised, device, path, threads,
                                   precision == 'tf32')
        self.size = self.session.size
        self.names = list(dict.fromkeys([*self.output_names, *taps]))
        self.taps = dict.fromkeys(taps, 0)  # their channels are probed
        # x / 255 - mean over std, folded into one scale and shift
        scale = 1 / np.array(IMAGENET_STD, np.float32)
        shift = -np.array(IMAGENET_MEAN, np.float32) * scale
        self.scale, self.shift = (
            torch.from_numpy(value).view(3, 1, 1).to(device)
            for value in (scale, shift))
        try:
            self._probe()
        except ValueError as error:
            raise type(error)(f'{path}: {error}') from None
        self._check_batches(path)
        self.record = dict(
            onnx=osp.basename(str(path)),
            sha256=sha256,
            norm='eval',
            size=list(self.size))
        if precision != 'fp32':
            self.record['precision'] = precision

    def run(self, images: Tensor) -> PoseOutput[Tensor]:
        """Run the net; see :meth:`PoseNet.run`.

        Args:
            images: RGB crops, (N, h, w, 3) uint8, on the device.

        Returns:
            Joints, scores and maps, tensors on the device.

        Raises:
            ValueError: If it gives neither heatmaps nor SimCC's vectors.
        """
        tensors = self.session(self.names, self.normalize(images))
        outputs = tuple(tensors[name] for name in self.output_names)
        if outputs[0].ndim == 4:  # what follows heatmaps is a feature map
            outputs = outputs[:1]
            decoded = decode_heatmaps(on_host(outputs[0]), self.size)
        elif len(outputs) == 2 and all(a.ndim == 3 for a in outputs):
            x, y = map(on_host, outputs)
            decoded = decode_simcc(x, y, self.size)
        else:
            raise ValueError(
                'the net gives neither heatmaps (N, V, h, w) nor SimCC '
                '(N, V, W), (N, V, H), but '
                f'{[tuple(a.shape) for a in outputs]}')
        joints, scores = as_tensors(decoded)
        return PoseOutput(joints, scores,
                          {tap: tensors[tap] for tap in self.taps}, outputs)

    def normalize(self, images: Tensor) -> Tensor:
        """The net's input.

        Args:
            images: RGB crops, (N, h, w, 3) uint8.

        Returns:
            (N, 3, h, w) in the type that the net takes.
        """
        return planes(images).mul_(self.scale).add_(self.shift).to(
            self.session.dtype)

    def _check_batches(self, path: str | Path) -> None:
        """A freed batch is only worth it if the graph keeps crops apart."""
        crops = np.random.RandomState(0).randint(
            0, 256, (2, self.size[1], self.size[0], 3)).astype(np.uint8)
        both, second = self(crops), self(crops[1:])
        pairs = [(torch.from_numpy(both.scores[1:]),
                  torch.from_numpy(second.scores))]
        pairs += [(both.maps[tap][1:], second.maps[tap]) for tap in self.taps]
        for a, b in pairs:
            if not torch.allclose(a, b, rtol=1e-3, atol=1e-4):
                raise ValueError(f'{path} mixes the crops of a batch: export '
                                 'it with a dynamic batch dimension')
