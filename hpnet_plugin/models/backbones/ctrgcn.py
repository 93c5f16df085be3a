"""CTR-GCN (Chen et al., ICCV 2021), arXiv 2107.12213."""
from __future__ import annotations

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from .graph_backbone import GraphBackbone

KERNEL, DILATIONS = 5, (1, 2)


def _kaiming(conv: nn.Conv2d) -> nn.Conv2d:
    """Published initialisation of every convolution."""
    nn.init.kaiming_normal_(conv.weight, mode='fan_out')
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


class _ChannelTopology(nn.Module):
    """Graph convolution with a topology of its own a channel (CTR-GC).

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

    def forward(self, x: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Features of a subset, and what each channel adds to its graph.

        Args:
            x: (N, C, T, V).
            mean: Its mean over time, (N, C, 1, V).

        Returns:
            (N, C', T, V) and (N, C', V, V).
        """
        # conv1 and conv2 are linear: the mean over time may come before them
        p, q = self.conv1(mean), self.conv2(mean)
        relation = torch.tanh(p.transpose(2, 3) - q)  # (N, R, V, V)
        return self.conv3(x), self.conv4(relation)


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

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T, V)."""
        mean, out = x.mean(2, keepdim=True), 0
        for conv, graph in zip(self.convs, self.PA):
            feature, refinement = conv(x, mean)
            # out[n, c, t, u] = sum over v of topology[u, v] * feature[t, v]
            topology = self.alpha * refinement + graph
            out = out + feature @ topology.transpose(2, 3)
        return torch.relu(self.bn(out) + self.down(x))


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

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T / stride, V)."""
        return self.bn(self.conv(x))


class _MultiScaleTCN(nn.Module):
    """Two dilated convolutions, a maximum and a point in parallel."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        width = channels // (len(DILATIONS) + 2)

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

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C, T / stride, V)."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class _Block(nn.Module):
    """Graph convolution, multi-scale temporal convolution, skip."""

    def __init__(self, in_channels: int, out_channels: int, graph: Tensor,
                 stride: int = 1, residual: bool = True) -> None:
        super().__init__()
        self.gcn1 = _UnitGCN(in_channels, out_channels, graph)
        self.tcn1 = _MultiScaleTCN(out_channels, stride)
        if not residual:
            self.residual = None
        elif in_channels == out_channels and stride == 1:
            self.residual = nn.Identity()
        else:
            self.residual = _UnitTCN(in_channels, out_channels, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T / stride, V)."""
        out = self.tcn1(self.gcn1(x))
        if self.residual is not None:
            out = out + self.residual(x)
        return torch.relu(out)


@MODELS.register_module()
class CTRGCN(GraphBackbone):
    """Channel-wise Topology Refinement GCN, as HP-Net uses it.

    Ten blocks of widths 64, 128 and 256. Parameters carry the published
    names. Arguments are those of :class:`GraphBackbone`.
    """

    def _block(self, in_channels: int, out_channels: int, graph: Tensor,
               stride: int, halvings: int, residual: bool) -> _Block:
        return _Block(in_channels, out_channels, graph, stride, residual)
