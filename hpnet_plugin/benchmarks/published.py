"""CTR-GCN in the form of its paper (arXiv 2107.12213), step by step.

The peer of ``hpnet benchmark networks``. The parameters have the names of
:class:`CTRGCN`, so that one state dict fits both.
"""
from __future__ import annotations

import torch
from torch import Tensor, nn


class _Topology(nn.Module):
    """Features of a subset, on a topology of its own a channel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        inner = 8 if inputs in (2, 3, 9) else inputs // 8
        self.conv1 = nn.Conv2d(inputs, inner, 1)
        self.conv2 = nn.Conv2d(inputs, inner, 1)
        self.conv3 = nn.Conv2d(inputs, outputs, 1)
        self.conv4 = nn.Conv2d(inner, outputs, 1)

    def forward(self, x: Tensor, graph: Tensor, alpha: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T, V)."""
        p, q = self.conv1(x).mean(2), self.conv2(x).mean(2)
        relation = torch.tanh(p.unsqueeze(-1) - q.unsqueeze(-2))
        topology = self.conv4(relation) * alpha + graph
        return torch.einsum('ncuv,nctv->nctu', topology, self.conv3(x))


class _Graph(nn.Module):
    """The sum over the subsets, a norm, a skip and a ReLU."""

    def __init__(self, inputs: int, outputs: int, joints: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            _Topology(inputs, outputs) for _ in range(3))
        self.PA = nn.Parameter(torch.zeros(3, joints, joints))
        self.alpha = nn.Parameter(torch.zeros(1))
        self.bn = nn.BatchNorm2d(outputs)
        self.down = nn.Identity() if inputs == outputs else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T, V)."""
        first, *others = (conv(x, graph, self.alpha)
                          for conv, graph in zip(self.convs, self.PA))
        for other in others:
            first = first + other
        return self.relu(self.bn(first) + self.down(x))


class _Temporal(nn.Module):
    """A convolution over time and a norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int,
                 dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs, outputs, (kernel, 1), (stride, 1),
            ((kernel - 1) * dilation // 2, 0), (dilation, 1))
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T / stride, V)."""
        return self.bn(self.conv(x))


class _MultiScale(nn.Module):
    """Four branches side by side."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        width = channels // 4

        def start(stride: int = 1) -> list[nn.Module]:
            return [nn.Conv2d(channels, width, 1, (stride, 1)),
                    nn.BatchNorm2d(width)]

        self.branches = nn.ModuleList([
            *(nn.Sequential(*start(), nn.ReLU(inplace=True),
                            _Temporal(width, width, 5, stride, dilation))
              for dilation in (1, 2)),
            nn.Sequential(*start(), nn.ReLU(inplace=True),
                          nn.MaxPool2d((3, 1), (stride, 1), (1, 0)),
                          nn.BatchNorm2d(width)),
            nn.Sequential(*start(stride))])

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C, T / stride, V)."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class _Block(nn.Module):
    """Graph, time, skip, ReLU."""

    def __init__(self, inputs: int, outputs: int, joints: int, stride: int,
                 skip: bool) -> None:
        super().__init__()
        self.gcn1 = _Graph(inputs, outputs, joints)
        self.tcn1 = _MultiScale(outputs, stride)
        self.residual = None if not skip else nn.Identity() \
            if inputs == outputs and stride == 1 else \
            _Temporal(inputs, outputs, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T / stride, V)."""
        out = self.tcn1(self.gcn1(x))
        return self.relu(out if self.residual is None
                         else out + self.residual(x))


class PublishedCTRGCN(nn.Module):
    """Ten blocks after a norm of the input.

    Args:
        channels: C of the input.
        people: M.
        joints: V.
        width: Channels of the first four blocks.
    """

    def __init__(self, channels: int = 96, people: int = 2, joints: int = 17,
                 width: int = 64) -> None:
        super().__init__()
        self.data_bn = nn.BatchNorm1d(people * joints * channels)
        self.blocks = []
        for i in range(1, 11):
            outputs = width * (1 if i < 5 else 2 if i < 8 else 4)
            block = _Block(channels, outputs, joints, 2 if i in (5, 8) else 1,
                           i > 1)
            self.add_module(f'l{i}', block)
            self.blocks.append(block)
            channels = outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, M, T, V, C) -> (N, M, C', T / 4, V)."""
        n, m, t, v, c = x.shape
        x = x.permute(0, 1, 3, 4, 2).reshape(n, m * v * c, t)
        x = self.data_bn(x).view(n * m, v, c, t).permute(0, 2, 3, 1)
        x = x.contiguous()
        for block in self.blocks:
            x = block(x)
        return x.view(n, m, *x.shape[1:])
