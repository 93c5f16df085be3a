"""Batch norm over the clips of all processes, on any device."""
from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SyncBatchNorm(_BatchNorm):
    """What torch's ``SyncBatchNorm`` computes, which refuses CPUs.

    Arguments, parameters and buffers are those of torch's batch norms. On a
    GPU torch's own is faster.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any number of axes."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise.

        Args:
            input: (N, C, …). Processes may have different N.

        Returns:
            The same shape; in training normalised over all processes.
        """
        if not self.training or not dist.is_initialized() or \
                dist.get_world_size() == 1:
            return super().forward(input)
        mean, variance, count = _moments(input)
        if self.running_mean is not None and self.running_var is not None:
            share = self._step()
            with torch.no_grad():
                self.running_mean.lerp_(mean.to(self.running_mean), share)
                self.running_var.lerp_(
                    (variance * count / (count - 1)).to(self.running_var),
                    share)
        return _Normalise.apply(
            input, self.weight, self.bias, mean.to(input),
            (variance + self.eps).rsqrt().to(input), count)

    def _step(self) -> float:
        """Count a step; how far the statistics move in it."""
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                return 1 / int(self.num_batches_tracked)
        return self.momentum or 0.


def synchronise(model: nn.Module) -> None:
    """Let the batch norms of a model look at all processes, in place.

    Args:
        model: The model. Its parameters and buffers stay the objects that
            they are.
    """
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.__class__ = SyncBatchNorm


def _moments(x: Tensor) -> tuple[Tensor, Tensor, float]:
    """Mean and variance over all processes, in float64, and their number.

    Each process's own mean is taken off before it squares: sums of squares
    would lose the digits of channels that vary little.
    """
    axes, count = _axes(x), x.numel() // x.shape[1]
    variance, mean = torch.var_mean(x.detach(), axes, correction=0)
    own = torch.stack([mean, variance, torch.full_like(mean, count)]).double()
    every = [torch.empty_like(own)
             for _ in range(dist.get_world_size())]
    dist.all_gather(every, own)
    means, variances, counts = torch.stack(every, 1)
    total = counts.sum(0)
    mean = (means * counts).sum(0) / total
    variance = ((variances + (means - mean)**2) * counts).sum(0) / total
    return mean, variance, float(total[0])


def _axes(x: Tensor) -> list[int]:
    """All but that of the channels."""
    return [0, *range(2, x.ndim)]


class _Normalise(torch.autograd.Function):
    """Normalise by moments that are functions of the input.

    Gradients of weight and bias are those of this process's clips: they are
    summed where those of all parameters are.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None,
                bias: Tensor | None, mean: Tensor, scale: Tensor,
                count: float) -> Tensor:
        """(x - mean) * scale * weight + bias."""
        shape = [1, -1] + [1] * (x.ndim - 2)
        normal = (x - mean.view(shape)).mul_(scale.view(shape))
        ctx.save_for_backward(normal, weight, scale)
        ctx.count = count
        if weight is None or bias is None:
            return normal.clone()
        return torch.addcmul(bias.view(shape), normal, weight.view(shape))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Of the input, through the moments of all processes, too."""
        grad, = grads
        normal, weight, scale = ctx.saved_tensors
        axes, shape = _axes(grad), [1, -1] + [1] * (grad.ndim - 2)
        sums = torch.stack([grad.sum(axes), (grad * normal).sum(axes)])
        own = sums.clone()
        found = None
        if ctx.needs_input_grad[0]:
            dist.all_reduce(sums)
            mean, slope = sums / ctx.count
            found = (grad - mean.view(shape)).addcmul_(
                normal, slope.view(shape), value=-1)
            found *= (scale if weight is None else scale * weight).view(shape)
        if weight is None:
            return found, *[None] * 5
        return found, own[1], own[0], *[None] * 3
