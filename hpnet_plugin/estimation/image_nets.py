"""A second net on the crops of the pose net, whose maps are pooled as well.

Any image net of open_clip or timm. It sees the pose net's crop, resized with
its aspect kept and put into the middle of the net's own input; what is left
has the mean colour. A joint's place in it is known exactly.
"""
from __future__ import annotations

import os.path as osp
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .pose_net import planes
from .tap_names import NetName, Tap
from .taps import ModuleTaps, TapError, maps_of_modules
from .tower_weights import find_tower_weights, load_tower_weights
from .towers import build_tower, grey


class ImageNet(nn.Module):
    """An image net with weights, and the layers that are tapped.

    Args:
        net: Its name.
        layers: Module paths.
        pixels: Width and height of the crops.
        device: Where it runs.

    Attributes:
        net: Its name.
        size: Width and height of its input.
        record: What made the maps, for the store.

    Raises:
        TapError: If there is no such net or layer.
        WeightsError: If its weights are not here or of another net.
    """

    columns: Tensor
    rows: Tensor
    shift: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, net: NetName, layers: Sequence[str],
                 pixels: tuple[int, int], device: torch.device) -> None:
        super().__init__()
        file = find_tower_weights(net)
        tower = build_tower(net)
        self.net, self.size = net, tower.size
        self.record: dict[str, Any] = dict(
            library=net.library,
            model=net.model,
            **dict(tag=net.tag) if net.tag else {},
            file=osp.basename(file),
            sha256=load_tower_weights(tower, file),
            size=list(tower.size),
            mean=list(tower.mean),
            std=list(tower.std))
        self.model = tower.model.to(device)
        self.shapes, self.count = tower.shapes, 1
        self.kept = ModuleTaps(
            self.model, layers, net.title, f'the image net {net.title}',
            lambda value: self.shapes(value, self.count))
        # one zoom for both axes: people keep their shape
        self.zoom = min(self.size[0] / pixels[0], self.size[1] / pixels[1])
        starts = [(own - self.zoom * side) / 2
                  for own, side in zip(self.size, pixels)]
        columns, rows = map(_resampling, pixels, self.size,
                            (self.zoom, self.zoom), starts)
        for name, value in (
                ('columns', columns.T), ('rows', rows),
                ('shift', np.array(starts) + (self.zoom - 1) / 2),
                ('mean', np.reshape(tower.mean, (3, 1, 1))),
                ('std', np.reshape(tower.std, (3, 1, 1)))):
            self.register_buffer(
                name, torch.tensor(np.ascontiguousarray(value),
                                   dtype=torch.float32, device=device), False)
        self.eval()

    def locate(self, at: Tensor) -> Tensor:
        """Places in the net's input.

        Args:
            at: Places in the crops, (..., 2), in pixels; (0, 0) is the centre
                of the first.

        Returns:
            Likewise, in pixels of the net's input.
        """
        return at * self.zoom + self.shift

    def inputs(self, images: Tensor) -> Tensor:
        """What the net sees.

        Args:
            images: RGB crops, (N, h, w, 3) uint8.

        Returns:
            (N, 3, h, w) of the net's own size, normalised.
        """
        colours = (planes(images) / 255 - self.mean) / self.std
        return self.rows @ (colours @ self.columns)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The tapped maps of crops.

        Args:
            images: RGB crops, (N, h, w, 3) uint8.

        Returns:
            Layer to (N, C, h, w).
        """
        self.count = len(images)
        self.model(self.inputs(images))
        return self.kept.take()

    def extent(self, value: Tensor) -> tuple[int, int]:
        """Width and height in pixels of the input that a map covers.

        Patches that do not fill the input leave out its last pixels.

        Args:
            value: A map (N, C, h, w) of the net.

        Returns:
            At most :attr:`size`.
        """
        height, width = int(value.shape[2]), int(value.shape[3])
        return (self.size[0] // width * width,
                self.size[1] // height * height)


def _resampling(side: int, own: int, zoom: float, start: float) -> np.ndarray:
    """Weights (own, side) that resize a row of pixels.

    Linear between pixels; where it shrinks, the triangle is as much wider, so
    that nothing is skipped. Rows that lie beside the crop are zero.
    """
    middle = (np.arange(own)[:, None] + .5 - start) / zoom
    away = np.abs(middle - np.arange(side) - .5) * min(1., zoom)
    weights = np.clip(1 - away, 0, None) * ((middle > 0) & (middle < side))
    total = weights.sum(1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights),
                     where=total > 0)


def build_image_nets(taps: Iterable[Tap], pixels: tuple[int, int],
                     device: torch.device) -> list[ImageNet]:
    """The image nets that taps name, each once.

    Args:
        taps: Taps; those of the pose net are left out.
        pixels: Width and height of the crops.
        device: Where they run.

    Returns:
        The nets, in the order of the taps.

    Raises:
        TapError: If there is no such net or layer, or two files of weights
            have one name.
        WeightsError: If weights are not here or of another net.
    """
    return [ImageNet(net, layers, pixels, device)
            for net, layers in _layers(taps).items()]


def check_image_nets(taps: Iterable[Tap]) -> None:
    """Find and download what image nets need, once for all processes.

    Args:
        taps: Taps.

    Raises:
        TapError: If there is no such net.
        WeightsError: If weights are not here.
    """
    for net in _layers(taps):
        find_tower_weights(net)


def _layers(taps: Iterable[Tap]) -> dict[NetName, list[str]]:
    found: dict[NetName, list[str]] = {}
    for tap in taps:
        if tap.net is not None:
            layers = found.setdefault(tap.net, [])
            layers += [tap.layer] * (tap.layer not in layers)
    titles: dict[str, NetName] = {}
    for net in found:
        other = titles.setdefault(net.title, net)
        if other != net:
            raise TapError(
                f'{net.file} and {other.file} would both be {net.title!r} in '
                'the store: rename one of the files')
    return found


def list_layers(net: NetName) -> dict[str, tuple[int, int, int]]:
    """Every feature map of an image net; no weights are needed.

    Args:
        net: Its name. If it names a file, that must be of this net.

    Returns:
        Module path to (C, h, w).

    Raises:
        TapError: If there is no such net.
        WeightsError: If the file is not there or of another net.
    """
    tower = build_tower(net)
    if net.file:
        load_tower_weights(tower, find_tower_weights(net))
    with torch.inference_mode():
        return maps_of_modules(tower.model,
                               lambda: tower.model(grey(tower)),
                               lambda value: tower.shapes(value, 1))
