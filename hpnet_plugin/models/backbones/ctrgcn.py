"""CTR-GCN (Chen et al., ICCV 2021), arXiv 2107.12213."""
import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import nn

from ...graph import adjacency
from ..sizes import refuse_other_sizes

KERNEL, DILATIONS = 5, (1, 2)


def _kaiming(conv):
    """Published initialisation of every convolution."""
    nn.init.kaiming_normal_(conv.weight, mode='fan_out')
    nn.init.zeros_(conv.bias)
    return conv


class ChannelTopology(nn.Module):
    """Graph convolution with a topology of its own a channel (CTR-GC).

    Args:
        in_channels (int): C.
        out_channels (int): C'.
    """

    def __init__(self, in_channels, out_channels):
        super().__init__()
        # coordinates (2 here, 3 or 9 upstream) are too few to be cut by eight
        inner = 8 if in_channels in (2, 3, 9) else max(in_channels // 8, 1)
        self.conv1 = _kaiming(nn.Conv2d(in_channels, inner, 1))
        self.conv2 = _kaiming(nn.Conv2d(in_channels, inner, 1))
        self.conv3 = _kaiming(nn.Conv2d(in_channels, out_channels, 1))
        self.conv4 = _kaiming(nn.Conv2d(inner, out_channels, 1))

    def forward(self, x, mean):
        """Features of a subset, and what each channel adds to its graph.

        Args:
            x (Tensor): (N, C, T, V).
            mean (Tensor): Its mean over time, (N, C, 1, V).

        Returns:
            tuple[Tensor]: (N, C', T, V) and (N, C', V, V).
        """
        # conv1 and conv2 are linear: the mean over time may come before them
        p, q = self.conv1(mean), self.conv2(mean)
        relation = torch.tanh(p.transpose(2, 3) - q)  # (N, R, V, V)
        return self.conv3(x), self.conv4(relation)


class UnitGCN(nn.Module):
    """CTR-GC of all subsets of the graph, batch norm, skip and ReLU."""

    def __init__(self, in_channels, out_channels, graph):
        super().__init__()
        self.convs = nn.ModuleList(
            ChannelTopology(in_channels, out_channels) for _ in graph)
        self.PA = nn.Parameter(graph.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        self.down = nn.Identity() if in_channels == out_channels else \
            nn.Sequential(
                _kaiming(nn.Conv2d(in_channels, out_channels, 1)),
                nn.BatchNorm2d(out_channels))
        self.bn = nn.BatchNorm2d(out_channels)
        nn.init.constant_(self.bn.weight, 1e-6)

    def forward(self, x):
        """(N, C, T, V) -> (N, C', T, V)."""
        mean, out = x.mean(2, keepdim=True), 0
        for conv, graph in zip(self.convs, self.PA):
            feature, refinement = conv(x, mean)
            # out[n, c, t, u] = sum over v of topology[u, v] * feature[t, v]
            topology = self.alpha * refinement + graph
            out = out + feature @ topology.transpose(2, 3)
        return torch.relu(self.bn(out) + self.down(x))


class UnitTCN(nn.Module):
    """Temporal convolution and batch norm."""

    def __init__(self, in_channels, out_channels, kernel=1, stride=1,
                 dilation=1):
        super().__init__()
        padding = (kernel - 1) * dilation // 2
        self.conv = _kaiming(
            nn.Conv2d(in_channels, out_channels, (kernel, 1), (stride, 1),
                      (padding, 0), (dilation, 1)))
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        """(N, C, T, V) -> (N, C', T / stride, V)."""
        return self.bn(self.conv(x))


class MultiScaleTCN(nn.Module):
    """Two dilated convolutions, a maximum and a point in parallel."""

    def __init__(self, channels, stride):
        super().__init__()
        width = channels // (len(DILATIONS) + 2)

        def point(stride=1):
            return [_kaiming(nn.Conv2d(channels, width, 1, (stride, 1))),
                    nn.BatchNorm2d(width)]

        self.branches = nn.ModuleList([
            nn.Sequential(*point(), nn.ReLU(),
                          UnitTCN(width, width, KERNEL, stride, dilation))
            for dilation in DILATIONS])
        self.branches.append(
            nn.Sequential(*point(), nn.ReLU(),
                          nn.MaxPool2d((3, 1), (stride, 1), (1, 0)),
                          nn.BatchNorm2d(width)))
        self.branches.append(nn.Sequential(*point(stride)))
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1, 0.02)

    def forward(self, x):
        """(N, C, T, V) -> (N, C, T / stride, V)."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class Block(nn.Module):
    """Graph convolution, multi-scale temporal convolution, skip."""

    def __init__(self, in_channels, out_channels, graph, stride=1,
                 residual=True):
        super().__init__()
        self.gcn1 = UnitGCN(in_channels, out_channels, graph)
        self.tcn1 = MultiScaleTCN(out_channels, stride)
        if not residual:
            self.residual = None
        elif in_channels == out_channels and stride == 1:
            self.residual = nn.Identity()
        else:
            self.residual = UnitTCN(in_channels, out_channels, stride=stride)

    def forward(self, x):
        """(N, C, T, V) -> (N, C', T / stride, V)."""
        out = self.tcn1(self.gcn1(x))
        if self.residual is not None:
            out = out + self.residual(x)
        return torch.relu(out)


@MODELS.register_module()
class CTRGCN(BaseModule):
    """Channel-wise Topology Refinement GCN, as HP-Net uses it.

    Ten blocks of widths 64, 128 and 256; time is halved at the fifth and the
    eighth. Parameters carry the published names.

    Args:
        in_channels (int): C of the input: 96 for HRNet-W48's H2 map, 2 for
            2D pose.
        graph (str | dict): Layout of the joints; see
            :func:`hpnet_plugin.graph.adjacency`. Defaults to ``'coco'``.
        num_person (int): M of the input; each slot has an input norm of its
            own. Defaults to 2.
        base_channels (int): Width of the first block. Defaults to 64.
        init_cfg (dict, optional): Of mmengine's ``BaseModule``.

    Attributes:
        out_channels (int): Channels that it gives.
    """

    def __init__(self,
                 in_channels,
                 graph='coco',
                 num_person=2,
                 base_channels=64,
                 init_cfg=None):
        super().__init__(init_cfg=init_cfg)
        graph = torch.from_numpy(adjacency(graph))
        self.input_shape = (num_person, graph.shape[1], in_channels)
        self.data_bn = nn.BatchNorm1d(num_person * graph.shape[1] *
                                      in_channels)
        width = in_channels
        for i in range(1, 11):
            wider = base_channels * (1 if i < 5 else 2 if i < 8 else 4)
            stride = 2 if i in (5, 8) else 1
            setattr(self, f'l{i}',
                    Block(width, wider, graph, stride, residual=i > 1))
            width = wider
        self.out_channels = width
        refuse_other_sizes(self)

    def forward(self, x):
        """Features of each person.

        Args:
            x (Tensor): (N, M, T, V, C).

        Returns:
            Tensor: (N, M, 256, T / 4, V).

        Raises:
            ValueError: If M, V or C is not what the net was built for.
        """
        n, m, t, v, c = x.shape
        if (m, v, c) != self.input_shape:
            raise ValueError(
                f'CTRGCN was built for (people, joints, channels) '
                f'{self.input_shape}, the input (N, M, T, V, C) has '
                f'{(m, v, c)}: set num_person, graph and in_channels, or the '
                'tap of LoadPooledFeature')
        x = x.permute(0, 1, 3, 4, 2).reshape(n, m * v * c, t)
        x = self.data_bn(x).view(n * m, v, c, t).permute(0, 2, 3, 1)
        x = x.contiguous()
        for i in range(1, 11):
            x = getattr(self, f'l{i}')(x)
        return x.view(n, m, *x.shape[1:])
