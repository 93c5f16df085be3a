"""ONNX files in onnxruntime, without torch."""
from __future__ import annotations

import json
import os
import os.path as osp
import sys
from typing import TYPE_CHECKING, Any

from .onnx_check import GraphError, check_onnx

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(content: bytes, name: str, device: str = 'cpu',
                 threads: int | None = None) -> InferenceSession:
    """Load a net into onnxruntime.

    Args:
        content: Of the file. A net that keeps weights in other files is
            refused: none is read but this one.
        name: Of the file, for messages.
        device: ``'cpu'``, ``'cuda'`` or ``'cuda:1'``.
        threads: Threads on a CPU; by default those of torch where it is
            loaded, for a worker process that computes in one thread stays in
            one, else ``$OMP_NUM_THREADS``, else one.

    Returns:
        The session.

    Raises:
        ValueError: If onnxruntime cannot run it, or has not the device.
    """
    import onnxruntime
    try:
        check_onnx(content)
    except GraphError as error:
        raise ValueError(f'{name} is no ONNX file that can be run: {error}'
                         ) from None
    kind, _, index = str(device).partition(':')
    provider = 'CPUExecutionProvider'
    if kind != 'cpu':
        provider = 'CUDAExecutionProvider', {'device_id': int(index or 0)}
        if provider[0] not in onnxruntime.get_available_providers():
            raise ValueError(f'onnxruntime cannot run on {device}: '
                             'pip install onnxruntime-gpu, or use the CPU')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised
    # of its own format it would verify nothing
    options.add_session_config_entry('session.load_model_format', 'ONNX')
    try:
        return onnxruntime.InferenceSession(content, options,
                                            providers=[provider])
    except Exception as error:  # onnxruntime has a class for each
        raise ValueError(f'{name} is no ONNX file that can be run: {error}'
                         ) from None


def open_exported(path: str, device: str = 'cpu',
                  threads: int | None = None
                  ) -> tuple[InferenceSession, dict[str, Any]]:
    """Load a file of ``hpnet export``, and what its metadata says.

    Args:
        path: The file.
        device: See :func:`open_session`.
        threads: Likewise.

    Returns:
        The session, and JSON data by key.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is another file.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path}: no such file; hpnet export writes '
                                'it')
    with open(path, 'rb') as file:
        session = open_session(file.read(), path, device, threads)
    try:
        facts = session.get_modelmeta().custom_metadata_map
        return session, {key: json.loads(value)
                         for key, value in facts.items()}
    except (ValueError, RecursionError):
        raise ValueError(f'{path} is no file of hpnet export, whose metadata '
                         'is JSON') from None


def _threads() -> int:
    torch = sys.modules.get('torch')
    if torch is not None:
        return torch.get_num_threads()
    value = os.environ.get('OMP_NUM_THREADS', '')
    return int(value) if value.isdecimal() and int(value) else 1
