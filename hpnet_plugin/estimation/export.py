"""An mmpose net as an ONNX graph, exported once and kept."""
from __future__ import annotations

import hashlib
import json
import os
import os.path as osp
import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from ..files import write_whole
from ..onnx_export import OPSET, TOLERANCE, ExportError, difference, to_onnx
from ..onnx_session import open_session
from ..versions import versions
from .devices import computing
from .taps import ModuleTaps

# what the graph depends on beside the net
PACKAGES = ('torch', 'mmpose', 'mmengine', 'onnx', 'onnxruntime')


class _Graph(nn.Module):
    """Normalised crops in; the head's outputs and the maps in one tuple."""

    def __init__(self, model: nn.Module, kept: ModuleTaps) -> None:
        super().__init__()
        self.model: Any = model
        self.kept = kept

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self.model.head(self.model.extract_feat(images))
        outputs = outputs if isinstance(outputs, tuple) else (outputs, )
        return (*outputs, *self.kept.take().values())


def export_pose_net(model: nn.Module, kept: ModuleTaps, size: tuple[int, int],
                    key: dict[str, Any]) -> tuple[bytes, list[str]]:
    """The ONNX graph of a net with its taps, from the cache if it is there.

    Args:
        model: Top-down net of mmpose, in eval mode.
        kept: Its taps.
        size: Width and height of the crops.
        key: What the graph depends on: config, weights, taps, norm. Versions
            of the packages are added.

    Returns:
        The graph, whose batch is free, and the names of its outputs: the
        head's, then the taps'.

    Raises:
        ValueError: If the net cannot be exported, or the graph computes
            something else than the net.
    """
    device = next(model.parameters()).device
    graph = _Graph(model, kept).eval()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, 3, size[1], size[0], generator=generator)
    with computing(torch.device('cpu')):
        expected = [value.float().cpu().numpy()
                    for value in graph(images.to(device))]
    names = [f'output{i}' for i in range(len(expected))]
    key = dict(key, names=names, opset=OPSET,
               versions=versions(PACKAGES))
    text = json.dumps(key, sort_keys=True, default=str)
    path = osp.join(cache_folder(),
                    hashlib.sha256(text.encode()).hexdigest() + '.onnx')
    # a file that another program broke is made anew
    if osp.isfile(path):
        with open(path, 'rb') as file:
            data = file.read()
        if _difference(data, names, images, expected) <= TOLERANCE:
            return data, names
    batch = {0: 'batch'}
    try:
        data = to_onnx(graph, [images[:2].to(device)], dict(images=batch),
                       dict.fromkeys(names, batch))
    except ExportError as error:
        raise ValueError(f"{error}: leave out backend='onnxruntime'"
                         ) from None
    off = _difference(data, names, images, expected)
    if off > TOLERANCE:
        raise ValueError(
            "this net's export to ONNX computes something else than the net "
            f'(by {off:.1e} of the largest value): leave out '
            "backend='onnxruntime'")
    try:
        write_whole(path, data)
    except OSError as error:
        warnings.warn(f'{path}: the exported net cannot be kept there '
                      f'({error.strerror}); every process exports it again. '
                      'XDG_CACHE_HOME names another folder', stacklevel=2)
    return data, names


def cache_folder() -> str:
    """Folder of exported nets.

    Returns:
        ``$XDG_CACHE_HOME/hpnet_plugin/onnx``.
    """
    root = os.environ.get('XDG_CACHE_HOME') or osp.expanduser('~/.cache')
    return osp.join(root, 'hpnet_plugin', 'onnx')


def _difference(data: bytes, names: list[str], images: torch.Tensor,
                expected: list[np.ndarray]) -> float:
    """Largest difference of a graph's outputs, as a share of the largest."""
    try:
        session = open_session(data, 'the exported net', threads=1)
        found = [np.asarray(value) for value in session.run(
            names, {'images': images.numpy()})]
    except Exception:
        return np.inf
    return difference(found, expected)
