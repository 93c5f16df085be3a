"""Where and how a net computes: device, threads, precision."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

PRECISIONS = ('fp32', 'tf32', 'fp16', 'bf16')
_AUTOCAST = dict(fp16=torch.float16, bf16=torch.bfloat16)


def device_of(name: str | torch.device) -> torch.device:
    """The device of a name, if this machine has it.

    Args:
        name: ``'cpu'``, ``'cuda'`` or ``'cuda:1'``.

    Returns:
        The device.

    Raises:
        ValueError: If the name is no device, or this machine lacks it.
    """
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ('cpu', 'cuda'):
        raise ValueError(f"device {name!r} is unknown: say 'cpu', 'cuda' or "
                         "'cuda:1'")
    if device.type == 'cpu':
        return torch.device('cpu')
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        raise ValueError(f'device {name!r}: PyTorch finds no GPU here; say '
                         "'cpu', or install a PyTorch built for CUDA and the "
                         'driver of the GPU')
    index = device.index or 0
    if index >= count:
        raise ValueError(f'device {name!r}: PyTorch finds {count} '
                         f"GPU{'s'[:count > 1]} here, 'cuda:0' to "
                         f"'cuda:{count - 1}'")
    return torch.device('cuda', index)


@contextmanager
def computing(device: torch.device, threads: int = 1,
              precision: str = 'fp32') -> Iterator[None]:
    """Settings under which a torch net runs, taken back afterwards.

    No gradients; ``threads`` threads on a CPU; kernels chosen by shape and
    never by timing them, so that the same crops give the same bits.

    Args:
        device: The net's device.
        threads: Threads of PyTorch on the CPU. Defaults to 1.
        precision: ``'fp32'``; ``'tf32'``, which lets a GPU's convolutions
            round their factors to 10 bits; ``'fp16'`` or ``'bf16'``, autocast.
            Defaults to ``'fp32'``.
    """
    before = torch.get_num_threads()
    if before != threads:
        torch.set_num_threads(threads)
    try:
        with ExitStack() as settings:
            settings.enter_context(torch.inference_mode())
            if device.type == 'cuda':
                settings.enter_context(torch.backends.cudnn.flags(
                    enabled=True, benchmark=False, deterministic=True,
                    allow_tf32=precision == 'tf32'))
            if precision in _AUTOCAST:
                settings.enter_context(
                    torch.autocast(device.type, _AUTOCAST[precision]))
            yield
    finally:
        if before != threads:
            torch.set_num_threads(before)
