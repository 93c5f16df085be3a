"""ONNX files: read safely, and run with tensors in and out."""
from __future__ import annotations

import hashlib
import os
import os.path as osp
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..files import sha256_of
from ..onnx_check import check_onnx

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

_DTYPES = {
    'tensor(float)': (torch.float32, np.float32),
    'tensor(float16)': (torch.float16, np.float16),
    'tensor(double)': (torch.float64, np.float64),
}


def load_onnx(path: str | Path) -> tuple[onnx.ModelProto, str]:
    """Read an ONNX model, with what it keeps in other files beside it.

    Args:
        path: The file.

    Returns:
        The model, and the sha256 of the file; of its own and the other files'
        sha256 where there are any.

    Raises:
        ValueError: If it is no ONNX file; or if it names other files by a link
            or outside of its own folder, which could be any file here.
    """
    import onnx
    try:
        with open(path, 'rb') as file:
            content = file.read()
        places = set(check_onnx(content, linked=True).places)
        model = onnx.load_from_string(content)
    except Exception as error:
        raise ValueError(f'{path} is no ONNX file: {error}') from None
    folder = osp.realpath(osp.dirname(str(path)))
    for place in sorted(places):
        file = osp.join(folder, place)
        if osp.realpath(file) != osp.normpath(file) or not \
                osp.normpath(file).startswith(folder + os.sep):
            raise ValueError(
                f'{path} keeps weights in {place!r}, which is a link or '
                'outside of its folder; only plain files beside it are read: '
                'copy them there, or save the net as one file')
        if not osp.isfile(file):
            raise ValueError(f'{path} keeps weights in {place!r}, which is '
                             'not beside it: copy that file, too')
    sha256 = sha256_of(path)
    if places:
        try:
            onnx.load_external_data_for_model(model, folder)
            check_onnx(model.SerializeToString())
        except Exception as error:
            raise ValueError(f'{path}: its weights in {sorted(places)} '
                             f'cannot be read: {error}') from None
        whole = [sha256] + [sha256_of(osp.join(folder, place))
                            for place in sorted(places)]
        sha256 = hashlib.sha256(''.join(whole).encode()).hexdigest()
    return model, sha256


LARGEST = 8192  # pixels of a side of a crop


class OnnxSession:
    """A net in onnxruntime whose tensors stay on its device.

    Inputs and outputs are bound to memory of torch, so nothing is copied
    between the two and, on a GPU, nothing to the host. There it works on a
    stream of its own that torch's current stream waits for; no call waits.

    On a CPU the result of a crop has the same bits for 1 and 2 threads, any
    batch size and any place in the batch (tests/estimation/test_pose.py).

    Args:
        graph: The serialised model.
        device: Where it runs.
        name: Of the file, for messages.
        threads: Threads on a CPU. Defaults to 1.
        tf32: Whether a GPU may round the factors of its products to 10 bits.
            Defaults to False.

    Attributes:
        input: Name of its input.
        size: Width and height of the crops.

    Raises:
        ValueError: If onnxruntime cannot run it, or its input is not one batch
            of images of a fixed size.
    """

    def __init__(self, graph: bytes, device: torch.device, name: str | Path,
                 threads: int = 1, tf32: bool = False) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # they are raised
        self.device, self.stream, self.run_options = device, None, None
        if device.type == 'cuda':
            self.stream = torch.cuda.Stream(device)
            self.run_options = onnxruntime.RunOptions()
            self.run_options.add_run_config_entry(
                'disable_synchronize_execution_providers', '1')
        provider = _provider(device, self.stream, tf32)
        try:
            self.session = onnxruntime.InferenceSession(
                graph, options, providers=[provider])
        except Exception as error:
            raise ValueError(f'{name}: onnxruntime cannot run it: {error}'
                             ) from None
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or \
                inputs[0].shape[1] != 3 or inputs[0].type not in _DTYPES:
            raise ValueError(
                f'{name}: a pose net has one input (N, 3, h, w) of floats, '
                f'this one has {[(i.name, i.shape, i.type) for i in inputs]}')
        if not all(isinstance(n, int) for n in inputs[0].shape[2:]):
            raise ValueError(f'{name}: the input size must be fixed, it is '
                             f'{inputs[0].shape}: export it with fixed h, w')
        if not all(0 < n <= LARGEST for n in inputs[0].shape[2:]):
            raise ValueError(f'{name}: crops of {inputs[0].shape[2:]} pixels; '
                             f'sides of 1 to {LARGEST} are read')
        self.input = inputs[0].name
        self.size = (inputs[0].shape[3], inputs[0].shape[2])
        self.dtype, self.element = _DTYPES[inputs[0].type]
        self.binding = self.session.io_binding()

    def __call__(self, names: Sequence[str], images: Tensor
                 ) -> dict[str, Tensor]:
        """Run the net.

        Args:
            names: Outputs to take.
            images: (N, 3, h, w), on the session's device.

        Returns:
            Name to output, on the device.

        Raises:
            ValueError: If onnxruntime fails, or an output has no batch of N.
        """
        images = images.to(self.dtype).contiguous()
        kind, index = self.device.type, self.device.index or 0
        if self.stream is not None:
            self.stream.wait_stream(torch.cuda.current_stream(self.device))
        self.binding.bind_input(self.input, kind, index, self.element,
                                tuple(images.shape), images.data_ptr())
        for name in names:
            self.binding.bind_output(name, kind, index)
        try:
            self.session.run_with_iobinding(self.binding, self.run_options)
        except Exception as error:
            raise ValueError('onnxruntime failed on '
                             f'{tuple(images.shape)}: {error}') from None
        values = self.binding.get_outputs()
        self.binding.clear_binding_outputs()
        if self.stream is not None:
            torch.cuda.current_stream(self.device).wait_stream(self.stream)
        return {name: self._tensor(name, value, len(images))
                for name, value in zip(names, values)}

    def _tensor(self, name: str, value: Any, count: int) -> Tensor:
        """An output as a tensor over the same memory."""
        if hasattr(value, '__dlpack__'):
            tensor = torch.from_dlpack(value)
        else:  # onnxruntime before dlpack: by the host
            tensor = torch.from_numpy(value.numpy()).to(self.device)
        if not tensor.is_floating_point() or not tensor.ndim or \
                len(tensor) != count:
            raise ValueError(
                f'{name!r} gives {tensor.dtype} {tuple(tensor.shape)} for '
                f'{count} crops; floats for each crop are needed')
        return tensor


def _provider(device: torch.device, stream: torch.cuda.Stream | None,
              tf32: bool) -> str | tuple[str, dict[str, Any]]:
    import onnxruntime
    if stream is None:
        return 'CPUExecutionProvider'
    if 'CUDAExecutionProvider' not in onnxruntime.get_available_providers():
        raise ValueError(f'onnxruntime cannot run on {device}: '
                         'pip install onnxruntime-gpu, or use the CPU')
    return ('CUDAExecutionProvider', dict(
        device_id=device.index or 0,
        user_compute_stream=str(stream.cuda_stream),
        use_tf32=int(tf32),
        # the search by timing would choose other kernels in another run
        cudnn_conv_algo_search='HEURISTIC'))
