"""Skeleton-MixFormer (Xin et al., ACM Multimedia 2023).

doi 10.1145/3581783.3611900. Built after the authors' public code: the modules
``ske_mixf`` and ``spa_mixf`` of their repository and, for the module over
time that it lacks, the file in which they count parameters. With its weights
brought over, the network gives the same features as that code.

Size at the published width (80, 25 joints, 3 coordinates, two people, 64
frames), matrix products and convolutions counted alike for both:

====================  ============  ===========
..                    parameters    a clip
====================  ============  ===========
public code           2,084,308     2.554 GMAC
its classifier        -38,520
never used            -14,344
cancelled by a norm   -6,144
here                  2,025,300     2.554 GMAC
====================  ============  ===========

With 17 joints and 96 channels: 1,942,660 and 1.703 GMAC; at widths 64 and 32
1,281,131 and 1.110, 399 thousand (128 channels) and 0.307.

What differs from the public code, and why:

- Never used there and left out: ``alpha`` and ``fc`` of the spatial module
  and the norms within its attention and within the gate.
- Cancelled in training by the batch norm that follows, and left out: biases
  of convolutions, the embedding's bias, the position embedding (the input
  norm has a mean and a bias each joint and channel, which is one), and the
  first of two norms in a row after the attention over time.
- The input is the joints. The code subtracts from each joint its eighth
  descendants; no skeleton without a cycle has any here, nothing changes.
- Any number of joints: maps of V by V where 25 is written there. What is
  grouped are channels; no part of the body is named anywhere.
- Any number of frames. The map over time has 64, 32 and 16 rows; other clips
  are stretched to it and back. Where T is not a multiple of 4, pooled skips
  round up as strided convolutions do.
- Widths that five branches do not divide are dealt out as evenly as can be.
- Initialisation. The spatial norm starts at 1e-6, as the module says and the
  code around it undoes; so do the skips from earlier blocks. The embedding
  is drawn like the convolutions rather than by its input's width, which for
  pooled features is 30 times that of coordinates. Gates start half open;
  drawn as there, half the blocks' start saturated, at logits of 8 to 35.
  In 40 steps of SGD at 0.1 without warm-up (width 32, one seed), 29 of 32
  clips of noise are learnt by heart, and 10 with the public code's.
"""
from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmcv.cnn import ConvModule
from mmengine.model import kaiming_init
from torch import Tensor, nn

from .graph_backbone import GraphBackbone

KERNEL, DILATIONS = 5, (1, 2)
# cuts of the channels: parts that attend, and graphs that are learnt a subset
PARTS, GROUPS = 4, 8
# frames of the published clips, the size of the maps over time
FRAMES = 64


def _conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A point convolution with the published initialisation."""
    conv = nn.Conv2d(in_channels, out_channels, 1, (stride, 1))
    kaiming_init(conv)
    return conv


def _conv_norm(in_channels: int, out_channels: int, kernel: int = 1,
               stride: int = 1, dilation: int = 1,
               act_cfg: dict | None = None) -> ConvModule:
    """Convolution over time and batch norm."""
    return ConvModule(
        in_channels, out_channels, (kernel, 1), (stride, 1),
        ((kernel - 1) * dilation // 2, 0), (dilation, 1),
        norm_cfg=dict(type='BN'), act_cfg=act_cfg)


def _outer(query: Tensor, key: Tensor) -> Tensor:
    """Products of the positive parts, (..., L) and (..., L) -> (..., L, L)."""
    return torch.relu(query)[..., :, None] * torch.relu(key)[..., None, :]


def _stretch(given: int, wanted: int, like: Tensor) -> Tensor:
    """Linear interpolation of rows, as a matrix (given, wanted).

    The stock one has no deterministic gradient on GPUs.
    """
    eye = torch.eye(given, device=like.device)
    return F.interpolate(eye[None], wanted, mode='linear')[0].to(like.dtype)


class _SpatialMixFormer(nn.Module):
    """Joints attend to each other, each quarter of the channels for itself.

    The topology of a channel is the graph (SE), what is learnt of it (GEME,
    one in eight channels shares it) and half the mixed attention of the
    channel's quarter: its own queries and keys, and those of its
    neighbours. Channel Reforming then weighs the channels.

    Args:
        in_channels: C.
        out_channels: C', a multiple of 8.
        graph: (K, V, V).
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 graph: Tensor) -> None:
        super().__init__()
        subsets, joints, _ = graph.shape
        self.register_buffer('SE', graph[:, None], persistent=False)
        self.GEME = nn.Parameter(graph[:, None].repeat(1, GROUPS, 1, 1))
        self.value = _conv(in_channels, subsets * out_channels)
        self.within = nn.Linear(joints, joints)
        self.between = nn.Linear(joints, joints)
        self.reform = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        nn.init.constant_(self.bn.weight, 1e-6)
        self.down = nn.Identity() if in_channels == out_channels else \
            _conv_norm(in_channels, out_channels)

    def attention(self, value: Tensor) -> Tensor:
        """Mixed attention of each part of the channels.

        Args:
            value: (N, K, C', T, V).

        Returns:
            (N, K, 4, V, V).
        """
        # half of a part's channels ask, the other half answer
        mean = value.mean(3).unflatten(2, (PARTS, 2, -1)).mean(4)
        query, key = mean.unbind(3)
        own = _outer(self.within(query), self.within(key)).softmax(-1)
        cross = _outer(self.between(key[:, :, :-1]),
                       self.between(query[:, :, 1:])).softmax(-1)
        after, before = (0, 0, 0, 0, 0, 1), (0, 0, 0, 0, 1, 0)
        return own / 2 + (F.pad(cross, after) + F.pad(cross, before)) / 4

    def topology(self, value: Tensor) -> Tensor:
        """Weight of joint v in joint w, (N, K, C', V, V)."""
        channels = value.shape[2]
        attention = self.attention(value)
        graph = (self.SE + self.GEME).repeat(1, channels // GROUPS, 1, 1)
        return graph + attention.repeat_interleave(channels // PARTS, 2) / 2

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T, V)."""
        value = self.value(x).unflatten(1, (len(self.SE), -1))
        out = torch.einsum('nkctv,nkcvw->nctw', value, self.topology(value))
        weight = torch.sigmoid(self.reform(out.mean((2, 3))[:, None]))
        out = out * (1 + weight).transpose(1, 2)[..., None]
        return torch.relu(self.bn(out) + self.down(x))


class _TemporalAttention(nn.Module):
    """Frames attend to each other (Temporal Transformer).

    Args:
        in_channels: C.
        out_channels: C', two at least.
        frames: Size of the map over time; clips of another length are
            stretched to it and back.
        stride: 1 or 2.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 frames: int,
                 stride: int) -> None:
        super().__init__()
        self.conv = _conv(in_channels, out_channels, stride)
        self.linear = nn.Linear(frames, frames)
        self.bn = nn.BatchNorm2d(out_channels)

    def project(self, x: Tensor) -> Tensor:
        """The map over time, (N, T) -> (N, T)."""
        given, frames = x.shape[1], self.linear.in_features
        # an exported graph takes any number: it stretches every clip, which
        # changes nothing of one of this length
        if given == frames and not torch.onnx.is_in_onnx_export():
            return self.linear(x)
        there, back = _stretch(given, frames, x), _stretch(frames, given, x)
        return self.linear(x @ there) @ back

    def attention(self, x: Tensor) -> Tensor:
        """Weight of frame s in frame t, (N, C', T, V) -> (N, T, T)."""
        half = x.shape[1] // 2
        query = self.project(x[:, :half].mean((1, 3)))
        key = self.project(x[:, half:].amax((1, 3)))
        return torch.sigmoid(_outer(query, key))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T / stride, V)."""
        x = self.conv(x)
        return self.bn(torch.einsum('ncsv,nst->nctv', x, self.attention(x)))


class _SequentialHolding(nn.Module):
    """A gate a frame, of the frame's mean and maximum."""

    def __init__(self, in_channels: int, out_channels: int,
                 stride: int) -> None:
        super().__init__()
        self.conv = _conv(in_channels, out_channels, stride)
        self.combine = nn.Conv1d(2, 1, 1)
        # half open: drawn at random, most would start shut or wide open
        for parameter in self.combine.parameters():
            nn.init.zeros_(parameter)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T / stride, V)."""
        x = self.conv(x)
        pooled = torch.stack([x.mean((1, 3)), x.amax((1, 3))], 1)
        gate = torch.sigmoid(self.combine(pooled))  # (N, 1, T)
        return self.bn(x * gate[..., None])


class _TemporalMixFormer(nn.Module):
    """Five views of time side by side.

    Two dilated convolutions, a maximum, attention and a gate.

    Args:
        channels: C.
        frames: Frames that the net was made for, after the stride.
        stride: 1 or 2.
    """

    def __init__(self, channels: int, frames: int, stride: int) -> None:
        super().__init__()
        count = len(DILATIONS) + 3
        # as even as they can be
        *dilated, pooled, attending, gated = (
            (channels + i) // count for i in range(count))
        relu = dict(type='ReLU')
        self.branches = nn.ModuleList([
            nn.Sequential(
                _conv_norm(channels, width, act_cfg=relu),
                _conv_norm(width, width, KERNEL, stride, dilation))
            for width, dilation in zip(dilated, DILATIONS)])
        self.branches.append(
            nn.Sequential(
                _conv_norm(channels, pooled, act_cfg=relu),
                nn.MaxPool2d((3, 1), (stride, 1), (1, 0)),
                nn.BatchNorm2d(pooled)))
        self.branches.append(
            _TemporalAttention(channels, attending, frames, stride))
        self.branches.append(_SequentialHolding(channels, gated, stride))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C, T / stride, V)."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class _MixFormerBlock(nn.Module):
    """Spatial MixFormer, Temporal MixFormer, skip."""

    def __init__(self, in_channels: int, out_channels: int, graph: Tensor,
                 frames: int, stride: int = 1, residual: bool = True
                 ) -> None:
        super().__init__()
        self.spatial = _SpatialMixFormer(in_channels, out_channels, graph)
        self.temporal = _TemporalMixFormer(out_channels, frames, stride)
        if not residual:
            self.residual = None
        elif in_channels == out_channels and stride == 1:
            self.residual = nn.Identity()
        else:
            self.residual = _conv_norm(in_channels, out_channels,
                                       stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T / stride, V)."""
        out = self.temporal(self.spatial(x))
        if self.residual is not None:
            out = out + self.residual(x)
        return torch.relu(out)


class _Retrospect(nn.Module):
    """An earlier block's features, brought to the size of the last."""

    def __init__(self, in_channels: int, out_channels: int,
                 stride: int) -> None:
        super().__init__()
        # as many frames as strided convolutions leave, for any T
        self.pool = nn.AvgPool2d((stride, 1), ceil_mode=True)
        self.conv = _conv_norm(in_channels, out_channels,
                               act_cfg=dict(type='ReLU'))
        nn.init.constant_(self.conv.get_parameter('bn.weight'), 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) -> (N, C', T / stride, V)."""
        return self.conv(self.pool(x))


@MODELS.register_module()
class SkeletonMixFormer(GraphBackbone):
    """Skeleton-MixFormer: attention of joints and of frames.

    An embedding of the joints, then ten blocks. The features of the fourth
    and the seventh are added to those of the last (retrospect model).

    Args:
        in_channels: See :class:`GraphBackbone`.
        graph: See :class:`GraphBackbone`.
        num_person: See :class:`GraphBackbone`.
        base_channels: Channels of the first stage, a multiple of 8. The
            published model has 80. Defaults to 64.
        **kwargs: See :class:`GraphBackbone`.

    Raises:
        ValueError: If ``base_channels`` is not a multiple of 8.
    """

    def __init__(self,
                 in_channels: int,
                 graph: str | dict = 'coco',
                 num_person: int = 2,
                 base_channels: int = 64,
                 **kwargs: Any) -> None:
        if base_channels < 1 or base_channels % GROUPS:
            raise ValueError(
                f'base_channels must be a multiple of {GROUPS}, for the '
                f'groups of channels; got {base_channels}')
        super().__init__(in_channels, graph, num_person, base_channels,
                         **kwargs)
        self.first_tram = _Retrospect(base_channels, self.out_channels, 4)
        self.second_tram = _Retrospect(base_channels * 2, self.out_channels, 2)

    def _embedding(self, in_channels: int,
                   base_channels: int) -> tuple[nn.Module, int]:
        layer = nn.Linear(in_channels, base_channels, bias=False)
        kaiming_init(layer)
        return layer, base_channels

    def _block(self, in_channels: int, out_channels: int, graph: Tensor,
               stride: int, halvings: int, residual: bool) -> _MixFormerBlock:
        return _MixFormerBlock(in_channels, out_channels, graph,
                              FRAMES >> halvings, stride, residual)

    def _combine(self, stages: list[Tensor]) -> Tensor:
        first, second, last = stages
        return last + self.first_tram(first) + self.second_tram(second)
