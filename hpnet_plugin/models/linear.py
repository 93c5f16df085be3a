"""Products of matrices, by the library that is fastest at them.

Without gradients, in float32 on AMD's CPUs with AVX-512, that is oneDNN, about
1.3 times as fast as MKL. On other devices it is what torch chooses.
"""
from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

# below this number of multiply-adds, starting oneDNN costs what it saves
LEAST = 10_000_000


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear layer.

    Args:
        x: (..., I).
        weight: (O, I).
        bias: (O, ).

    Returns:
        (..., O).
    """
    if _by_onednn(x, weight):
        return torch.ops.mkldnn._linear_pointwise(
            x, weight, bias, 'none', [], '')
    return F.linear(x, weight, bias)


def products(weight: Tensor, x: Tensor, bias: Tensor | None = None) -> Tensor:
    """Point convolutions: a product of matrices for each of S networks.

    Args:
        weight: (S, O, I).
        x: (S, I, N).
        bias: (S, O, 1). Defaults to None.

    Returns:
        (S, O, N).
    """
    # oneDNN is hundreds of times as slow where neighbours are apart
    if len(weight) == 1 and x.stride(2) == 1 and \
            _by_onednn(weight[0], x[0].t()):
        # what is called a bias there belongs to N, not to O
        out = torch.ops.mkldnn._linear_pointwise(
            weight[0], x[0].t(), None, 'none', [], '')[None]
        return out if bias is None else out.add_(bias)
    return torch.bmm(weight, x) if bias is None else \
        torch.baddbmm(bias, weight, x)


def _by_onednn(x: Tensor, weight: Tensor) -> bool:
    # neither compilers nor tracers know the operator
    return (x.device.type == 'cpu' and not torch.is_grad_enabled()
            and x.dtype == weight.dtype == torch.float32
            and x.numel() * len(weight) >= LEAST
            and not torch.compiler.is_compiling()
            and not torch.jit.is_tracing()
            and not torch.is_autocast_enabled('cpu')
            and _has_slow_mkl())


@functools.lru_cache(None)
def _has_slow_mkl() -> bool:
    """Whether MKL does not use all of this CPU, and oneDNN does."""
    if not (torch.backends.mkl.is_available()
            and torch.backends.mkldnn.is_available()
            and torch.backends.cpu.get_cpu_capability() == 'AVX512'):
        return False
    try:
        with open('/proc/cpuinfo') as file:
            if 'AuthenticAMD' not in file.read(4096):
                return False
        # not documented: another version of torch may take other arguments
        x = torch.ones(1, 1)
        found = torch.ops.mkldnn._linear_pointwise(
            x, x, x[0], 'none', [], '')
        return bool((found == 2).all())
    except (OSError, AttributeError, RuntimeError):
        return False
