"""What all pose nets share: crops in; joints, scores and maps out."""
from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from .devices import computing
from .taps import TapError

Array = TypeVar('Array', np.ndarray, Tensor)


class PoseOutput(NamedTuple, Generic[Array]):
    """What a pose net says of N crops.

    Attributes:
        joints: (N, V, 2), x and y in pixels of the crop, float32.
        scores: (N, V), as the net gives them, float32.
        maps: Tap to feature maps (N, C, h, w).
        head_outputs: What the joints were read from: heatmaps (N, V, h, w), or
            SimCC's (N, V, W') and (N, V, H').
    """
    joints: Array
    scores: Array
    maps: dict[str, Tensor]
    head_outputs: tuple[Tensor, ...]


class PoseNet:
    """What all kinds share.

    Attributes:
        size: Width and height of the crops it takes.
        udp: Whether crops follow mmpose's unbiased data processing.
        layout: Name of the joints' layout, ``'coco'`` for COCO's 17.
        taps: Tap to number of channels.
        num_joints: V.
        device: Where it runs.
        precision: See :func:`build_pose_net`.
        threads: See :func:`build_pose_net`.
        record: What made the maps, for the store.
    """

    size: tuple[int, int]
    udp: bool = False
    layout: str = 'coco'
    taps: dict[str, int]
    num_joints: int
    device: torch.device = torch.device('cpu')
    precision: str = 'fp32'
    threads: int = 1
    record: dict[str, Any]

    def run(self, images: Tensor) -> PoseOutput[Tensor]:
        """Run the net, all on its device and without waiting for it.

        Call it under :meth:`computing`.

        Args:
            images: RGB crops, (N, height, width, 3) uint8, on the net's
                device.

        Returns:
            Joints, scores and maps, tensors on the device.

        Raises:
            ValueError: If the net gives something else.
        """
        raise NotImplementedError

    def __call__(self, crops: np.ndarray) -> PoseOutput[np.ndarray]:
        """Run the net.

        Args:
            crops: RGB crops, (N, height, width, 3) uint8.

        Returns:
            Joints and scores as arrays; maps stay on the device.
        """
        with self.computing():
            output = self.run(self.upload(crops))
        return PoseOutput(output.joints.cpu().numpy(),
                          output.scores.cpu().numpy(), output.maps,
                          output.head_outputs)

    def computing(self) -> AbstractContextManager[None]:
        """Context in which the net and what follows it compute.

        Returns:
            See :func:`~hpnet_plugin.estimation.devices.computing`.
        """
        return computing(self.device, self.threads, self.precision)

    def upload(self, array: np.ndarray) -> Tensor:
        """An array as a tensor on the net's device, copied meanwhile.

        Args:
            array: Of any shape and type that torch knows.

        Returns:
            The same numbers.
        """
        value = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == 'cpu':
            return value
        # only from pinned memory does the copy go on behind the caller's back
        return value.pin_memory().to(self.device, non_blocking=True)

    def _probe(self) -> None:
        """Run one grey crop, to learn V and the channels of the taps."""
        output = self(_grey(self.size))
        self.num_joints = output.joints.shape[1]
        for tap, value in output.maps.items():
            if value.ndim != 4:
                raise TapError(f'tap {tap!r} gives {tuple(value.shape)}; a '
                               'feature map (N, C, h, w) is needed: hpnet '
                               'taps lists them')
        self.taps = {tap: value.shape[1]
                     for tap, value in output.maps.items()}


def _grey(size: tuple[int, int]) -> np.ndarray:
    return np.full((1, size[1], size[0], 3), 114, np.uint8)


def planes(images: Tensor, to_rgb: bool = True) -> Tensor:
    """(N, h, w, 3) uint8 to (N, 3, h, w) float32.

    Colours are put apart before they become floats: that moves a quarter of
    the bytes, and what follows runs over whole planes.

    Args:
        images: RGB crops, (N, h, w, 3) uint8.
        to_rgb: False for a net that takes BGR.

    Returns:
        (N, 3, h, w) float32, 0 to 255.
    """
    if not to_rgb:  # the net wants what OpenCV reads, BGR
        images = images.flip(-1)
    return images.permute(0, 3, 1, 2).contiguous().float()


def as_tensors(decoded: Iterable[np.ndarray | Tensor]
               ) -> tuple[Tensor, ...]:
    """What a decoder gives, as tensors.

    Args:
        decoded: Arrays or tensors.

    Returns:
        Tensors over the same memory.
    """
    return tuple(torch.from_numpy(value) if isinstance(value, np.ndarray)
                 else value for value in decoded)
