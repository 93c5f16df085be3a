"""Weights of CTR-GCN: joined, folded and stacked."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..linear import products


class Point(NamedTuple):
    """Point convolutions of S networks.

    Attributes:
        weight: (S, C', C).
        bias: (S, C', 1).
    """
    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve.

        Args:
            x: (1, S * C, H, T).

        Returns:
            (1, S * C', H, T).
        """
        streams, _, channels = self.weight.shape
        if torch.onnx.is_in_onnx_export():  # onnxruntime fuses it with a ReLU
            return F.conv2d(x, self.weight.view(-1, channels, 1, 1),
                            self.bias.flatten(), groups=streams)
        out = products(self.weight, x.reshape(streams, channels, -1),
                       self.bias)
        return out.view(1, -1, *x.shape[2:])


class Weights(NamedTuple):
    """What a block of S networks computes with, for K subsets of the graph.

    Attributes:
        relate: ``conv1``, then ``conv2`` of all subsets, C to R each.
        refine: ``conv4`` times alpha, ones, its bias: (K, S, C', R + 2).
        graph: The graph and ones, (K, S, 2, 1, V, V).
        feature: ``conv3`` without its bias, (S, K, C', C).
        offset: What the bias of ``conv3`` and, if it is folded, the norm add
            to the sum over subsets, of the sums over v of the relations.
        down: Skip of the graph convolution, if it is no identity.
        point: First convolutions of the temporal branches.
        dilated: (S * C' / 4, C' / 4, 1, 5) and biases, for each dilation.
        pooled: Scale and shift of the norm of the maximum, if norms are
            folded, (S, C' / 4, 1, 1) each.
        residual: Skip of the block, if it is a convolution.
    """
    relate: Point
    refine: Tensor
    graph: Tensor
    feature: Tensor
    offset: Point
    down: Point | None
    point: Point
    dilated: tuple[tuple[Tensor, Tensor], ...]
    pooled: tuple[Tensor, Tensor] | None
    residual: Point | None


def stack(parts: Sequence[Any], dim: int = 0) -> Any:
    """Weights of S networks from those of each.

    Args:
        parts: Of the networks: :class:`Weights`, or a part of them.
        dim: Where networks are told apart. Defaults to 0.

    Returns:
        Of the same kind.
    """
    first = parts[0]
    if first is None or len(parts) == 1:
        return first
    if isinstance(first, Tensor):
        return torch.cat(list(parts), dim)
    # subsets come before networks in what makes topologies
    dims = [int(name in ('refine', 'graph'))
            for name in getattr(first, '_fields', ' ' * len(first))]
    found = [stack(part, dim) for part, dim in zip(zip(*parts), dims)]
    return type(first)(*found) if hasattr(first, '_fields') else tuple(found)


def affine(norm: Any) -> tuple[Tensor, Tensor]:
    """Scale and shift, which are all that a norm is in eval mode.

    Args:
        norm: A batch norm.

    Returns:
        (C, ) each.
    """
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def joined(convs: Sequence[Any], norms: Sequence[Any] = ()) -> Point:
    """Parallel point convolutions as one, norms folded into them.

    Args:
        convs: The convolutions, of one input.
        norms: The norm after each. Defaults to none.

    Returns:
        Of one network.
    """
    weight = torch.cat([conv.weight.flatten(1) for conv in convs])
    bias = torch.cat([conv.bias for conv in convs])
    if norms:
        scale, shift = map(torch.cat, zip(*map(affine, norms)))
        weight, bias = scale[:, None] * weight, scale * bias + shift
    return Point(weight[None], bias[None, :, None])
