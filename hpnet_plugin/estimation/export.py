"""An mmpose net as an ONNX graph, exported once and kept."""
import hashlib
import io
import json
import os
import os.path as osp
import warnings
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from torch import nn

from ..files import write_whole
from .devices import computing

OPSET = 17
# largest difference from torch, as a share of an output's largest value
TOLERANCE = 1e-4
# what the graph depends on beside the net
PACKAGES = ('torch', 'mmpose', 'mmengine', 'onnx', 'onnxruntime')


class _Graph(nn.Module):
    """Normalised crops in, answers and maps out, all in one tuple."""

    def __init__(self, model, kept):
        super().__init__()
        self.model, self.kept = model, kept

    def forward(self, images):
        outputs = self.model.head(self.model.extract_feat(images))
        answers = outputs if isinstance(outputs, tuple) else (outputs, )
        return (*answers, *self.kept.take().values())


def export_pose_net(model, kept, size, key):
    """The ONNX graph of a net with its taps, from the cache if it is there.

    Args:
        model (nn.Module): Top-down net of mmpose, in eval mode.
        kept (ModuleTaps): Its taps.
        size (tuple[int]): Width and height of the crops.
        key (dict): What the graph depends on: config, weights, taps, norm.
            Versions of the packages are added.

    Returns:
        tuple[bytes, list[str]]: The graph, whose batch is free, and the
        names of its outputs: the head's, then the taps'.

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
               versions={name: _version(name) for name in PACKAGES})
    text = json.dumps(key, sort_keys=True, default=str)
    path = osp.join(cache_folder(),
                    hashlib.sha256(text.encode()).hexdigest() + '.onnx')
    # a file that another program broke is made anew
    if osp.isfile(path):
        with open(path, 'rb') as file:
            data = file.read()
        if _difference(data, names, images, expected) <= TOLERANCE:
            return data, names
    data = _exported(graph, images[:2].to(device), names)
    difference = _difference(data, names, images, expected)
    if difference > TOLERANCE:
        raise ValueError(
            "this net's export to ONNX computes something else than the net "
            f'(by {difference:.1e} of the largest value): leave out '
            "backend='onnxruntime'")
    try:
        write_whole(path, data)
    except OSError as error:
        warnings.warn(f'{path}: the exported net cannot be kept there '
                      f'({error.strerror}); every process exports it again. '
                      'XDG_CACHE_HOME names another folder', stacklevel=2)
    return data, names


def cache_folder():
    """Folder of exported nets: ``$XDG_CACHE_HOME/hpnet_plugin/onnx``."""
    root = os.environ.get('XDG_CACHE_HOME') or osp.expanduser('~/.cache')
    return osp.join(root, 'hpnet_plugin', 'onnx')


def _exported(graph, images, names):
    buffer = io.BytesIO()
    try:
        # not under inference mode, whose tensors the tracer cannot follow
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            torch.onnx.export(
                graph, (images, ), buffer, dynamo=False, opset_version=OPSET,
                input_names=['images'], output_names=names,
                dynamic_axes={name: {0: 'batch'}
                              for name in ('images', *names)})
    except Exception as error:
        reason = str(error).strip().partition('\n')[0]
        raise ValueError(
            'this net cannot be exported to ONNX '
            f'({type(error).__name__}: {reason}): leave out '
            "backend='onnxruntime'") from None
    return buffer.getvalue()


def _difference(data, names, images, expected):
    """Largest difference of a graph's outputs, as a share of the largest."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            data, options, providers=['CPUExecutionProvider'])
        found = session.run(names, {'images': images.numpy()})
    except Exception:
        return np.inf
    return max(np.inf if a.shape != b.shape
               else float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-12))
               for a, b in zip(found, expected))


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None
