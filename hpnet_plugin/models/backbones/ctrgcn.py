"""CTR-GCN (Chen et al., ICCV 2021), arXiv 2107.12213.

The parameters are those of the public code and carry its names. The function
is the same, too, but it is computed in fewer and larger steps. Features lie
as (1, S * C, P * V, T), for S networks of one shape and P people of all clips:

- A point convolution of all people is one matrix product for each network.
  Parallel ones, those of the subsets of the graph and of the temporal
  branches, are one product with stacked weights.
- The topologies of all subsets, scaled and with the graph added, are one
  product.
- Slices of channels are contiguous, and T, the longest axis, is the innermost.

While a network is trained, each batch norm is called as a module. In eval
mode norms are constants, which are folded into the weights before them.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from ..kept import Kept, every
from ..linear import products
from .folding import Point, Weights, affine, joined, stack
from .graph_backbone import GraphBackbone

KERNEL, DILATIONS = 5, (1, 2)
BRANCHES = len(DILATIONS) + 2


def _kaiming(conv: nn.Conv2d) -> nn.Conv2d:
    """Published initialisation of every convolution."""
    nn.init.kaiming_normal_(conv.weight, mode='fan_out')
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


class _ChannelTopology(nn.Module):
    """Weights of a graph convolution with a topology of its own a channel.

    Args:
        in_channels: C.
        out_channels: C'.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        # coordinates (2 here, 3 or 9 upstream) are too few to be cut by eight
        inner = 8 if in_channels in (2, 3, 9) else max(in_channels // 8, 1)
        self.conv1 = _kaiming(nn.Conv2d(in_channels, inner, 1))
        self.conv2 = _kaiming(nn.Conv2d(in_channels, inner, 1))
        self.conv3 = _kaiming(nn.Conv2d(in_channels, out_channels, 1))
        self.conv4 = _kaiming(nn.Conv2d(inner, out_channels, 1))


class _UnitGCN(nn.Module):
    """CTR-GC of all subsets of the graph, batch norm, skip and ReLU."""

    def __init__(self, in_channels: int, out_channels: int,
                 graph: Tensor) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            _ChannelTopology(in_channels, out_channels) for _ in graph)
        self.PA = nn.Parameter(graph.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        self.down = nn.Identity() if in_channels == out_channels else \
            nn.Sequential(
                _kaiming(nn.Conv2d(in_channels, out_channels, 1)),
                nn.BatchNorm2d(out_channels))
        self.bn = nn.BatchNorm2d(out_channels)
        nn.init.constant_(self.bn.weight, 1e-6)

    def weights(self, fold: bool) -> dict[str, Any]:
        """Its part of the block's weights."""
        convs: list[Any] = list(self.convs)
        weight = torch.stack([conv.conv3.weight.flatten(1) for conv in convs])
        bias = torch.stack([conv.conv3.bias for conv in convs])[..., None]
        shift = torch.zeros_like(self.bn.bias)
        if fold:
            scale, shift = affine(self.bn)
            weight, bias = scale[:, None] * weight, scale[:, None] * bias
        refine = torch.stack([torch.cat([
            self.alpha * conv.conv4.weight.flatten(1),
            torch.ones_like(conv.conv4.bias)[:, None],
            (self.alpha * conv.conv4.bias)[:, None]], 1) for conv in convs])
        graph = self.PA[:, None, None, None]
        down: Any = self.down
        return dict(
            relate=joined([conv.conv1 for conv in convs]
                           + [conv.conv2 for conv in convs]),
            refine=refine[:, None],
            offset=Point(torch.cat(list(bias * refine), 1)[None],
                          shift[None, :, None]),
            graph=torch.cat([graph, torch.ones_like(graph)], 2),
            feature=weight[None],
            down=None if isinstance(down, nn.Identity) else
            joined(down[:1], down[1:] if fold else ()))

    def relations(self, x: Tensor, weights: Weights) -> Tensor:
        """What is the same for all channels of a topology.

        Args:
            x: (1, S * C, P * V, T).
            weights: Of the block.

        Returns:
            Relation of joints u and v, the graph, and ones,
            (K * S, R + 2, P, V, V).
        """
        subsets, streams, _, _, joints, _ = weights.graph.shape
        # conv1 and conv2 are linear: the mean over time may come before them
        p, q = weights.relate(x.mean(3, keepdim=True)).view(
            streams, 2, subsets, -1, x.shape[2] // joints, joints).permute(
            1, 2, 0, 3, 4, 5)
        relation = torch.tanh(p.unsqueeze(-1) - q.unsqueeze(-2))
        graph = weights.graph.expand(-1, -1, -1, relation.shape[3], -1, -1)
        return torch.cat([relation, graph], 2).flatten(0, 1)

    def features(self, x: Tensor, weights: Weights) -> Sequence[Tensor]:
        """``conv3`` of each subset without its bias, (S * C' * P, V, T)."""
        streams, subsets, _, channels = weights.feature.shape
        joints, frames = weights.graph.shape[-1], x.shape[3]
        x = x.view(streams, channels, -1)
        if streams == 1:  # one product
            return products(weights.feature.flatten(1, 2), x).view(
                subsets, -1, joints, frames).unbind()
        return [torch.bmm(weight, x).view(-1, joints, frames)
                for weight in weights.feature.unbind(1)]

    def forward(self, x: Tensor, weights: Weights) -> Tensor:
        """(1, S * C, P * V, T) -> (1, S * C', P * V, T)."""
        subsets, streams, _, inner = weights.refine.shape
        relations = self.relations(x, weights)
        joints = relations.shape[-1]
        topologies = torch.bmm(
            weights.refine.flatten(0, 1), relations.flatten(2)).view(
            subsets, -1, joints, joints)
        # the same in every frame
        offset = weights.offset(
            relations.sum(4).view(subsets, streams, inner, -1)
            .transpose(0, 1).reshape(1, streams * subsets * inner, -1, 1)
        ).view(-1, joints, 1)
        # out[u, t] = sum over v of topology[u, v] * feature[v, t]
        first, *others = zip(topologies, self.features(x, weights))
        out = torch.baddbmm(offset, *first)
        for topology, feature in others:
            out.baddbmm_(topology, feature)
        out = out.view(1, -1, *x.shape[2:])
        skip = x if weights.down is None else weights.down(x)
        if weights.pooled is None:
            out = self.bn(out)
            if isinstance(self.down, nn.Sequential):
                skip = self.down[1](skip)
        out += skip
        return out.relu_()


class _UnitTCN(nn.Module):
    """Temporal convolution and batch norm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1,
                 stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = (kernel - 1) * dilation // 2
        self.conv = _kaiming(
            nn.Conv2d(in_channels, out_channels, (kernel, 1), (stride, 1),
                      (padding, 0), (dilation, 1)))
        self.bn = nn.BatchNorm2d(out_channels)

    def weights(self, fold: bool) -> tuple[Tensor, Tensor]:
        """Of the convolution, time last: (C', C, 1, kernel) and (C', )."""
        conv: Any = self.conv
        weight, bias = conv.weight.transpose(2, 3), conv.bias
        if fold:
            scale, shift = affine(self.bn)
            weight = scale[:, None, None, None] * weight
            bias = scale * bias + shift
        return weight.contiguous(), bias


class _MultiScaleTCN(nn.Module):
    """Two dilated convolutions, a maximum and a point in parallel."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        width = channels // BRANCHES

        def point(stride: int = 1) -> list[nn.Module]:
            return [_kaiming(nn.Conv2d(channels, width, 1, (stride, 1))),
                    nn.BatchNorm2d(width)]

        self.branches = nn.ModuleList([
            nn.Sequential(*point(), nn.ReLU(),
                          _UnitTCN(width, width, KERNEL, stride, dilation))
            for dilation in DILATIONS])
        self.branches.append(
            nn.Sequential(*point(), nn.ReLU(),
                          nn.MaxPool2d((3, 1), (stride, 1), (1, 0)),
                          nn.BatchNorm2d(width)))
        self.branches.append(nn.Sequential(*point(stride)))
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1, 0.02)

    def weights(self, fold: bool) -> dict[str, Any]:
        """Its part of the block's weights."""
        branches: list[Any] = list(self.branches)
        return dict(
            point=joined([branch[0] for branch in branches],
                          [branch[1] for branch in branches] if fold else ()),
            dilated=tuple(branch[3].weights(fold)
                          for branch in branches[:len(DILATIONS)]),
            pooled=tuple(part[None, :, None, None] for part in
                         affine(branches[-2][4])) if fold else None)

    def forward(self, x: Tensor, weights: Weights) -> Tensor:
        """(1, S * C, P * V, T) -> (1, S * C, P * V, T / stride)."""
        streams, stride = len(weights.point.weight), self.stride
        branches: list[Any] = list(self.branches)
        x = weights.point(x).view(streams, BRANCHES, -1, *x.shape[2:])
        x, point = x[:, :-1], x[:, -1, :, :, ::stride]
        if weights.pooled is not None:
            x = torch.relu(x)
        # a group of channels for each network
        parts = list(x[:, :-1].transpose(0, 1).reshape(
            len(DILATIONS), 1, -1, *x.shape[3:]).unbind())
        pooled = x[:, -1]
        if weights.pooled is None:
            *parts, pooled = (
                branch[1](part).relu_() for branch, part in
                zip(branches, (*parts, pooled)))
            point = branches[-1][1](point)
        pooled = _maximum(pooled, stride)
        outs = [F.conv2d(part, *conv, (1, stride),
                         (0, (KERNEL - 1) * dilation // 2), (1, dilation),
                         streams)
                for part, conv, dilation in
                zip(parts, weights.dilated, DILATIONS)]
        if weights.pooled is not None:
            scale, shift = weights.pooled
            pooled = torch.addcmul(shift, pooled, scale)
        else:
            outs = [branch[3].bn(out) for branch, out in zip(branches, outs)]
            pooled = branches[-2][4](pooled)
        return torch.cat([part.view(streams, -1, *part.shape[2:])
                          for part in (*outs, pooled, point)], 1).flatten(
            0, 1)[None]


def _maximum(x: Tensor, stride: int) -> Tensor:
    """Of each frame and its neighbours, (S, C, H, T) -> (S, C, H, T / stride).

    Args:
        x: At least 0, as what is beyond the ends is taken to be.
        stride: 1 or 2.
    """
    if not x.is_cpu or x.requires_grad or torch.onnx.is_in_onnx_export():
        return F.max_pool2d(x, (1, 3), (1, stride), (0, 1))
    # many times faster on a CPU
    frames = x.shape[-1]
    x = F.pad(x, (1, 1))
    first, middle, last = (
        x[..., i:frames + i:stride] for i in range(3))
    return torch.maximum(torch.maximum(first, middle), last)


class _Block(nn.Module):
    """Graph convolution, multi-scale temporal convolution, skip."""

    def __init__(self, in_channels: int, out_channels: int, graph: Tensor,
                 stride: int = 1, residual: bool = True) -> None:
        super().__init__()
        self.drop_path = 0.
        self.gcn1 = _UnitGCN(in_channels, out_channels, graph)
        self.tcn1 = _MultiScaleTCN(out_channels, stride)
        if not residual:
            self.residual = None
        elif in_channels == out_channels and stride == 1:
            self.residual = nn.Identity()
        else:
            self.residual = _UnitTCN(in_channels, out_channels, stride=stride)

    def weights(self, fold: bool) -> Weights:
        """Weights for a network alone.

        Args:
            fold: Whether norms are folded into them.
        """
        skip = self.residual
        return Weights(
            **self.gcn1.weights(fold), **self.tcn1.weights(fold),
            residual=joined([skip.conv], [skip.bn] if fold else ())
            if isinstance(skip, _UnitTCN) else None)

    def forward(self, x: Tensor, weights: Weights) -> Tensor:
        """(1, S * C, P * V, T) -> (1, S * C', P * V, T / stride)."""
        out = self.tcn1(self.gcn1(x, weights), weights)
        if weights.residual is not None:
            x = weights.residual(x[..., ::self.tcn1.stride])
            if weights.pooled is None and isinstance(self.residual, _UnitTCN):
                x = self.residual.bn(x)
        if self.residual is not None:
            if self.training and self.drop_path:
                out = self._skipped(out)
            out += x
        return out.relu_()

    def _skipped(self, out: Tensor) -> Tensor:
        """Zero for random people; for the others as much more."""
        joints, kept = self.gcn1.PA.shape[-1], 1 - self.drop_path
        people = out.unflatten(2, (-1, joints))
        mask = torch.rand(people.shape[2], device=out.device) < kept
        scale = (mask / kept).to(out.dtype)
        return (people * scale[:, None, None]).flatten(2, 3)


@MODELS.register_module()
class CTRGCN(GraphBackbone):
    """Channel-wise Topology Refinement GCN, as HP-Net uses it.

    Ten blocks of widths 64, 128 and 256. Parameters carry the published
    names.

    Args:
        *args: See :class:`GraphBackbone`.
        drop_path: Chance that a person skips the convolutions of the last
            block in training (stochastic depth, arXiv 1603.09382); it rises
            evenly from block to block. Defaults to 0.
        **kwargs: See :class:`GraphBackbone`.

    Raises:
        ValueError: If the chance is none, or everything would be skipped.
    """

    def __init__(self, *args: Any, drop_path: float = 0.,
                 **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not 0 <= drop_path < 1:
            raise ValueError('drop_path must be from 0 to below 1, got '
                             f'{drop_path}')
        blocks: list[Any] = self.blocks()
        for number, block in enumerate(blocks, 1):
            block.drop_path = drop_path * number / len(blocks)
        self._kept: Kept[list[Weights]] = Kept()

    def _block(self, in_channels: int, out_channels: int, graph: Tensor,
               stride: int, halvings: int, residual: bool) -> _Block:
        return _Block(in_channels, out_channels, graph, stride, residual)

    def train(self, mode: bool = True) -> CTRGCN:
        """Set the mode.

        Args:
            mode: Whether to train. Defaults to True.

        Returns:
            The module itself.
        """
        self._kept.drop()
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        """Features of each person.

        Args:
            x: (N, M, T, V, C).

        Returns:
            (N, M, out_channels, T / 4, V).

        Raises:
            ValueError: If M, V or C is not what the net was built for.
        """
        if any(module.training for module in every(self)):
            return run_together([self], [x], block_weights([self], False))[0]
        weights = self._kept([self], lambda: block_weights([self], True))
        # a few clips at a time stay in the caches of a CPU
        if x.is_cpu and not torch.is_grad_enabled() and \
                not torch.compiler.is_compiling() and \
                not torch.onnx.is_in_onnx_export():
            parts = x.split(torch.get_num_threads())
            if len(parts) > 1:
                return torch.cat([run_together([self], [part], weights)[0]
                                  for part in parts])
        return run_together([self], [x], weights)[0]


def block_weights(nets: Sequence[CTRGCN], fold: bool) -> list[Weights]:
    """Weights of each block of networks of one shape.

    Args:
        nets: The networks.
        fold: Whether norms are folded into the weights.

    Returns:
        For :func:`run_together`.
    """
    return [stack([block.weights(fold) for block in blocks])
            for blocks in zip(*(net.blocks() for net in nets))]


def run_together(nets: Sequence[CTRGCN], inputs: Sequence[Tensor],
                 weights: Sequence[Weights]) -> list[Tensor]:
    """Features of several networks of one shape, each of its own input.

    Args:
        nets: The networks; more than one only with folded norms.
        inputs: (N, M, T, V, C) each.
        weights: Of :func:`block_weights`.

    Returns:
        (N, M, out_channels, T / 4, V) each.
    """
    n, m, t, v, _ = inputs[0].shape
    x = torch.cat([
        net.normalise(part).permute(3, 0, 1, 2, 4).reshape(1, -1, n * m * v, t)
        for net, part in zip(nets, inputs)], 1)
    for block, own in zip(nets[0].blocks(), weights):
        x = block(x, own)
    return [part.view(-1, n, m, v, part.shape[-1]).permute(1, 2, 0, 4, 3)
            for part in x[0].chunk(len(nets))]
